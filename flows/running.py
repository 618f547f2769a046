"""Environments and verdicts: where the programs of a domain run, how they ran, and running some now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flows.house import House
from flows.scraping import releases
from registry.errors import SandboxError
from registry.records import Program, Release, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS

SHARD = 256
"""Programs in a batch, about."""


def environment(house: House, release: Release) -> BuiltEnvironment:
    """The environment of a release: built from wheels where it isn't there, and known to the lake."""
    wheels = [a["name"] for a in release.artifacts if a["kind"] == "wheel"]
    folder = house.folder("packages") / "pypi" / release.library
    found = [folder / name for name in wheels if (folder / name).is_file()]
    wanted = [f"{release.library}=={release.version}", *house.library.beside(release.version)]
    return house.pool.build(wanted, cache=house.folder("sandbox"), wheels=found)


def verdicts(house: House) -> dict[tuple[str, str], Verdict]:
    """(program id, release id) -> verdict, of both releases' environments."""
    environments = {release.id: environment(house, release).record.id for release in releases(house)}
    return {(v.program, r): v for r, e in environments.items() for v in attempted(house, e) if is_said(v)}


def run_now(house: House, release: Release, programs: Iterable[Program]) -> dict[str, Verdict]:
    """Program id -> verdict, of programs that a generator wants observed; those that ran before are looked up.

    Raises:
        SandboxError: One couldn't be run. What is made without knowing how it ran would be taken for all there is.
    """
    wanted = {p.id: p for p in programs}
    built = environment(house, release)
    ran = _attempted(house, built.record.id, "program IN (SELECT unnest($programs))", {"programs": sorted(wanted)})
    known = {v.program: v for v in ran if is_said(v)}
    missing = [p for i, p in sorted(wanted.items()) if i not in known]
    for start in range(0, len(missing), SHARD):
        house.tell(f"Observe programs with {release.library} {release.version}", start, len(missing))
        made = list(run_programs(house, built, missing[start : start + SHARD]))
        house.append([*missing[start : start + SHARD], *made])
        if lost := next((v for v in made if not is_said(v)), None):
            raise SandboxError(f"Program {lost.program} couldn't be run: {lost.detail}", program=lost.program)
        known.update((v.program, v) for v in made)
    return known


def run_programs(house: House, built: BuiltEnvironment, programs: Iterable[Program]) -> Iterator[Verdict]:
    """Runs programs as the domain wants them run."""
    limits = house.domain.sandbox
    return house.pool.run(
        built,
        programs,
        timeout_s=float(limits.timeout_s),
        attempts=limits.attempts,
        trace=house.library.imports,
    )


def attempted(house: House, environment_id: str) -> list[Verdict]:
    """The verdicts of an environment, also those of programs that couldn't be run."""
    return house.kept(("attempted", environment_id), lambda: _attempted(house, environment_id, "true", {}))


def _attempted(house: House, environment_id: str, where: str, parameters: dict[str, Any]) -> list[Verdict]:
    of = {"e": environment_id, "h": HARNESS, "p": policy(house), **parameters}
    return house.lake.read(Verdict, f"environment = $e AND harness = $h AND policy = $p AND {where}", of)


def is_said(verdict: Verdict) -> bool:
    """Whether a verdict says something: an unavailable one is of a program that couldn't be run."""
    return verdict.outcome != "unavailable"


def policy(house: House) -> str:
    """How often and how long a program is run."""
    return f"k={house.domain.sandbox.attempts},timeout={house.domain.sandbox.timeout_s}"
