"""What trainings read, and by that their keys: what is unchanged isn't trained on again, whatever else changes.

Another snapshot may have the same training rows: other rows are held out, or removed. Then its run is of the adapter
that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import shuffling
from finetune.chain import Chain
from finetune.exercises import EXERCISES_PART
from finetune.warm import Start, check_lora, new_rows
from flows import continuing
from flows.continuing import BOTH, FRESH, WARM
from flows.curation import snapshot_id
from flows.docs import held_out, library_docs
from flows.house import House
from flows.rehearsal import rehearsed
from flows.running import policy
from flows.snapshots import rows_in
from registry.identity import sha256_of, work_key
from registry.records import Adapter, Example, Work, identity_columns, stable_columns
from registry.store import Store
from validators.execution.pool import HARNESS

PROVENANCE = frozenset({"parents", "licence", "source_url", "generator", "generator_version"})
"""Columns of a row that say where it is from: no training sees them, and a page that is written anew changes them."""
_SEEN = tuple(sorted({*stable_columns(Example)} - {*identity_columns(Example)} - PROVENANCE))


@dataclass(frozen=True)
class Lesson:
    """A training that a domain asks for.

    Attributes:
        key: Names all that it hangs on: rows in order, base, recipe, seed, threads.
        start: `fresh` or `warm`.
        rows: The rows that it is of: of a warm one those that are new to the adapter.
        adapter: What it goes on from; None where it is afresh.
        known: Rows that this one was trained on, as far as they may be trained on again.
    """

    key: str
    start: str
    rows: Sequence[Example]
    adapter: Adapter | None = None
    known: Sequence[Example] = ()

    def folder(self, house: House) -> Path:
        """Where it leaves what it makes."""
        return house.folder("training") / self.key[:16]


def lessons(house: House, part: str) -> tuple[Lesson, ...]:
    """The trainings on the latest snapshot: one, or where two starts are tried the one afresh and the warm one.

    Args:
        house: The domain.
        part: What trains, with its version.

    Raises:
        ConfigurationError: There is no snapshot yet, or the recipe can't be.
    """
    name = ("lessons", part, repr(house.domain), house.threads)
    return house.kept(name, lambda: tuple(_lesson(house, part, start) for start in _starts(house)))


def chain_of(house: House) -> Chain:
    """The recipe of a domain."""
    return Chain.of(house.domain.train.model_dump())


def start_of(house: House, lesson: Lesson) -> Start | None:
    """What a lesson goes on from, as a training takes it; None where it is afresh.

    Raises:
        ConfigurationError: `[train.lora]` isn't what the adapter was made with.
        RegistryError: The adapter is damaged.
    """
    if lesson.adapter is None:
        return None
    store, name = Store(house.settings.registry_url), f"{lesson.adapter.domain}@v{lesson.adapter.version}"
    folder = store.folder(lesson.adapter)
    check_lora(folder, chain_of(house).lora, name)
    return Start(folder, lesson.known, house.domain.train.rehearsal)


def done_before(house: House) -> Mapping[str, Work]:
    """Key of a lesson -> the latest work that made a run of it, on whichever snapshot."""

    def read() -> dict[str, Work]:
        done = house.lake.read(Work, "stage = 'train'", latest=1 << 30)
        return {key: work for work in reversed(done) for key in work.result.get("trained", {})}

    return house.kept(("trained",), read)


def _starts(house: House) -> tuple[str, ...]:
    if continuing.current(house) is None:
        return (FRESH,)
    return (FRESH, WARM) if house.domain.train.start == BOTH else (WARM,)


def _lesson(house: House, part: str, start: str) -> Lesson:
    train, snapshot = house.domain.train, snapshot_id(house)
    rows = house.kept(("rows", snapshot, "train"), lambda: rows_in(house.lake, [snapshot], "train"))
    rows = shuffling.shuffled(rows, train.seed) if train.shuffle else rows
    adapter = continuing.current(house) if start == WARM else None
    if adapter is None:
        return Lesson(work_key([_digest(rows)], part, _told(house), train.seed), start, rows)
    seen = continuing.trained_on(house, continuing.line(house, [adapter.id]))
    known, new = rehearsed(house, seen, snapshot), new_rows(rows, seen)
    told = _told(house) | {"rehearsal": str(train.rehearsal)}
    key = work_key([_digest(new), adapter.id, _digest(known)], part, told, train.seed)
    return Lesson(key, start, new, adapter, known)


def _told(house: House) -> dict[str, Any]:
    """What a training hangs on beside its rows: what names the base, and of the recipe what isn't at its default."""
    train, chain = house.domain.train, chain_of(house)
    settings = {name: repr(value) for name, value in sorted(train.base_settings.items())}
    base = {"base": train.base, "base_settings": settings, "threads": house.threads}
    docs = {"docs": library_docs(house, held_out(house)).digest} if chain.reads_docs else {}
    judged = {"harness": HARNESS, "policy": policy(house), "exercises": EXERCISES_PART} if chain.runs_programs else {}
    return {**base, **chain.changed(), **docs, **judged}


def _digest(rows: Iterable[Example]) -> str:
    """Names rows by all that a training may see of them, in order."""
    return sha256_of([[row.id, *(getattr(row, name) for name in _SEEN)] for row in rows])
