"""Which library object a dotted name in a program means: static, from the program's imports and a release's Symbols."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from registry.records import Symbol
from registry.trees import parse, parsed

LONGEST = 32
"""Components of a dotted path that are looked at; what comes after is attributes of results."""


class SymbolIndex:
    """Looks up symbols of one release by any of their public paths.

    Args:
        symbols: The release's symbols.
        private: Modules that the library keeps to itself, though no underscore says so.
    """

    def __init__(self, symbols: Iterable[Symbol], private: Iterable[str] = ()) -> None:
        self.private = tuple(private)
        self.by_path: dict[str, Symbol] = {}
        self._canonical: dict[str, str] = {}
        self._called: dict[str, tuple[str, ...]] = {}
        rows = sorted(symbols, key=lambda s: s.path)
        for symbol in rows:
            self.by_path[symbol.path] = symbol
            for alias in symbol.aliases:
                self._canonical.setdefault(alias, symbol.path)
        for symbol in rows:  # a canonical path outranks another symbol's alias
            self._canonical[symbol.path] = symbol.path
        self.roots = frozenset(path.partition(".")[0] for path in self._canonical)

    def canonical(self, path: str) -> str | None:
        """The canonical path of a dotted public path, or None; a member of an aliased class or module is found too."""
        found = self._canonical.get(path)
        if found is not None:
            return found
        owner, dot, member = path.rpartition(".")
        if not dot:
            return None
        base = self.canonical(owner)
        return self._canonical.get(f"{base}.{member}") if base is not None else None

    def public(self, path: str) -> str:
        """The shortest public path of a canonical path; the path itself where it is unknown."""
        symbol = self.by_path.get(path)
        if symbol is None or not symbol.aliases:
            return path
        return min((path, *symbol.aliases), key=lambda p: (self.is_private(p), p.count("."), len(p), p))

    def is_private(self, path: str) -> bool:
        """Whether a dotted path is, or lies in, a module that the library keeps to itself."""
        return any(path == module or path.startswith(f"{module}.") for module in self.private)

    def names_private(self, code: str) -> bool:
        """Whether `code` names, in its imports or through them, what lies in such a module."""
        if not self.private:
            return False
        if any(self.is_private(dotted) for dotted, _ in self.references(code)):
            return True
        tree = parsed(code)
        modules = (n for n in statements(tree) if isinstance(n, ast.Import)) if tree is not None else ()
        return any(self.is_private(alias.name) for node in modules for alias in node.names)

    def called(self, code: str) -> tuple[str, ...]:
        """Canonical paths of the functions, classes and methods that `code` names through its imports.

        In order of first appearance. Methods of instances are not seen (that takes execution). Code that does not
        parse names nothing. What a text names is found once: programs are asked about again and again.
        """
        known = self._called.get(code)
        if known is None:
            found: dict[str, None] = {}
            for dotted, _ in self.references(code):
                path = self._longest(dotted)
                if path is not None and self.by_path[path].kind != "module":
                    found.setdefault(path)
            known = self._called[code] = tuple(found)
        return known

    def references(self, code: str) -> Iterator[tuple[str, ast.AST]]:
        """Dotted names of the library in `code`, imports resolved (`nx.Graph`: `networkx.Graph`), and their nodes."""
        try:
            tree = tree_of(code)
        except SyntaxError:
            return
        names = imports_of(code, self.roots)
        yield from _references(tree, names, self.roots)

    def named_after(self, code: str, start: int) -> dict[str, bool]:
        """The library's names that `code` reads after a place, and whether the release has each.

        `nx.from_graph(…)` is in it where it ends after the place; whether it is there is decided by the first part
        that is no module: attributes of classes and of results are nobody's names here. Left out is what symbols
        can't tell of: stars, names with two underscores around them, and what the program binds to something else too.

        Args:
            code: A program; one that does not parse names nothing.
            start: Character at which the part of interest begins.
        """
        above = code[:start].split("\n")
        place = len(above), len(above[-1].encode())
        tree = parsed(code)
        if tree is None:
            return {}
        imported = ((a.name, n) for n in statements(tree) if isinstance(n, ast.Import) for a in n.names)
        modules = [(name, node) for name, node in imported if name.partition(".")[0] in self.roots]
        bound = _bound(tree)
        found = {}
        for dotted, node in [*self.references(code), *modules]:
            ends = getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)
            free = (dotted_name(node) or "").partition(".")[0] not in bound
            if ends > place and "." in dotted and free and _telling(dotted):
                found[dotted] = self.has(dotted)
        return found

    def has(self, dotted: str) -> bool:
        """Whether a dotted name means something in the release, as far as symbols tell."""
        parts = dotted.split(".")[:LONGEST]
        for end in range(len(parts), 0, -1):
            path = self.canonical(".".join(parts[:end]))
            if path is not None and path in self.by_path:
                return end == len(parts) or self.by_path[path].kind != "module"
        return False

    def _longest(self, dotted: str) -> str | None:
        """The canonical path of the longest known prefix of a dotted name."""
        parts = dotted.split(".")
        for end in range(min(len(parts), LONGEST), 1, -1):
            path = self.canonical(".".join(parts[:end]))
            if path is not None and path in self.by_path:
                return path
        return None


@lru_cache(maxsize=64)
def tree_of(code: str) -> ast.Module:
    """The syntax tree of a program that several look at in turn, parsed once: treat as frozen."""
    return parse(code)


@lru_cache(maxsize=64)
def imports_of(code: str, roots: frozenset[str]) -> Mapping[str, str]:
    """The `imported_names` of a program that several look at in turn, read once: treat as frozen."""
    return imported_names(tree_of(code), roots)


def imported_names(tree: ast.AST, roots: Iterable[str]) -> dict[str, str]:
    """Local name -> dotted path, for every import of one of the packages `roots` anywhere in `tree`."""
    wanted = frozenset(roots)
    names: dict[str, str] = {}
    for node in statements(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                if a.name.partition(".")[0] in wanted:
                    names[a.asname or a.name.partition(".")[0]] = a.name if a.asname else a.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in wanted:
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names if a.name != "*"})
    return names


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """`tree` and the statements in it, level by level, as `ast.walk` would meet them; expressions hold none."""
    left = deque([tree])
    while left:
        node = left.popleft()
        yield node
        for name in ("body", "handlers", "cases", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                left.extend(inner)


def dotted_name(node: ast.AST) -> str | None:
    """`a.b.c` of a chain of attributes on a name, else None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def _telling(dotted: str) -> bool:
    """Whether symbols can tell of a name: of `lib.*` and `lib.__version__` they can't."""
    return not any(part == "*" or (part.startswith("__") and part.endswith("__")) for part in dotted.split("."))


def _bound(tree: ast.AST) -> frozenset[str]:
    """Names that are bound by anything but imports somewhere in a program."""
    nodes = list(ast.walk(tree))
    names = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return frozenset(names | {n.arg for n in nodes if isinstance(n, ast.arg)})


def _references(tree: ast.AST, names: Mapping[str, str], roots: frozenset[str]) -> Iterator[tuple[str, ast.AST]]:
    for node in _preorder(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in roots:
            for a in node.names:
                yield f"{node.module}.{a.name}", node
        elif isinstance(node, (ast.Attribute, ast.Name)):
            dotted = dotted_name(node)
            if dotted is not None:
                head, dot, rest = dotted.partition(".")
                if head in names:
                    yield names[head] + dot + rest, node


def _preorder(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes in order of the text; of a chain of attributes only the whole. Deep nesting is no problem."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        if not (isinstance(node, ast.Attribute) and dotted_name(node) is not None):
            left.extend(reversed(list(ast.iter_child_nodes(node))))
