"""Tasks are read or refused in one line; what samples come to is what their outcomes say."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from finetune.tasks import Drawn, Task, estimate, gain, read, scores
from registry.errors import ConfigurationError
from registry.records import Score

GOOD: dict[str, Any] = {"task_id": "a/0", "prompt": "def f():\n", "test": "assert f() == 1"}


def lines(*rows: Any) -> io.BytesIO:
    return io.BytesIO(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))


def test_tasks_of_humaneval_and_of_one_version() -> None:
    """All fields arrive; a library with its version is the first of what is needed."""
    more = {"library": "networkx", "version": "==3.6.1", "python": "3.11", "requirements": ["scipy==1.15.0"]}
    first = {**GOOD, "entry_point": "f", "canonical_solution": "    return 1\n", "doc": 3}
    plain, pinned = read(lines(first, b"", {**GOOD, "task_id": 7, **more}), "tasks.jsonl")
    assert plain == Task("a/0", "def f():\n", "assert f() == 1", "f", "    return 1\n")
    assert plain.needs == ()
    assert (pinned.id, pinned.needs, pinned.python) == ("7", ("networkx==3.6.1", "scipy==1.15.0"), "3.11")
    row = pinned.row("x", "code")
    assert row["requirements"] == ["networkx==3.6.1", "scipy==1.15.0"]
    assert (row["id"], row["code"], row["test"], row["entry_point"]) == ("x", "code", "assert f() == 1", None)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, {"task_id": "b", "test": ""}], "Line 2 of t.jsonl is no valid task: prompt must be a string, and is"),
        ([{**GOOD, "test": 3}], "Line 1 of t.jsonl is no valid task: test must be a string"),
        ([{"prompt": "", "test": ""}], "task_id must be a string or a whole number, and is missing"),
        ([{**GOOD, "task_id": True}], "task_id must be a string or a whole number"),
        ([GOOD, b"", {**GOOD, "prompt": ""}], "Line 3 of t.jsonl is no valid task: task_id 'a/0' stands"),
        ([{**GOOD, "library": "networkx"}], "library and version go together"),
        ([{**GOOD, "requirements": "networkx"}], "requirements must be a list"),
        ([{**GOOD, "requirements": ""}], "requirements must be a list"),
        ([{**GOOD, "test": " \n"}], "Line 1 of t.jsonl is no valid task: test is empty: every program would pass"),
        ([{**GOOD, "library": "pandas", "version": ">=1.5"}], "version must be one version such as 1.5.3, and is '>=1"),
        ([{**GOOD, "library": "", "version": "1"}], "library is empty"),
        ([{**GOOD, "canonical_solution": "\ud800"}], "canonical_solution holds half a character (\\ud800)"),
        ([{**GOOD, "task_id": "\udfff"}], "task_id holds half a character (\\udfff)"),
        ([{**GOOD, "prompt": "x" * (4 << 20)}], "Line 1 of t.jsonl is no valid task: it is longer than 4 MB"),
        ([{**GOOD, "entry_point": 4}], "entry_point must be a string"),
        ([[1]], "it is no object with task_id, prompt and test"),
        ([b"{"], "it is not JSON (Expecting property name enclosed in double quotes, column"),
        ([b"\xff"], "it is not UTF-8 (byte 0)"),
        ([b"[" * 100_000], "Line 1 of t.jsonl is no valid task"),
        ([], "No task in t.jsonl"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_one_clear_line(rows: list[Any], said: str) -> None:
    """The line, and what is wrong with it."""
    with pytest.raises(ConfigurationError) as error:
        read(lines(*rows), "t.jsonl")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def drawn(arm: str, task: str, outcomes: str, **more: Any) -> list[Drawn]:
    """Samples by their first letters: passed, failed, unavailable."""
    names = {"p": "passed", "f": "failed", "u": "unavailable"}
    return [Drawn(arm, task, number, 0, names[letter], **more) for number, letter in enumerate(outcomes)]


def values(rows: list[Score]) -> dict[tuple[str, str, str], float]:
    return {(s.arm, s.item, s.metric): s.value for s in rows}


def test_pass_at_k_by_task() -> None:
    """What could not be run counts neither way, and a k for which too few samples ran is left out."""
    found = values(
        list(scores([*drawn("base", "a", "pfff"), *drawn("base", "b", "puuu"), *drawn("base", "c", "u")], [1, 2]))
    )
    assert {key[1:]: value for key, value in found.items()} == {
        ("a", "pass@1"): 0.25, ("a", "pass@2"): 0.5, ("b", "pass@1"): 1.0,
    }  # fmt: skip


def test_repair_counts_corrections_of_the_first_sample() -> None:
    """A correction within the rounds counts; a later one doesn't, nor does another sample that passed by itself."""
    corrected = [*drawn("base", "a", "fp"), Drawn("base", "a", 0, 1, "failed"), Drawn("base", "a", 0, 2, "passed")]
    assert values(list(scores(corrected, [1], 3)))["base", "a", "repair@3"] == 1
    assert values(list(scores(corrected, [1], 2)))["base", "a", "repair@2"] == 0
    assert values(list(scores(corrected, [1], 2)))["base", "a", "pass@1"] == 0.5
    assert ("base", "a", "repair@1") not in values(list(scores(corrected, [1], 1)))


def test_a_correction_that_could_not_be_run_is_no_failure() -> None:
    """Of such a task repair@n says nothing, unless a turn passed; pass@1 of its first sample stays."""
    torn = [*drawn("base", "a", "f"), Drawn("base", "a", 0, 1, "unavailable")]
    assert {key[2] for key in values(list(scores(torn, [1], 3)))} == {"pass@1"}
    assert values(list(scores([*drawn("base", "a", "pu"), *drawn("base", "b", "u")], [1], 3))) == {
        ("base", "a", "pass@1"): 1.0, ("base", "a", "repair@3"): 1.0,
    }  # fmt: skip


def test_names_are_a_share_of_those_written() -> None:
    """Over a task's samples together; a task that names nothing of the library has no such figure."""
    rows = [
        *drawn("base", "a", "pf", named=2, known=1),
        *drawn("base", "b", "p", named=4, known=4),
        *drawn("base", "c", "p"),
    ]
    found = values(list(scores(rows, [1])))
    assert {item: v for (_, item, metric), v in found.items() if metric == "names"} == {"a": 0.5, "b": 1.0}


def test_intervals_are_by_task() -> None:
    """Tasks are the unit: more samples of the same tasks make no interval narrower."""
    few = list(scores([d for n in range(12) for d in drawn("base", f"t{n}", "pf" if n % 2 else "ff")], [1]))
    many = list(scores([d for n in range(12) for d in drawn("base", f"t{n}", "pf" * 20 if n % 2 else "f" * 40)], [1]))
    one, other = estimate(few, "base", "pass@1"), estimate(many, "base", "pass@1")
    assert one is not None and one == other
    assert one.value == 0.25 and one.clusters == 12
    assert one.low is not None and one.high is not None
    assert 0 <= one.low < 0.25 < one.high <= 1
    assert estimate(few, "adapter", "pass@1") is None


@pytest.mark.parametrize(
    ("letters", "low", "high"),
    [("f" * 20, 0.0, 0.1684), ("p" * 20, 0.8316, 1.0), ("p" * 8 + "ff", 0.4439, 0.9748), ("pf", 0.0126, 0.9874)],
)
def test_the_interval_of_tasks_that_pass_or_fail_is_exact(letters: str, low: float, high: float) -> None:
    """As in tables of Clopper and Pearson's interval: 20 failures show no more than that fewer than 17% pass."""
    rows = list(scores([d for n, letter in enumerate(letters) for d in drawn("base", f"t{n}", letter)], [1]))
    found = estimate(rows, "base", "pass@1")
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_the_interval_of_shares_stays_one_of_shares() -> None:
    """Where the bootstrap has no end, the share has one; under five tasks nothing is said."""
    rows = list(scores([d for n in range(6) for d in drawn("base", f"t{n}", "pf" if n else "pp")], [1]))
    found = estimate(rows, "base", "pass@1")
    assert found is not None and found.low is not None and found.high is not None
    assert 0 <= found.low < found.value < found.high <= 1
    few = estimate([row for row in rows if row.item < "t3"], "base", "pass@1")
    assert few is not None and few.low is few.high is None


def test_the_gain_is_paired_by_task() -> None:
    """Adapter minus base over the tasks that both ran, with a test of it."""
    rows = [d for n in range(10) for d in (*drawn("base", f"t{n}", "f"), *drawn("adapter", f"t{n}", "p" if n else "f"))]
    found = gain(list(scores([*rows, *drawn("base", "alone", "p")], [1])), "pass@1")
    assert found is not None
    assert (found.value, found.clusters) == (0.9, 10)
    assert found.p is not None and found.p < 0.01


@pytest.mark.parametrize(("won", "lost", "count"), [(2, 0, 7), (6, 0, 7), (6, 0, 60), (0, 0, 8), (0, 7, 9), (3, 3, 8)])
def test_interval_and_test_of_a_gain_say_the_same(won: int, lost: int, count: int) -> None:
    """An interval is above zero just where the test finds a gain, below where it finds a loss, and never a point."""
    outcomes = ["pf"] * won + ["fp"] * lost + ["pp"] * (count - won - lost)
    both = enumerate(outcomes)
    rows = [d for n, (new, old) in both for d in (*drawn("adapter", f"t{n}", new), *drawn("base", f"t{n}", old))]
    found = gain(list(scores(rows, [1])), "pass@1")
    assert found is not None and found.low is not None and found.high is not None and found.p is not None
    assert (found.low > 0) == (found.p <= 0.025)
    assert (found.high < 0) == (lost == 7)
    assert found.low < found.value < found.high


def test_of_several_samples_they_say_the_same_too() -> None:
    """Two tasks of seven that pass half of the time more often are no sure gain, whatever a bootstrap draws."""
    rows = [d for n in range(7) for d in (*drawn("base", f"t{n}", "ff"), *drawn("adapter", f"t{n}", "pf"[n > 1] + "f"))]
    found = gain(list(scores(rows, [1])), "pass@1")
    assert found is not None and found.low is not None and found.p is not None
    assert found.p > 0.025
    assert found.low <= 0 < found.value
