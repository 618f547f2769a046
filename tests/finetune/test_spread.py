"""Several processes train as one does: the same rows in a step, the same losses up to rounding, one adapter."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from finetune import quiet, tuning
from finetune.bases import BaseModel
from finetune.loading import Loading, Machine, decide
from finetune.recipe import LoraSettings
from finetune.steps import sft
from registry.errors import ConfigurationError, TrainingError
from tests.finetune.trained import small, train

TWO = Loading(processes=2)


@pytest.fixture
def shared(tiny_base: BaseModel) -> BaseModel:
    """The base, trained on by two processes."""
    return dataclasses.replace(tiny_base, loading=TWO)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_base: BaseModel, shared: BaseModel, tmp_path: Path) -> None:
    """Each step's loss is that of one process, each is told once, and the adapter of a step is the next one's start."""
    chain = small(sft={"steps": 8}, preference={"steps": 3})
    steps: list[tuple[str, int]] = []
    one = train(tiny_base, tmp_path / "one", chain)
    two = train(shared, tmp_path / "two", chain, progress=lambda what, done, total, note: steps.append((what, done)))
    assert steps == [*(("sft", n) for n in range(1, 9)), *(("preference", n) for n in range(1, 4))]
    for name, stage in one.items():
        assert [loss for _, loss in two[name].curve] == pytest.approx([loss for _, loss in stage.curve], abs=0.1)
        assert sorted(path.name for path in two[name].folder.iterdir()) == [
            "adapter_config.json", "adapter_model.safetensors",
        ]  # fmt: skip


@pytest.mark.slow
def test_what_a_process_says_is_said(shared: BaseModel, tmp_path: Path) -> None:
    """An error of a process ends all of them, and is the training's own."""
    chain = small(recipe=["sft"], sft={"steps": 4, "learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"(loss|gradient) of sft is (nan|inf) .* lower \[train\.sft\]"):
        train(shared, tmp_path, chain)


def test_rows_that_can_not_be_divided_are_the_users_error(shared: BaseModel, tmp_path: Path) -> None:
    """Each process has as many rows of a step as the others."""
    with pytest.raises(ConfigurationError, match=r"batch can't be 3: each of 2 processes .* multiple of 2"):
        train(shared, tmp_path, small(recipe=["sft"], sft={"batch": 3}))


def test_a_step_that_asks_for_something_outside_is_not_spread(shared: BaseModel, tmp_path: Path) -> None:
    """Rewards come from a sandbox that only the process which trains has."""
    step = dataclasses.replace(sft.STEP, encode=lambda *_: [{"posed": object()}])
    with pytest.raises(ConfigurationError, match=r"The step sft trains in one process only: leave processes out of"):
        tuning.tune(step, sft.SftSettings(), shared, None, list, tmp_path, lora=LoraSettings())


def test_processes_are_said_and_fit_the_machine() -> None:
    """One is the default, and isn't said; on CUDA there are at most as many as devices."""
    gpus = Machine(cuda=True, bfloat16=True, memory=24 << 30, gpus=2)
    assert decide({}, 0, gpus).processes == 1
    assert "process" not in str(decide({}, 0, gpus))
    assert str(decide({"processes": 2}, 0, gpus)).endswith(", trained by 2 processes")
    assert decide({"processes": 4}, 0, Machine()).processes == 4
    with pytest.raises(ConfigurationError, match="processes = 4 needs as many CUDA devices: lower it to 2"):
        decide({"processes": 4}, 0, gpus)
    for wrong in (0, True, "two"):
        with pytest.raises(ConfigurationError, match="processes of the base can't be"):
            decide({"processes": wrong}, 0, Machine())


def test_a_process_uses_one_device_of_several(tmp_path: Path) -> None:
    """Transformers would use all that it sees in one process, which trl refuses."""
    from transformers import TrainingArguments

    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    arguments._n_gpu = 4
    with quiet.one_device():
        assert arguments.n_gpu == 1
    assert arguments.n_gpu == 4


def test_each_process_loads_onto_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of its number among the processes; the first where there is one process."""
    for rank, device in (("1", 1), ("", 0)):
        monkeypatch.setenv("LOCAL_RANK", rank) if rank else monkeypatch.delenv("LOCAL_RANK")
        assert Loading("cuda", "bfloat16", processes=2).options()["device_map"] == {"": device}


def test_processes_end_with_the_one_that_started_them() -> None:
    """Killed, it leaves nobody behind that goes on writing: whatever it was, their standard input ends with it."""
    code = "import threading, time; from finetune import spread; "
    code += "threading.Thread(target=spread._end_with_parent, daemon=True).start(); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 1
