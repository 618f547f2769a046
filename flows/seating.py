"""Several runs on one machine, each a process of its own: whose turn it is, and what comes of each.

A run asks before each batch whether it may go on. As many go on at a time as are wanted; of those that ask, the one
that has had the least time so far, by its weight, goes first. So a large one takes as long as it takes, and small ones
end beside it. Only a few are open at a time, as each takes memory: the others wait for a seat, in the order given.

They are processes, as a run sets what is a process's own while it trains (seeds, threads, the environment), as Ctrl-C
reaches nothing else, and as one that is killed takes no other with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.progress import Tell

BESIDE = 3
"""Runs that are open beside those that work: small ones get their turns while large ones have theirs."""

END_S = 60.0
"""Seconds that runs have to end in when they are stopped: each ends its sandboxes, and Prefect's flow."""


@dataclass(frozen=True)
class Wanted:
    """A run that is wanted.

    Attributes:
        name: What a person calls it.
        command: What to start; it speaks as `flows.seat.Seat` does.
        weight: Its share of the time beside others.
        log: File that its standard error goes to.
    """

    name: str
    command: tuple[str, ...]
    weight: float = 1.0
    log: str = os.devnull


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        name: Its name.
        exit_code: What the command for it alone would have exited with.
        told: What it came to, for a program; empty where it failed.
        error: Why it failed; empty where it didn't.
        held: Whether another run holds the domain.
        left: Whether the rest is left to another time, for want of budget.
        worked_s: Seconds that it had.
        ended_s: Seconds after the beginning at which it ended.
    """

    name: str
    exit_code: int
    told: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    held: bool = False
    left: bool = False
    worked_s: float = 0.0
    ended_s: float = 0.0


@dataclass(eq=False)
class _Seated:
    """A run that is open.

    Attributes:
        wanted: Which.
        process: It.
        used: Seconds by its weight, from where it joined the others.
        worked: Seconds that it had.
        since: When its turn began; None while it waits for one.
        heard: The beginning of a line.
        last: Its last word on what came of it.
    """

    wanted: Wanted
    process: subprocess.Popen[bytes]
    used: float
    worked: float = 0.0
    since: float | None = field(default_factory=time.monotonic)
    heard: bytes = b""
    last: dict[str, Any] = field(default_factory=dict)

    def pause(self) -> None:
        """Its turn is over."""
        if self.since is not None:
            spent, self.since = time.monotonic() - self.since, None
            self.worked += spent
            self.used += spent / self.wanted.weight

    def go(self, word: str) -> None:
        """It is its turn."""
        self.since = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it has ended: that is heard soon
            os.write(_descriptor(self.process.stdin), word.encode() + b"\n")

    def lines(self) -> Iterator[dict[str, Any]] | None:
        """What it says now; None where it has ended."""
        more = os.read(_descriptor(self.process.stdout), 1 << 16)
        *lines, self.heard = (self.heard + more).split(b"\n")
        return map(json.loads, lines) if more else None


def share(wanted: Sequence[Wanted], jobs: int, server: Callable[[], str], tell: Tell) -> Generator[Outcome, None, None]:
    """Runs all, and says of each what came of it, when it ends.

    One whose domain is held by another run is passed over, and tried once more when all others have ended.

    Args:
        wanted: The runs, those first that get a seat first.
        jobs: Runs that work at a time.
        server: The address of the engine's server; asked when one has something to do, for the first time.
        tell: Called with progress.
    """
    seating = _Seating(list(wanted), jobs, server, tell)
    try:
        yield from seating.outcomes()
    finally:
        seating.stop()


@dataclass
class _Seating:
    waiting: list[Wanted]
    jobs: int
    server: Callable[[], str]
    tell: Tell
    began: float = field(default_factory=time.monotonic)
    seated: list[_Seated] = field(default_factory=list)
    held: list[Wanted] | None = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def outcomes(self) -> Iterator[Outcome]:
        while self._more():
            self._give_turns()
            for key, _ in self.selector.select():
                if outcome := self._heard(key.data):
                    yield outcome

    def _more(self) -> bool:
        """Whether there is more to do; those that were held are tried once more at the end."""
        if not self.waiting and not self.seated and self.held:
            self.waiting, self.held = self.held, None
        return bool(self.waiting or self.seated)

    def _give_turns(self) -> None:
        while sum(each.since is not None for each in self.seated) < self.jobs:
            asking = [each for each in self.seated if each.since is None]
            if self.waiting and len(self.seated) < self.jobs + BESIDE:
                self._seat(self.waiting.pop(0))
            elif asking:
                min(asking, key=lambda each: each.used).go(self.server())
            else:
                return

    def _seat(self, wanted: Wanted) -> None:
        """Opens a run; it has had as much as who had least, else it would have all turns until it has caught up."""
        with Path(wanted.log).open("wb") as log:
            process = subprocess.Popen(
                wanted.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        seat = _Seated(wanted, process, min((each.used for each in self.seated), default=0.0))
        self.seated.append(seat)
        self.selector.register(_descriptor(process.stdout), selectors.EVENT_READ, seat)

    def _heard(self, seat: _Seated) -> Outcome | None:
        words = seat.lines()
        if words is None:
            return self._ended(seat)
        for said in words:
            if "asks" in said:
                seat.pause()
            elif "tells" in said:
                title, *how = said["tells"]
                self.tell(f"{seat.wanted.name}: {title}", *how)
            else:
                seat.last = said
        return None

    def _ended(self, seat: _Seated) -> Outcome | None:
        """What came of a run that has ended; None where it is tried again."""
        seat.pause()
        self.selector.unregister(_descriptor(seat.process.stdout))
        self.seated.remove(seat)
        code = _closed(seat.process)
        said = seat.last or {"error": _unsaid(seat.wanted, code), "exit": 1}
        if said.get("held") and self.held is not None:
            self.held.append(seat.wanted)
            return None
        return Outcome(
            seat.wanted.name, said["exit"], said.get("ended", {}), said.get("error", ""),
            bool(said.get("held")), bool(said.get("left")), seat.worked, time.monotonic() - self.began,
        )  # fmt: skip

    def stop(self) -> None:
        """Ends those that are open, as Ctrl-C ends a run alone."""
        for seat in self.seated:
            if seat.process.stdout is not None:
                seat.process.stdout.close()  # nobody reads what it may have to say
            with contextlib.suppress(ProcessLookupError):
                seat.process.send_signal(signal.SIGINT)
        until = time.monotonic() + END_S
        for seat in self.seated:
            with contextlib.suppress(subprocess.TimeoutExpired):
                seat.process.wait(max(0.0, until - time.monotonic()))
            seat.process.kill()
            _closed(seat.process)
        self.selector.close()


def _descriptor(pipe: Any) -> int:
    return int(pipe.fileno())


def _closed(process: subprocess.Popen[bytes]) -> int:
    """Lets go of a process that has ended, or is about to; what it exited with."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return process.wait()


def _unsaid(wanted: Wanted, code: int) -> str:
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"Its process ended {how} and said nothing of it: run the same again to continue; its log is {wanted.log}"
