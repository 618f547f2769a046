"""One of two releases that are compared: its symbols, griffe's trees, and what it says of itself, by path."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.records import Symbol
from scrapers.decorators import Keyword, definition_in, keywords_of, makes_names, refused_names
from scrapers.lookup import Names
from scrapers.namespaces import Module, parsed
from scrapers.notes import Note, notes_of, of_arguments
from scrapers.sources import Scraped
from scrapers.symbols import base_classes, docstring_of, names_bound, packages_of

if TYPE_CHECKING:
    import griffe


_MARKERS = {"object", "ABC", "Generic", "Protocol"}
"""Bases that say nothing of what an object can."""


@dataclass(frozen=True)
class Side:
    """One release, with griffe's trees, kept in a folder where one is named, and what is said of each symbol."""

    scraped: Scraped
    folder: Path | None = None

    @property
    def version(self) -> str:
        """The release's version."""
        return self.scraped.release.version

    @cached_property
    def names(self) -> Names:
        """Its symbols by any of their names."""
        return Names(self.scraped.symbols)

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Its symbols by canonical path."""
        return self.names.symbols

    @cached_property
    def trees(self) -> dict[str, griffe.Module]:
        """Its packages as griffe reads them, by name."""
        texts = {p.path: p.markdown for p in self.scraped.pages if p.kind == "source"}
        return packages_of(texts, self.folder)

    @cached_property
    def notes(self) -> dict[str, list[Note]]:
        """What docstrings and sources say of symbols, those only that say something."""
        found: dict[str, list[Note]] = {}
        for path, symbol in self.symbols.items():
            obj = self._object(path)
            doc = docstring_of(obj) if obj is not None and not obj.is_attribute else symbol.doc
            names = [str(p["name"]) for p in symbol.parameters]
            notes = notes_of(doc, self.sources.get(path, ""), path, names)
            if symbol.kind == "class":
                sources = (self._text(base) for base in self._ancestors.get(path, ()) if base.path not in self.symbols)
                notes += [n for source in sources for n in of_arguments(source, names)]
            if notes:
                found[path] = list(dict.fromkeys(notes))
        return found

    def stands_for(self, path: str) -> str | None:
        """What an attribute of a class is another name of: `Series.ffill` of `Series.pad`, from `pad = ffill`."""
        obj = self._object(path)
        value = str(obj.value) if obj is not None and obj.is_attribute and obj.value is not None else ""  # type: ignore[attr-defined]
        owner = path.rpartition(".")[0]
        return f"{owner}.{value}" if value.isidentifier() and f"{owner}.{value}" in self.symbols else None

    @cached_property
    def keywords(self) -> dict[str, dict[str, Keyword]]:
        """The keywords that decorators add to a symbol's parameters, or refuse; by path and name."""
        found: dict[str, dict[str, Keyword]] = {}
        for path, source in self.sources.items():
            head = source[:20_000]
            if "@" in head and ("deprecat" in head or "remov" in head or "renam" in head):
                node = definition_in(source)
                if node is not None and (said := keywords_of(node)):
                    found[path] = said
        return found

    @cached_property
    def refused(self) -> dict[str, str]:
        """What `__getattr__` of a module or class says of a name that is gone, by the path that it had."""
        found: dict[str, str] = {}
        for name, module in self._answering.items():
            bodies = {name: module.tree.body}
            bodies |= {f"{name}.{n.name}": n.body for n in module.tree.body if isinstance(n, ast.ClassDef)}
            for owner, body in bodies.items():
                found |= {f"{owner}.{gone}": hint for gone, hint in refused_names(body).items()}
        return found

    @cached_property
    def making(self) -> set[str]:
        """The modules that hand out names which they get from elsewhere when they are asked for."""
        return {name for name, module in self._answering.items() if makes_names(module.tree.body)}

    @cached_property
    def _answering(self) -> dict[str, Module]:
        """The modules with a `__getattr__` in them."""
        sources = (p for p in self.scraped.pages if p.kind == "source")
        return parsed({p.path: p.markdown for p in sources if "__getattr__" in p.markdown})

    def is_stubbed(self, path: str) -> bool:
        """Whether a stub alone tells of a symbol: what it says of an older release may only be said better by now."""
        return self._pages.get(self.symbols[path].page or "", "").endswith(".pyi")

    @cached_property
    def _pages(self) -> dict[str, str]:
        return {p.id: p.path for p in self.scraped.pages if p.kind == "source"}

    def standing(self, path: str) -> Symbol | None:
        """The symbol that a path leads to: its own, one that is imported there, or one that its class inherits."""
        owner, _, name = path.rpartition(".")
        exact = self.names.exact(path)
        if exact is None and (parent := self.names.exact(owner)) is not None:
            bases = self._bases.get(parent, ())
            exact = next((p for b in bases if (p := f"{b}.{name}") in self.symbols), None)
        return self.symbols[exact] if exact is not None else None

    def has(self, path: str) -> bool:
        """Whether a module or class has that name at all, public or not, its own or imported."""
        owner, _, name = path.rpartition(".")
        parent = member(self.trees, owner)
        return parent is not None and name in parent.members

    def binds(self, path: str) -> bool:
        """Whether a public module binds that name by any of its statements: who imports it from there still can.

        Likewise a member of a class that it binds. What comes from compiled code, which nobody can look into, counts.
        """
        owner, _, name = path.rpartition(".")
        if any(part.startswith("_") for part in path.split(".")):
            return False
        if owner in self._bound:
            return name in self._bound[owner]
        module, _, cls = owner.rpartition(".")
        if cls not in (bound := self._bound.get(module, {})):
            return False
        found = bound[cls]
        return found is None or (found != owner and member(self.trees, f"{found}.{name}") is not None)

    @cached_property
    def _bound(self) -> dict[str, dict[str, str | None]]:
        texts = {p.path: p.markdown for p in self.scraped.pages if p.kind == "source"}
        return names_bound(texts, self.folder)

    def mentions(self, path: str) -> bool:
        """Whether anything that the release ships speaks of a member as `Class.member`."""
        return ".".join(path.split(".")[-2:]) in self._spoken_of

    @cached_property
    def _spoken_of(self) -> set[str]:
        """All that its sources, tests and guides write as a member of a class."""
        texts = (p.markdown for p in self.scraped.pages if p.kind != "changelog")
        return {name for text in texts for name in re.findall(r"\b[A-Z]\w*\.[a-z_]\w*", text)}

    def inherits(self, path: str) -> bool:
        """Whether a class has a member that a base class defines, also a private one."""
        owner, _, name = path.rpartition(".")
        parent = self.names.exact(owner)
        bases = self._bases.get(parent, ()) if parent else ()
        return any(member(self.trees, f"{b}.{name}") is not None for b in bases)

    def bases(self, path: str) -> list[str]:
        """The paths of the classes that a class inherits from, those of other packages by their last part."""
        obj = member(self.trees, path)
        written = [str(b).partition("[")[0].rpartition(".")[2] for b in obj.bases] if obj and obj.is_class else []  # type: ignore[attr-defined]
        known = self._bases.get(path, [])
        return known + [b for b in written if not any(p.endswith(f".{b}") for p in known) and b not in _MARKERS]

    def is_argument(self, path: str) -> bool:
        """Whether an attribute is what a class was made with, kept under the parameter's name."""
        owner, _, name = path.rpartition(".")
        cls, obj = self.symbols.get(owner), self._object(path)
        plain = obj is not None and obj.is_attribute and "property" not in obj.labels
        return plain and cls is not None and any(p["name"] == name for p in cls.parameters)

    @cached_property
    def _bases(self) -> dict[str, list[str]]:
        """The paths of a class's base classes, in the order in which they are looked through."""
        return {path: [base.path for base in found] for path, found in self._ancestors.items()}

    @cached_property
    def _ancestors(self) -> dict[str, list[griffe.Class]]:
        """A class's base classes, in the order in which they are looked through."""
        found = {}
        for path, symbol in self.symbols.items():
            obj = member(self.trees, path) if symbol.kind == "class" else None
            if obj is not None and obj.is_class:
                found[path] = base_classes(obj)  # type: ignore[arg-type]
        return found

    def _object(self, path: str) -> griffe.Object | None:
        """What griffe has under a path, or of a class under the path that a private base class gives it."""
        owner, _, name = path.rpartition(".")
        own = member(self.trees, path)
        handed = (m for base in self._ancestors.get(owner, ()) if (m := base.members.get(name)) is not None)
        return own if own is not None else next((m for m in handed if not m.is_alias), None)  # type: ignore[return-value]

    @cached_property
    def sources(self) -> dict[str, str]:
        """The text of each function, method, property and class, by path."""
        found = {}
        for path, symbol in self.symbols.items():
            obj = self._object(path) if symbol.kind != "module" else None
            if obj is not None and obj.is_attribute and symbol.kind != "attribute" and obj.parent is not None:
                obj = member(self.trees, f"{obj.parent.path}.{obj.value}")  # type: ignore[attr-defined]  # `f = _f`
            if obj is not None and (symbol.kind != "attribute" or "property" in obj.labels):
                found[path] = self._text(obj)
        return {path: text for path, text in found.items() if text}

    def _text(self, obj: griffe.Object) -> str:
        lines = self._lines.get(str(obj.extra["driftune"].get("file", "")), [])
        start = obj.lineno or 0
        return "\n".join(lines[max(start - 1, 0) : obj.endlineno or start])

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        return {p.path: p.markdown.split("\n") for p in self.scraped.pages if p.kind == "source"}


def member(trees: Mapping[str, griffe.Module], path: str) -> griffe.Object | None:
    """The object of that path, None where griffe has none (or only an alias)."""
    parts = path.split(".")
    found: Any = trees.get(parts[0])
    for part in parts[1:]:
        if found is None or found.is_alias:
            return None
        found = found.members.get(part)
    return None if found is None or found.is_alias else found
