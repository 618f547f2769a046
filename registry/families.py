"""Families: what splits are made by. A Change with its old and new names, aliases and class is one family.

Changes that share a name are one family (a function that was deprecated and then renamed), and so are the methods of
a class, and of classes that one accessor's name leads to (`Series.dt`, `Expr.dt`). The family's name is a public path
without a version, so that its split stays when other symbols come and go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.names import SymbolIndex
from registry.records import Change

_OF_OWNER = re.compile(r"\(\w+: ['\"]?(?:\w+\.)*(\w+)['\"]?\)")
"""Signature of a class that is made of an object of another alone."""
_GIVES = re.compile(r"\(self\) -> ['\"]?(?:\w+\.)*(\w+)['\"]?")


@dataclass(frozen=True)
class Family:
    """A family of changes.

    Attributes:
        name: Public path that names it.
        paths: Every path of its symbols: canonical and aliases, at both releases.
        changes: Ids of its changes.
    """

    name: str
    paths: frozenset[str]
    changes: tuple[str, ...]


class Families:
    """The families of a pair of releases.

    Args:
        changes: The changes between them.
        old: Symbols of the old release.
        new: Symbols of the new release.
    """

    def __init__(self, changes: Iterable[Change], old: SymbolIndex, new: SymbolIndex) -> None:
        self._old, self._new = old, new
        self._parent: dict[str, str] = {}
        self._of_classes: dict[int, dict[str, list[str]]] = {}
        members: dict[str, str] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)):
            names = self.subjects(change)
            for name in names[1:]:
                self._parent[self._find(name)] = self._find(names[0])
            members[change.id] = names[0]
        for names in (names for index in (old, new) for names in _namespaces(index)):
            for name in names:
                self._parent[self._find(name)] = self._find(names[0])
        groups: dict[str, list[str]] = {}
        for change_id, name in members.items():
            groups.setdefault(self._find(name), []).append(change_id)
        self.by_name: dict[str, Family] = {}
        self.by_change: dict[str, str] = {}
        alike: dict[str, list[str]] = {}
        for name in sorted(self._parent):
            alike.setdefault(self._find(name), []).append(name)
        for root, ids in groups.items():
            subjects = alike[root]
            name = min(subjects, key=lambda n: (n.count("."), n))
            self.by_name[name] = Family(
                name, frozenset(p for s in subjects for p in self._paths(s)), tuple(sorted(ids))
            )
            self.by_change.update(dict.fromkeys(ids, name))

    def subjects(self, change: Change) -> list[str]:
        """Public paths of what a change is about: functions and classes (for a method its class)."""
        paths = [change.symbol]
        if change.replacement is not None and (self._new.canonical(change.replacement) is not None):
            paths.append(change.replacement)
        names: dict[str, None] = {}
        for path in paths:
            for index in (self._new, self._old):
                canonical = index.canonical(path)
                if canonical is not None:
                    names.setdefault(self._owner(index, canonical))
        return list(names) or [change.symbol]

    def calling(self, paths: Iterable[str]) -> frozenset[str]:
        """Names of the families that any of these paths (canonical or public, of either release) belongs to."""
        return frozenset(family for path in paths if (family := self._by_path().get(path)) is not None)

    def _by_path(self) -> Mapping[str, str]:
        known: dict[str, str] | None = self.__dict__.get("_paths_cache")
        if known is None:
            known = {path: f.name for f in sorted(self.by_name.values(), key=lambda f: f.name) for path in f.paths}
            self.__dict__["_paths_cache"] = known
        return known

    @staticmethod
    def _owner(index: SymbolIndex, canonical: str) -> str:
        symbol = index.by_path[canonical]
        owner = canonical.rpartition(".")[0]
        if owner in index.by_path and index.by_path[owner].kind == "class":
            return index.public(owner)
        return index.public(symbol.path)

    def _paths(self, subject: str) -> set[str]:
        paths = {subject}
        for index in (self._old, self._new):
            canonical = index.canonical(subject)
            if canonical is None:
                continue
            for path in (canonical, *self._members(index).get(canonical, ())):
                paths |= {path, *index.by_path[path].aliases}
        return paths

    def _members(self, index: SymbolIndex) -> Mapping[str, list[str]]:
        """Canonical path of a class -> the paths of all that is in it."""
        known = self._of_classes.get(id(index))
        if known is None:
            known = self._of_classes[id(index)] = {}
            for path in index.by_path:
                owner = path.rpartition(".")[0]
                while owner:
                    if owner in index.by_path and index.by_path[owner].kind == "class":
                        known.setdefault(owner, []).append(path)
                    owner = owner.rpartition(".")[0]
        return known

    def _find(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name


def _namespaces(index: SymbolIndex) -> Iterable[list[str]]:
    """Public paths of the classes that each accessor's name leads to, on whichever class it is.

    `x.dt.hour()` doesn't say which class `x.dt` is of, and one of them may hand on to the other when it runs.
    """
    made: dict[tuple[str, str], str] = {}
    for path, symbol in index.by_path.items():
        if symbol.kind == "class" and (owner := _OF_OWNER.fullmatch(symbol.signature or "")):
            made[path.rpartition(".")[2], owner.group(1)] = path
    found: dict[str, set[str]] = {}
    for path, symbol in index.by_path.items():
        if made and (given := _GIVES.fullmatch(symbol.signature or "")):
            owned, _, name = path.rpartition(".")
            namespace = made.get((given.group(1), owned.rpartition(".")[2]))
            if namespace is not None:
                found.setdefault(name, set()).add(index.public(namespace))
    return [sorted(names) for _, names in sorted(found.items())]
