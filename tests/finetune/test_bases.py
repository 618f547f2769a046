"""The tiny base: the same bytes for the same inputs, also after a kill."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
from pathlib import Path

import pytest

from finetune import bases, corpus
from finetune.bases import BaseModel, TinyBase
from registry.errors import ConfigurationError, TrainingError
from registry.fingerprint import fingerprint
from tests.finetune.lib_drift import OLD, TINY, general

FEW = {**TINY, "steps": 8, "save_every": 3}
GENERAL = ["def f(x):\n    return x + 1\n" * 40, "class A:\n    pass\n" * 40]


def test_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    """Two trainings of the same texts, settings and seed end in the same fingerprint, whatever the texts' order."""
    one = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path / "one")
    two = TinyBase(GENERAL).prepare(reversed(OLD), FEW, tmp_path / "two")
    assert one.fingerprint == two.fingerprint == one.revision
    assert one.name == two.name


def test_other_inputs_give_another_base(tmp_path: Path) -> None:
    """Seed and texts are part of what a base is."""
    one = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path)
    assert TinyBase(GENERAL).prepare(OLD, {**FEW, "seed": 1}, tmp_path).fingerprint != one.fingerprint
    assert TinyBase(GENERAL).prepare(OLD[1:], FEW, tmp_path).name != one.name


def test_second_call_trains_nothing(tmp_path: Path) -> None:
    """A base that is there is found."""
    first = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path)
    steps: list[int] = []
    again = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path, lambda what, done, total: steps.append(done))
    assert again == first
    assert steps == []


def _killed(cache: Path, at: int) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == at:
            os._exit(9)

    TinyBase(GENERAL).prepare(OLD, FEW, cache, stop)


def test_killed_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """Killed at step 7 and started again, it goes on from the checkpoint at 6 and ends as if nothing had happened."""
    whole = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path / "whole")
    job = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path / "cut", 7))
    job.start()
    job.join()
    assert job.exitcode == 9
    assert not list((tmp_path / "cut").glob("tiny-*")), "nothing unfinished is visible"
    steps: list[int] = []
    resumed = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path / "cut", lambda what, done, total: steps.append(done))
    assert steps == [7, 8]
    assert resumed.fingerprint == whole.fingerprint


def test_folder_is_a_plain_hugging_face_model(tiny_base: BaseModel) -> None:
    """Any tool loads it: no pickles, no checkpoint, no path of this machine."""
    names = {path.name for path in tiny_base.path.iterdir()}
    assert names == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        assert str(tiny_base.path.parent) not in (tiny_base.path / name).read_text()


def test_fingerprint_sees_weights_config_and_tokenizer(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A byte more in any file that decides what the model says is another base; other files don't count."""
    deciding = (
        "model.safetensors", "config.json", "tokenizer.json", "additional_chat_templates/tools.jinja",
        "config.4.0.0.json", "tokenizer.4.0.0.json", "adapter_config.json",
    )  # fmt: skip
    for name in (*deciding, "README.md", "own.py"):
        copy = tmp_path / f"with-{Path(name).name}"
        (copy / name).parent.mkdir(parents=True)
        for path in tiny_base.path.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        with (copy / name).open("ab") as file:
            file.write(b" ")
        assert (fingerprint(copy) == tiny_base.fingerprint) == (name not in deciding)


def test_diverging_training_stops(tmp_path: Path) -> None:
    """A loss that is not a number ends the training with what to do, and leaves no base."""
    with pytest.raises(TrainingError, match=r"diverged at step .* lower its learning_rate"):
        TinyBase(GENERAL).prepare(OLD, {**FEW, "learning_rate": float("inf")}, tmp_path)
    assert not list(tmp_path.glob("tiny-*"))


def test_unknown_setting_or_base_is_the_users_error(tmp_path: Path) -> None:
    """The message lists what is accepted."""
    with pytest.raises(ConfigurationError, match="No setting 'depth' of the base 'tiny': it takes layers"):
        TinyBase(GENERAL).prepare(OLD, {"depth": 3}, tmp_path)
    with pytest.raises(ConfigurationError, match="No base 'gigantic': found folder, hub, tiny"):
        bases.find("gigantic")


def test_cache_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    """A cache below a file is refused in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        TinyBase(GENERAL).prepare(OLD, FEW, tmp_path / "file" / "bases")


def test_installed_base_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in adds a base by an entry point."""
    point = importlib.metadata.EntryPoint("other", "finetune.bases:TinyBase", "driftune.bases")
    monkeypatch.setattr(bases, "entry_points", lambda group: [point] if group == "driftune.bases" else [])
    assert isinstance(bases.find("other"), TinyBase)


def test_held_out_general_code_is_the_same_everywhere() -> None:
    """Which files of the standard library are held out depends on their path alone, and is about one in twenty."""
    files = list(corpus.standard_library())
    held = [file.path for file in files if file.held_out]
    assert 0.02 < len(held) / len(files) < 0.1
    assert corpus.SourceFile("abc.py", "").held_out == corpus.SourceFile("abc.py", "x").held_out
    assert any(not file.held_out for file in general())


def test_windows_hold_the_whole_text() -> None:
    """Cutting loses nothing, and cuts at line ends."""
    text = "".join(f"line {n}\n" for n in range(100))
    pieces = list(corpus.windows(text, 70))
    assert "".join(pieces) == text
    assert all(len(piece) <= 70 and piece.endswith("\n") for piece in pieces)
