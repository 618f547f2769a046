"""A run that is watched: what it is at, told to whatever keeps an eye on it.

`watched_run` stands around a run, `watched_stage` around each of its stages, `watched_batch` around each batch, which
may be several at once, in any threads. Observers stand around the same three, and hear a beat every few seconds; none
of them can harm a run: what fails in one is logged, once, and the run goes on. A house that nobody watches (a test, a
single function in a REPL) passes through unnoticed.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from registry.errors import StuckError

if TYPE_CHECKING:
    from flows.house import House

CURRENT: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("driftune_watch", default=None)
"""The run that this thread works for: several may go on in one process."""

_log = logging.getLogger("driftune")


class Observer:
    """What keeps an eye on a run: blocks that stand around the run, its stages, its batches. An error goes through."""

    def run(self) -> AbstractContextManager[Any]:
        """Stands around the run."""
        return nullcontext()

    def stage(self, stage: str) -> AbstractContextManager[Any]:
        """Stands around a stage."""
        del stage
        return nullcontext()

    def batch(self, title: str, size: int) -> AbstractContextManager[Any]:
        """Stands around a batch."""
        del title, size
        return nullcontext()

    def beat(self) -> None:
        """Called every few seconds, in a thread of its own."""


class Watch:
    """What is known of a run while it goes on.

    Args:
        house: The run.
        worked: Whether there is surely something to do.

    Attributes:
        worked: Whether there was anything to do: of a run that had nothing to do nothing is left behind.
        stage: The stage that it is at; empty between two.
        last: The stage that it is at, or was at last.
        title: What was told of last; `done` of `total`, and a `note`.
        batches: Stage -> batches that were done.
        outcome: What came of the run (the gate's decision), once that is known.
        continues: The crashed run that it goes on with; empty where there is none.
        progressed: `time.monotonic()` when it last got on.
        overdue: Why it was ended from here; empty where it wasn't.
        rests: Whether it waits for its turn among others: that is no time of its own.
    """

    def __init__(self, house: House, *, worked: bool = False) -> None:
        self.house = house
        self.worked = worked
        self.stage = self.last = self.title = self.note = ""
        self.done = self.total = 0
        self.batches: dict[str, int] = {}
        self.outcome = self.continues = self.overdue = ""
        self.progressed = time.monotonic()
        self.observers: list[Observer] = []
        self._seconds: dict[str, float] = {}
        self._since = 0.0
        self._thread = threading.current_thread()
        self._lock = threading.RLock()
        self._goes_on = False
        self.rests = False

    def told(self, tell: Callable[..., None]) -> Callable[..., None]:
        """A `Tell` that hears what is told, and tells it on."""

        def hear(title: str, done: int, total: int, note: str = "", /) -> None:
            self.title, self.done, self.total, self.note = title, done, total, note
            self.goes_on()
            tell(title, done, total, note)

        return hear

    def goes_on(self) -> None:
        """Takes note that the run got on."""
        self.progressed = time.monotonic()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Within the block the run waits for its turn."""
        since, self.rests = time.monotonic(), True
        try:
            yield
        finally:
            self._since += time.monotonic() - since
            self.goes_on()
            self.rests = False

    def seconds_of(self, stage: str) -> float:
        """Seconds that a stage took, or has taken so far."""
        return self._seconds.get(stage, 0.0) + (time.monotonic() - self._since if stage == self.stage else 0.0)

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Stage -> its seconds and batches, of those that were begun."""
        names = [*self._seconds, *([self.stage] if self.stage and self.stage not in self._seconds else [])]
        return {n: {"seconds": round(self.seconds_of(n), 3), "batches": self.batches.get(n, 0)} for n in names}

    def end(self, why: str) -> None:
        """Has the run end, as far as it hears: `StuckError` is what comes of it. Called by another thread."""
        from flows.deadlines import interrupt

        with self._lock:
            if self._goes_on:
                self.overdue = why
                interrupt(self._thread)

    @contextlib.contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Within the block the run is at a stage."""
        self.stage, self.last, self._since = stage, stage, time.monotonic()
        self.goes_on()
        try:
            yield
        finally:
            self._seconds[stage], self.stage = self.seconds_of(stage), ""
            self.goes_on()

    @contextlib.contextmanager
    def doing(self) -> Iterator[None]:
        """Within the block a batch is done."""
        self.worked = True
        stage = self.stage
        self.goes_on()
        yield
        with self._lock:
            self.batches[stage] = self.batches.get(stage, 0) + 1
        self.goes_on()

    @contextlib.contextmanager
    def until_over(self) -> Iterator[None]:
        """The run itself: ended from here it is stuck, and not stopped by a person."""
        try:
            self._goes_on = True
            yield
            with self._lock:
                self._goes_on = False
        except BaseException as error:
            if not self.overdue:
                raise
            raise StuckError(f"{self.overdue}: ended; the same command goes on from there") from error
        finally:
            self._goes_on = False


@contextlib.contextmanager
def watched_run(house: House, *, working: bool = False) -> Iterator[Watch]:
    """Within the block the run is watched; its lock is held by the caller.

    Args:
        house: The run.
        working: Whether there is surely something to do; else that is known by its first batch.

    Raises:
        StuckError: It got no further, or a stage took too long.
    """
    from flows.observers import observers, take_over

    watch = Watch(house, worked=working)
    watch.continues = take_over(house)
    told = [(each, each.tell) for each in house.adapters]
    for each in house.adapters:
        each.tell, each.watch = watch.told(each.tell), watch
    watch.observers = observers(watch)
    mark = CURRENT.set(watch)
    try:
        with _beside([o.run() for o in watch.observers]), _beating(watch), watch.until_over():
            yield watch
    finally:
        CURRENT.reset(mark)
        for each, tell in told:
            each.tell, each.watch = tell, None


@contextlib.contextmanager
def watched_stage(house: House, stage: str) -> Iterator[None]:
    """Within the block the run is at this stage: what is left of it is listed, and done."""
    watch = house.watch
    if watch is None:
        yield
        return
    with watch.at(stage), _beside([o.stage(stage) for o in watch.observers]):
        yield


@contextlib.contextmanager
def watched_batch(house: House, title: str, size: int) -> Iterator[None]:
    """Within the block a batch is done, and what it made is written; several may be under way in one stage.

    Args:
        house: The run.
        title: What a person sees.
        size: How many units (pages, programs) it does.
    """
    watch = house.watch
    if watch is None:
        yield
        return
    mark = CURRENT.set(watch)  # its thread may be one of a crew's
    try:
        with watch.doing(), _beside([o.batch(title, size) for o in watch.observers]):
            yield
    finally:
        CURRENT.reset(mark)


@contextlib.contextmanager
def _beside(blocks: list[AbstractContextManager[Any]]) -> Iterator[None]:
    """Enters all blocks, of which none can harm what stands in them."""
    with ExitStack() as stack:
        for block in blocks:
            stack.enter_context(_Harmless(block))
        yield


class _Harmless:
    """A block whose own failure is logged, and goes no further."""

    def __init__(self, block: AbstractContextManager[Any]) -> None:
        self._block = block
        self._entered = False

    def __enter__(self) -> None:
        with logged(self._block):
            self._block.__enter__()
            self._entered = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entered:
            with logged(self._block, error):
                self._block.__exit__(kind, error, traceback)


@contextlib.contextmanager
def logged(what: object, but: BaseException | None = None) -> Iterator[None]:
    """Logs what fails in what watches; `but` is no failure of it."""
    try:
        yield
    except Exception as error:
        if error is not but:
            name = what if isinstance(what, str) else getattr(getattr(what, "gen", what), "__qualname__", "")
            _log.warning("A run can't be watched (%s): %s: %s", name, type(error).__name__, error)


@contextlib.contextmanager
def _beating(watch: Watch) -> Iterator[None]:
    """Within the block all observers hear a beat every few seconds."""
    from flows.observers import every_s

    over = threading.Event()

    def beat() -> None:
        CURRENT.set(watch)
        while not over.wait(every_s(watch)):
            for observer in watch.observers:
                with logged(type(observer)):
                    observer.beat()

    thread = threading.Thread(target=beat, name="driftune-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
