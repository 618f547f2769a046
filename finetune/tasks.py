"""Tasks that a model writes programs for, in the form of HumanEval, and what samples of them come to.

| metric | a task's value |
|---|---|
| `pass@k` | how often one of k samples passes, estimated without bias from all of them |
| `repair@n` | 1 where the first sample passes, or one of up to n - 1 corrections of it (`finetune.repair`) |
| `names` | of the library's names in its samples, the share that the version has |
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, BinaryIO

from packaging.version import InvalidVersion, Version

from finetune import intervals
from finetune.generation import pass_at_k
from finetune.intervals import Estimate
from registry.errors import ConfigurationError
from registry.records import Score

PASSED, UNAVAILABLE = "passed", "unavailable"
SPLIT = "tasks"
ALPHA = 0.025
"""Error allowed on each side of an interval."""

GENERAL = "builtin:general"
"""Names the tasks that driftune brings, in place of a file's path."""

LINE_BYTES = 4 << 20
"""What a task's line may take: with what is written for it, it has to fit into a row of `driftune judge`."""

_TEXTS = ("entry_point", "canonical_solution", "library", "version", "python")


@dataclass(frozen=True)
class Task:
    """Something to be written, and how it is judged.

    Attributes:
        id: Its name: `task_id`, as text.
        prompt: What the model goes on after.
        test: Python that runs after the program, in its namespace; something must stand in it.
        entry_point: The function that the test calls.
        canonical_solution: What its author goes on with.
        library: A library that it is about, with its `version`.
        version: The version.
        python: Version of the interpreter.
        requirements: What its environment holds beside the library.
    """

    id: str
    prompt: str
    test: str
    entry_point: str | None = None
    canonical_solution: str | None = None
    library: str | None = None
    version: str | None = None
    python: str | None = None
    requirements: tuple[str, ...] = ()

    @property
    def pinned(self) -> str:
        """The version alone, which some benchmarks write as `==1.5.3`."""
        return (self.version or "").removeprefix("==").strip()

    @property
    def needs(self) -> tuple[str, ...]:
        """All that its environment holds: `pandas==1.5.3`."""
        own = (f"{self.library}=={self.pinned}",) if self.library else ()
        return (*own, *self.requirements)

    def row(self, identifier: str, code: str) -> dict[str, Any]:
        """A program for it, as `driftune judge` reads one."""
        row = {"id": identifier, "code": code, "test": self.test, "entry_point": self.entry_point}
        return row | {"requirements": list(self.needs), "python": self.python}


def read(file: BinaryIO, name: str) -> list[Task]:
    """The tasks of a file, one JSON object a line; empty lines are passed over.

    Args:
        file: Lines of UTF-8.
        name: What the file is called in messages.

    Raises:
        ConfigurationError: A line is no task, a name stands twice, or there is none; the message names the line.
    """
    tasks: dict[str, Task] = {}
    for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES + 1), b""), 1):
        if line.strip():
            try:
                task = _task(_object(line))
                if task.id in tasks:
                    raise ValueError(f"task_id {task.id!r} stands in an earlier line too")
            except (ValueError, RecursionError) as error:
                raise ConfigurationError(f"Line {number} of {name} is no valid task: {_why(error)}") from error
            tasks[task.id] = task
    if not tasks:
        raise ConfigurationError(f"No task in {name}: write one JSON object a line, with task_id, prompt and test")
    return list(tasks.values())


def general() -> list[Task]:
    """The tasks that driftune brings: small functions, and texts in a form that is said, about no library."""
    text = resources.files("finetune").joinpath("general.toml").read_text(encoding="utf-8")
    return [
        Task(
            id=said["id"],
            prompt=said["prompt"],
            test=said["test"],
            entry_point=said["id"].rpartition("/")[2],
            canonical_solution=said["solution"],
        )
        for said in tomllib.loads(text)["task"]
    ]


def _object(line: bytes) -> Any:
    if len(line) > LINE_BYTES:
        raise ValueError(f"it is longer than {LINE_BYTES >> 20} MB")
    return json.loads(line.decode("utf-8-sig"))


def _task(said: Any) -> Task:
    if not isinstance(said, dict):
        raise ValueError("it is no object with task_id, prompt and test")
    name = said.get("task_id")
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise ValueError(
            "task_id must be a string or a whole number" + ("" if "task_id" in said else ", and is missing")
        )
    texts = {field: _text(said, field) for field in ("prompt", "test")}
    texts |= {field: _text(said, field) for field in _TEXTS if said.get(field) is not None}
    if not texts["test"].strip():
        raise ValueError("test is empty: every program would pass")
    if ("library" in texts) != ("version" in texts):
        raise ValueError("library and version go together: name both, or write requirements")
    _check_pin(texts.get("library"), texts.get("version"))
    needs = said.get("requirements")
    needs = [] if needs is None else needs
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise ValueError('requirements must be a list such as ["pandas==1.5.3"]')
    return Task(id=_whole(str(name), "task_id"), **texts, requirements=tuple(needs))


def _check_pin(library: str | None, version: str | None) -> None:
    if library is not None and not library.strip():
        raise ValueError("library is empty: name one, or leave it out with its version")
    if version is not None:
        try:
            Version(version.removeprefix("==").strip())
        except InvalidVersion as error:
            raise ValueError(f"version must be one version such as 1.5.3, and is {version[:50]!r}") from error


def _text(said: Mapping[str, Any], field: str) -> str:
    value = said.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} must be a string" + ("" if field in said else ", and is missing"))
    return _whole(value, field)


def _whole(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} holds half a character (\\u{ord(text[error.start]):04x})") from error
    return text


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.start})"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON ({error.msg}, column {error.colno})"
    return str(error) or type(error).__name__


# ------------------------------------------------------------------------------------------------ what samples come to


@dataclass(frozen=True)
class Drawn:
    """What became of one program that a model wrote.

    Attributes:
        arm: Name of the arm.
        task: Id of the task.
        sample: Which of the task's samples it is, from 0.
        turn: 0 for a sample, 1 and on for corrections of it.
        outcome: The sandbox's.
        named: Names of the library that are written in it.
        known: Those of them that the version has.
    """

    arm: str
    task: str
    sample: int
    turn: int
    outcome: str
    named: int = 0
    known: int = 0


def scores(drawn: Iterable[Drawn], ks: Collection[int], rounds: int = 1) -> Iterator[Score]:
    """Each task's value of each metric, under each arm. Programs that could not be run count nowhere.

    Nor does a task count in `repair@n` of which no turn passed and one could not be run: nobody knows what came of it.

    Args:
        drawn: All programs.
        ks: The k of pass@k; left out where a task has fewer samples that ran.
        rounds: Turns of `repair@n`; below 2 there is none.
    """
    groups: dict[tuple[str, str], list[Drawn]] = {}
    for one in drawn:
        groups.setdefault((one.arm, one.task), []).append(one)
    for (arm, task), programs in sorted(groups.items()):
        for metric, value in _values(programs, ks, rounds):
            yield Score(run="", arm=arm, split=SPLIT, metric=metric, item=task, family=task, value=value)


def _values(programs: Sequence[Drawn], ks: Collection[int], rounds: int) -> Iterator[tuple[str, float]]:
    first = [one for one in programs if one.turn == 0 and one.outcome != UNAVAILABLE]
    passed = sum(one.outcome == PASSED for one in first)
    for k in sorted(ks):
        if k <= len(first):
            yield f"pass@{k}", pass_at_k(len(first), passed, k)
    chain = [one.outcome for one in programs if one.sample == 0 and one.turn < rounds]
    if rounds > 1 and chain and (PASSED in chain or UNAVAILABLE not in chain):
        yield f"repair@{rounds}", float(PASSED in chain)
    named = sum(one.named for one in first)
    if named:
        yield "names", sum(one.known for one in first) / named


def estimate(rows: Iterable[Score], arm: str, metric: str) -> Estimate | None:
    """An arm's mean over tasks with its 95% interval by task; null where nothing was measured.

    Where each task passes or fails, the interval is the exact one; else a studentised bootstrap within [0, 1], and none
    under `intervals.FEWEST` tasks.
    """
    held = [row for row in rows if (row.arm, row.metric) == (arm, metric)]
    found = intervals.arm(held, arm=arm, split=SPLIT, metric=metric, alpha=ALPHA)
    if found is None:
        return None
    low = high = None
    if all(row.value in (0.0, 1.0) for row in held):
        low, high = exact(sum(row.value == 1.0 for row in held), len(held))
    elif len(held) >= intervals.FEWEST:
        low = max(0.0, found.low) if found.low is not None else 0.0
        high = min(1.0, found.high) if found.high is not None else 1.0
    return Estimate(found.value, low, high, None, found.n, found.clusters)


def exact(passed: int, tasks: int) -> tuple[float, float]:
    """The exact interval of a share, `ALPHA` on each side.

    Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits, 1934.
    """
    low = 0.0 if passed == 0 else _root(lambda share: _at_least(passed, tasks, share) - ALPHA)
    high = 1.0 if passed == tasks else _root(lambda share: _at_least(passed + 1, tasks, share) - (1 - ALPHA))
    return low, high


def paired(won: int, lost: int, tasks: int) -> tuple[float, float]:
    """An interval of the difference of two shares of the same tasks: wrong at most 2 x `ALPHA` a side, however few.

    The exact interval of the share that the first alone passes, against that of the share that the second alone
    passes: where no two outcomes differ a bootstrap would have no width at all.

    Args:
        won: Tasks that the first passes and the second doesn't.
        lost: The other way round.
        tasks: All tasks.
    """
    (least, most), (few, many) = exact(won, tasks), exact(lost, tasks)
    return least - many, most - few


def _root(rising: Callable[[float], float], steps: int = 50) -> float:
    """Where a rising function is zero between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return low


def _at_least(passed: int, tasks: int, share: float) -> float:
    """The probability that so many of the tasks pass, or more, where each does with probability `share`."""
    log, rest = math.log(share), math.log1p(-share)
    ways = (math.lgamma(tasks + 1) - math.lgamma(n + 1) - math.lgamma(tasks - n + 1) for n in range(passed, tasks + 1))
    return sum(math.exp(way + n * log + (tasks - n) * rest) for n, way in enumerate(ways, passed))


def gain(rows: Iterable[Score], metric: str, better: str = "adapter", than: str = "base") -> Estimate | None:
    """The paired difference of two arms over the tasks both have, with interval and sign-flip test; else null.

    Where each task passes or fails, the interval is the exact one (`paired`). Interval and test never say different
    things of a gain or a loss: where they would, the end of the interval is that of the test.
    """
    held = list(rows)
    found = intervals.difference(held, split=SPLIT, metric=metric, better=better, than=than, alpha=ALPHA)
    if found is None:
        return None
    values = intervals.family_differences(held, split=SPLIT, metric=metric, better=better, than=than)
    low, high = found.low, found.high
    if {row.value for row in held if row.metric == metric and row.arm in (better, than)} <= {0.0, 1.0}:
        low, high = paired(values.count(1.0), values.count(-1.0), len(values))
    low = None if low is None else _agreeing(low, values)
    high = None if high is None else -_agreeing(-high, [-value for value in values])
    return dataclasses.replace(found, low=low, high=high)


def _agreeing(low: float, values: list[float]) -> float:
    """The lower end of an interval; where the sign-flip test says otherwise of a gain, the end that the test gives.

    Of tasks that pass or fail that is the exact one of the share that is won, of those that one arm alone passes.
    """
    if (low > 0) == (intervals.sign_flip(values) <= ALPHA):
        return low
    if {abs(value) for value in values} <= {0.0, 1.0}:
        won, lost = values.count(1.0), values.count(-1.0)
        return (2 * exact(won, won + lost)[0] - 1) * (won + lost) / len(values)
    shifted = lambda half: intervals.sign_flip([v - (2 * half - 1) for v in values]) - ALPHA  # noqa: E731
    return 2 * _root(shifted, steps=10) - 1
