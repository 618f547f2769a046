"""The arithmetic and the output of the benchmarks, and one short run of the sandbox's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ratios import Result, Target, exit_code, in_turns, table

ROOT = Path(__file__).resolve().parents[2]


def test_the_value_is_the_median_of_the_rounds() -> None:
    """One lucky or unlucky round decides nothing, and a line of JSON holds what was judged."""
    result = Result(Target("speed", 2.0), [0.1, 2.0049, 90.0], {})
    assert json.loads(result.line()) == {"name": "speed", "value": 2.0, "wanted": 2.0, "better": "higher", "n": 3}
    assert exit_code([result]) == 0


@pytest.mark.parametrize(
    ("better", "value", "met"),
    [
        ("higher", 2.0, True),
        ("higher", 1.99, False),
        ("lower", 2.0, True),
        ("lower", 2.01, False),
        ("higher", None, False),
    ],
)
def test_what_misses_fails(better: str, value: float | None, met: bool) -> None:
    """A value on the wrong side of what is wanted, or none at all, makes the exit code 1."""
    ratios = [] if value is None else [value]
    assert exit_code([Result(Target("x", 2.0, better), ratios, {})]) == (0 if met else 1)


def test_sides_take_turns() -> None:
    """Each round asks every side once, every other round in reverse, and keeps figures by side."""
    asked: list[str] = []

    def side(name: str) -> float:
        asked.append(name)
        return float(len(asked))

    found = in_turns(2, [lambda: side("a"), lambda: side("b")])
    assert asked == ["a", "b", "b", "a"]
    assert found == [[1.0, 2.0], [4.0, 3.0]]


def test_the_table_says_what_was_not_measured() -> None:
    """A figure that could not be taken stands in the table as missed, with the reason below it."""
    text = table([Result(Target("a", 1.0), [3.0, 5.0], {"per s": "7"}), Result(Target("b", 1.0), [], {}, "no engine")])
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["a", "4", "at", "least", "1", "met", "3..5", "2", "7"],
        ["b", "-", "at", "least", "1", "MISSED", "0"],
        ["b", "was", "not", "measured:", "no", "engine"],
    ]


def test_the_benchmark_runs(tmp_path: Path) -> None:
    """The shortest comparison, with a bare fork loop, ends with a line of JSON and the exit code that goes with it."""
    command = [sys.executable, str(ROOT / "benchmarks" / "sandbox.py"), "--json", "--only", "bare_fork"]
    command += ["--rounds", "1", "--seconds", "0.1", "--cache", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    row = json.loads(done.stdout)
    assert (row["name"], row["wanted"], row["better"], row["n"]) == ("bare_fork", 0.4, "higher", 1)
    assert row["value"] > 0
    assert done.returncode == (0 if row["value"] >= 0.4 else 1)
