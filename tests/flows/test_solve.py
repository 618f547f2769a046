"""`driftune solve`: a real model writes, the real sandbox runs, what went wrong is shown to the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.bases import BaseModel
from flows.solve import Problem, said, solve
from registry.errors import ConfigurationError
from tests.finetune.writing import PROGRAM
from tests.flows.runs import driftune


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))


def test_a_program_that_passes_is_printed(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program, and nothing else, goes to standard output; what became of each round to standard error."""
    (tmp_path / "test.py").write_text("assert seven() == 7\n")
    problem = Problem("Give back seven.", base=writing.path, test=tmp_path / "test.py", max_tokens=24)
    assert solve(problem, as_json=False) == 0
    out, err = capsys.readouterr()
    assert out == f"# Give back seven.\n\n{PROGRAM}"
    assert err.splitlines()[-1] == "Round 1: passed"


def test_rounds_have_an_end(writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What never passes is written again with feedback until the rounds are used up; the exit code is 3."""
    (tmp_path / "test.py").write_text("assert seven() == 8\n")
    problem = Problem("Give back seven.", base=writing.path, test=tmp_path / "test.py", max_tokens=24, rounds=3)
    assert solve(problem, as_json=True) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["solved"] is False
    assert len(told["rounds"]) == 3
    assert told["rounds"][0]["outcome"] == "failed"
    assert "seven() == 8" in told["rounds"][0]["detail"]


def test_what_is_wanted_stands_as_a_comment() -> None:
    """Each line of it, whatever is in it; nothing at all is the user's error."""
    assert said("Add two\n\nnumbers; import os") == "# Add two\n#\n# numbers; import os\n\n"
    with pytest.raises(ConfigurationError, match="No task"):
        said(" \n")
    with pytest.raises(ConfigurationError, match="The task is no text in UTF-8"):
        said("caf\udce9")


def test_a_test_that_checks_nothing_is_one_line(tmp_path: Path) -> None:
    """One that defines `check` and never calls it would hold of every program."""
    (tmp_path / "test.py").write_text("def check(candidate):\n    assert candidate() == 7\n")
    with pytest.raises(ConfigurationError, match=r"test\.py defines check and never calls it"):
        solve(Problem("Do.", test=tmp_path / "test.py"), as_json=True)


def test_a_test_that_is_too_large_is_one_line(tmp_path: Path) -> None:
    """What would fit into no row of the sandbox is refused before a model is loaded; so is a seed out of range."""
    (tmp_path / "test.py").write_text("x = 1\n" * (1 << 20))
    with pytest.raises(ConfigurationError, match=r"test\.py is no test: it is larger than 4 MB"):
        solve(Problem("Do.", test=tmp_path / "test.py"), as_json=True)
    for command in (["solve", "Do."], ["evaluate", "--tasks", "t.jsonl"]):
        done = driftune(tmp_path, *command, "--seed", str(2**53))
        assert done.returncode == 2
        assert "Invalid value for '--seed'" in done.stderr
