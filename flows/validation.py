"""The stage `validate`: every program that an example's proof needs, run once in each environment it needs.

Programs are sharded by their ids, so that a killed run and an undisturbed one remember the same pieces of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flows.batches import Batch
from flows.house import House
from flows.scraping import examples, releases
from registry.identity import work_key
from registry.records import Program, Release, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS
from validators.proofs import answers, holds, obligations, programs_of, scouting

MINED = ("doc", "test")
"""Kinds that are mined and run before anything is made of them."""

SHARD = 256
"""Programs in a batch, about."""


def environment(house: House, release: Release) -> BuiltEnvironment:
    """The environment of a release: built from wheels where it isn't there, and known to the lake."""
    wheels = [a["name"] for a in release.artifacts if a["kind"] == "wheel"]
    folder = house.folder("packages") / "pypi" / release.library
    found = [folder / name for name in wheels if (folder / name).is_file()]
    wanted = [f"{release.library}=={release.version}", *house.library.beside(release.version)]
    return house.pool.build(wanted, cache=house.folder("sandbox"), wheels=found)


def needed(house: House, *, derived: bool) -> dict[str, set[str]]:
    """Release id -> ids of the programs that must run there.

    A mined row of the old release is tried at both; its stub is run only where the row may get into a snapshot: where
    it holds at the new release, which hasn't the same row. That is known when the mined rows have run.

    Args:
        house: The house.
        derived: Whether to count derived rows and such stubs too, or the mined rows alone. What the mined rows need
            depends on nothing that has run: a killed run counts the same.
    """
    old, new = releases(house)
    wanted: dict[str, set[str]] = {old.id: set(), new.id: set()}
    found = examples(house, () if derived else MINED)
    fresh = answers(found, new.id)
    known = verdicts(house) if derived else {}
    for example in found:
        runs = obligations(example)
        if scouting(example, new.id):
            answer = programs_of(example)["answer"]
            runs += scouting(example, new.id)
            if answer in fresh or not holds(example, known, new.id):
                runs = [run for run in runs if run[0] == answer]
        for program, release in runs:
            wanted[release].add(program)
    return wanted


def verdicts(house: House) -> dict[tuple[str, str], Verdict]:
    """(program id, release id) -> verdict, of both releases' environments."""
    found = {}
    for release in releases(house):
        for verdict in _verdicts(house, environment(house, release).record.id):
            found[verdict.program, release.id] = verdict
    return found


def run_now(house: House, release: Release, programs: Iterable[Program]) -> dict[str, Verdict]:
    """Program id -> verdict, of programs that a generator wants observed; those that ran before are looked up."""
    wanted = {p.id: p for p in programs}
    built = environment(house, release)
    known = {v.program: v for v in _verdicts(house, built.record.id, wanted)}
    missing = [p for i, p in sorted(wanted.items()) if i not in known]
    for start in range(0, len(missing), SHARD):
        house.tell(f"Observe programs with {release.library} {release.version}", start, len(missing))
        made = list(_run(house, built, missing[start : start + SHARD]))
        house.lake.append([*missing[start : start + SHARD], *made])
        known.update((v.program, v) for v in made)
    return known


def _run(house: House, built: BuiltEnvironment, programs: Iterable[Program]) -> Iterator[Verdict]:
    limits = house.domain.sandbox
    return house.pool.run(
        built,
        programs,
        timeout_s=float(limits.timeout_s),
        attempts=limits.attempts,
        trace=house.library.imports,
    )


def _verdicts(house: House, environment_id: str, programs: Iterable[str] | None = None) -> list[Verdict]:
    """The verdicts of an environment, of all programs or of some, that say something."""
    return [v for v in _attempted(house, environment_id, programs) if v.outcome != "unavailable"]


def _attempted(house: House, environment_id: str, programs: Iterable[str] | None = None) -> list[Verdict]:
    """The verdicts of an environment, also those of programs that couldn't be run."""
    where = "environment = $e AND harness = $h AND policy = $p"
    wanted: dict[str, Any] = {"e": environment_id, "h": HARNESS, "p": _policy(house)}
    if programs is not None:
        where, wanted = where + " AND program IN (SELECT unnest($programs))", wanted | {"programs": sorted(programs)}
    return house.lake.read(Verdict, where, wanted)


def _policy(house: House) -> str:
    return f"k={house.domain.sandbox.attempts},timeout={house.domain.sandbox.timeout_s}"


def validate_mined_stage(house: House) -> list[Batch]:
    """What mined rows need."""
    return _batches(house, needed(house, derived=False))


def validate_derived_stage(house: House) -> list[Batch]:
    """What all rows need."""
    return _batches(house, needed(house, derived=True))


def _batches(house: House, wanted: dict[str, set[str]]) -> list[Batch]:
    """Batches of programs without a verdict, by release."""
    batches = []
    done = house.lake.work("validate")
    for release in releases(house):
        programs = wanted[release.id]
        if not programs:
            continue
        built = environment(house, release)
        attempted = _attempted(house, built.record.id)
        ran = {v.program for v in attempted}
        known = {v.program for v in attempted if v.outcome != "unavailable"}
        texts = house.programs(programs - known)
        for shard in _shards(programs):
            key = shard_key(house, built.record.id, shard)
            if key not in done or not ran.issuperset(shard):  # verdicts can be forgotten; the memory of work stays
                missing = [texts[p] for p in shard if p not in known]
                title = f"Run programs with {release.library} {release.version}"
                batches.append(Batch(title, len(missing), _running(house, release, built, missing, len(shard), key)))
    return batches


def shard_key(house: House, environment_id: str, shard: list[str]) -> str:
    """The work key of some programs' runs in an environment."""
    settings = {"domain": house.domain.name, "environment": environment_id, "policy": _policy(house)}
    return work_key(shard, HARNESS, settings)


def _shards(programs: Iterable[str]) -> list[list[str]]:
    """The ids in equal ranges of their first bits: the same programs make the same shards."""
    ids = sorted(programs)
    count = max(1, len(ids) // SHARD)
    shards: list[list[str]] = [[] for _ in range(count)]
    for identifier in ids:
        shards[int(identifier[:8], 16) * count >> 32].append(identifier)
    return [shard for shard in shards if shard]


def _running(
    house: House, release: Release, built: BuiltEnvironment, missing: list[Program], size: int, key: str
) -> Callable[[], int]:
    where = {"release": release.id, "environment": built.record.id}

    def run() -> int:
        since = time.monotonic()
        made = _run(house, built, missing)
        return house.finish("validate", HARNESS, [key], [built.record, *made], since, where, size)

    return run
