"""The stage `validate`: every program that an example's proof needs, run once in each environment it needs.

Programs are sharded by their ids, so that a killed run and an undisturbed one remember the same pieces of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import groupby
from typing import Any

from flows.authored import written
from flows.batches import Batch, Shard
from flows.crews import Piecework, given_up
from flows.house import House
from flows.places import Place, run_there
from flows.running import SHARD, attempted, environment, is_said, place, policy, run_programs
from flows.scraping import releases
from flows.synthesis import MINED, derive_key, mine_keys, mined, unwritten
from registry.identity import work_key
from registry.records import Example, Program, Release, Verdict, Work
from registry.shelf import Shelf
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS
from validators.parts import obligations, programs_of, scouting

Timed = tuple[list[Verdict], float]
"""The verdicts of a shard, and the seconds that they took."""

TRIES = 3
"""Runs that try a program which couldn't be run: were there no end, each night would begin anew."""

LOST = "unavailable"
"""Where a shard's work says what couldn't be run."""


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
    return _batches(house, _of_mined(house), mine_keys(house))


def validate_derived_stage(house: House) -> list[Batch]:
    """What all rows need that no LLM wrote."""
    return _batches(house, _of_unwritten(house), [*mine_keys(house), derive_key(house)], _of_mined)


def validate_written_stage(house: House) -> list[Batch]:
    """What the rows of an LLM need beyond what was run while they were written."""
    return _batches(house, _of_written(house), (), _of_unwritten)


def all_tried(house: House, *, also_written: bool = False) -> bool:
    """Whether each program that rows need was tried, also where it couldn't be run.

    Args:
        house: The house.
        also_written: Whether the rows that an LLM wrote are meant too.
    """
    asked = (_of_unwritten, _of_written) if also_written else (_of_unwritten,)
    return not any(_is_any_left(house, needs(house), lambda _tried: False) for needs in asked)


def is_to_be_tried_again(house: House) -> bool:
    """Whether the next run is to try programs again that couldn't be run."""
    if not lost(house) or not _is_any_unavailable(house):  # nearly always: all else reads all rows
        return False
    asked = ((_of_mined, None), (_of_unwritten, _of_mined), (_of_written, _of_unwritten))
    return any(_is_any_left(house, needs(house), lambda tried: tried.runs < TRIES, before) for needs, before in asked)


def _is_any_unavailable(house: House) -> bool:
    """Whether the current verdict on any program says that it couldn't be run."""
    places = [environment(house, release).record.id for release in releases(house)]
    where = "outcome = 'unavailable' AND environment IN (SELECT unnest($places)) AND harness = $h AND policy = $p"
    of = {"places": places, "h": HARNESS, "p": policy(house)}
    once = sorted({verdict.id for verdict in house.lake.each(Verdict, where, of)})
    if not once:
        return False
    now = house.lake.each(Verdict, "id IN (SELECT unnest($ids))", {"ids": once})  # some have been run since
    return not all(is_said(verdict) for verdict in now)


def lost(house: House) -> list[tuple[str, int]]:
    """Work key of each shard with programs that couldn't be run, and how many these are: one look-up, without rows."""
    among = f"stage = 'validate' AND domain = $d AND (result ->> '$.{LOST}') IS NOT NULL"
    return [(work.key, work.result[LOST]["programs"]) for work in house.lake.read(Work, among, {"d": house.owner})]


def waiting_lines(house: House) -> list[str]:
    """Rows that wait for programs which couldn't be run, for a person."""
    asked = "SELECT count(*) AS rows, min(detail) AS why FROM removals WHERE domain = $domain AND rule = 'unavailable'"
    [found] = house.lake.query(asked, {"domain": house.domain.name}).to_pylist()
    if not found["rows"]:
        return []
    again = f"{TRIES} runs try it, and driftune validate {house.domain.name} does at any time"
    return [f"{found['rows']:,} rows wait for what couldn't be run ({found['why']}): {again}"]


Needs = Callable[[House], dict[str, Shelf[None]]]
"""What a stage is to run (`needed`)."""


def _of_mined(house: House) -> dict[str, Shelf[None]]:
    return needed(house, mined(house, MINED))


def _of_unwritten(house: House) -> dict[str, Shelf[None]]:
    return needed(house, unwritten(house).values())


def _of_written(house: House) -> dict[str, Shelf[None]]:
    return needed(house, written(house))


@dataclass(frozen=True)
class Tried:
    """What is remembered of a shard's programs that couldn't be run.

    Attributes:
        runs: How many runs have tried it.
        last: The last of them.
    """

    runs: int = 0
    last: str = ""

    @classmethod
    def of(cls, work: Work | None) -> Tried:
        """What a shard's work says."""
        said = work.result.get(LOST) if work is not None else None
        return cls(said["runs"], said["last"]) if said else cls()


def _batches(
    house: House, wanted: Mapping[str, Shelf[None]], keys: Sequence[str], before: Needs | None = None
) -> list[Batch]:
    """Batches of programs without a verdict, by release; the works of some keys have written most of the programs.

    What couldn't be run has none: each run tries it once more, so many in all, and as often as a person asks for it.
    """

    def again(tried: Tried) -> bool:
        return tried.last != house.run and (tried.runs < TRIES or house.command == "validate")

    batches = []
    done = house.lake.work("validate")
    for release in releases(house):
        if not wanted[release.id]:
            continue
        built = environment(house, release)
        texts = partial(_texts, house, house.shelved(Program, keys))
        kind = _kind(house, release, built)
        for key, shard, missing in _left(house, release, built, wanted, done, again, before):
            tried = Tried(Tried.of(done.get(key)).runs + 1, house.run)
            keep = partial(_keep, house, release, built, key, len(shard), tried)
            one = Shard(key, kind, partial(texts, missing), keep)
            batches.append(Batch.of(f"Run programs with {release.library} {release.version}", len(missing), one))
    return batches


def _is_any_left(
    house: House, wanted: Mapping[str, Shelf[None]], again: Callable[[Tried], bool], before: Needs | None = None
) -> bool:
    done = house.lake.work("validate")
    some = [release for release in releases(house) if wanted[release.id]]
    found = (_left(house, each, environment(house, each), wanted, done, again, before) for each in some)
    return any(True for shards in found for _ in shards)


def _left(
    house: House,
    release: Release,
    built: BuiltEnvironment,
    wanted: Mapping[str, Shelf[None]],
    done: Mapping[str, Work],
    again: Callable[[Tried], bool],
    before: Needs | None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Work key, programs, and those of them that are to be run, of each shard that isn't done, or is to be again.

    What couldn't be run, and the stage before needs too, is tried again by that one alone: else twice by each run.
    """
    found = attempted(house, built.record.id)
    others = cache(lambda: before(house)[release.id] if before else {})  # hardly ever asked for: it reads many rows
    for shard in _shards(wanted[release.id]):
        key, ran = shard_key(house, built.record.id, shard), found.some(shard)
        missing = [p for p in shard if p not in ran or not (is_said(ran[p]) or p in others())]
        # verdicts can be forgotten; the memory of work stays
        if key not in done or len(ran) < len(shard) or (missing and again(Tried.of(done[key]))):
            yield key, shard, missing


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


def _keep(
    house: House, release: Release, built: BuiltEnvironment, key: str, size: int, tried: Tried, made: Timed
) -> int:
    """Writes the verdicts of a shard, and that it is done; of what couldn't be run, how often that was tried."""
    verdicts, seconds = made
    where: dict[str, Any] = {"release": release.id, "environment": built.record.id}
    lost = sum(1 for verdict in verdicts if not is_said(verdict))
    where |= {LOST: {"programs": lost, **asdict(tried)}} if lost else {}
    since = time.monotonic() - seconds
    return house.finish("validate", HARNESS, [key], [built.record, *verdicts], since, where, size)
