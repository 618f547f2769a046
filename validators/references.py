"""Which families of changes a program names: static, parsed once, resolved against both releases."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.families import Families
from registry.names import LONGEST, SymbolIndex
from registry.trees import walk

AT_HAND = 4096
"""Texts of which it is remembered what they name: rows made of one program are read one after another."""


@dataclass
class Reader:
    """Finds the families that code names, through its imports or by a method that only one family's class has.

    Attributes:
        families: The families of the domain's releases.
        indexes: The symbols of each of these releases.
    """

    families: Families
    indexes: tuple[SymbolIndex, ...]
    _known: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    _dotted: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Notes the roots of the library's packages, and the methods that tell a family's class."""
        self._roots = frozenset(root for index in self.indexes for root in index.roots)
        self._methods = distinctive_methods(self.families, self.indexes)

    def families_of(self, code: str) -> frozenset[str]:
        """Names of the families that `code` names; code that does not parse names nothing."""
        known = self._known.get(code)
        if known is None:
            if len(self._known) == AT_HAND:
                self._known.clear()
            known = self._known[code] = self._read(code)
        return known

    def families_at(self, dotted: str) -> frozenset[str]:
        """Names of the families that a dotted name or a prefix of it belongs to, `networkx.Graph.nodes` for one."""
        known = self._dotted.get(dotted)
        if known is None:
            parts = dotted.split(".")
            prefixes = [".".join(parts[:end]) for end in range(min(len(parts), LONGEST), 1, -1)]
            paths = prefixes + [c for p in prefixes for i in self.indexes if (c := i.canonical(p)) is not None]
            known = self._dotted[dotted] = self.families.calling(paths)
        return known

    def _read(self, code: str) -> frozenset[str]:
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset()
        found: set[str] = set()
        names: dict[str, str] = {}
        chains: list[ast.Attribute | ast.Name] = []
        inner: set[int] = set()
        for node in walk(tree):
            if isinstance(node, ast.Attribute):
                chains.append(node)
                inner.add(id(node.value))
                found |= self._methods.get(node.attr, frozenset())
            elif isinstance(node, ast.Name):
                chains.append(node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names.update(self._imported(node))
        for dotted in names.values():
            found |= self.families_at(dotted)
        for node in chains:
            if id(node) not in inner and (dotted := _dotted(node, names)):
                found |= self.families_at(dotted)
        return frozenset(found)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> dict[str, str]:
        """Local name -> dotted path of what an import of the library binds."""
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or module.partition(".")[0] not in self._roots:
                return {}
            return {a.asname or a.name: f"{module}.{a.name}" for a in node.names if a.name != "*"}
        mine = [a for a in node.names if a.name.partition(".")[0] in self._roots]
        return {a.asname or (root := a.name.partition(".")[0]): a.name if a.asname else root for a in mine}


def _dotted(node: ast.Attribute | ast.Name, names: Mapping[str, str]) -> str:
    """The dotted library path of a chain of attributes, as far as it is one; empty where its head isn't imported."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in names:
        return ""
    return ".".join([names[inner.id], *reversed(parts)])


def distinctive_methods(families: Families, indexes: Iterable[SymbolIndex]) -> dict[str, frozenset[str]]:
    """Method name -> the family whose classes alone have it: what a call on an instance gives away.

    A name that another class, a function of the library or a built-in type has too tells nothing, and is left out.
    """
    owners: dict[str, set[str]] = {}
    for index in indexes:
        for path, symbol in index.by_path.items():
            owner, _, name = path.rpartition(".")
            of_class = owner in index.by_path and index.by_path[owner].kind == "class"
            family = next(iter(sorted(families.calling([path]))), "") if of_class else ""
            if symbol.kind != "module":
                owners.setdefault(name, set()).add(family)
    return {
        name: frozenset(found)
        for name, found in sorted(owners.items())
        if len(found) == 1 and "" not in found and not name.startswith("_") and name not in _COMMON
    }


_COMMON = frozenset(
    name for kind in (object, dict, list, set, str, tuple, int, float, bytes, Counter) for name in dir(kind)
)
"""Attributes of built-in types."""
