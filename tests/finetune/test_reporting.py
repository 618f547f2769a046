"""Curves are written for TensorBoard and MLflow where these are installed, into the folder that is said."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import reporting
from finetune.bases import BaseModel
from finetune.reporting import Curves
from registry.errors import ConfigurationError, TrainingError
from registry.store import content_hash
from tests.finetune.trained import small, train


def events(folder: Path) -> Iterator[Any]:
    """The events in TensorBoard's files: length, its checksum, event, its checksum, one behind another."""
    from tensorboardX.proto.event_pb2 import Event

    for file in sorted(folder.rglob("events.out.*")):
        found = file.read_bytes()
        while found:
            (size,) = struct.unpack("<Q", found[:8])
            yield Event.FromString(found[12 : 12 + size])
            found = found[16 + size :]


def test_tensorboard_has_the_loss_of_each_step(tiny_base: BaseModel, tmp_path: Path) -> None:
    """As the lake has it; the adapter is byte by byte the one of a training that tells nobody."""
    chain = small(recipe=["sft"], sft={"steps": 4})
    curves = Curves(("tensorboard",), tmp_path / "curves", "lib", "abc")
    told = train(tiny_base, tmp_path / "told", chain, curves=curves)["sft"]
    quiet = train(tiny_base, tmp_path / "quiet", chain, curves=Curves((), tmp_path / "none", "lib", "abc"))["sft"]
    found = events(tmp_path / "curves" / "tensorboard" / "lib" / "abc" / "sft")
    losses = [(e.step, v.simple_value) for e in found for v in e.summary.value if v.tag == "train/loss"]
    assert [step for step, _ in losses] == [1, 2, 3, 4]
    assert [loss for _, loss in losses] == pytest.approx([loss for _, loss in told.curve])
    assert content_hash(told.folder) == content_hash(quiet.folder)
    assert not (tmp_path / "none").exists()
    assert not list((tmp_path / "told").rglob("events.out.*"))


def test_what_is_not_installed_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is told, and nothing set, where nothing is wanted or none of it is there."""
    import transformers.integrations

    here = ["azure_ml", "tensorboard"]
    monkeypatch.setattr(transformers.integrations, "get_available_reporting_integrations", lambda: here)
    assert reporting.installed(reporting.INTO) == ["tensorboard"]
    here.remove("tensorboard")
    for curves in (None, Curves(reporting.INTO, tmp_path, "lib", "abc")):
        with reporting.written(curves, "sft") as told:
            assert told == {}
    assert list(tmp_path.iterdir()) == []


def test_mlflow_writes_here_and_ends_its_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever server the environment names; a training that fails leaves no run open for the next one."""
    import os

    import transformers.integrations

    ended: list[bool] = []
    mlflow = SimpleNamespace(active_run=lambda: object(), end_run=lambda: ended.append(True))
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setattr(transformers.integrations, "get_available_reporting_integrations", lambda: ["mlflow"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    monkeypatch.setenv("MLFLOW_RUN_ID", "theirs")
    with (
        pytest.raises(TrainingError),
        reporting.written(Curves(reporting.INTO, tmp_path, "lib", "abc"), "sft") as told,
    ):
        assert told == {"report_to": ["mlflow"], "run_name": "abc sft"}
        assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path / 'mlflow.db'}"
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert "MLFLOW_RUN_ID" not in os.environ
        raise TrainingError("It failed")
    refusal = type("MlflowException", (Exception,), {"__module__": "mlflow.exceptions"})("No such store\nand so on")
    with (
        pytest.raises(ConfigurationError, match=r"can't take the curve of sft: No such store. .*report_to = \[\]"),
        reporting.written(Curves(("mlflow",), tmp_path, "lib", "abc"), "sft"),
    ):
        raise refusal
    assert ended == [True, True]
    assert os.environ["MLFLOW_TRACKING_URI"] == "https://example.org"
    assert os.environ["MLFLOW_RUN_ID"] == "theirs"
