"""The pages of a documentation site: parsed side by side, held on disk, then written; never all of them in memory."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from flows.guard import Extent
from flows.house import House
from flows.spreading import spread
from registry.errors import SourceError
from registry.records import Body, Fetch, Record, Work
from scrapers.binding import Binding, Bound, bind
from scrapers.documents import Document, Job
from scrapers.folders import Unread
from scrapers.sites import Site, facts_of, page_text

_SHARD = 16
"""Pages that a process takes at a time."""

_WORTH = 64
"""Pages for which a process more is worth its start."""

_ROWS, _CHARACTERS = 2_000, 8 << 20
"""Rows, and characters of text, that are written at a time."""


@dataclass
class Spool:
    """What pages gave, on disk: the guard looks at all of it before anything is written.

    Attributes:
        file: Where it lies, until it is closed.
        extent: How much it is.
    """

    file: IO[bytes]
    extent: Extent = field(default_factory=lambda: Extent((), 0))
    _at: dict[str, int] = field(default_factory=dict, repr=False)

    def take(self, found: Iterator[Bound]) -> None:
        """Takes what pages gave, in any order."""
        names: list[frozenset[str]] = []
        characters = 0
        for bound in found:
            self._at[bound.path] = self.file.seek(0, 2)
            pickle.dump(bound, self.file)
            part = Extent.of([bound.page] if bound.page else [], bound.symbols)
            names += part.symbols
            characters += part.characters
        self.extent = Extent(tuple(names), characters)

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Bound]:
        """By path, so that a run that was killed writes what one that wasn't does."""
        for path in sorted(self._at):
            self.file.seek(self._at[path])
            yield pickle.load(self.file)  # noqa: S301  # ours


def parsed(
    house: House, site: Site, binding: Binding, pages: Mapping[str, Fetch], facts: Mapping[str, Any]
) -> Iterator[Bound]:
    """What pages give, in any order: by several processes where they are many.

    Raises:
        SourceError: What a page is parsed from has gone or changed.
    """
    jobs = documents(house, site, pages, facts)
    shards = iter(lambda: list(itertools.islice(jobs, _SHARD)), [])
    for bounds in spread(bind, binding, shards, min(house.workers, len(pages) // _WORTH)):
        yield from bounds


def documents(house: House, site: Site, pages: Mapping[str, Fetch], facts: Mapping[str, Any]) -> Iterator[Job | Unread]:
    """The pages as they are parsed, in any order; those of a folder are read where that is done."""
    if site.is_folder:
        yield from (_in_folder(site, fetch, facts_of(facts, path)) for path, fetch in pages.items())
        return
    for fetch, text in _received(house, pages):
        yield Job(Document(fetch.path, site.url(fetch.path), text), facts_of(facts, fetch.path), fetch.etag)


def _in_folder(site: Site, fetch: Fetch, facts: Any) -> Job | Unread:
    url = site.url(fetch.path)
    if "#" in fetch.path:  # it stands in an index, and so in its facts
        return Job(Document(fetch.path, url, ""), facts)
    return Unread(site.base, fetch.path, url, fetch.sha256, facts)


def _received(house: House, pages: Mapping[str, Fetch]) -> Iterator[tuple[Fetch, str]]:
    wanted: dict[str, list[Fetch]] = {}
    for fetch in pages.values():
        wanted.setdefault(fetch.sha256, []).append(fetch)
    hashes = {"h": sorted(wanted)}
    for bodies in house.lake.stream(Body, "sha256 IN (SELECT unnest($h))", hashes, _SHARD) if wanted else ():
        for body in bodies:
            yield from ((fetch, page_text(body, fetch.content_type)) for fetch in wanted.pop(body.sha256, ()))
    for left in wanted.values():
        raise SourceError(f"What {left[0].url} gave is not in the lake any more: forget it, and it is asked for again")


def write(
    house: House, spool: Spool, part: str, keys: Mapping[str, str], pages: Mapping[str, Fetch], release: str
) -> dict[str, Mapping[str, Any]]:
    """Writes what pages gave, each page with its work, some pages at a time; key -> the result of its work.

    A work's rows are those of its page that were appended with it, so no two pages that have a symbol of the same path
    are appended together: each has its own row of it.
    """
    results: dict[str, Mapping[str, Any]] = {}
    rows: list[Record] = []
    symbols: set[str] = set()
    size = 0
    for bound in spool:
        own = {symbol.id for symbol in bound.symbols}
        if len(rows) >= _ROWS or size >= _CHARACTERS or symbols & own:
            house.append(rows)
            rows, symbols, size = [], set(), 0
        work = _work(house, bound, part, keys[bound.path], release)
        results[work.key] = work.result
        rows += [*([bound.page] if bound.page else []), *bound.symbols, work]
        if pages[bound.path].fault != bound.fault:
            rows.append(replace(pages[bound.path], fault=bound.fault))
        symbols |= own
        size += len(bound.page.markdown) if bound.page else 0
    if rows:
        house.append(rows)
    return results


def _work(house: House, bound: Bound, part: str, key: str, release: str) -> Work:
    page = bound.page
    result = {
        "release": release,
        "page": page.id if page else "",
        "digest": bound.digest,
        "characters": len(page.markdown) if page else 0,
    }
    outputs = len(bound.symbols) + (page is not None)
    return Work(key=key, stage="scrape", domain=house.domain.name, part=part, outputs=outputs, result=result)
