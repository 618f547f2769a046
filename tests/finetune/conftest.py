"""A base small enough to be trained in seconds: real tokenizer, real Llama, real training."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest

from finetune.bases import BaseModel, TinyBase
from tests.finetune.lib_drift import OLD, TINY, general


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base that knows the old calls, and some general code."""
    cache: Path = tmp_path_factory.mktemp("bases")
    texts = [file.text for file in general() if not file.held_out]
    return TinyBase(texts).prepare(OLD, TINY, cache)
