"""Counts and rates of what takes over a second, for a person who waits."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from registry.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


class Tell(Protocol):
    """Told of progress."""

    def __call__(self, title: str, done: int, total: int, note: str = "", /) -> None:
        """Takes what is being done, how much of it is done, of how much, and what else there is to say of it."""


PLAIN_EVERY_S = 10.0
"""Seconds between two lines of progress where the output is no terminal."""


@contextlib.contextmanager
def progress(quiet: bool = False, output: TextIO | None = None, wait_s: float = 1.0) -> Iterator[Tell]:
    """Shows counts, rates and the time left of what takes over a second, on standard error.

    The callable that it yields is told `(title, done, total)`, and a note: a new title begins a new line. On a terminal
    the line is redrawn; elsewhere (a log) a line is written at the end of each piece, and every ten seconds in between.
    With `DRIFTUNE_LOG=json` a run says it itself (`flows.logs`).
    """
    if quiet or Settings().log == "json":
        yield lambda _title, _done, _total, _note="": None
        return
    from rich.console import Console

    console = Console(file=output or sys.stderr, highlight=False)
    shown = _Live(console, wait_s) if console.is_terminal else _Plain(console, wait_s)
    try:
        yield shown.tell
    finally:
        shown.close()


@dataclass
class _Piece:
    title: str
    since: float
    done: int = 0
    total: int = 0
    note: str = ""
    first: int | None = None

    def told(self, done: int, total: int, note: str) -> None:
        """Takes what was told; what had been done before the first time took no time here."""
        self.first = done if self.first is None else self.first
        self.done, self.total, self.note = done, total, note

    def line(self, now: float) -> str:
        """`title  1,200/3,456  85/s  27 s left  14 s`."""
        return "  ".join(part for part in (self.title, self.count(now), f"{self.seconds(now):.0f} s") if part)

    def count(self, now: float) -> str:
        """`1,200/3,456  85/s  27 s left  loss 1.234`: what is known of it."""
        if self.total <= 1:
            return self.note
        rate = (self.done - (self.first or 0)) / self.seconds(now)
        parts = [f"{self.done:,}/{self.total:,}"]
        if rate > 0:
            parts.append(_rate(rate))
        if rate > 0 and self.done < self.total:
            parts.append(f"{(self.total - self.done) / rate:,.0f} s left")
        return "  ".join([*parts, *([self.note] if self.note else [])])

    def seconds(self, now: float) -> float:
        """Seconds since it began."""
        return max(now - self.since, 1e-9)


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


class _Plain:
    """Progress as lines of a log."""

    def __init__(self, console: Console, wait_s: float) -> None:
        self.console = console
        self.wait_s = wait_s
        self.piece: _Piece | None = None
        self.written = 0.0

    def tell(self, title: str, done: int, total: int, note: str = "", /) -> None:
        if self.piece is None or self.piece.title != title:
            self.close()  # before this piece's time begins: the first line imports much of rich
            self.written = time.monotonic()
            self.piece = _Piece(title, self.written)
        now = time.monotonic()
        self.piece.told(done, total, note)
        if now - self.written >= PLAIN_EVERY_S:
            self._write(now)

    def close(self) -> None:
        """Ends the piece under way: its last line, where it took long enough to be told."""
        now = time.monotonic()
        if self.piece is not None and now - self.piece.since >= self.wait_s:
            self._write(now)
        self.piece = None

    def _write(self, now: float) -> None:
        if self.piece is not None:
            self.console.print(self.piece.line(now), markup=False, soft_wrap=True)
        self.written = now


class _Live:
    """Progress as bars that are redrawn; a bar appears when its piece takes over a second."""

    def __init__(self, console: Console, wait_s: float) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self.wait_s = wait_s
        self.piece: _Piece | None = None
        self.task: Any = None
        self.bars.start()

    def tell(self, title: str, done: int, total: int, note: str = "", /) -> None:
        now = time.monotonic()
        if self.piece is None or self.piece.title != title:
            self._finish(now)
            self.piece = _Piece(title, now)
            self.task = self.bars.add_task(title, total=None, visible=False, count="")
        self.piece.told(done, total, note)
        visible = self.piece.seconds(now) >= self.wait_s
        self.bars.update(self.task, completed=done, total=total or None, count=self.piece.count(now), visible=visible)

    def _finish(self, now: float) -> None:
        if self.piece is None:
            return
        quick = now - self.piece.since < self.wait_s
        self.bars.update(self.task, visible=not quick, total=1, completed=1)
        self.piece = None

    def close(self) -> None:
        self._finish(time.monotonic())
        self.bars.stop()
