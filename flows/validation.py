"""The stage `validate`: every program that an example's proof needs, run once in each environment it needs.

Programs are sharded by their ids, so that a killed run and an undisturbed one remember the same pieces of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

from flows.authored import written
from flows.batches import Batch, Shard
from flows.crews import Piecework, given_up
from flows.house import House
from flows.places import Place, run_there
from flows.running import SHARD, attempted, environment, is_said, place, policy, run_programs
from flows.scraping import releases
from flows.synthesis import MINED, mined, unwritten
from registry.identity import work_key
from registry.records import Example, Program, Release, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS
from validators.parts import obligations, programs_of, scouting

LOT = 16
"""Shards whose programs are read at a time."""

Timed = tuple[list[Verdict], float]
"""The verdicts of a shard, and the seconds that they took."""


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
        keys = {shard_key(house, built.record.id, shard): shard for shard in _shards(programs)}
        left = {  # verdicts can be forgotten; the memory of work stays
            key: [p for p in shard if p not in known]
            for key, shard in keys.items()
            if key not in done or not ran.issuperset(shard)
        }
        read = _reader(house, list(left.values()))
        kind = _kind(house, release, built)
        for number, (key, missing) in enumerate(left.items()):
            keep = partial(_keep, house, release, built, key, len(keys[key]))
            shard = Shard(key, kind, partial(read, number), keep)
            batches.append(Batch.of(f"Run programs with {release.library} {release.version}", len(missing), shard))
    return batches


def _reader(house: House, shards: Sequence[Sequence[str]]) -> Callable[[int], list[Program]]:
    """Gives the programs of a shard by its number; they are read as they are run, those of some shards at a time."""

    @lru_cache(maxsize=2)  # shards of two such lots may be under way
    def texts(lot: int) -> dict[str, Program]:
        return house.programs(p for shard in shards[lot * LOT : (lot + 1) * LOT] for p in shard)

    def read(number: int) -> list[Program]:
        found = texts(number // LOT)
        return [found[p] for p in shards[number]]

    return read


def _kind(house: House, release: Release, built: BuiltEnvironment) -> Piecework:
    """How programs are run in an environment, here and by workers."""

    def here(programs: list[Program]) -> Timed:
        since, made = time.monotonic(), []
        for verdict in run_programs(house, built, programs):
            if house.crew.stopped.is_set():
                raise given_up(f"Running programs with {release.library} {release.version}")
            made.append(verdict)
        return made, time.monotonic() - since

    return Piecework(here, _apart, place(house, release, built))


def _apart(where: Place, programs: list[Program]) -> Timed:
    since = time.monotonic()
    return run_there(where, programs), time.monotonic() - since


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


def _keep(house: House, release: Release, built: BuiltEnvironment, key: str, size: int, made: Timed) -> int:
    """Writes the verdicts of a shard, and that it is done."""
    verdicts, seconds = made
    where = {"release": release.id, "environment": built.record.id}
    since = time.monotonic() - seconds
    return house.finish("validate", HARNESS, [key], [built.record, *verdicts], since, where, size)
