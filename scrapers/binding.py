"""What a library's further sources say, on the Release of its first: the same symbol from two sources is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from registry.names import SymbolIndex
from registry.records import Release, Symbol
from scrapers.sources import Scraped


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
