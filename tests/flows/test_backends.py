"""Which backend writes for an evaluation, and that texts of two are never mixed."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from finetune.bases import BaseModel
from finetune.loading import Loading
from finetune.tasks import Task
from finetune.vllm_writer import VllmWriter
from flows.backends import TRANSFORMERS, backend
from flows.bench import Bench
from flows.judge import Options
from flows.models import Model
from flows.tasks import Request, drawn_of
from registry.errors import ConfigurationError
from tests.finetune.test_vllm_writer import vllm
from tests.flows.test_bench import no_tell
from validators.execution.pool import Pool

__all__ = ["vllm"]  # the fixture


def test_without_vllm_transformers_write(writing: BaseModel) -> None:
    """That is no error where nothing is asked for; asked for, it is one line."""
    assert backend("auto", [Model("base", writing)]) is TRANSFORMERS
    with pytest.raises(ConfigurationError, match="No vLLM: vLLM isn't installed"):
        backend("vllm", [Model("base", writing)])


def test_programs_of_two_backends_stand_apart(
    vllm: Any, writing: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of results holds both; the same text is written, judged twice, and taken for the other's by nobody."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    task = Task("t", "def double(x):\n", "assert double(7) == 14")
    model = Model("base", dataclasses.replace(writing, loading=Loading("cuda")))
    by_vllm = backend("auto", [model])
    assert by_vllm.name == "vllm 0.0.0"
    assert isinstance(by_vllm.writers(model)(Request().sampling), VllmWriter)
    request = Request(max_tokens=24)
    with Pool(1) as pool, closing(Bench(tmp_path / "out", pool, Options(), no_tell)) as bench:
        found = list(drawn_of(bench, [task], [model], request, writes=by_vllm))
        found += drawn_of(bench, [task], [Model("base", writing)], request)
    written = [one for one in found if one.arm == "base"]
    assert [one.outcome for one in written] == ["passed", "passed"]
    assert written[0].id != written[1].id
    assert written[0].code == written[1].code
