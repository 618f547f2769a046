"""Where programs run: the sandbox of a domain, and the environment of a release in it, here and on other machines.

A worker is told of a place by a record of plain values, and finds or builds it by itself: the same environment, or it
refuses. It keeps it, and its warm servers, for the next programs.
"""

from __future__ import annotations

import atexit
import dataclasses
import fcntl
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from registry.domain import LibrarySpec, SandboxSpec
from registry.errors import SandboxError
from registry.identity import sha256_of
from registry.records import Environment, Program, Verdict
from registry.settings import Settings
from registry.storage import storage
from scrapers.index import index_of
from scrapers.relay import Relay
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import PRELOADABLE, Pool, Sandbox, load_sandbox
from validators.execution.wall import AUTO, WALLS, Limits, choose
from validators.execution.warm import idle_mb

CACHE = "sandbox"
"""Folder of the home that holds environments."""


@dataclass(frozen=True)
class Place:
    """An environment, and how programs are run in it.

    Attributes:
        library: The library.
        version: Its version.
        wheels: Names of the verified wheels of it, in its folder of the home.
        sandbox: The walls and limits.
        environment: What was built of this; a worker's must be the same.
        home: The home folder of who says this.
        host: The machine that it lies on.
        workers: Workers that share a machine.
    """

    library: LibrarySpec
    version: str
    wheels: tuple[str, ...]
    sandbox: SandboxSpec
    environment: Environment
    home: Path
    workers: int
    host: str = field(default_factory=socket.gethostname)

    def here(self) -> Path:
        """The home folder of the process that asks: on another machine, as that one is set up."""
        return self.home if socket.gethostname() == self.host else Settings().root


def sandbox_of(spec: SandboxSpec, workers: int, memory_mb: int | None = None) -> Sandbox:
    """The sandbox that a domain asks for.

    Args:
        spec: The domain's settings.
        workers: Programs at a time.
        memory_mb: Resident memory of idle servers; by default a share of the machine's.
    """
    if spec.wall not in (AUTO, *WALLS):
        return load_sandbox(spec.wall)(workers)
    wall = choose(spec.wall, image=spec.image, runtime=spec.runtime)
    preload = spec.preload or PRELOADABLE
    return Pool(workers, wall=wall, limits=Limits(memory_mb=spec.memory_mb), preload=preload, memory_mb=memory_mb)


def built(
    sandbox: Sandbox, library: LibrarySpec, version: str, wheels: Iterable[str], home: Path, pinned: Sequence[str] = ()
) -> BuiltEnvironment:
    """The environment of a release: built from wheels where it isn't there.

    Args:
        sandbox: What it is built by.
        library: The library.
        version: Its version.
        wheels: Names of the verified wheels of it; they are taken where they are there.
        home: The home folder.
        pinned: What the same came to on another machine: no other versions are taken.
    """
    folder = home / "packages" / "pypi" / library.name
    found = [folder / name for name in wheels if (folder / name).is_file()]
    asked = [f"{library.name}=={version}", *library.beside(version)]
    index = index_of(source.model_dump() for source in library.source)
    relay = Relay(index) if index.mark else None
    made = sandbox.build(pinned or asked, cache=home / CACHE, wheels=found, relay=relay)
    if not pinned:
        return made
    label = f"{', '.join(asked)} (Python {made.record.python})"  # as it was called where it was made first
    return dataclasses.replace(made, record=dataclasses.replace(made.record, label=label))


def run_in(
    sandbox: Sandbox, where: BuiltEnvironment, library: LibrarySpec, spec: SandboxSpec, programs: Iterable[Program]
) -> Iterator[Verdict]:
    """Runs programs as a domain wants them run."""
    return sandbox.run(where, programs, timeout_s=float(spec.timeout_s), attempts=spec.attempts, trace=library.imports)


_OPEN: dict[str, tuple[Sandbox, BuiltEnvironment]] = {}
"""In a worker: the sandbox and the environment of each place that it has been told of."""


def run_there(place: Place, programs: Sequence[Program]) -> list[Verdict]:
    """The verdicts of programs at a place, by one worker of several: one program at a time.

    Raises:
        SandboxError: The place can't be found or built here, or comes out as another one.
    """
    name = sha256_of([place.environment.id, place.sandbox.model_dump()])
    if name not in _OPEN:
        _OPEN[name] = _opened(place)
    return list(run_in(*_OPEN[name], place.library, place.sandbox, programs))


def _opened(place: Place) -> tuple[Sandbox, BuiltEnvironment]:
    """The place as it is here. Of a machine's workers one at a time looks: what isn't there is built once."""
    sandbox = sandbox_of(place.sandbox, 1, idle_mb() // place.workers)
    atexit.register(sandbox.close)
    home, pinned = place.here(), list[str]()
    if home != place.home or socket.gethostname() != place.host:
        pinned = list(place.environment.requirements)
    lock = home / CACHE / "building.lock"
    with storage("the lock of environments", lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = built(sandbox, place.library, place.version, place.wheels, home, pinned)
    if found.record.id != place.environment.id:
        here, there, host = found.record, place.environment, socket.gethostname()
        raise SandboxError(
            f"The environment of {place.library.name} {place.version} is another one on {host} than on {place.host}: "
            f"Python {here.python} with {here.settings} here, {there.python} with {there.settings} there. "
            "Give all machines the same Python and the same walls",
            wanted=there.id,
            found=here.id,
        )
    return sandbox, found
