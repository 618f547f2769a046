"""Which names statements read, bind and change: slicing of straight scripts, unbound names, dead imports."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

BUILTINS = frozenset(dir(builtins)) | {"__name__"}
"""Names that every program has; not `__file__`: what lies beside a library's file doesn't lie beside a program."""

READERS = frozenset(
    {
        "copy",
        "count",
        "get",
        "index",
        "items",
        "keys",
        "values",
        "issubset",
        "issuperset",
        "isdisjoint",
        "join",
        "split",
        "strip",
        "format",
        "startswith",
        "endswith",
        "lower",
        "upper",
    }
)
"""Methods that never change their object: calls of them don't make it another one."""


ACTING = ("add", "append", "clear", "discard", "extend", "insert", "pop", "push", "remove", "set", "update", "write")
"""What names of methods begin with that may change their object, also where their value is used."""

_GIVING = ("add_", "append", "extend", "insert_", "pop", "push", "register", "remove_", "setdefault", "write")
"""What names of methods begin with that change their object and may give something too.

A method whose value somebody wants is one of `ACTING` for other reasons as well: `s.add(1)`, `df.set_index("a")`,
`df.remove(rows)` and `df.update(other)` make something new.
"""

_QUERYING = ("eval", "query")
"""Methods that are given names in a text: `df.query("a > @least")`."""
_IN_QUERY = re.compile(r"@([^\W\d]\w*)")


@dataclass(frozen=True)
class Flow:
    """What a statement does with names of the script's top level.

    Attributes:
        reads: Names whose value it needs.
        binds: Names it gives a new value.
        changes: Names whose object it may change in place.
    """

    reads: frozenset[str]
    binds: frozenset[str]
    changes: frozenset[str]


def flow(node: ast.AST) -> Flow:
    """What `node`, a statement or an expression, reads, binds and changes; computed once a node."""
    known: Flow | None = node.__dict__.get("_flow")
    if known is None:
        reader = _Reader()
        reader.visit(node)
        known = Flow(frozenset(reader.reads), frozenset(reader.binds), frozenset(reader.changes))
        node._flow = known  # type: ignore[attr-defined]
    return known


def nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes of a tree, itself first, as `ast.walk` gives them but faster; computed once a tree."""
    inner: list[ast.AST] | None = tree.__dict__.get("_nodes")
    if inner is not None:
        return [tree, *inner]
    found = [tree]
    for node in found:  # grows while it is read
        for name in _HOLDING[type(node)]:
            value = getattr(node, name, None)
            if isinstance(value, list):
                found += [v for v in value if isinstance(v, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    tree._nodes = found[1:]  # type: ignore[attr-defined]  # not itself: such a cycle is work for the collector
    return found


class _Holding(dict[type[ast.AST], tuple[str, ...]]):
    """Kind of node -> its fields that may hold nodes, contexts and operators apart."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        plain = _PLAIN | ({"value"} if kind is ast.Constant else set())
        self[kind] = found = tuple(name for name in kind._fields if name not in plain)
        return found


_HOLDING = _Holding()
_PLAIN = frozenset(
    {"ctx", "op", "id", "attr", "arg", "asname", "module", "level", "kind", "type_comment", "conversion", "simple"}
)


def flow_all(trees: Iterable[ast.AST]) -> Flow:
    """The union of what `trees` do."""
    each = [flow(tree) for tree in trees]
    return Flow(
        frozenset().union(*(f.reads for f in each)),
        frozenset().union(*(f.binds for f in each)),
        frozenset().union(*(f.changes for f in each)),
    )


def unbound(statements: Sequence[ast.stmt]) -> list[str]:
    """Names that a script needs before it has bound them, sorted; functions' bodies count as read at the end."""
    bound = set(BUILTINS)
    late: set[str] = set()
    missing: set[str] = set()
    for statement in statements:
        now, later = needs(statement)
        missing |= now - bound
        late |= later
        bound |= flow(statement).binds
    return sorted(missing | (late - bound))


def needs(statement: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a statement needs before it, and those that it needs by the end of its script."""
    what = flow(statement)
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return frozenset(), what.reads - what.binds
    if isinstance(statement, (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Match)):
        return what.reads - what.binds, frozenset()
    return what.reads, frozenset()


def needed(statements: Sequence[ast.stmt], wanted: Iterable[str], fixed: Container[str] = frozenset()) -> list[int]:
    """Positions of the statements that the values of `wanted` depend on (a backward slice by names).

    Args:
        statements: A straight script.
        wanted: Names.
        fixed: Names whose object no statement changes (imported modules, on which functions are called).
    """
    open_names = set(wanted)
    kept: list[int] = []
    for position in range(len(statements) - 1, -1, -1):
        statement = statements[position]
        what = flow(statement)
        changes = {name for name in what.changes if name not in fixed}
        if not (what.binds | changes) & open_names:
            continue
        kept.append(position)
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.FunctionDef)):
            open_names -= what.binds - what.reads
        open_names |= what.reads
    return kept[::-1]


def is_mutator(statement: ast.stmt) -> bool:
    """Whether a statement may change an object that has a name (an assignment of a call's value does not count)."""
    return bool(flow(statement).changes)


def changes_its_object(method: ast.Attribute) -> bool:
    """Whether a method that also gives something changes what it is of, as its name tells.

    One of a namespace (`s.dt.add_days(1)`) doesn't.
    """
    name = method.attr
    return isinstance(method.value, ast.Name) and (name.startswith(_GIVING) or name.endswith("in_place"))


class _Reader:
    """Collects names; inner scopes (functions, lambdas, comprehensions) hide their own.

    A visitor like `ast.NodeVisitor`, with less to do at each node: this runs millions of times.
    """

    def visit(self, node: ast.AST) -> None:
        """Reads a node and what is in it."""
        method = _VISITORS.get(type(node))
        if method is not None:
            method(self, node)
        else:
            self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Reads what is in a node."""
        for name in _HOLDING[type(node)]:
            value = getattr(node, name, None)
            if isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.changes: set[str] = set()

    def on_constant(self, node: ast.Constant) -> None:
        pass

    def on_name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reads.add(node.id)
        else:
            self.binds.add(node.id)

    def on_augassign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        name = root_name(node.target)
        if name:
            self.reads.add(name)
            self.changes.add(name)

    def on_attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._changes_root(node)
        self.generic_visit(node)

    def on_subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._changes_root(node)
        self.generic_visit(node)

    def on_expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call):
            self._changes_of_call(call)
        self.generic_visit(node)

    def on_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr.startswith(ACTING):
            self._changes_root(node.func)
        if isinstance(node.func, ast.Name) and node.func.id == "next":
            for argument in node.args[:1]:
                self._changes_root(argument)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _QUERYING:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    self.reads |= set(_IN_QUERY.findall(argument.value))
        self.generic_visit(node)

    def _changes_of_call(self, call: ast.Call) -> None:
        if isinstance(call.func, ast.Attribute) and call.func.attr not in READERS:
            self._changes_root(call.func)
        for argument in [*call.args, *(k.value for k in call.keywords)]:
            if isinstance(argument, (ast.Name, ast.Attribute)):
                self._changes_root(argument)

    def _changes_root(self, node: ast.expr) -> None:
        name = root_name(node)
        if name:
            self.changes.add(name)

    def on_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.binds.add(alias.asname or alias.name.split(".")[0])

    def on_importfrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.binds.add(alias.asname or alias.name)

    def on_capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name is not None:
            self.binds.add(node.name)
        self.generic_visit(node)

    def on_matchmapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.binds.add(node.rest)
        self.generic_visit(node)

    def on_excepthandler(self, node: ast.ExceptHandler) -> None:
        """The error's name is gone when its handler ends: no other block needs it."""
        inner = _Reader()
        inner.generic_visit(node)
        self.reads |= inner.reads - {node.name}
        self.binds |= inner.binds
        self.changes |= inner.changes - {node.name}

    def on_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.binds.add(node.name)
        for part in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
            if part is not None:
                self.visit(part)
        self._inner(node.body, arguments(node.args) | {node.name})

    def on_asyncfunctiondef(self, node: ast.AsyncFunctionDef) -> None:
        self.on_functiondef(node)

    def on_lambda(self, node: ast.Lambda) -> None:
        for part in [*node.args.defaults, *node.args.kw_defaults]:
            if part is not None:
                self.visit(part)
        self._inner([node.body], arguments(node.args))

    def on_classdef(self, node: ast.ClassDef) -> None:
        self.binds.add(node.name)
        for part in [*node.bases, *node.decorator_list, *(k.value for k in node.keywords)]:
            self.visit(part)
        self._inner(node.body, set())

    def _inner(self, body: Sequence[ast.AST], own: set[str]) -> None:
        inner = _Reader()
        for part in body:
            inner.visit(part)
        self.reads |= inner.reads - own - inner.binds

    def on_comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        inner = _Reader()
        inner.generic_visit(node)
        self.reads |= inner.reads - inner.binds
        self.changes |= inner.changes - inner.binds


_VISITORS: dict[type[ast.AST], Callable[[_Reader, Any], None]] = {
    ast.Constant: _Reader.on_constant,
    ast.Name: _Reader.on_name,
    ast.AugAssign: _Reader.on_augassign,
    ast.Attribute: _Reader.on_attribute,
    ast.Subscript: _Reader.on_subscript,
    ast.Expr: _Reader.on_expr,
    ast.Call: _Reader.on_call,
    ast.Import: _Reader.on_import,
    ast.ImportFrom: _Reader.on_importfrom,
    ast.MatchAs: _Reader.on_capture,
    ast.MatchStar: _Reader.on_capture,
    ast.MatchMapping: _Reader.on_matchmapping,
    ast.ExceptHandler: _Reader.on_excepthandler,
    ast.FunctionDef: _Reader.on_functiondef,
    ast.AsyncFunctionDef: _Reader.on_asyncfunctiondef,
    ast.Lambda: _Reader.on_lambda,
    ast.ClassDef: _Reader.on_classdef,
    ast.ListComp: _Reader.on_comprehension,
    ast.SetComp: _Reader.on_comprehension,
    ast.GeneratorExp: _Reader.on_comprehension,
    ast.DictComp: _Reader.on_comprehension,
}


def arguments(args: ast.arguments) -> set[str]:
    """The names of all parameters."""
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return {a.arg for a in every if a is not None}


def root_name(node: ast.expr) -> str | None:
    """The name at the left end of `a.b[0].c()`; None where there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
