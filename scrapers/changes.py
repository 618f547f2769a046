"""What two releases of a library differ in: griffe's breakage finder, the symbols themselves, and what notes say.

Only public symbols count. A Change has one row for each (symbol, kind); its evidence names every finder and note.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from registry.records import Change
from scrapers.gone import Leaving
from scrapers.logged import Logged
from scrapers.sources import Scraped
from scrapers.stayed import Staying


class _Finder(Leaving, Staying, Logged):
    """Finds all changes from one release to another."""


def find_changes(old: Scraped, new: Scraped, trees: Path | None = None) -> list[Change]:
    """The changes from one release to another, sorted by symbol and kind.

    `removed` and `renamed` come with what to use instead where a note names it, `signature` with its `detail`
    (see `signature_detail`), every one with its evidence.

    Args:
        old: The old release.
        new: The new one.
        trees: Folder where griffe's trees are kept, those that scraping has loaded too.
    """
    finder = _Finder(old, new, trees)
    finder.gone()
    finder.lost_paths()
    finder.added()
    finder.signatures()
    finder.breakages()
    finder.deprecations()
    finder.placeholders()
    finder.behaviour()
    finder.examples()
    finder.changelogs()
    return [
        Change(
            old=old.release.id,
            new=new.release.id,
            symbol=symbol,
            kind=kind,
            replacement=draft.replacement,
            evidence=draft.evidence,
            detail=draft.detail,
        )
        for (symbol, kind), draft in sorted(finder.drafts.items())
    ]


def by_kind(changes: Iterable[Change]) -> dict[str, int]:
    """How many changes there are of each kind, kinds sorted."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    return dict(sorted(counts.items()))
