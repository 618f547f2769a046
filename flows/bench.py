"""Programs that models write for tasks, each written and run once: what stands in the file of results is taken."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from finetune.tasks import Task
from flows.judge import Options, judge_all
from flows.progress import Tell
from registry.identity import sha256_of
from validators.execution.judging import Judge
from validators.execution.ledger import Ledger
from validators.execution.pool import HARNESS
from validators.execution.rows import Result

PART = "tasks@2"
"""Goes up when the same task, model and settings would give other programs."""

SOLUTION = "solution"
"""The arm of the tasks' own solutions: what can be reached at all in their environments."""

CONTROL = "control"
"""The arm of programs that do nothing: a task that one of them passes measures nothing."""

CHUNK = 64
"""Programs that are written before they are run: so much is lost by a kill."""


@dataclass(frozen=True)
class Sample(Result):
    """A result with what was judged: a line of `--out`.

    Attributes:
        arm: base, adapter, either with `+docs`, or solution (the task's own), or control (one that does nothing).
        task: Id of the task.
        sample: Which of the task's samples it is, from 0.
        turn: 0 for a sample; 1 and on for corrections of it.
        code: The program.
    """

    arm: str = ""
    task: str = ""
    sample: int = 0
    turn: int = 0
    code: str = ""


@dataclass(frozen=True)
class Asked:
    """A program that is wanted.

    Attributes:
        task: The task.
        arm: The arm.
        by: What writes it and how, as JSON without floats.
        shown: What the model sees.
        begun: What stands of the program already.
        sample: Which sample.
        turn: Which turn.
        seed: Seed of what is drawn.
        stop: What ends its text.
    """

    task: Task
    arm: str
    by: Mapping[str, object]
    shown: str
    begun: str
    sample: int = 0
    turn: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Names it for people, and by all that decides what is written and what becomes of it."""
        row = self.task.row("", "")
        row["python"] = row["python"] or platform.python_version()
        decides = [PART, HARNESS, dict(self.by), self.shown, self.begun, row, self.seed, list(self.stop)]
        return f"{self.task.id} {self.arm} {self.sample}.{self.turn} {sha256_of(decides)[:16]}"

    @property
    def own_seed(self) -> int:
        """The seed of this very text: of those of a task, none is drawn with the same random numbers."""
        return int(sha256_of([self.seed, self.task.id, self.sample, self.turn])[:15], 16)


Write = Callable[[Sequence[Asked]], Sequence[str]]
"""The whole program, for each."""


class Bench:
    """Writes and runs programs, and remembers them.

    Args:
        path: File of results; continued where it is there.
        sandbox: What runs the programs.
        options: What holds for all of them.
        tell: Told of progress.

    Attributes:
        cut: Prompts that lost their beginning before they were shown, of those that were written for now.

    Raises:
        ConfigurationError: The file can't be written, or holds something else.
    """

    def __init__(self, path: Path, sandbox: Judge, options: Options, tell: Tell) -> None:
        self._ledger = Ledger(path)
        self.names, self.outcomes = self._ledger.names, self._ledger.outcomes
        self._sandbox, self._options, self._tell = sandbox, options, tell
        self._at: tuple[str, int, int] = ("", 0, 0)
        self.cut = 0
        self._waiting: dict[str, tuple[Asked, str]] = {}
        self.known = _samples(path)

    def results(self, asked: Sequence[Asked], write: Write) -> list[Sample]:
        """What became of each program, in order."""
        missing = list({one.id: one for one in asked if one.id not in self.known}.values())
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            self._at = f"Write and run programs: {part[0].arm}", start, len(missing)
            self._tell(*self._at)
            self._waiting = {one.id: (one, code) for one, code in zip(part, write(part), strict=True)}
            lines = (json.dumps(one.task.row(name, code)) for name, (one, code) in self._waiting.items())
            judge_all(io.BytesIO("\n".join(lines).encode()), self, self._sandbox, self._options, self._run)
        if missing:
            self._tell(f"Write and run programs: {missing[0].arm}", len(missing), len(missing))
        return [self.known[one.id] for one in asked]

    def note(self, note: str) -> None:
        """Says what is done of the programs that are written and run now."""
        self._tell(*self._at, note)

    def _run(self, _title: str, done: int, total: int, _note: str = "", /) -> None:
        self.note(f"{done} of {total} run")

    def append(self, result: Result) -> None:
        """Takes one result from the sandbox, and writes it down."""
        one, code = self._waiting[str(result.id)]
        about: dict[str, Any] = {"arm": one.arm, "task": one.task.id, "sample": one.sample, "turn": one.turn}
        sample = Sample(**result.__dict__, **about, code=code)
        self._ledger.append(sample)
        self.known[str(sample.id)] = sample

    def close(self) -> None:
        """Lets another process write to the file."""
        self._ledger.close()


def _samples(path: Path) -> dict[str, Sample]:
    """The samples in a file that a ledger has put in order: other results and empty lines in it are passed over."""
    names = [field.name for field in fields(Sample)]
    found = {}
    if path.is_file():
        with path.open("rb") as file:
            for said in (json.loads(line) for line in file if line.strip()):
                if all(name in said for name in names):
                    found[str(said["id"])] = Sample(**{name: said[name] for name in names})
    return found
