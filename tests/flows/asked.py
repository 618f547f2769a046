"""What a small base, and an adapter on it that writes otherwise, are asked: call sites and general code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from finetune import evaluation, quiet, tuning
from finetune.portions import Portion
from finetune.recipe import LoraSettings
from finetune.scoring import Window
from flows.answering import Models
from tests.finetune.lib_drift import OLD, TINY, general, sites
from tests.flows.continued import SmallBase

WINDOW = 64


def small_models(home: Path) -> Models:
    """A base in a home, made of next to nothing, and an adapter, that lies where no other machine has it."""
    base = SmallBase().prepare(OLD, {**TINY, "steps": 1}, home / "bases")
    with quiet.logging_off():
        model, _ = tuning.with_new(base, LoraSettings(rank=2, alpha=64), 0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.1)
    folder = home / "training" / "adapter"
    model.save_pretrained(folder)
    return Models(base, {"adapter": folder}, WINDOW, 1, {}, home)


def asked(models: Models) -> Iterator[tuple[str, str, Portion]]:
    """Model, arm and portion: three portions for each of the two models."""
    window = Window(tuning.load_tokenizer(models.base), models.window)
    portions = list(
        chain(
            evaluation.site_portions(sites(5, 5), window, run="r", split="context"),
            evaluation.general_portions(general(), run="r", limit=8),
        )
    )
    for name in ("base", "adapter"):
        yield from ((name, name, portion) for portion in portions)
