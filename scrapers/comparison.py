"""Two releases that are compared: what a symbol of the old one is at the new one, and the drafts of changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from registry.records import Symbol
from scrapers.changelogs import Entry, entries, symbols_named
from scrapers.notes import keyword_in, other_name_of, replacement_in
from scrapers.sides import Side
from scrapers.sources import Scraped

MAX_EVIDENCE = 8


@dataclass
class Draft:
    """A change while its evidence is gathered; `whole` is a deprecated one where no part of the symbol alone is."""

    whole: bool = False
    replacement: str | None = None
    evidence: list[dict[str, str]] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    def add(self, source: str, text: str) -> None:
        """Keeps a piece of evidence once."""
        row = {"source": source, "text": text[:600]}
        if row not in self.evidence and len(self.evidence) < MAX_EVIDENCE:
            self.evidence.append(row)


class Comparison:
    """Gathers the drafts of changes from one release to another."""

    def __init__(self, old: Scraped, new: Scraped, trees: Path | None) -> None:
        self.old, self.new = Side(old, trees), Side(new, trees)
        self.drafts: dict[tuple[str, str], Draft] = {}
        self.successors: dict[str, str] = {}

    def draft(self, symbol: str, kind: str) -> Draft:
        """The draft of a symbol's change of that kind, a new one where there is none yet."""
        return self.drafts.setdefault((symbol, kind), Draft())

    def now(self, path: str) -> Symbol | None:
        """What an old symbol is at new: what its path leads to, else what another public path of its name does.

        A function that went to another module and is imported as before is the same to those who use it.
        """
        return self._standing.get(path)

    @cached_property
    def _standing(self) -> dict[str, Symbol]:
        found = {}
        for path, symbol in self.old.symbols.items():
            other = self.new.standing(path)
            if other is None:
                name = last_part(path)
                known = (self.new.names.exact(a) for a in symbol.aliases if last_part(a) == name)
                other = next((s for p in known if p and (s := self.new.symbols[p]).kind != "module"), None)
            if other is not None:
                found[path] = other
        return found

    @cached_property
    def before(self) -> dict[str, str]:
        """The old path of each symbol at new that was there."""
        return {other.path: path for path, other in self._standing.items() if path not in self.new.symbols} | {
            path: path for path in self.old.symbols if path in self.new.symbols
        }

    @cached_property
    def entries(self) -> list[Entry]:
        """The entries of changelogs between the two releases."""
        versions = (s.scraped.release.version for s in (self.old, self.new))
        return entries(self.new.scraped.pages, *versions)

    @cached_property
    def entries_on(self) -> dict[str, list[Entry]]:
        """The entries by the symbols of the old release that they name, members of classes that they name included."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for path in symbols_named(entry, self.old.names, self.old.standing):
                found.setdefault(path, []).append(entry)
        return found

    @cached_property
    def entries_at(self) -> dict[str, list[Entry]]:
        """The entries by the symbols of the new release that they name."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for path in symbols_named(entry, self.new.names):
                found.setdefault(path, []).append(entry)
        return found

    def came_by_notes(self, path: str) -> bool:
        """Whether anything that new says tells that a symbol is new."""
        return path in self.entries_at or ".. versionadded::" in self.new.symbols[path].doc

    def replacement(self, text: str, near: str, *, strict: bool = False) -> str | None:
        """What a text about a symbol (`near`) says to use instead: a path at new, or an expression."""

        def known(name: str) -> str | None:
            path = self.new.names.find(name, near)
            return path if path != near else None

        named = replacement_in(text, known, strict=strict)
        other = self.new.symbols.get(named or "")
        return offered(other) if other is not None else named

    def instead(self, text: str, name: str, other: Symbol, *, strict: bool = False) -> str | None:
        """What a text says to use for a parameter of a symbol at new (`other`): another one, or what else it names."""
        parameters = {p["name"] for p in other.parameters} - {name}
        if (given := keyword_in(text)) and given.partition("=")[0] in parameters:
            return given
        if (same := other_name_of(text)) in parameters:
            return same

        def known(written: str) -> str | None:
            return written if written in parameters else self.new.names.find(written, other.path)

        named = replacement_in(text, known, strict=strict)
        if named == name and f"{name}()" in text:
            return f"{name}()"  # a method of what is returned
        return named if named and named not in {name, other.path} else None


def same_sort(one: Symbol, other: Symbol) -> bool:
    """Whether two symbols may be one: of the same kind, or both called."""
    callables = {"function", "class"}
    return one.kind == other.kind or {one.kind, other.kind} <= callables


def last_part(path: str) -> str:
    """What follows the last point of a path."""
    return path.rpartition(".")[2]


def is_private(path: str) -> bool:
    """Whether a part of a path begins with an underscore."""
    return any(part.startswith("_") for part in path.split("."))


def offered(symbol: Symbol) -> str:
    """The path under which a symbol is had: its shortest public one where it is defined in a private place."""
    return symbol.aliases[0] if symbol.aliases and is_private(symbol.path) else symbol.path
