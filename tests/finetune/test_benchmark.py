"""The benchmark of training: what is measured beside driftune does the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import train

from finetune import completions, quiet, tuning
from finetune.bases import BaseModel
from finetune.recipe import LoraSettings
from finetune.steps import sft
from finetune.steps.sft import SftSettings
from tests.finetune.lib_drift import general

FEW = SftSettings(steps=12, batch=4, max_tokens=48, learning_rate=1e-2)


def test_the_loop_by_hand_learns_what_the_step_learns(tiny_base: BaseModel, tmp_path: Path) -> None:
    """On the same batch at each step both have the same losses, up to rounding, and these fall."""
    drawn = train.drawn([file.text for file in general()], train.USUAL, 200)
    _, tokenizer = tuning.load(tiny_base)
    sizes = [completions.tokens(row) for row in completions.encoded(drawn, tokenizer, FEW.max_tokens)]
    full = [row for row, size in zip(drawn, sizes, strict=True) if size == FEW.max_tokens]
    rows = full[: FEW.batch] * FEW.steps  # of one length, so that a batch is these four
    with quiet.threads(1):
        by_hand = [loss for loss, _ in train.loop(tiny_base, rows, FEW)]
    stage = tuning.tune(sft.STEP, FEW, tiny_base, None, lambda: rows, tmp_path, lora=LoraSettings(), threads=1)
    assert [loss for _, loss in stage.curve] == pytest.approx(by_hand, abs=0.05)
    assert by_hand[-1] < by_hand[0] - 0.3, "so that one that learns nothing is told apart"


def test_writing_one_by_one_and_in_batches_is_measured(tiny_base: BaseModel) -> None:
    """Both sides write all prompts."""
    prompts = [f"import lib\nx{n} = lib." for n in range(3)]
    assert train.in_batches(tiny_base, prompts) > 0
    assert train.one_by_one(tiny_base, prompts) > 0
