"""Rows that an adapter was trained on before, and what is held out now: neither may get into the other.

A row of an earlier snapshot is trained on again only if today's curation would let it in as far as that can be told
without running it: nothing of it is held out, forbidden or rejected now, and what it shows hasn't changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flows.continuing import line, trained_on
from flows.curation import benchmark_tasks, rejections_of
from flows.house import House
from flows.scraping import indexed, releases
from flows.snapshots import rows_in
from flows.synthesis import changes
from registry.families import Families
from registry.records import Example, Run
from validators.curation.contamination import Benchmarks
from validators.curation.forms import Forms
from validators.curation.leaks import leaking, named_families
from validators.curation.licences import LicenceGate
from validators.curation.rejected import rejected_rows
from validators.parts import programs_of, right
from validators.splits import CONTEXT, EVALUATION, TRAIN

Mark = tuple[str, ...]


def rehearsed(house: House, rows: Iterable[Example], snapshot: str) -> list[Example]:
    """Those rows that may be trained on again beside a snapshot, by id.

    Args:
        house: The domain.
        rows: Rows that an adapter was trained on.
        snapshot: The snapshot whose held-out rows stay unseen.
    """
    held = {split: rows_in(house.lake, [snapshot], split) for split in EVALUATION}
    marks = {mark for split, ones in held.items() for row in ones for mark in _held_marks(row, split)}
    left = [row for row in rows if not marks & set(_trained_marks(row))]
    allowed = LicenceGate(house.domain.licences)
    left = [row for row in left if not allowed.refuses(row.licence)]
    left = _unchanged(house, left)
    return sorted(_clean(house, left, held), key=lambda row: row.id)


def gone_on_from(run: Run) -> list[str]:
    """Ids of the adapters that a run goes on from, or is merged of."""
    return [str(run.recipe["from"])] if run.recipe.get("from") else [str(i) for i in run.recipe.get("merged", ())]


def unseen(house: House, adapters: Sequence[str], split: str, rows: Iterable[Example]) -> list[Example]:
    """Held-out rows that nothing of what is gone on from was trained on: only these say what was learned.

    A family that has changed for the first time since was held out from nothing before: rows of any kind could name it.
    Of such a one, and of rows that name it, nothing is asked where families are to be new (`symbol`, `dev`).

    Args:
        house: The domain.
        adapters: Ids of the adapters that are gone on from.
        split: The rows' split.
        rows: Rows that are held out now.
    """
    if not adapters:
        return list(rows)
    before = trained_on(house, line(house, adapters))
    marks = {mark for row in before for mark in _trained_marks(row)}
    left = [row for row in rows if not marks & set(_held_marks(row, split))]
    if split == CONTEXT:
        return left
    programs = house.programs({name for row in (*before, *left) for name in programs_of(row).values()})
    families, held = _families(house), {row.family for row in left if row.family}
    named = named_families(before, programs, held, families)
    return [row for row in left if not named_families([row], programs, named, families)]


def _held_marks(row: Example, split: str) -> Iterator[Mark]:
    """What gives a held-out row away: its site, and its family, or for `context` the family in that file."""
    yield from _marks(row)
    if row.family:
        yield ("family", row.family, row.file) if split == CONTEXT else ("family", row.family)


def _trained_marks(row: Example) -> Iterator[Mark]:
    """What a training row shows."""
    yield from _marks(row)
    if row.family:
        yield from (("family", row.family), ("family", row.family, row.file))


def _marks(row: Example) -> Iterator[Mark]:
    yield ("root", row.root)
    yield from (("program", program) for program in right(row))


def _unchanged(house: House, rows: Iterable[Example]) -> list[Example]:
    """Rows that were proven at today's new version, or that show a call which hasn't changed since theirs."""
    _, new = releases(house)
    families = _families(house)
    return [
        row
        for row in rows
        if row.releases[-1] == new.id
        or not ({row.family} & families.by_name.keys() or families.calling(row.symbols[:1]))
    ]


def _clean(house: House, rows: list[Example], held: dict[str, list[Example]]) -> list[Example]:
    """Rows that name nothing which is held out, hold no task of a benchmark, and that nobody rejected."""
    sites = [(row, split) for split, ones in held.items() for row in ones]
    reasons = rejections_of(house)
    looked_at = house.lake.read(Example, "id IN (SELECT unnest($ids))", {"ids": sorted(reasons)}) if reasons else []
    listed = [*rows, *looked_at, *(row for row, _ in sites)]
    programs = house.programs({name for row in listed for name in programs_of(row).values()})
    known = {row.id: row for row in listed}
    splits = {row.id: split for row, split in sites} | {row.id: TRAIN for row in rows}
    out = {name for name, _ in leaking(splits, known, programs, _families(house))}
    out |= rejected_rows([*rows, *looked_at], programs, reasons).keys()
    if tasks := benchmark_tasks(house):
        benchmarks = Benchmarks(tasks, programs, Forms(programs))
        out |= {row.id for row in rows if benchmarks.held_by(row)}
    return [row for row in rows if row.id not in out]


def _families(house: House) -> Families:
    old, new = releases(house)
    return Families(changes(house), indexed(house, old), indexed(house, new))
