"""The stage `validate`: every program that an example's proof needs, run once in each environment it needs.

Programs are sharded by their ids, so that a killed run and an undisturbed one remember the same pieces of work.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from flows.authored import written
from flows.batches import Batch, Shard
from flows.crews import Piecework, given_up
from flows.house import House
from flows.places import Place, run_there
from flows.running import SHARD, attempted, environment, is_said, place, policy, run_programs
from flows.scraping import releases
from flows.synthesis import MINED, derive_key, mine_keys, mined, unwritten
from registry.identity import work_key
from registry.records import Example, Program, Release, Verdict
from registry.shelf import Shelf
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS
from validators.parts import obligations, programs_of, scouting

Timed = tuple[list[Verdict], float]
"""The verdicts of a shard, and the seconds that they took."""


def needed(house: House, found: Iterable[Example]) -> dict[str, Shelf[None]]:
    """Release id -> ids of the programs that must run there, on a shelf.

    A mined row of the old release is tried at both. Its stub is not run: the row gets into no snapshot.

    Args:
        house: The house.
        found: The rows.
    """
    old, new = releases(house)
    wanted: dict[str, Shelf[None]] = {old.id: house.shelf(), new.id: house.shelf()}
    for example in found:
        runs = obligations(example)
        if tried := scouting(example, new.id):
            runs = [run for run in runs if run[0] == programs_of(example)["answer"]] + tried
        for program, release in runs:
            wanted[release].put([(program, None)])
    return wanted


def validate_mined_stage(house: House) -> list[Batch]:
    """What mined rows need."""
    return _batches(house, needed(house, mined(house, MINED)), mine_keys(house))


def validate_derived_stage(house: House) -> list[Batch]:
    """What all rows need that no LLM wrote."""
    return _batches(house, needed(house, unwritten(house).values()), [*mine_keys(house), derive_key(house)])


def validate_written_stage(house: House) -> list[Batch]:
    """What the rows of an LLM need beyond what was run while they were written."""
    return _batches(house, needed(house, written(house)), ())


def _batches(house: House, wanted: Mapping[str, Shelf[None]], keys: Sequence[str]) -> list[Batch]:
    """Batches of programs without a verdict, by release; the works of some keys have written most of the programs."""
    batches = []
    done = house.lake.work("validate")
    for release in releases(house):
        programs = wanted[release.id]
        if not programs:
            continue
        built = environment(house, release)
        found = attempted(house, built.record.id)
        texts = partial(_texts, house, house.shelved(Program, keys))
        kind = _kind(house, release, built)
        for shard in _shards(programs):
            key, ran = shard_key(house, built.record.id, shard), found.some(shard)
            if key not in done or len(ran) < len(shard):  # verdicts can be forgotten; the memory of work stays
                missing = [p for p in shard if p not in ran or not is_said(ran[p])]
                keep = partial(_keep, house, release, built, key, len(shard))
                one = Shard(key, kind, partial(texts, missing), keep)
                batches.append(Batch.of(f"Run programs with {release.library} {release.version}", len(missing), one))
    return batches


def _texts(house: House, known: Shelf[Program], ids: Sequence[str]) -> list[Program]:
    """Programs, most of which stand on a shelf."""
    found = known.some(ids)
    found |= house.programs(set(ids) - found.keys())
    return [found[name] for name in ids]


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


def _shards(programs: Shelf[None]) -> Iterator[list[str]]:
    """The ids in equal ranges of their first bits: the same programs make the same shards."""
    count = max(1, len(programs) // SHARD)
    return (list(shard) for _, shard in groupby(programs, key=lambda name: int(name[:8], 16) * count >> 32))


def _keep(house: House, release: Release, built: BuiltEnvironment, key: str, size: int, made: Timed) -> int:
    """Writes the verdicts of a shard, and that it is done."""
    verdicts, seconds = made
    where = {"release": release.id, "environment": built.record.id}
    since = time.monotonic() - seconds
    return house.finish("validate", HARNESS, [key], [built.record, *verdicts], since, where, size)
