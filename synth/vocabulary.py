"""The names that mistakes are made with: a release's own, those it had before, and plausible ones that don't exist."""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterable, Mapping
from functools import cached_property

from registry.names import SymbolIndex, imported_names
from registry.records import Change, Symbol

_WORDS = ("get", "find", "compute", "all", "is", "make", "calculate")
"""What invented names may begin with."""

_EVERYWHERE = frozenset(name for kind in (list, dict, set, str, bytes, int, float, object) for name in dir(kind))
"""Methods and attributes of built-in objects: no name of these is an invented one."""


class Library:
    """A release's names, and what they were called before.

    Args:
        index: The release's symbols.
        changes: Changes to this release; renamed and moved symbols give stale names.
        old: Symbols of the release before.
    """

    def __init__(self, index: SymbolIndex, changes: Iterable[Change] = (), old: SymbolIndex | None = None) -> None:
        self.index = index
        self.stale: dict[str, str] = {}
        self._siblings: dict[str, list[str]] = {}
        self._others: dict[tuple[str, str], list[str]] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)):
            new = index.canonical(change.replacement) if change.replacement else None
            if new is not None and old is not None and change.kind in ("renamed", "moved", "removed"):
                former = old.public(change.symbol)
                if index.canonical(former) is None and index.by_path[new].kind == "function":
                    self.stale.setdefault(new, former)

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """Owner (module or class, canonical) -> names of its public functions or methods."""
        found: dict[str, list[str]] = {}
        for path, symbol in sorted(self.index.by_path.items()):
            if symbol.kind in ("function", "method"):
                owner, _, name = path.rpartition(".")
                if not name.startswith("_"):
                    found.setdefault(owner, []).append(name)
        return found

    @cached_property
    def _beside(self) -> Mapping[tuple[str, str], set[str]]:
        """(kind, name) of a class's member -> names of its classes' other members of that kind."""
        owners: dict[tuple[str, str], set[str]] = {}
        for path, symbol in self.index.by_path.items():
            owner, _, name = path.rpartition(".")
            if symbol.kind in ("method", "attribute") and not name.startswith("_"):
                owners.setdefault((owner, symbol.kind), set()).add(name)
        found: dict[tuple[str, str], set[str]] = {}
        for (_, kind), names in owners.items():
            for name in names:
                found.setdefault((kind, name), set()).update(names - {name})
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """The last part of every path of the release, and what all objects have."""
        return frozenset(path.rpartition(".")[2] for path in self.index.by_path) | _EVERYWHERE

    @cached_property
    def classes(self) -> Mapping[str, list[str]]:
        """Last part of a class's path -> names of classes that are called much like it."""
        names = {p.rpartition(".")[2] for p, s in self.index.by_path.items() if s.kind == "class"}
        public = sorted(n for n in names if n[:1].isupper() and self._reachable(n))
        return {n: difflib.get_close_matches(n, [o for o in public if o != n], 3, 0.6) for n in public}

    def _reachable(self, name: str) -> bool:
        return any(self.index.canonical(f"{root}.{name}") is not None for root in self.index.roots)

    def beside(self, name: str, kind: str) -> list[str]:
        """Other methods or attributes (`kind`) of the classes that have one of this name, the most alike first."""
        if (kind, name) not in self._others:
            self._others[kind, name] = nearest(name, self._beside.get((kind, name), ()))[:3]
        return self._others[kind, name]

    def siblings(self, path: str) -> list[str]:
        """Names of functions of the same module as the canonical `path`, the most alike first."""
        if path not in self._siblings:
            owner, _, name = path.rpartition(".")
            self._siblings[path] = nearest(name, (n for n in self.members.get(owner, ()) if n != name))
        return self._siblings[path]


class Words:
    """A library's names as one program can write them.

    Args:
        library: The library.
        tree: The program; its imports say what its names mean.
    """

    def __init__(self, library: Library, tree: ast.AST) -> None:
        self.library = library
        self.imported = imported_names(tree, library.index.roots)

    def _full(self, name: str) -> str:
        head, dot, rest = name.partition(".")
        return self.imported.get(head, head) + dot + rest

    def symbol(self, name: str) -> Symbol | None:
        """What a dotted name as written means."""
        if name.partition(".")[0] not in self.imported:
            return None
        path = self.library.index.canonical(self._full(name))
        return None if path is None else self.library.index.by_path.get(path)

    def siblings(self, name: str) -> list[str]:
        """Of a dotted name as written (`nx.ancestors`): names that the same module could have been asked for."""
        found = self.symbol(name)
        owner = self._full(name).rpartition(".")[0]
        if found is None:
            return []
        others = self.library.siblings(found.path)
        if found.kind == "class":
            others = self.library.classes.get(name.rpartition(".")[2], [])
        return [n for n in others if self.library.index.canonical(f"{owner}.{n}") is not None][:3]

    def invented(self, name: str, rng: random.Random) -> str | None:
        """Of a dotted name as written: a name that exists nowhere; None where none reads as if it did."""
        owner, _, last = self._full(name).rpartition(".")
        choices = [n for n in inventions(last) if self.library.index.canonical(f"{owner}.{n}") is None]
        return rng.choice(choices) if choices and not last[:1].isupper() else None

    def unknown(self, name: str, rng: random.Random) -> str | None:
        """Of a method's name: one that no object has."""
        choices = [n for n in inventions(name) if n not in self.library.names]
        return rng.choice(choices) if choices else None

    def stale(self, name: str) -> str | None:
        """Of a dotted name as written: what it was called before."""
        found = self.symbol(name)
        former = self.library.stale.get(found.path) if found is not None else None
        if former is None:
            return None
        root = former.partition(".")[0]
        alias = next((a for a, target in sorted(self.imported.items()) if target == root), None)
        return None if alias is None else alias + former[len(root) :]

    def parameters(self, name: str) -> Mapping[str, str | None]:
        """Of a dotted name as written: names of its parameters and their defaults; of a method no receiver."""
        found = self.symbol(name)
        rows = found.parameters if found is not None else ()
        return {
            str(p["name"]): None if p.get("default") is None else str(p["default"])
            for p in rows
            if "variadic" not in str(p["kind"]) and p["name"] not in ("self", "cls")
        }


def nearest(name: str, others: Iterable[str]) -> list[str]:
    """The six names most like `name`, the most alike first."""
    words = set(name.split("_"))

    def likeness(other: str) -> tuple[float, str]:
        shared = len(words & set(other.split("_")))
        return (-shared - difflib.SequenceMatcher(None, name, other).quick_ratio(), other)

    return sorted(others, key=likeness)[:6]


def inventions(name: str) -> list[str]:
    """Names that read as if they belonged: words turned round, a verb put before, a word left out, a plural."""
    words = name.split("_")
    made = [f"{verb}_{name}" for verb in _WORDS if verb != words[0]]
    if len(words) > 1:
        made += ["_".join([words[-1], *words[:-1]]), "_".join(words[:-1]), "".join(words)]
    made.append(name[:-1] if name.endswith("s") else name + "s")
    return sorted({n for n in made if n.isidentifier() and n != name})
