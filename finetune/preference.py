"""Preference tuning of an adapter by trl's DPO: the new call over the old one, a mutant, or an invented name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import tuning
from finetune.bases import BaseModel
from finetune.recipe import Pair, PreferenceSettings
from finetune.scoring import closed, encode

NAME = "preference"


def tune(
    base: BaseModel,
    start: Path,
    rows: Sequence[Pair],
    work: Path,
    settings: PreferenceSettings,
    *,
    seed: int = 0,
    threads: int = 2,
    progress: tuning.Progress | None = None,
) -> tuning.Stage:
    """Train an adapter on preferences, or go on where a killed training stopped.

    The reference is the adapter it starts from. The same rows, settings, seed and thread count give the same bytes.

    Args:
        base: What the adapter is for.
        start: Folder of the adapter to start from.
        rows: What it sees, in order; see `recipe.pairs`.
        work: Folder of this stage; checkpoints go there, and the adapter into `work/adapter`.
        settings: Settings of the stage.
        seed: Seed of the order.
        threads: Threads of torch.
        progress: Told of each step.

    Raises:
        TrainingError: The loss is not a number, or training failed.
    """
    folder, curve = work / "adapter", work / "curve.json"
    if not tuning.finished(folder):
        with tuning.tuning(threads):
            model, losses = _train(base, start, rows, work, settings, seed, progress)
            curve.write_text(json.dumps(losses))
            tuning.save(model, base, folder)
    return tuning.Stage(folder, settings.steps, tuple((s, x) for s, x in json.loads(curve.read_text())))


def _train(
    base: BaseModel,
    start: Path,
    rows: Sequence[Pair],
    work: Path,
    settings: PreferenceSettings,
    seed: int,
    progress: tuning.Progress | None,
) -> tuple[Any, tuple[tuple[int, float], ...]]:
    from trl import DPOConfig

    model, tokenizer = tuning.load_with(base, start, trainable=True)
    arguments = tuning.arguments(work, settings, seed)
    trainer = _trainer()(
        model=model,
        args=DPOConfig(
            **arguments, beta=settings.beta, loss_type=list(settings.loss), max_length=settings.max_tokens * 2
        ),
        train_dataset=_dataset(rows, tokenizer, settings, seed),
        processing_class=tokenizer,
    )
    return trainer.model, tuning.run(trainer, work, NAME, progress)


def _trainer() -> Any:
    from trl import DPOTrainer

    class Tokenized(DPOTrainer):
        """Takes rows that are tokenized already: trl's own preparation ends every row with an end token."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    return Tokenized


def _dataset(rows: Sequence[Pair], tokenizer: Any, settings: PreferenceSettings, seed: int) -> Any:
    from datasets import Dataset

    encoded = [_encoded(row, tokenizer, settings.max_tokens) for row in rows]
    lengths = [len(e["prompt_ids"]) + max(len(e["chosen_ids"]), len(e["rejected_ids"])) for e in encoded]
    return Dataset.from_list([encoded[place] for place in tuning.batched(lengths, settings.batch, seed)])


def _encoded(row: Pair, tokenizer: Any, max_tokens: int) -> dict[str, list[int]]:
    chosen, rejected = (encode(tokenizer, span, max_tokens) for span in closed(row.prompt, [row.chosen, row.rejected]))
    shorter = chosen.prefix if len(chosen.prefix) < len(rejected.prefix) else rejected.prefix
    return {"prompt_ids": list(shorter), "chosen_ids": list(chosen.text), "rejected_ids": list(rejected.text)}
