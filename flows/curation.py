"""The stage `curate`: from everything that was made to a frozen snapshot."""

from __future__ import annotations

import dataclasses
import time
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from sys import intern

from flows.batches import Batch
from flows.candidates import candidates, is_made, programs_of_all
from flows.guard import guard_rows
from flows.house import House
from flows.running import verdicts
from flows.scraping import indexed, releases, source_keys
from flows.snapshots import latest_curation
from flows.synthesis import changes, is_derived
from registry.errors import ConfigurationError, DriftuneError
from registry.families import Families
from registry.identity import sha256_of, sha256_of_each, work_key
from registry.records import Annotation, Example, Record, Snapshot, SnapshotRow
from registry.shelf import Shelf
from validators.curation.contamination import Task, tasks_of
from validators.curation.curate import VERSION, Lot, curate
from validators.curation.leaks import leaks
from validators.curation.rejected import rejections
from validators.parts import obligations, scouting
from validators.proofs import Verdicts, prove

CURATE_PART = f"curate@{VERSION}"


def rejections_of(house: House) -> dict[str, str]:
    """Id of a row that a person looked at -> why it was rejected."""
    return rejections(house.lake.read(Annotation, "domain = $d", {"d": house.owner}))


def benchmark_tasks(house: House) -> list[Task]:
    """The tasks in the benchmark files that the domain lists.

    Raises:
        ConfigurationError: A file isn't there, or is no such file.
    """
    tasks: list[Task] = []
    for name in house.domain.curation.benchmarks:
        path = Path(name)
        try:
            tasks += tasks_of(path.name, path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(
                f"Benchmark file {name!r} can't be read: {why}. Mend [curation] benchmarks", path=name
            ) from error
    return tasks


def tasks_digest(tasks: Sequence[Task]) -> str:
    """What benchmark files say, for work keys: under the same path another task may stand."""
    return sha256_of([[task.name, *task.texts] for task in tasks])


def curate_key(house: House, examples: Collection[Example], found: Verdicts, tasks: Sequence[Task]) -> str:
    """The work key: the examples, the verdicts their proofs rest on, the changes, and what curation is told."""
    new = releases(house)[1].id
    pairs = (pair for e in examples for pair in (*obligations(e), *scouting(e, new)))
    rested = house.shelf()  # in the order of programs and releases
    rested.put((" ".join(pair), [*pair, verdict.digest]) for pair in pairs if (verdict := found.get(pair)) is not None)
    settings = {
        "licences": list(house.domain.licences),
        "salt": house.domain.splits.salt,
        "hub_share": str(house.domain.splits.hub_share),
        "tasks": tasks_digest(tasks),
        **house.domain.curation.as_text(),
        "rejections": sorted(rejections_of(house)),
        "private": list(house.library.private),
        "sources": [key for release in releases(house) for key in source_keys(house, release)],
    }
    if any(e.written for e in examples):
        settings["forbidden"] = sorted(house.domain.llm.forbidden)
    made = sorted(e.digest for e in examples)
    changed = sorted(c.digest for c in changes(house))  # they, their replacements and the symbols make the families
    inputs = [sha256_of_each(values) for values in (made, rested.values(), changed)]
    return work_key(inputs, CURATE_PART, settings)


def curate_stage(house: House) -> list[Batch]:
    """One batch: proofs, licences, duplicates, splits, and the snapshot."""
    if is_derived(house) and not is_made(house):
        raise ConfigurationError(
            f"{house.domain.llm.model} wasn't asked yet, as versions and settings are now: run driftune synth "
            f"{house.domain.name}, and then driftune validate {house.domain.name}, first"
        )
    if not is_made(house):
        synth = f"run driftune synth {house.domain.name} first"
        raise ConfigurationError(f"No examples yet as versions and settings are now: {synth}")
    examples = candidates(house)
    found: Verdicts = verdicts(house) if examples else {}
    tasks = benchmark_tasks(house)
    key = curate_key(house, examples.values(), found, tasks)
    latest = latest_curation(house.lake, house.domain.name)
    if latest is not None and latest.key == key:
        return []
    known = house.result(key)

    def run() -> int:
        since = time.monotonic()
        if known is not None:  # what was curated before is so again: its snapshot and removals are the latest now
            return house.finish("curate", CURATE_PART, [key], [], since, known)
        lot = _lot(house, examples, found, tasks)
        made: Shelf[Record] = house.shelf()  # all of it is looked at before any of it is written
        made.put((f"{n:012}", row) for n, row in enumerate(curate(lot, curation=key, parent=_parent(house))))
        _check_leaks(made.values(), lot)
        guard_rows(house, made.values(), examples, _parent(house))
        snapshot = next(row for row in made.values() if isinstance(row, Snapshot))
        rows = chain(made.values(), _seen_proven(lot))
        return house.finish("curate", CURATE_PART, [key], rows, since, {"snapshot": snapshot.id})

    return [Batch(f"Curate {len(examples):,} examples", 1, run)]


def _lot(house: House, examples: Mapping[str, Example], found: Verdicts, tasks: Sequence[Task]) -> Lot:
    old, new = releases(house)
    indexes = {release.id: indexed(house, release) for release in (old, new)}
    families = Families(changes(house), indexes[old.id], indexes[new.id])
    rejected = rejections_of(house)
    looked_at = house.lake.read(Example, "id IN (SELECT unnest($ids))", {"ids": sorted(rejected)}) if rejected else []
    programs = programs_of_all(house, looked_at)
    return Lot(
        house.domain, examples, programs, found, families, indexes, new.id, tasks, rejected, looked_at,
        house.folder("shelves"),
    )  # fmt: skip


def _seen_proven(lot: Lot) -> Iterator[Example]:
    """The rows that are proven, with what the runs have shown of them."""
    for example in lot.examples.values():
        if example.kind in ("drift", "bug", "syntax"):
            proof = prove(example, lot.verdicts, lot.programs, lot.indexes)
            if proof.proven:
                yield dataclasses.replace(
                    example,
                    old_effect=proof.old_effect,
                    checks_failing=proof.checks_failing,
                    line_named=proof.line_named,
                )


def _check_leaks(rows: Collection[Record], lot: Lot) -> None:
    """Holds a finished curation against the independent leak check.

    Raises:
        DriftuneError: Something that is held out got into another split: a bug, and nothing of it is written.
    """
    cut = {row.id: row for row in rows if isinstance(row, Example)}
    splits = {row.example: intern(row.split) for row in rows if isinstance(row, SnapshotRow)}
    for leak in leaks(splits, ChainMap(cut, lot.examples), lot.programs, lot.families):  # type: ignore[arg-type]  # read
        raise DriftuneError(f"The snapshot would leak what is held out, so it is not written: {leak}")


def _parent(house: House) -> str | None:
    """The snapshot of the latest curation; a workload's is the domain's."""
    latest = latest_curation(house.lake, house.owner)
    return str(latest.result["snapshot"]) if latest is not None else None


def snapshot_id(house: House) -> str:
    """The id of the domain's latest snapshot.

    Raises:
        ConfigurationError: There is none yet.
    """
    found = _parent(house)
    if found is None:
        raise ConfigurationError(f"No snapshot yet: run driftune curate {house.owner} first")
    return found
