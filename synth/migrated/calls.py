"""Calls of a library in a program: which object each means, where it stands, and the statement around it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from registry.names import SymbolIndex, dotted_name, imported_names
from synth.source import Source

Span = tuple[int, int]
"""Character offsets: first, and one after the last."""

_BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Call:
    """A call in a program.

    Attributes:
        node: Its syntax node.
        dotted: What is called, imports resolved (`networkx.Graph`); of a method of an object `.name`.
        path: Canonical path of the symbol; None where the release has none of that name, or several methods of it.
        options: Canonical paths that it may be: of a method of an object, all that `Receivers` knows.
        span: Where the call stands.
        function: Where what is called stands.
        statement: Index of the statement of the top level around it.
        stop: One after the last character of the innermost statement (of a block: of its header).
    """

    node: ast.Call
    dotted: str
    path: str | None
    span: Span
    function: Span
    statement: int
    stop: int
    options: tuple[str, ...] = ()


class Receivers:
    """Which methods (and attributes of objects) of a release a name after a dot may mean.

    Args:
        index: Symbols of the release.
    """

    def __init__(self, index: SymbolIndex) -> None:
        self._members: dict[str, list[str]] = {}
        for path, symbol in sorted(index.by_path.items()):
            owner, _, name = path.rpartition(".")
            if (
                symbol.kind in ("method", "attribute")
                and owner in index.by_path
                and index.by_path[owner].kind == "class"
            ):
                self._members.setdefault(name, []).append(path)

    def of(self, called: Collection[str]) -> Methods:
        """Looks up names in a program, by what its run called: members of other classes may have inherited theirs."""
        seen = frozenset(called)
        names = frozenset(path.rpartition(".")[2] for path in called)

        def options(name: str) -> tuple[str, ...]:
            members = self._members.get(name, ())
            exact = tuple(p for p in members if p in seen)
            return exact or (tuple(members) if name in names else ())

        return options


Methods = Callable[[str], tuple[str, ...]]
"""The name of a method or attribute of an object -> canonical paths that it may mean."""


class Script:
    """A program's code with its imports resolved.

    Args:
        code: Python source.
        roots: Top-level packages of the library.
        methods: What names of methods may mean; nothing where None.

    Raises:
        SyntaxError: The code is no Python.
    """

    def __init__(self, code: str, roots: Iterable[str], methods: Methods | None = None) -> None:
        self.methods = methods
        self.source = Source(code)
        self.code = code
        self.body = self.source.tree.body
        self.names = imported_names(self.source.tree, roots)
        self.names |= dict(self._assigned())

    def _assigned(self) -> Iterator[tuple[str, str]]:
        """Names of the top level that are bound once, to a dotted name of the library (`view = nx.subgraph_view`)."""
        found = {
            s.targets[0].id: meaning
            for s in self.body
            if isinstance(s, ast.Assign)
            and isinstance(s.targets[0], ast.Name)
            and s.targets[0].id not in self.names
            and (meaning := self.resolve(_unwrapped(s.value))) is not None
        }
        if found:
            names = (n for n in ast.walk(self.source.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
            stores = Counter(n.id for n in names)
            yield from ((name, meaning) for name, meaning in found.items() if stores[name] == 1)

    def calls(self, index: SymbolIndex) -> Iterator[Call]:
        """Its calls in the order of the text; calls of methods of objects too."""
        for position, statement in enumerate(self.body):
            for node, stop in _calls(self.source, statement):
                found = self.call(node, position, stop, index)
                if found is not None:
                    yield found

    def call(self, node: ast.Call, position: int, stop: int, index: SymbolIndex) -> Call | None:
        """The call of `node`, or None where it is neither a name's nor an attribute's."""
        dotted = self.resolve(node.func)
        if dotted is None:
            if not isinstance(node.func, ast.Attribute):
                return None
            dotted = "." + node.func.attr
        if dotted.startswith("."):
            options = self.options(node.func)
            path = options[0] if len(options) == 1 else None
        else:
            path = index.canonical(dotted)
            options = (path,) if path is not None else ()
        spans = self.source.span(node), self.source.span(node.func)
        return Call(node, dotted, path, *spans, position, stop, options)

    def options(self, node: ast.expr) -> tuple[str, ...]:
        """Canonical paths that an attribute of an object may mean; none of what the imports explain."""
        if self.methods is None or not isinstance(node, ast.Attribute) or self.resolve(node) is not None:
            return ()
        return self.methods(node.attr)

    def resolve(self, node: ast.expr) -> str | None:
        """The dotted path of the library that an expression names through the imports, or None."""
        dotted = dotted_name(node)
        head, dot, rest = (dotted or "").partition(".")
        return self.names[head] + dot + rest if head in self.names else None

    def around(self, call: Call, texts: tuple[str, str]) -> Span | None:
        """Where the expression stands that is the call with these texts before and after it, or None."""
        wanted = texts[0] + ast.unparse(call.node) + texts[1]
        for node in ast.walk(self.body[call.statement]):
            if isinstance(node, ast.expr) and isinstance(node, (ast.Call, ast.Subscript, ast.Attribute)):
                start, end = self.source.span(node)
                if start <= call.span[0] and call.span[1] <= end <= call.stop and ast.unparse(node) == wanted:
                    return start, end
        return None

    def spelled(self, path: str) -> str | None:
        """How the program would write a public dotted path, through what it imports as a module or by that name."""
        best: str | None = None
        for local, meaning in sorted(self.names.items()):
            if path == meaning or path.startswith(meaning + "."):
                text = local + path[len(meaning) :]
                if best is None or len(text) < len(best):
                    best = text
        return best

    def objects(self, before: int) -> frozenset[str]:
        """Variables that are bound, before a character of the text, to what a call of the library gives."""
        return frozenset(
            node.targets[0].id
            for node in ast.walk(self.source.tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and self.source.span(node)[1] <= before
            and (dotted_name(node.value.func) or "").partition(".")[0] in self.names
        )

    def module(self, roots: Collection[str]) -> str | None:
        """What the library is called by here (`nx`), where it is imported whole."""
        return next((local for local, meaning in sorted(self.names.items()) if meaning in roots), None)


def _unwrapped(node: ast.expr) -> ast.expr:
    """`f` of `staticmethod(f)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "staticmethod" and node.args:
        return node.args[0]
    return node


def _calls(source: Source, statement: ast.stmt) -> Iterator[tuple[ast.Call, int]]:
    """Calls in a statement with the end of the innermost statement around each, in the order of the text."""
    found = [(node, stop) for node, stop in _within(source, statement)]
    yield from sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset, -(pair[0].end_col_offset or 0)))


def _within(source: Source, statement: ast.stmt) -> Iterator[tuple[ast.Call, int]]:
    nested = [child for child in ast.iter_child_nodes(statement) if isinstance(child, _NESTING)]
    if isinstance(statement, _BLOCKS):
        for child in getattr(statement, "body", []):
            yield from _within(source, child)
        return
    stop = source.span(statement)[1]
    if nested:
        first = min(source.span(child)[0] for child in nested)
        stop = source.text.rfind("\n", 0, first)
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _within(source, child)
        elif isinstance(child, ast.ExceptHandler):
            for inner in child.body:
                yield from _within(source, inner)
        else:
            for node in ast.walk(child):
                if isinstance(node, ast.Call):
                    yield node, stop


_NESTING = (ast.stmt, ast.ExceptHandler)


def bound_by_imports(code: str) -> dict[str, str]:
    """Local name -> dotted path of every import at the top level of a code."""
    found: dict[str, str] = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found
