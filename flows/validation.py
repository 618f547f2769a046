"""The stage `validate`: every program that an example's proof needs, run once in each environment it needs.

Programs are sharded by their ids, so that a killed run and an undisturbed one remember the same pieces of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from flows.authored import written
from flows.batches import Batch
from flows.house import House
from flows.running import SHARD, attempted, environment, is_said, policy, run_programs
from flows.scraping import releases
from flows.synthesis import MINED, mined, unwritten
from registry.identity import work_key
from registry.records import Example, Program, Release
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS
from validators.parts import obligations, programs_of, scouting


def needed(house: House, found: list[Example]) -> dict[str, set[str]]:
    """Release id -> ids of the programs that must run there.

    A mined row of the old release is tried at both. Its stub is not run: the row gets into no snapshot.

    Args:
        house: The house.
        found: The rows.
    """
    old, new = releases(house)
    wanted: dict[str, set[str]] = {old.id: set(), new.id: set()}
    for example in found:
        runs = obligations(example)
        if tried := scouting(example, new.id):
            runs = [run for run in runs if run[0] == programs_of(example)["answer"]] + tried
        for program, release in runs:
            wanted[release].add(program)
    return wanted


def validate_mined_stage(house: House) -> list[Batch]:
    """What mined rows need."""
    return _batches(house, needed(house, mined(house, MINED)))


def validate_derived_stage(house: House) -> list[Batch]:
    """What all rows need that no LLM wrote."""
    return _batches(house, needed(house, unwritten(house)))


def validate_written_stage(house: House) -> list[Batch]:
    """What the rows of an LLM need beyond what was run while they were written."""
    return _batches(house, needed(house, written(house)))


def _batches(house: House, wanted: dict[str, set[str]]) -> list[Batch]:
    """Batches of programs without a verdict, by release."""
    batches = []
    done = house.lake.work("validate")
    for release in releases(house):
        programs = wanted[release.id]
        if not programs:
            continue
        built = environment(house, release)
        found = attempted(house, built.record.id)
        ran = {v.program for v in found}
        known = {v.program for v in found if is_said(v)}
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
    settings = {"domain": house.owner, "environment": environment_id, "policy": policy(house)}
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
        made = run_programs(house, built, missing)
        return house.finish("validate", HARNESS, [key], [built.record, *made], since, where, size)

    return run
