"""What every stage of a run is handed: the domain, the lake, where things lie, and whom to tell of progress."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flows.executors import BareExecutors, Executors
from flows.progress import Tell
from flows.retrying import Patience
from registry.domain import Domain, LibrarySpec
from registry.domain_files import load_domain, workloads
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Program, Record, Work
from registry.settings import Settings
from registry.shelf import Shelf

if TYPE_CHECKING:
    from flows.crews import Crew
    from flows.setting_aside import Aside
    from flows.tracking import Tracked
    from flows.watching import Watch
    from scrapers.index import Index
    from validators.execution.pool import Sandbox


R = TypeVar("R", bound=Record)
T = TypeVar("T")


def _silent(_title: str, _done: int, _total: int, _note: str = "", /) -> None:
    """Tells nobody."""


def _alone() -> None:
    """It is always this run's turn: it shares the machine with no other."""


@dataclass
class House:
    """One run over one domain.

    Attributes:
        domain: The domain.
        settings: Locations.
        reference: How a person named the domain: its name, or the path of its file.
        command: The driftune command that a person gave, or would give to do the same.
        run: Name of the run, stamped on what it writes.
        tell: Called with progress.
        accept_removals: Whether a person has said that much of what there was may go.
        experiment: Whether a training is a trial of other settings than the domain's.
        tracked: Where a domain stands that follows its library's releases; None where a person has set the versions.
        executors: What does the calls of a crew: bare, or as tasks of Prefect's.
        turn: Called before each batch; it returns when it is this run's turn among the others that share the machine.
        among: How many runs may be open on this machine at a time; more than one where they take turns.
        mother: Of a workload: the domain whose snapshot it is made of, and whose lake and sandbox it uses; None for a
            domain itself.
        aside: What the run has set aside (`flows.setting_aside`).
        watch: What is known of the run while it is watched (`flows.watching`).
    """

    domain: Domain
    settings: Settings
    reference: str = ""
    command: str = "run"
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    tell: Tell = _silent
    accept_removals: bool = False
    experiment: bool = False
    tracked: Tracked | None = None
    executors: Executors = field(default_factory=BareExecutors, repr=False)
    turn: Callable[[], None] = field(default=_alone, repr=False)
    among: int = 1
    mother: House | None = field(default=None, repr=False)
    aside: list[Aside] = field(default_factory=list, repr=False)
    watch: Watch | None = field(default=None, repr=False)
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def lake(self) -> Lake:
        """The lake, its tables and catalogue made where they are missing."""
        if self.mother is not None:
            return self.mother.lake
        lake = Lake(self.settings.lake_url, self.settings.root, self.run)
        lake.create()
        return lake

    @property
    def library(self) -> LibrarySpec:
        """The domain's library."""
        return self.domain.library[0]

    @cached_property
    def index(self) -> Index:
        """The package index that the library and what stands beside it come from."""
        from scrapers.index import index_of

        return index_of(source.model_dump() for source in self.library.source)

    @cached_property
    def adapters(self) -> tuple[House, ...]:
        """The domain and its workloads: one house for each adapter that is made of the snapshot."""
        others = (dataclasses.replace(self, domain=each, mother=self) for each in workloads(self.domain))
        return (self, *others)

    @property
    def owner(self) -> str:
        """Name of the domain that is run; a workload is run with its domain."""
        return (self.mother or self).domain.name

    @property
    def workers(self) -> int:
        """Sandbox processes at a time."""
        return self.domain.sandbox.workers or os.cpu_count() or 1

    @property
    def patience(self) -> Patience:
        """How often something is tried that trying again can help."""
        return Patience(self.settings.tries)

    @property
    def threads(self) -> int:
        """Threads of the training."""
        return self.domain.train.threads or os.cpu_count() or 1

    @cached_property
    def pool(self) -> Sandbox:
        """The sandbox; its servers stay warm until `close`."""
        if self.mother is not None:
            return self.mother.pool
        from flows.places import sandbox_of
        from validators.execution.warm import idle_mb

        sandbox = sandbox_of(self.domain.sandbox, self.workers, idle_mb() // self.among)
        self._resources.callback(sandbox.close)
        return sandbox

    @cached_property
    def crew(self) -> Crew:
        """Who does the shards of the run; its workers stay warm until `close`."""
        if self.mother is not None:
            return self.mother.crew
        from flows.engines import opened_crew

        return self._resources.enter_context(opened_crew(self.settings, self.executors, self.workers))

    def spread(self, function: Callable[[Any, Any], T], common: Any, jobs: Iterable[Any], most: int = 0) -> Iterator[T]:
        """Computes `function(common, job)` of each job, by the engine's workers (`flows.spreading.spread`).

        Threads can't compute at once in one process: where they are the engine, these are processes all the same.

        Args:
            function: A function of a module.
            common: What all jobs read.
            jobs: The jobs.
            most: Workers that are worth it, at most; 0 for all.
        """
        from flows.engines import THREADS
        from flows.spreading import spread

        crew = None if most == 1 or self.settings.engine == THREADS else self.crew
        hands = crew.hands if crew else self.workers
        return spread(function, common, jobs, min(hands, most or hands), crew, self.patience)

    def kept(self, name: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives, read once until something is written: stages ask for the same again and again.

        A domain and its workloads share what is kept: what differs between them has the adapter's name in its own.
        """
        if name not in self._kept:
            self._kept[name] = read()
        return cast(T, self._kept[name])

    def made(self, record: type[R], key: str) -> list[R]:
        """The records of a kind that the work of this key made, ordered by id; none where it isn't done."""
        return self.kept((record, key), lambda: self.lake.read(record, work=key))

    def shelf(self) -> Shelf[Any]:
        """A shelf for what there may be too much of to be held in memory."""
        return Shelf(self.folder("shelves"))

    def shelved(self, record: type[R], keys: Sequence[str]) -> Shelf[R]:
        """The records of a kind that the works of these keys made, by id, of each the last version; read once."""
        return self.kept(("shelf", record, tuple(keys)), lambda: self._shelved(record, keys))

    def _shelved(self, record: type[R], keys: Sequence[str]) -> Shelf[R]:
        found = self.shelf()
        if keys:
            found.put((row.id, row) for row in self.lake.each(record, work=keys))
        return found

    def programs(self, ids: Iterable[str]) -> dict[str, Program]:
        """Id -> program."""
        wanted = {"ids": sorted(ids)}
        return (
            {p.id: p for p in self.lake.read(Program, "id IN (SELECT unnest($ids))", wanted)} if wanted["ids"] else {}
        )

    def while_open(self, process: subprocess.Popen[bytes]) -> None:
        """Takes over a process that ends when its standard input does; `close` ends it and waits."""
        self._resources.enter_context(process)

    def close(self) -> None:
        """Ends what the run started: sandboxes, a base in the making; and takes care of the cache of environments."""
        from validators.execution.cache import trim

        self._resources.close()
        trim(self.folder("sandbox"), self.settings.sandbox_mb << 20)

    def folder(self, name: str) -> Path:
        """A folder of caches in the home folder."""
        return self.settings.root / name

    def result(self, key: str) -> Mapping[str, Any] | None:
        """What the work of this key left for later stages, or None where it is not done."""
        found = self.kept(("result", key), lambda: self.lake.read(Work, '"key" = $key', {"key": key}))
        return found[0].result if found else None

    def append(self, records: Iterable[Record]) -> int:
        """Appends records as they are drawn; the number of rows written."""
        try:
            return self.lake.append(records)
        finally:
            self._kept.clear()

    def finish(
        self,
        stage: str,
        part: str,
        keys: Iterable[str],
        records: Iterable[Record],
        since: float,
        result: Mapping[str, Any] | None = None,
        outputs: int | None = None,
    ) -> int:
        """Appends the outputs of a piece of work, as they are drawn, and then the memory of it; the number of rows.

        All of them bear one time: the lake knows by that which rows a work made (`made`).

        Args:
            stage: The stage.
            part: What did it, with its version.
            keys: The work keys that are done now.
            records: The outputs.
            since: `time.monotonic()` at its start.
            result: Ids that later stages need.
            outputs: Rows of the whole piece, where a killed run may have written some of them before.
        """
        names = list(keys)

        def with_memory() -> Iterator[Record]:
            count = 0
            for record in records:
                yield record
                count += 1
            seconds = (time.monotonic() - since) / max(1, len(names))
            for key in names:
                yield Work(
                    key=key,
                    stage=stage,
                    domain=self.domain.name,
                    part=part,
                    outputs=count if outputs is None else outputs,
                    result=dict(result or {}),
                    seconds=seconds,
                )

        return self.append(with_memory()) - len(names)


def open_house(
    reference: str,
    tell: Tell = _silent,
    settings: Settings | None = None,
    *,
    moving: bool = False,
    tracked: Tracked | None = None,
) -> House:
    """The house of a domain, by its name or the path of its file.

    Args:
        reference: Name or path.
        tell: Called with progress.
        settings: Locations; the environment's where None.
        moving: Whether a domain that tracks its library is to go to the newest release (`flows.tracking`).
        tracked: Where such a domain stands, of who has looked before.

    Raises:
        ConfigurationError: The domain file or a location is wrong.
    """
    house = House(load_domain(reference), settings or Settings(), reference, tell=tell)
    if house.settings.root.is_file():
        raise ConfigurationError(f"DRIFTUNE_HOME {house.settings.root} is a file: set it to a folder")
    if house.library.track is not None:
        from flows.tracking import follow

        house.tracked = tracked or follow(house, moving=moving)
        library = house.library.at(house.tracked.versions)
        house.domain = house.domain.model_copy(update={"library": (library,)})
    return house
