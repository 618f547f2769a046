"""Rows in, results out: mixed environments, bounded memory, failures as rows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from registry.errors import SandboxError
from registry.records import Program, Verdict
from validators.execution import interpreters, judging
from validators.execution.environments import BuiltEnvironment
from validators.execution.judging import Terms, judge
from validators.execution.pool import Pool
from validators.execution.rows import Result, Row


class Watched:
    """A real pool; what it is asked for is written down."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.workers = pool.workers
        self.builds: list[tuple[Sequence[str], str | None]] = []
        self.used: list[str] = []

    def build(self, requirements: Sequence[str], cache: Path, *, python: str | None = None) -> BuiltEnvironment:
        self.builds.append((requirements, python))
        return self.pool.build(requirements, cache, python=python)

    def submit(self, environment: BuiltEnvironment, program: Program, **options: Any) -> Future[Verdict]:
        self.used.append(environment.record.id)
        return self.pool.submit(environment, program, **options)


@pytest.fixture
def watched(pool: Pool) -> Watched:
    return Watched(pool)


def _row(name: int, requirements: tuple[str, ...] = (), python: str | None = None, **options: Any) -> Row:
    code = f"import sys\nversion = '%d.%d' % sys.version_info[:2]\ndef f(x):\n    return x + {name % 3}\n"
    return Row(name, Program(code=code, test="assert f(1) == 1"), requirements, python, **options)


def test_mixed_environments(watched: Watched, sandbox_cache: Path) -> None:
    """Rows in any mixture of environments and versions get their own verdicts, each environment used in one go."""
    old = interpreters.every()[0].minor
    kinds = [((), None), (("more-itertools==10.8.0", "pytest==9.2.0"), None), ((), old)]
    rows = [_row(i, *kinds[i % 3]) for i in range(90)]
    found = {r.id: r for r in judge(rows, watched, sandbox_cache)}
    assert len(found) == 90
    assert {i: r.outcome for i, r in found.items()} == {i: "failed" if i % 3 else "passed" for i in range(90)}
    where = {i: {found[j].environment for j in range(90) if j % 3 == i} for i in range(3)}
    assert [len(e) for e in where.values()] == [1, 1, 1]
    switches = sum(a != b for a, b in pairwise(watched.used))
    assert switches <= 5, "rows are gathered by environment"
    assert max(Counter(watched.builds).values()) == 1


def test_versions_and_times_of_rows(watched: Watched, sandbox_cache: Path) -> None:
    """A row runs on the version that it names, and within its own time."""
    old = interpreters.every()[0].minor
    slow = Program(code="import time\ntime.sleep(20)", test="assert True")
    version = Program(code="import sys\nv = '%d.%d' % sys.version_info[:2]", test=f"assert v == '{old}'")
    rows = [Row(1, slow, timeout_s=0.5), Row(2, version, python=old)]
    found = {r.id: r for r in judge(rows, watched, sandbox_cache, Terms(timeout_s=60))}
    assert {i: r.outcome for i, r in found.items()} == {1: "timeout", 2: "passed"}


def test_an_environment_that_can_not_be_built_is_rows(watched: Watched, sandbox_cache: Path) -> None:
    """Rows of such an environment are `unavailable` with what its build said; it is tried once, and the others run."""
    kinds = [((), None), (("driftune-there-is-no-such-thing==1",), None), ((), "3.7")]
    found = {r.id: r for r in judge([_row(i, *kinds[i % 3]) for i in range(30)], watched, sandbox_cache)}
    assert Counter(r.outcome for r in found.values()) == {"passed": 10, "unavailable": 20}
    assert found[1].detail.startswith("No wheels for driftune-there-is-no-such-thing==1 on Python ")
    assert "No matching distribution" in found[1].detail
    assert found[2].detail.startswith("No Python 3.7 in the sandbox: it runs 3.8 to 3.14 (found ")
    assert all(r.environment is None and r.proof == "none" for i, r in found.items() if i % 3)
    assert max(Counter(watched.builds).values()) == 1


def test_a_harness_that_fails_is_rows(watched: Watched, tmp_path: Path) -> None:
    """Where the sandbox itself can't work in an environment, its rows are `unavailable`, and it isn't tried for ever."""
    broken = watched.build([], tmp_path)
    (broken.root / "bin" / "python").unlink()
    found = list(judge([_row(3 * i) for i in range(200)], watched, tmp_path))
    assert {r.outcome for r in found} == {"unavailable"}
    assert len(found) == 200
    assert all("No sandbox for" in r.detail for r in found)
    assert len(watched.used) < 100


def test_rows_are_read_as_there_is_room(watched: Watched, sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more rows are held than the window has room for, however many there are, nor larger ones."""
    monkeypatch.setattr(judging, "WINDOW_ROWS", 20)
    taken = given = most = 0

    def rows() -> Iterator[Row | Result]:
        nonlocal taken, most
        for i in range(60):
            taken += 1
            most = max(most, taken - given)
            yield Result(i, "error") if i % 2 else _row(3 * i)

    for _ in judge(rows(), watched, sandbox_cache):
        given += 1
    assert given == 60
    assert most <= 22
    large = [_row(3 * i, size=40 << 20) for i in range(4)]
    assert len(list(judge(large, watched, sandbox_cache))) == 4


def test_closing_ends_it(watched: Watched, sandbox_cache: Path) -> None:
    """Who takes no more results leaves no thread behind that reads, and the pool serves the next."""
    before = set(threading.enumerate())
    results = judge((_row(3 * i) for i in range(10**9)), watched, sandbox_cache)
    assert next(results).outcome == "passed"
    results.close()
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("driftune-sandbox"):
            thread.join(120)
            assert not thread.is_alive()
    assert [r.outcome for r in judge([_row(0)], watched, sandbox_cache)] == ["passed"]


def test_rows_that_can_not_be_read_are_an_error(watched: Watched, sandbox_cache: Path) -> None:
    """What goes wrong while rows are read reaches who asked for results."""

    def rows() -> Iterator[Row]:
        yield _row(0)
        raise SandboxError("The disk is gone")

    with pytest.raises(SandboxError, match="The disk is gone"):
        list(judge(rows(), watched, sandbox_cache))
