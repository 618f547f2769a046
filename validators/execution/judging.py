"""Rows in, results out: anybody's programs in mixed environments, gathered so that each environment is used in one go.

One thread reads rows into a bounded window, two build environments, and whoever asks for results hands out the work:
all that happens to a row arrives in one queue. Memory is bounded by the window, however many rows there are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from registry.errors import SandboxError
from registry.records import Program, Verdict
from validators.execution.cache import DEFAULT_LIMIT, trim
from validators.execution.environments import BuiltEnvironment
from validators.execution.rows import Result, Row

WINDOW_ROWS = 5000
WINDOW_BYTES = 64 << 20
"""Rows that are held at a time: so many, and together of this size."""

_KEPT_ENVIRONMENTS = 16
_KEPT_FAILURES = 1000
_BUILDERS = 2
_READY_AHEAD = 4
_HARNESS_FAILURES = 3
"""So many failures of the harness in a row, and the rest of an environment's rows isn't tried."""


class Judge(Protocol):
    """What runs programs: a `Pool`, or another sandbox."""

    workers: int

    def build(self, requirements: Sequence[str], cache: Path, *, python: str | None = None) -> BuiltEnvironment:
        """An environment with these requirements."""

    def submit(
        self, environment: BuiltEnvironment, program: Program, *, timeout_s: float, attempts: int
    ) -> Future[Verdict]:
        """Run a program when there is room."""


@dataclass(frozen=True)
class Terms:
    """What holds for all rows.

    Attributes:
        timeout_s: Wall seconds for one attempt, where a row says nothing.
        attempts: How often each program is run.
        cache_bytes: What the cache of environments may take.
    """

    timeout_s: float = 10.0
    attempts: int = 1
    cache_bytes: int = DEFAULT_LIMIT


def judge(
    rows: Iterable[Row | Result], sandbox: Judge, cache: Path, terms: Terms | None = None
) -> Generator[Result, None, None]:
    """A result for each row, in the order in which they are done. Closing it ends what is under way.

    Args:
        rows: Read as there is room; a result among them (a row that is none) is passed on.
        sandbox: What runs the programs.
        cache: Folder of its environments.
        terms: What holds for all rows.
    """
    judging = _Judging(sandbox, cache, terms or Terms())
    try:
        yield from judging.results(rows)
    finally:
        judging.stop()


Key = tuple[tuple[str, ...], str | None]
"""Requirements and Python version: what an environment is built from."""


@dataclass
class _Group:
    """The waiting rows of one environment."""

    rows: deque[Row] = field(default_factory=deque)
    building: bool = False


class _Judging:
    def __init__(self, sandbox: Judge, cache: Path, terms: Terms) -> None:
        self.sandbox = sandbox
        self.cache = cache
        self.terms = terms
        self.window = _Window()
        self.events: SimpleQueue[Callable[[], Iterable[Result]]] = SimpleQueue()
        self.orders: SimpleQueue[Key | None] = SimpleQueue()
        self.groups: dict[Key, _Group] = {}
        self.built: OrderedDict[Key, BuiltEnvironment] = OrderedDict()
        self.failed: OrderedDict[Key, str] = OrderedDict()
        self.harness_failures: dict[Key, int] = {}
        self.current: Key | None = None
        self.building = 0
        self.running: set[Future[Verdict]] = set()
        self.reading = True

    def results(self, rows: Iterable[Row | Result]) -> Iterator[Result]:
        threading.Thread(target=self._read, args=(rows,), daemon=True).start()
        for _ in range(_BUILDERS):
            threading.Thread(target=self._build, daemon=True).start()
        while self.reading or self.groups or self.running:
            yield from self.events.get()()
            yield from self._hand_out()

    def stop(self) -> None:
        """End what was begun, as far as it can be: nobody wants it any more."""
        self.window.close()
        for _ in range(_BUILDERS):
            self.orders.put(None)
        for future in list(self.running):
            future.cancel()
        self.built.clear()
        trim(self.cache, self.terms.cache_bytes)

    # ------------------------------------------------------------------------------------------- threads of their own

    def _read(self, rows: Iterable[Row | Result]) -> None:
        try:
            for row in rows:
                if not self.window.enter(row):
                    return
                self.events.put(partial(self._arrived, row))
            self.events.put(self._ended)
        except BaseException as error:
            self.events.put(partial(_raise, error))

    def _build(self) -> None:
        while (key := self.orders.get()) is not None:
            try:
                found: BuiltEnvironment | str = self.sandbox.build(key[0], self.cache, python=key[1])
                trim(self.cache, self.terms.cache_bytes)
            except SandboxError as error:
                found = str(error)
            except BaseException as error:
                self.events.put(partial(_raise, error))
                return
            self.events.put(partial(self._was_built, key, found))

    # ------------------------------------------------------------------------------------------------------- events

    def _arrived(self, row: Row | Result) -> Iterable[Result]:
        if isinstance(row, Row):
            self.groups.setdefault((row.requirements, row.python), _Group()).rows.append(row)
            return ()
        self.window.leave(row)
        return (row,)

    def _ended(self) -> Iterable[Result]:
        self.reading = False
        return ()

    def _was_built(self, key: Key, found: BuiltEnvironment | str) -> Iterable[Result]:
        self.building -= 1
        self.groups[key].building = False
        if isinstance(found, str):
            self._fail(key, found)
        else:
            self.built[key] = found
            while len(self.built) > _KEPT_ENVIRONMENTS:
                self.built.popitem(last=False)
        return ()

    def _fail(self, key: Key, why: str) -> None:
        self.failed[key] = f"{why} (tried again by the next run)"
        while len(self.failed) > _KEPT_FAILURES:
            self.failed.popitem(last=False)

    def _done(self, row: Row, key: Key, future: Future[Verdict]) -> Iterable[Result]:
        self.running.discard(future)
        self.window.leave(row)
        try:
            verdict = future.result()
        except SandboxError as error:
            count = self.harness_failures[key] = self.harness_failures.get(key, 0) + 1
            if count >= _HARNESS_FAILURES:
                self._fail(key, str(error))
            return (Result(row.id, "unavailable", detail=str(error)),)
        self.harness_failures.pop(key, None)
        return (
            Result(row.id, verdict.outcome, verdict.proof, verdict.detail, verdict.duration_s, verdict.environment),
        )

    # ------------------------------------------------------------------------------------------------------ handing out

    def _hand_out(self) -> Iterator[Result]:
        """Keep the sandbox busy: the environment in use until its rows are gone, then the one with most rows."""
        for failed in [k for k in self.failed if k in self.groups]:
            for row in self.groups.pop(failed).rows:
                self.window.leave(row)
                yield Result(row.id, "unavailable", detail=self.failed[failed])
        while len(self.running) < 4 * self.sandbox.workers and (key := self._next()) is not None:
            self._submit(key)
        self._order()

    def _next(self) -> Key | None:
        if self.current not in self.groups or self.current not in self.built:
            ready = [k for k in self.groups if k in self.built]
            self.current = max(ready, key=lambda k: len(self.groups[k].rows), default=None)
        return self.current

    def _submit(self, key: Key) -> None:
        group, environment = self.groups[key], self.built[key]
        self.built.move_to_end(key)
        row = group.rows.popleft()
        if not group.rows:
            del self.groups[key]
        timeout_s = row.timeout_s or self.terms.timeout_s
        future = self.sandbox.submit(environment, row.program, timeout_s=timeout_s, attempts=self.terms.attempts)
        self.running.add(future)
        future.add_done_callback(lambda done: self.events.put(partial(self._done, row, key, done)))

    def _order(self) -> None:
        """Have environments built before they are needed, those with most rows first."""
        if self.building >= _BUILDERS or sum(k in self.groups for k in self.built) >= _READY_AHEAD:
            return
        waiting = [k for k, g in self.groups.items() if k not in self.built and not g.building]
        for key in sorted(waiting, key=lambda k: -len(self.groups[k].rows))[: _BUILDERS - self.building]:
            self.groups[key].building = True
            self.building += 1
            self.orders.put(key)


class _Window:
    """Room for rows that are waiting or running."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rows = 0
        self._bytes = 0
        self._closed = False

    def enter(self, row: Row | Result) -> bool:
        """Wait for room; False when nothing more is wanted."""
        size = row.size if isinstance(row, Row) else 0
        with self._condition:
            self._condition.wait_for(
                lambda: (
                    self._closed or not self._rows or (self._rows < WINDOW_ROWS and self._bytes + size <= WINDOW_BYTES)
                )
            )
            self._rows += 1
            self._bytes += size
            return not self._closed

    def leave(self, row: Row | Result) -> None:
        """Make room."""
        with self._condition:
            self._rows -= 1
            self._bytes -= row.size if isinstance(row, Row) else 0
            self._condition.notify_all()

    def close(self) -> None:
        """Let nothing more in."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


def _raise(error: BaseException) -> Any:
    raise error
