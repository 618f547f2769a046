"""Supervised fine-tuning of a LoRA adapter: peft puts it on all linear layers, trl trains it on completions only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import tuning
from finetune.bases import BaseModel
from finetune.recipe import Completion, SftSettings
from finetune.scoring import closed, encode

NAME = "sft"


def tune(
    base: BaseModel,
    rows: Sequence[Completion],
    work: Path,
    settings: SftSettings,
    *,
    seed: int = 0,
    threads: int = 2,
    progress: tuning.Progress | None = None,
) -> tuning.Stage:
    """Train a new adapter on completions, or go on where a killed training stopped.

    The same rows, settings, seed and thread count give the same bytes.

    Args:
        base: What the adapter is for.
        rows: What it sees, in order; see `recipe.completions`.
        work: Folder of this stage; checkpoints go there, and the adapter into `work/adapter`.
        settings: Settings of the stage.
        seed: Seed of the adapter's initial weights and of the order.
        threads: Threads of torch.
        progress: Told of each step.

    Raises:
        TrainingError: The loss is not a number, or training failed.
    """
    folder, curve = work / "adapter", work / "curve.json"
    if not tuning.finished(folder):
        with tuning.tuning(threads):
            model, losses = _train(base, rows, work, settings, seed, progress)
            curve.write_text(json.dumps(losses))
            tuning.save(model, base, folder)
    return tuning.Stage(folder, settings.steps, tuple((s, x) for s, x in json.loads(curve.read_text())))


def _train(
    base: BaseModel,
    rows: Sequence[Completion],
    work: Path,
    settings: SftSettings,
    seed: int,
    progress: tuning.Progress | None,
) -> tuple[Any, tuple[tuple[int, float], ...]]:
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = tuning.load(base)
    set_seed(seed)
    lora = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model=get_peft_model(model, lora),
        args=SFTConfig(**tuning.arguments(work, settings, seed), max_length=settings.max_tokens),
        train_dataset=_dataset(rows, tokenizer, settings, seed),
        processing_class=tokenizer,
    )
    return trainer.model, tuning.run(trainer, work, NAME, progress)


def _dataset(rows: Sequence[Completion], tokenizer: Any, settings: SftSettings, seed: int) -> Any:
    """Token ids and labels: only the completion is learned, and no end token is put behind it.

    The prompts are code before a call; an end token after the call would teach that files end there.
    """
    from datasets import Dataset

    encoded = [encode(tokenizer, closed(row.prompt, [row.text])[0], settings.max_tokens) for row in rows]
    lengths = [len(e.prefix) + len(e.text) for e in encoded]
    encoded = [encoded[place] for place in tuning.batched(lengths, settings.batch, seed)]
    return Dataset.from_dict(
        {
            "input_ids": [[*e.prefix, *e.text] for e in encoded],
            "labels": [[-100] * len(e.prefix) + list(e.text) for e in encoded],
        }
    )
