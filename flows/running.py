"""Environments and verdicts: where the programs of a domain run, how they ran, and running some now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flows.agreed import same_packages, shared
from flows.engines import RAY
from flows.house import House
from flows.places import Place, built, run_in, run_there
from flows.scraping import releases
from registry.errors import SandboxError
from registry.records import Program, Release, Verdict
from registry.shelf import Shelf
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS

SHARD = 256
"""Programs in a batch, about."""

OBSERVED = 8
"""Programs that a worker on a cluster observes at a time."""


def environment(house: House, release: Release) -> BuiltEnvironment:
    """The environment of a release: built from wheels where it isn't there, and known to the lake."""
    library, objects = house.library, shared(house.settings)

    def build(pinned: Sequence[str]) -> BuiltEnvironment:
        return built(house.pool, library, release.version, _wheels(release), house.settings.root, pinned)

    if objects is None:
        return build(())
    sources = [str(source.model_dump()) for source in library.source]
    asked = [library.name, release.version, *library.beside(release.version), house.domain.sandbox.image, *sources]
    return same_packages(objects, asked, build)


def place(house: House, release: Release, environment: BuiltEnvironment) -> Place:
    """Where the programs of a release run, for a worker in another process."""
    return Place(
        library=house.library,
        version=release.version,
        wheels=_wheels(release),
        sandbox=house.domain.sandbox,
        environment=environment.record,
        home=house.settings.root,
        workers=house.workers * house.among,
    )


def _wheels(release: Release) -> tuple[str, ...]:
    return tuple(a["name"] for a in release.artifacts if a["kind"] == "wheel")


@dataclass(frozen=True)
class Said(Mapping[tuple[str, str], Verdict]):
    """(program id, release id) -> verdict, of programs that could be run.

    Attributes:
        by_release: Release id -> program id -> verdict, of all that were tried.
    """

    by_release: Mapping[str, Shelf[Verdict]]

    def __getitem__(self, run: tuple[str, str]) -> Verdict:
        program, release = run
        found = self.by_release[release][program]
        if not is_said(found):
            raise KeyError(run)
        return found

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((v.program, r) for r, found in self.by_release.items() for v in found.values() if is_said(v))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def verdicts(house: House) -> Said:
    """How programs ran in both releases' environments."""
    return Said({release.id: attempted(house, environment(house, release).record.id) for release in releases(house)})


def run_now(
    house: House,
    release: Release,
    programs: Iterable[Program],
    ran: Said,
    *,
    quiet: bool = False,
) -> dict[str, Verdict]:
    """Program id -> verdict, of programs that a generator wants observed; those that ran before are looked up.

    Args:
        house: The run.
        release: Where they run.
        programs: The programs.
        ran: What `verdicts` gave, read once by who observes again and again; what runs now is added.
        quiet: Nobody is told of progress.

    Raises:
        SandboxError: One couldn't be run. What is made without knowing how it ran would be taken for all there is.
    """
    wanted = {p.id: p for p in programs}
    missing = [p for i, p in sorted(wanted.items()) if (i, release.id) not in ran]
    where = environment(house, release)
    for start in range(0, len(missing), SHARD):
        if not quiet:
            house.tell(f"Observe programs with {release.library} {release.version}", start, len(missing))
        made = _observed(house, release, where, missing[start : start + SHARD])
        house.append([*missing[start : start + SHARD], *made])
        if lost := next((v for v in made if not is_said(v)), None):
            raise SandboxError(f"Program {lost.program} couldn't be run: {lost.detail}", program=lost.program)
        ran.by_release[release.id].put(((v.program, v) for v in made), over=True)
    return {i: ran[i, release.id] for i in sorted(wanted)}


def _observed(house: House, release: Release, where: BuiltEnvironment, programs: Sequence[Program]) -> list[Verdict]:
    """How programs run: many by a cluster's workers; on one machine the pool of this process keeps all cores busy."""
    if house.settings.engine != RAY or len(programs) <= OBSERVED:
        return list(run_programs(house, where, programs))
    parts = [programs[start : start + OBSERVED] for start in range(0, len(programs), OBSERVED)]
    return [verdict for made in house.spread(run_there, place(house, release, where), parts) for verdict in made]


def run_programs(house: House, where: BuiltEnvironment, programs: Iterable[Program]) -> Iterator[Verdict]:
    """Runs programs as the domain wants them run."""
    return run_in(house.pool, where, house.library, house.domain.sandbox, programs)


def attempted(house: House, environment_id: str) -> Shelf[Verdict]:
    """The verdicts of an environment by their programs, also those of programs that couldn't be run."""
    return house.kept(("attempted", environment_id), lambda: _attempted(house, environment_id))


def _attempted(house: House, environment_id: str) -> Shelf[Verdict]:
    of = {"e": environment_id, "h": HARNESS, "p": policy(house)}
    found = house.shelf()
    where = "environment = $e AND harness = $h AND policy = $p"
    found.put((verdict.program, verdict) for verdict in house.lake.each(Verdict, where, of))
    return found


def is_said(verdict: Verdict) -> bool:
    """Whether a verdict says something: an unavailable one is of a program that couldn't be run."""
    return verdict.outcome != "unavailable"


def policy(house: House) -> str:
    """How often and how long a program is run."""
    return f"k={house.domain.sandbox.attempts},timeout={house.domain.sandbox.timeout_s}"
