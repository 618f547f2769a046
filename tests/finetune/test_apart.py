"""Models that keep packed rows apart, and one that doesn't."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from finetune import tuning
from finetune.apart import keeps_rows_apart
from finetune.bases import BaseModel
from registry.errors import ConfigurationError
from tests.finetune.trained import small, train


@pytest.fixture
def falcon(tiny_base: BaseModel, tmp_path: Path) -> BaseModel:
    """A base of another kind: its attention takes no notice of where positions start again."""
    from transformers import FalconConfig, FalconForCausalLM

    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "falcon"))
    size = json.loads((copy / "config.json").read_text())["vocab_size"]
    config = FalconConfig(vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    FalconForCausalLM(config).save_pretrained(copy)
    return BaseModel("falcon", "", copy, "")


def test_a_model_is_asked_whether_it_keeps_packed_rows_apart(tiny_base: BaseModel, falcon: BaseModel) -> None:
    """Attention that reads positions does; another doesn't. The model stays in its mode."""
    for base, apart in ((tiny_base, True), (falcon, False)):
        model, _ = tuning.load(base)
        model.train()
        assert keeps_rows_apart(model) is apart
        assert model.training


def test_rows_are_not_packed_where_they_would_see_each_other(falcon: BaseModel, tmp_path: Path) -> None:
    """The step is refused before it learns anything, with what to set."""
    chain = small(recipe=["sft"], sft={"packed": True, "steps": 1})
    with pytest.raises(ConfigurationError, match=r"\[train.sft\] packed can't be true: falcon, loaded as float32 on"):
        train(falcon, tmp_path / "work", chain)
