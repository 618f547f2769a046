"""What is written about first: the public symbols that the fewest proven rows show, with what their docs say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.material import draw
from synth.written.dialogue import Desk
from synth.written.prompts import Excerpt

LEAST_WORDS = 12
"""Words of a docstring that says something."""

DEEP = 2
"""Dots of a public path beyond which it lies deep: `lib.Class.method` doesn't."""

COMPANIONS = 2
"""Other symbols whose docs are shown, of those that the docs name."""

MOST_DOC, MOST_BESIDE = 5_000, 1_500
"""Characters of a docstring that are shown: of what it is about, and of what goes with it."""

_HIDDEN = re.compile(r"(?:^|\.)(?:_|tests?(?:\.|$)|conftest|test_|testing(?:\.|$))")
_FAULT = re.compile(r"(?:Error|Exception|Warning)$")
_IMPORTED = re.compile(r"^[ \t]*(?:import (?=[\w.]+(?: as \w+)?$)|from (?=[\w.]+ import ))(\w+)", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z]\w*")
_NAME = re.compile(r"[A-Za-z_][\w.]*\w")
_NOTES = ("docstring", "warning", "decorator", "changelog")


@dataclass(frozen=True)
class Topic:
    """A symbol to write about.

    Attributes:
        symbol: It.
        beside: Symbols that its docs name, and the class of a method: they may be needed with it.
        change: A change that it came out of; None where it is as it was.
    """

    symbol: Symbol
    beside: tuple[Symbol, ...] = ()
    change: Change | None = None

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """All whose docs are shown."""
        return (self.symbol, *self.beside)


def topics(desk: Desk) -> Iterator[Topic]:
    """What could be written about, with the fewest proven rows first.

    Of these first what lies near the top of the library, then what has changed, then by lot. What needs packages that
    aren't there comes last: that is why it has no rows.
    """
    index, changed, lacking = desk.indexes[1], _changed(desk), Lacking(desk)

    def rank(symbol: Symbol) -> tuple[Any, ...]:
        deep = index.public(symbol.path).count(".") > DEEP
        drawn = draw(desk.seed, symbol.path)
        return lacking.needed_by(symbol), desk.rows[symbol.path], deep, symbol.path not in changed, drawn

    there = (s for s in index.by_path.values() if is_public(s, index) and is_there(desk, s))
    for symbol in sorted(there, key=rank):
        beside = tuple(other for other in _beside(symbol, index) if is_there(desk, other))
        yield Topic(symbol, beside, changed.get(symbol.path))


def is_there(desk: Desk, symbol: Symbol) -> bool:
    """Whether a symbol's page is on the desk: what lies under a licence that isn't allowed is left out."""
    return symbol.page is None or symbol.page in desk.page


def is_public(symbol: Symbol, index: SymbolIndex) -> bool:
    """Whether a symbol is there to be called by anybody, and its docs say how."""
    public = index.public(symbol.path)
    return (
        symbol.kind in ("function", "method", "class")
        and symbol.deprecated is None
        and len(symbol.doc.split()) >= LEAST_WORDS
        and not _HIDDEN.search(public)
        and not _FAULT.search(public)
        and not index.is_private(public)
    )


def excerpts(desk: Desk, symbols: Sequence[Symbol]) -> list[Excerpt]:
    """The docs of symbols, the first one's first."""
    index = desk.indexes[1]
    most = [MOST_DOC, *[MOST_BESIDE] * len(symbols)]
    return [Excerpt("Documentation", described(s, index, n)) for s, n in zip(symbols, most, strict=False)]


def described(symbol: Symbol, index: SymbolIndex, most: int = MOST_DOC) -> str:
    """A symbol as its docs have it: path, signature, docstring."""
    doc = symbol.doc.strip()
    cut = doc if len(doc) <= most else doc[:most].rpartition("\n")[0] + "\n…"
    return f"{index.public(symbol.path)}{symbol.signature or ''}\n\n{cut}"


def notes(change: Change) -> str:
    """What people wrote about a change: notes, warnings, entries of a changelog; empty where nobody did."""
    said = (str(row.get("text", "")) for row in change.evidence if _is_note(str(row.get("source", ""))))
    return "\n".join(dict.fromkeys(text.strip() for text in said if text.strip()))


def _is_note(source: str) -> bool:
    return source in _NOTES or source.endswith((".rst", ".md", ".txt"))


class Lacking:
    """What the library could use, and isn't there.

    Args:
        desk: Whose packages those are that are there.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._imported = {p.id: frozenset(_IMPORTED.findall(p.markdown)) for p in desk.pages if p.kind == "source"}
        named = frozenset(name for names in self._imported.values() for name in names)
        self._lacking = named - sys.stdlib_module_names - desk.imports
        self._words = frozenset(name.lower() for name in self._lacking)

    def needed_by(self, symbol: Symbol) -> bool:
        """Whether a symbol may need some of it: its docs name it, or its file imports it and no row ever showed it."""
        imported = self._imported.get(symbol.page or "", frozenset())
        if self._lacking & imported and not self._desk.rows[symbol.path]:
            return True
        return not self._words.isdisjoint(word.lower() for word in _WORD.findall(symbol.doc))


def _changed(desk: Desk) -> dict[str, Change]:
    """Canonical path at the new release -> a change that it came out of."""
    found: dict[str, Change] = {}
    for change in sorted(desk.changes, key=lambda c: (c.symbol, c.kind, c.id)):
        for path in (change.symbol, change.replacement or ""):
            canonical = desk.indexes[1].canonical(path) if path else None
            if canonical is not None:
                found.setdefault(canonical, change)
    return found


def _beside(symbol: Symbol, index: SymbolIndex) -> tuple[Symbol, ...]:
    """The class of a method, and other public symbols that the docs name by a path or below `See Also`."""
    owner, _, _ = symbol.path.rpartition(".")
    found = {owner: index.by_path[owner]} if owner in index.by_path and index.by_path[owner].kind == "class" else {}
    _, _, named = symbol.doc.partition("See Also")
    module = index.public(symbol.path).rpartition(".")[0]
    for word in _NAME.findall(named[:1000]):
        canonical = index.canonical(word) or index.canonical(f"{module}.{word}")
        other = index.by_path.get(canonical or "")
        if other is not None and other.path != symbol.path and is_public(other, index) and len(found) < COMPANIONS:
            found.setdefault(other.path, other)
    return tuple(found.values())
