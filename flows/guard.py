"""The mass-removal guard: before much of what there was is dropped, a run stops and asks; nothing is written then.

A login page or a broken theme looks like a release without symbols, a broken curation like a library without examples.
"""

from __future__ import annotations

import shlex
from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from flows.events import happened
from flows.house import House
from registry.errors import GuardError
from registry.records import Example, Page, Record, Removal, SnapshotRow, Symbol
from validators.curation.rejected import REJECTED

FEW = 20
"""Of fewer symbols or rows any share may go."""

FEW_CHARACTERS = 10_000
"""Of less text any share may go."""

HARDLY_ANY = 200
"""Characters: of what documents a library there is more; a few pages that ask to sign in have less."""


@dataclass(frozen=True)
class Extent:
    """How much there is of what was scraped.

    Attributes:
        symbols: The names of each symbol.
        characters: Characters of text.
    """

    symbols: tuple[frozenset[str], ...]
    characters: int

    @classmethod
    def of(cls, pages: Iterable[Page], symbols: Iterable[Symbol]) -> Extent:
        """That of pages and symbols."""
        return cls(tuple(map(_names, symbols)), sum(len(page.markdown) for page in pages))


def guard_release(house: House, where: str, old: Extent, new: Extent, known: Iterable[Symbol] = ()) -> None:
    """Compares what a source gave for two versions, or for one of them at two times.

    Args:
        house: The domain, with the share that may go.
        where: The two, in words.
        old: The older.
        new: The newer.
        known: What other sources know of the newer: that has not gone.

    Raises:
        GuardError: Too many symbols have no successor of their name, or too much of the text is gone.
    """
    names = frozenset().union(*new.symbols, *map(_names, known))
    stayed = sum(not names.isdisjoint(symbol) for symbol in old.symbols)
    _allow(house, f"Of the symbols of {where}", len(old.symbols), stayed, FEW)
    _allow(house, f"Of the characters of text of {where}", old.characters, new.characters, FEW_CHARACTERS)


def guard_first(house: House, where: str, found: Extent) -> None:
    """Looks at what a source gave, where nothing is known of another version to compare it with.

    Args:
        house: The domain.
        where: Library and version.
        found: What it gave, what is to be forgotten too.

    Raises:
        GuardError: It has no symbol, or hardly any text.
    """
    if house.accept_removals or (found.symbols and found.characters >= HARDLY_ANY):
        return
    raise _tripped(
        house,
        f"{where} has {len(found.symbols):,} symbols and {found.characters:,} characters of text (asked about without"
        f" symbols, and below {HARDLY_ANY:,} characters): {_hint(house)}",
        after=len(found.symbols),
    )


def guard_rows(house: House, rows: Collection[Record], known: Mapping[str, Example], parent: str | None) -> None:
    """Compares a finished curation with the domain's snapshot before it, kind by kind.

    What was forgotten or rejected since then is meant to be gone. Rows that speak of two releases are compared only
    where these are still worked on.

    Args:
        house: The domain, with the share that may go.
        rows: What the curation made.
        known: The domain's examples that were curated, by id.
        parent: Id of the snapshot before.

    Raises:
        GuardError: Too many rows of a kind are gone.
    """
    if parent is None:
        return
    rejected = {r.example for r in rows if isinstance(r, Removal) and r.rule == REJECTED}
    cut = {r.id: r for r in rows if isinstance(r, Example)}
    examples = ChainMap(cut, known)  # type: ignore[arg-type]  # it is only read
    after = Counter(examples[r.example].kind for r in rows if isinstance(r, SnapshotRow))
    before = _kinds(house, parent, examples, rejected)
    for kind in sorted(before):
        what = f"Of the {kind} rows of the last snapshot of {house.domain.name}"
        _allow(house, what, before[kind], after[kind], FEW)


def _kinds(house: House, parent: str, examples: Mapping[str, Example], rejected: set[str]) -> Counter[str]:
    """How many rows of each kind the snapshot before has that are to stay."""
    ids = {r.example for r in house.lake.each(SnapshotRow, "snapshot = $s", {"s": parent})}
    missing = {"ids": sorted(i for i in ids if i not in examples)}  # of other releases, or cut; or it was forgotten
    others = house.lake.each(Example, "id IN (SELECT unnest($ids))", missing) if missing["ids"] else ()
    kept = chain((examples[i] for i in ids if i in examples), others)
    present = {release for e in examples.values() for release in e.releases}
    return Counter(
        e.kind for e in kept if e.id not in rejected and (len(e.releases) < 2 or present.issuperset(e.releases))
    )


def _names(symbol: Symbol) -> frozenset[str]:
    return frozenset((symbol.path, *symbol.aliases))


def _allow(house: House, what: str, before: int, after: int, few: int) -> None:
    """Refuses where too large a share is gone, unless a person has said that it may."""
    share = house.domain.guard.removals
    if house.accept_removals or before < few or before - after <= share * before:
        return
    raise _tripped(
        house,
        f"{what} {before - after:,} of {before:,} would be gone ({1 - after / before:.0%}, asked about above"
        f" {share:.0%}): {_hint(house)}",
        before=before, after=after,
    )  # fmt: skip


def _tripped(house: House, message: str, **values: Any) -> GuardError:
    """The error, which whoever watches is told of too."""
    happened(house, "driftune.guard.tripped", what=message)
    return GuardError(message, **values)


def _hint(house: House) -> str:
    """What to do, as a command line that does it where it was given."""
    domain = shlex.quote(house.reference or house.domain.name)
    return (
        f"look at the source and at what was set; if it is right, driftune {house.command} {domain} --accept-removals"
    )
