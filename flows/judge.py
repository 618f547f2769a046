"""`driftune judge`: rows from a file or standard input, results to a file that is continued, or to standard output."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from flows.preflight import check_sandbox
from flows.progress import Tell, progress
from registry.errors import ConfigurationError
from registry.settings import Settings
from validators.execution.judging import Judge, Terms, judge
from validators.execution.ledger import UNFINISHED, Ledger, Names
from validators.execution.pool import Pool
from validators.execution.rows import Identifier, Result, read

STANDARD = Path("-")


@dataclass(frozen=True)
class Options:
    """What holds for all rows: programs at a time, attempts, seconds, kind of wall."""

    workers: int | None = None
    attempts: int = 1
    timeout_s: float = 10.0
    sandbox: str = "auto"


@dataclass
class Tally:
    """What became of all rows, also of those that were finished before."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    judged: int = 0
    finished_before: int = 0
    repeated: int = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """As JSON: counts by outcome and by proof, and the rate."""
        outcomes, proofs = Counter[str](), Counter[str]()
        for (outcome, proof), count in self.outcomes.items():
            outcomes[outcome] += count
            proofs[proof] += count
        return {
            "rows": sum(outcomes.values()),
            "judged": self.judged,
            "finished_before": self.finished_before,
            "repeated": self.repeated,
            "outcomes": dict(sorted(outcomes.items())),
            "proofs": dict(sorted(proofs.items())),
            "seconds": round(self.seconds, 3),
            "per_second": round(self.judged / self.seconds, 1) if self.seconds else 0.0,
        }

    def text(self) -> str:
        """For people, in two or three lines."""
        found = self.summary()
        listed = ", ".join(f"{name} {count:,}" for name, count in found["outcomes"].items())
        proofs = ", ".join(f"{name} {count:,}" for name, count in found["proofs"].items())
        before = f" ({self.finished_before:,} were finished before)" if self.finished_before else ""
        lines = [f"{found['rows']:,} rows{before}: {listed or 'none'}", f"proof: {proofs or 'none'}"]
        if self.judged:
            lines.append(f"{self.judged:,} judged in {self.seconds:.1f} s, {found['per_second']:,.1f} a second")
        if self.repeated:
            lines.append(f"{self.repeated:,} rows have an id that another row has: only the first was judged")
        return "\n".join(lines)


def judge_rows(source: Path, out: Path, options: Options, *, as_json: bool = False) -> int:
    """Judge the rows of a file; the exit code: 0 where every row has its verdict, 3 where some are `unavailable`.

    Raises:
        ConfigurationError: The rows can't be read, the results can't be written, or there is no such wall.
    """
    with ExitStack() as resources:
        file = resources.enter_context(_rows(source, out))
        pool = resources.enter_context(Pool(options.workers, wall=options.sandbox))
        check_sandbox(pool)
        sink = resources.enter_context(closing(_Standard() if out == STANDARD else Ledger(out)))
        tell = resources.enter_context(progress(quiet=out == STANDARD and sys.stdout.isatty()))
        tally = judge_all(file, sink, pool, options, tell)
    summary = json.dumps(tally.summary()) if as_json else tally.text()
    print(summary, file=sys.stderr if out == STANDARD else sys.stdout)
    return 3 if any(outcome == UNFINISHED for outcome, _ in tally.outcomes) else 0


class Sink(Protocol):
    """Where results go: a file, standard output, or what else makes something of them."""

    names: Names
    outcomes: Counter[tuple[str, str]]

    def append(self, result: Result) -> None:
        """Take one result."""


def judge_all(file: BinaryIO, sink: Sink, pool: Judge, options: Options, tell: Tell) -> Tally:
    """Judge the rows of a file that the sink doesn't have yet.

    Args:
        file: Lines of rows.
        sink: Where results go.
        pool: What runs the programs.
        options: What holds for all rows.
        tell: Told of progress.
    """
    settings = Settings()
    tally = Tally(outcomes=sink.outcomes)
    total = _count(file)
    rows = read(file, _wanted(sink.names, tally))
    terms = Terms(options.timeout_s, options.attempts, settings.sandbox_mb << 20)
    began = time.monotonic()
    with closing(judge(rows, pool, settings.root / "sandbox", terms)) as results:
        for result in results:
            sink.append(result)
            tally.judged += 1
            done = tally.judged + tally.finished_before + tally.repeated
            tell("Judge rows", done, max(total, done))
    tally.seconds = time.monotonic() - began
    return tally


def _wanted(names: Names, tally: Tally) -> Callable[[Identifier], bool]:
    def wanted(identifier: Identifier) -> bool:
        if names.add(identifier):
            return True
        if names.done(identifier):
            tally.finished_before += 1
        else:
            tally.repeated += 1
        return False

    return wanted


def _rows(source: Path, out: Path) -> BinaryIO:
    if source == STANDARD:
        return sys.stdin.buffer
    try:
        if out != STANDARD and out.exists() and source.samefile(out):
            raise ConfigurationError(f"{source} can't be rows and results at once: name another file with --out")
        return source.open("rb")
    except OSError as error:
        raise ConfigurationError(f"{source} can't be read: {error.strerror or error}") from error


def _count(file: BinaryIO) -> int:
    """Lines of a file that can be read twice; 0 for a stream."""
    if not file.seekable():
        return 0
    count = sum(block.count(b"\n") for block in _blocks(file))
    file.seek(0)
    return count


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block


class _Standard:
    """Results on standard output, as they come; nothing is known of earlier ones."""

    def __init__(self) -> None:
        self.names = Names()
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def append(self, result: Result) -> None:
        print(result.line(), flush=True)
        self.outcomes[result.outcome, result.proof] += 1

    def close(self) -> None:
        self.names.close()
