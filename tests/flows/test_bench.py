"""Programs for tasks are run once, named by all that decides; what else stands in a file of results is left alone."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.tasks import Task
from flows.bench import CONTROL, SOLUTION, Asked, Bench, Sample
from flows.judge import Options
from flows.solve import _show as show_turns
from flows.task_table import Summary, show
from flows.tasks import Request, drawn_of
from registry.errors import LockedError
from validators.execution.pool import Pool

TASKS = [
    Task("real", "def f(x):\n", "assert f(2) == 4", canonical_solution="    return x + x\n"),
    Task("idle", "def f(x):\n", "assert f(2) is None"),
    Task("open", "x = 1\n", "assert x == 1"),
]


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    with Pool(1) as pool:
        yield pool


def no_tell(_title: str, _done: int, _total: int, _note: str = "", /) -> None:
    """Nobody watches."""


def controls(pool: Pool, path: Path) -> dict[tuple[str, str], str]:
    """(arm, task) -> outcome of what is run of tasks without a model."""
    with closing(Bench(path, pool, Options(timeout_s=10), no_tell)) as bench:
        return {(one.arm, one.task): one.outcome for one in drawn_of(bench, TASKS, [], Request())}


def test_tasks_that_nothing_passes_are_seen(pool: Pool, tmp_path: Path) -> None:
    """A program that does nothing is run for each task: it passes where the test asks for nothing.

    Lines of others in the file of results, and empty ones, are no reason to fail, nor to run anything again.
    """
    out = tmp_path / "out.jsonl"
    expected = {
        (SOLUTION, "real"): "passed", (CONTROL, "real"): "failed", (CONTROL, "idle"): "passed",
        (CONTROL, "open"): "passed",
    }  # fmt: skip
    assert controls(pool, out) == expected
    lines = out.read_text().splitlines()
    assert len(lines) == 4
    foreign = json.dumps({"id": "another", "outcome": "passed", "code": "x = 1"})
    out.write_text("\n\n".join([lines[0], foreign, *lines[1:]]) + "\n")
    before = out.read_bytes()
    assert controls(pool, out) == expected
    assert out.read_bytes() == before


def test_who_holds_a_file_of_results_is_not_guessed(pool: Pool, tmp_path: Path) -> None:
    """Two evaluations at once: the second is told of another process, whatever that is."""
    with (
        closing(Bench(tmp_path / "out.jsonl", pool, Options(), no_tell)),
        pytest.raises(LockedError, match="Another process writes to"),
    ):
        Bench(tmp_path / "out.jsonl", pool, Options(), no_tell)


def test_passes_by_weak_proof_are_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """In the table and the object of an evaluation, and in the rounds of `driftune solve`; strong ones need no word."""
    passed = [Sample(n, "passed", proof, arm="base", task="t") for n, proof in enumerate(("strong", "weak", "weak"))]
    report = Summary(1, 3, (*passed, Sample(3, "failed", arm="base", task="t")), (), (), None)
    show(report, as_json=False)
    assert "base: failed 1, passed 3 (2 passed by weak proof alone)\n" in capsys.readouterr().out
    show(report, as_json=True)
    assert json.loads(capsys.readouterr().out)["passed_by_proof"] == {"base": {"strong": 1, "weak": 2}}
    show_turns(passed[:2], as_json=False)
    assert capsys.readouterr().err == "Round 1: passed\nRound 2: passed, by weak proof alone\n"
    show_turns(passed[:2], as_json=True)
    assert [turn["proof"] for turn in json.loads(capsys.readouterr().out)["rounds"]] == ["strong", "weak"]


def test_a_program_is_named_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the task names none, by the running one: another Python judges anew."""
    one = Asked(TASKS[0], SOLUTION, {}, "", "def f(x):")
    before = one.id
    assert Asked(TASKS[0], SOLUTION, {}, "", "def f(x):").id == before
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    assert one.id != before
