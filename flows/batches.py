"""What is left to do, in pieces: a stage lists its batches, a batch does its work and remembers it.

A stage is a function from the house to the batches that are missing now: it subtracts what the lake says is done, so
running it again finishes what a killed run left, and a finished stage has no batches. Batches that are shards are done
by the run's crew, several at once: workers compute, this process alone writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from flows import crews
from flows.crews import Piecework
from flows.house import House
from flows.nightly import check_cost
from flows.quota import check_disk
from flows.setting_aside import may_be_set_aside, set_aside, taken_up
from flows.spreading import together
from flows.watching import watched_batch

_HOPELESS = 3
"""Where so many shards fail and none is done, it is no matter of shards: the run ends with the last one's error."""

_AHEAD = 2
"""Shards a hand that are drawn before the first of them is done."""


@dataclass(frozen=True)
class Shard:
    """What a worker does of a batch, and what this process does before and after it.

    Attributes:
        key: The work key of what it does.
        kind: How workers do it.
        job: Reads what a worker is handed; called when it is its turn, so that not all is in memory.
        keep: Appends the outputs and the memory of it; the number of rows written.
    """

    key: str
    kind: Piecework
    job: Callable[[], Any]
    keep: Callable[[Any], int]

    def run(self) -> int:
        """Does all of it, here and now."""
        return self.keep(self.kind.here(self.job()))


@dataclass(frozen=True)
class Batch:
    """A piece of work.

    Attributes:
        title: What a person sees.
        size: How many units (pages, programs) it does.
        run: Does it, appends its outputs and the memory of it; the number of rows written.
        costs: Whether it costs money: none begins once the night's is spent.
        shard: The same for a crew, if it is one of many alike of which none hangs on another.
    """

    title: str
    size: int
    run: Callable[[], int]
    costs: bool = False
    shard: Shard | None = None

    @classmethod
    def of(cls, title: str, size: int, shard: Shard) -> Batch:
        """A batch that is a shard."""
        return cls(title, size, shard.run, shard=shard)


Stage = Callable[[House], list[Batch]]
"""The batches a stage has left to do."""


Do = Callable[[str, Callable[[], int]], int]
"""Does a batch under its title: here and now, or as a task of Prefect's."""


def perform(stage: Stage, house: House) -> int:
    """Does what is left of a stage, batch by batch, without Prefect; how many that were."""
    return perform_all(house, listed(stage, house), lambda _title, run: run())


def listed(stage: Stage, house: House) -> list[Batch]:
    """The batches that a stage has left; an environment that has to be built for that may fail once."""
    return house.patience.tried(partial(stage, house))


def perform_all(house: House, batches: Sequence[Batch], do: Do) -> int:
    """Does batches; how many. Everything that stands around each of them stands here, whatever does it."""
    if batches:
        check_disk(house)
    tally = _Tally(house, sum(batch.size for batch in batches))
    for sharded, alike in groupby(batches, key=lambda batch: batch.shard is not None):
        if sharded:
            _Shards(house, tally).perform(list(alike))
            continue
        for batch in alike:
            house.turn()
            if batch.costs:
                check_cost(house)
            with tally.counted(batch):
                house.patience.tried(partial(do, batch.title, batch.run))
    return len(batches)


@dataclass
class _Tally:
    """Tells how much of a stage is done, of several batches at once too."""

    house: House
    total: int
    done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def counted(self, batch: Batch) -> Iterator[None]:
        self._tell(batch, 0)
        with watched_batch(self.house, batch.title, batch.size):
            yield
        self._tell(batch, batch.size)

    def _tell(self, batch: Batch, done: int) -> None:
        with self._lock:
            self.done += done
            self.house.tell(batch.title, self.done, self.total)


@dataclass
class _Shards:
    """Has shards done by the run's crew; each is waited for by a thread of its own, which writes what came of it."""

    house: House
    tally: _Tally
    done: int = 0
    lost: int = 0
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _ready: dict[int, crews.Do] = field(default_factory=dict)

    def perform(self, batches: Sequence[Batch]) -> None:
        crew = self.house.crew
        with ExitStack() as stack:
            for kind in {id(s.kind): s.kind for s in (batch.shard for batch in batches) if s is not None}.values():
                self._ready[id(kind)] = stack.enter_context(crew.ready(kind))
            # beside other runs as many as work at a time, and then none is under way while they have their turn
            size = crew.hands if self.house.among > 1 else len(batches)
            for start in range(0, len(batches), size):
                self.house.turn()
                for _ in together(self._one, _drawn(batches[start : start + size]), crew.hands, crew.stop, _AHEAD):
                    pass

    def _one(self, pair: tuple[Batch, Shard]) -> None:
        batch, shard = pair
        failures: list[BaseException] = []
        patience, wait = self.house.patience, self.house.crew.stopped.wait
        with self.tally.counted(batch):
            job = patience.tried(shard.job, wait=wait)
            try:
                made = patience.tried(partial(self._ready[id(shard.kind)], batch.title, job), failures.append, wait)
            except Exception as error:
                self._failed(batch, shard, failures, error)
                return
            with self._writing:
                patience.tried(partial(shard.keep, made), wait=wait)
                taken_up(self.house, shard.key)
                self.done += 1

    def _failed(self, batch: Batch, shard: Shard, failures: Sequence[BaseException], error: Exception) -> None:
        """Sets a shard aside, where the run may go on without it.

        Raises:
            Exception: It may not.
        """
        with self._writing:
            self.lost += 1
            if not may_be_set_aside(error) or (self.lost >= _HOPELESS and not self.done):
                raise error
            set_aside(self.house, batch.title, shard.key, batch.size, failures)


def _drawn(batches: Sequence[Batch]) -> Iterator[tuple[Batch, Shard]]:
    return ((batch, batch.shard) for batch in batches if batch.shard is not None)
