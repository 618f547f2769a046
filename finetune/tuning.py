"""What supervised and preference tuning share: loading, watching, resuming, and saving an adapter that is only that."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.bases import BaseModel
from registry.errors import TrainingError

Progress = Callable[[str, int, int], None]

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Stage:
    """A finished stage of tuning.

    Attributes:
        folder: The adapter: its config and weights, nothing else.
        steps: Optimiser steps.
        curve: (step, loss) of each step.
    """

    folder: Path
    steps: int
    curve: tuple[tuple[int, float], ...]


def load(base: BaseModel) -> tuple[Any, Any]:
    """The base's model and tokenizer, in float32 on the CPU."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from finetune import quiet

    quiet.keep_memory()
    with quiet.single_process(), quiet.no_bars():
        tokenizer = AutoTokenizer.from_pretrained(base.path)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return AutoModelForCausalLM.from_pretrained(base.path, dtype="float32"), tokenizer


def load_with(base: BaseModel, adapter: Path, *, trainable: bool = False) -> tuple[Any, Any]:
    """The base with an adapter on it, and the tokenizer."""
    from peft import PeftModel

    from finetune import quiet

    model, tokenizer = load(base)
    with quiet.logging_off():
        model = PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
    model.peft_config["default"].base_model_name_or_path = str(base.path)
    return model, tokenizer


@contextmanager
def tuning(threads: int) -> Iterator[None]:
    """The surroundings of a training: threads, no network, no terminal output, and errors in our own words.

    Raises:
        TrainingError: The training failed.
    """
    from finetune import quiet

    with quiet.threads(threads), quiet.single_process(), quiet.logging_off(), quiet.no_bars():
        try:
            yield
        except (RuntimeError, ValueError, FloatingPointError, KeyError) as error:
            raise TrainingError(f"Training failed: {error}") from error


def arguments(work: Path, settings: Any, seed: int) -> dict[str, Any]:
    """Training arguments that both stages share."""
    return {
        "output_dir": str(work),
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.batch,
        "max_steps": settings.steps,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, settings.steps // 10),
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": True,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "train_sampling_strategy": "sequential",
        "seed": seed,
        "data_seed": seed,
        "full_determinism": False,
    }


def batched(lengths: Sequence[int], batch: int, seed: int) -> list[int]:
    """An order of rows in which those of a batch are about as long, so that little is padded.

    Among eight batches that follow each other rows are sorted by length and cut; then those batches are shuffled.
    """
    rng = random.Random(seed)
    order: list[int] = []
    for start in range(0, len(lengths), 8 * batch):
        near = sorted(range(start, min(start + 8 * batch, len(lengths))), key=lambda place: lengths[place])
        batches = [near[i : i + batch] for i in range(0, len(near), batch)]
        rng.shuffle(batches)
        order += [place for part in batches for place in part]
    return order


def run(trainer: Any, work: Path, name: str, progress: Progress | None) -> tuple[tuple[int, float], ...]:
    """Train, going on from the last whole checkpoint in `work`; the losses by step.

    Raises:
        TrainingError: The loss is not a number.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_watch(name, progress))
    found = last_checkpoint(work)
    trainer.train(resume_from_checkpoint=None if found is None else str(found))
    return tuple((int(row["step"]), float(row["loss"])) for row in trainer.state.log_history if "loss" in row)


def last_checkpoint(work: Path) -> Path | None:
    """The last checkpoint that is whole; torn ones (a kill while writing) are removed."""
    whole = []
    for folder in work.glob("checkpoint-*"):
        try:
            json.loads((folder / "trainer_state.json").read_text())
            whole.append(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder)
    return max(whole, key=lambda f: int(f.name.rpartition("-")[2]), default=None)


def _watch(name: str, progress: Progress | None) -> Any:
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        """Tells of steps, and stops where the loss is not a number."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            loss = (logs or {}).get("loss", 0.0)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss of {name} is {loss} at step {state.global_step}: lower [train.{name}] learning_rate",
                    step=state.global_step,
                )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if progress is not None:
                progress(name, state.global_step, state.max_steps)

    return Watch()


def save(model: Any, base: BaseModel, folder: Path) -> None:
    """Write the adapter alone: config and safetensors, naming the base, no path of this machine, all or nothing."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part, selected_adapters=["default"], save_embedding_layers=False)
    config_path = part / ADAPTER_FILES[0]
    config = json.loads(config_path.read_text())
    config |= {"base_model_name_or_path": base.name, "revision": base.revision, "inference_mode": True}
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    for path in part.iterdir():
        if path.name not in ADAPTER_FILES:
            path.unlink()
    for name in ADAPTER_FILES:
        (part / name).chmod(0o644)
    part.rename(folder)


def finished(folder: Path) -> bool:
    """Whether an adapter was written there."""
    return all((folder / name).is_file() for name in ADAPTER_FILES)
