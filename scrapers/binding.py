"""What was read becomes records of one release: a page of a site its Page and Symbols, a further source what it adds.

A library's sources after the first hang on the Release of that one, and the same symbol from two of them is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry.errors import ConfigurationError
from registry.identity import sha256_of, sha256_of_bytes
from registry.injection import screened
from registry.names import SymbolIndex
from registry.records import Page, Release, Symbol
from scrapers.absent import FAULT, is_like, words_of
from scrapers.documents import Job, Parsed, get_format
from scrapers.folders import Unread
from scrapers.index import normalised_name, parsed_version
from scrapers.licences import Licence, normalised, recognised
from scrapers.sources import Scraped

VERSION = "2"
"""Goes up when the same parse gives other records."""

_LICENCE = re.compile(r"(?i)(.*/)?(licen[cs]es?|copying)(/index)?\.(html?|md|txt)")


@dataclass(frozen=True)
class Binding:
    """What all pages of a site become records with.

    Attributes:
        format: Name of the format that reads them.
        release: Id of the release.
        licence: SPDX expression of the site, None where it is unknown.
        index: The symbols that the sources before it gave.
        absent: Words of what the site says of an address that isn't there, where it doesn't answer 404.
    """

    format: str
    release: str
    licence: str | None
    index: SymbolIndex = field(repr=False)
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bound:
    """What one page of a site gave.

    Attributes:
        path: The page's.
        page: Its record; None where it is no page of documentation.
        symbols: What it adds to those of the sources before.
        digest: Names all that they say.
        fault: Why it is none.
    """

    path: str
    page: Page | None = None
    symbols: tuple[Symbol, ...] = ()
    digest: str = ""
    fault: str | None = None


def bind(binding: Binding, jobs: Sequence[Job | Unread]) -> list[Bound]:
    """The records of pages, in order; no page, however broken, keeps others from being read.

    Raises:
        SourceError: A page in a folder is another than it was.
    """
    read = get_format(binding.format).parse
    return [_bound(binding, job, _parsed(read, job)) for job in (job.read() for job in jobs)]


def _parsed(read: Any, job: Job) -> Parsed:
    try:
        found: Parsed = read(job.document, job.facts)
    except Exception as error:  # a page can be anything: what a format doesn't stand is a row, and says so
        return Parsed(title="", kind="guide", markdown="", fault=f"unreadable: {type(error).__name__}")
    return found


def _bound(binding: Binding, job: Job, found: Parsed) -> Bound:
    path = job.document.path
    if (fault := found.fault or _absent(binding, path, found)) is not None:
        return Bound(path, fault=fault)
    text, injections = screened(found.markdown)
    page = Page(
        release=binding.release,
        url=job.document.url,
        content_hash=sha256_of_bytes(text.encode()),
        kind=found.kind,
        path=path,
        title=found.title,
        markdown=text,
        etag=job.etag,
        licence=binding.licence,
        injections=injections,
    )
    own = (entry.symbol(binding.release, page.id) for entry in found.entries)
    symbols = tuple(additions(own, binding.index))
    return Bound(path, page, symbols, sha256_of([row.digest for row in (page, *symbols)]))


def _absent(binding: Binding, path: str, found: Parsed) -> str | None:
    """Why a page isn't there, though the server says so; the first page, which some give for all, always is."""
    if not binding.absent or found.entries or path == "index.html":
        return None
    return FAULT if is_like(words_of(found.markdown, path), binding.absent, path) else None


def site_release(library: str, version: str, address: str, licence: Licence) -> Release:
    """The release that a site is of, where it is the library's first source: the same, whatever its pages say."""
    site = sha256_of(["site", address, version])
    return Release(
        library=normalised_name(library),
        version=str(parsed_version(version)),
        artifact_sha256=site,
        artifacts=[{"name": "site", "sha256": site, "kind": "site"}],
        licence=licence.expression,
        licence_evidence=list(licence.evidence),
    )


def stated_licence(written: str) -> Licence:
    """The licence that a domain's file states for a site.

    Raises:
        ConfigurationError: It is no SPDX expression.
    """
    expression = normalised(written)
    if expression is None:
        raise ConfigurationError(f"Licence {written!r} of a site is no SPDX expression: write it as BSD-3-Clause")
    return Licence(expression, ({"source": "domain file", "text": written},))


def is_licence_page(path: str) -> bool:
    """Whether a page may be the one that holds the text of its site's licence."""
    return _LICENCE.fullmatch(path) is not None


def licence_in(pages: Iterable[Bound]) -> Licence:
    """The licence whose text a page holds; of several pages the first that does."""
    for bound in sorted(pages, key=lambda b: b.path):
        if bound.page is not None and (ids := sorted(recognised(bound.page.markdown))):
            text = " ".join(bound.page.markdown.split())[:120]
            return Licence(normalised(" AND ".join(ids)), ({"source": bound.path, "text": text},))
    return Licence(None)


def beside(found: Scraped, first: Release, index: SymbolIndex) -> Scraped:
    """What a further source found of a release: its pages, and what it adds to the symbols.

    Args:
        found: What the source gave, on a release of its own.
        first: The release as the first source has it.
        index: The symbols that the sources before it gave.
    """
    pages = {p.id: replace(p, release=first.id) for p in found.pages}
    of_page = {old: page.id for old, page in pages.items()}
    own = (replace(s, release=first.id, page=of_page.get(s.page or "")) for s in found.symbols)
    return Scraped(release=first, pages=tuple(pages.values()), symbols=tuple(additions(own, index)))


def additions(symbols: Iterable[Symbol], index: SymbolIndex) -> list[Symbol]:
    """What symbols add to those of an index, by path: new ones, and known ones that lacked what these say.

    Args:
        symbols: Of the same release; of one path the first counts.
        index: What is known of it.
    """
    found: dict[str, Symbol] = {}
    for symbol in symbols:
        added = _addition(symbol, index)
        if added is not None:
            found.setdefault(added.path, added)
    return [found[path] for path in sorted(found)]


def _addition(symbol: Symbol, index: SymbolIndex) -> Symbol | None:
    known = index.by_path.get(index.canonical(symbol.path) or "")
    if known is None:
        return _at_home(symbol, index)
    lacks = {"doc": symbol.doc if not known.doc else "", "deprecated": None if known.deprecated else symbol.deprecated}
    said: dict[str, Any] = {name: text for name, text in lacks.items() if text}
    if symbol.signature and not known.signature and known.kind != "attribute":
        said |= {"signature": symbol.signature, "parameters": symbol.parameters}  # of a compiled module, for instance
    # It stands where its new words do: their licence counts, and whoever forgets that page takes them along.
    return replace(known, **said, page=symbol.page, line=symbol.line) if said else None


def _at_home(symbol: Symbol, index: SymbolIndex) -> Symbol:
    """A new member of a class or module that is known, under that one's canonical path."""
    owner, _, name = symbol.path.rpartition(".")
    home = index.canonical(owner)
    if home is None or home == owner:
        return symbol
    return replace(symbol, path=f"{home}.{name}", aliases=tuple(sorted({symbol.path, *symbol.aliases}, key=len)))
