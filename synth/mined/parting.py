"""A test of many checks -> flat scripts of few: each check with the statements that it depends on, by data flow.

Checks stay together while what they look at is little and no name stands for two things: a test that sets a graph up
anew under the same name is told apart where it does. What no check depends on is left out.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from synth.dataflow import BUILTINS, Flow, flow, flow_all, nodes, root_name
from synth.mined.statements import asserting_functions, effect, imported_check, pytest_context, raises_call
from synth.source import first_line, read

LOOKED_AT = 4
"""Most values that the checks of one script look at."""

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
_KILLERS = (ast.Assign, ast.AnnAssign, *_DEFINITIONS)
_SETS = re.compile(r"seed|set_|option|config|register|reset|simplefilter")
"""Functions of modules that are called for what they do to the module."""

_VIEWS = re.compile(r"view|subgraph|freeze|iter|read|open|writer")
"""Functions whose result stays bound to what they were given: a change of the one changes the other."""


def parts(script: str) -> list[str]:
    """The scripts of a flat script's checks, in order; the script itself where there is one that needs all of it.

    Raises:
        SyntaxError: It is no Python.
    """
    parter = _Parter(script)
    return [parter.text(group) for group in parter.groups()]


def is_private(tree: ast.AST) -> bool:
    """Whether code uses what a library keeps to itself: `G._adj`, `from lib import _f`, `lib._core.f`."""
    for node in nodes(tree):
        names: Sequence[str] = ()
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(a.name for a in node.names)]
        elif isinstance(node, ast.Import):
            names = [part for a in node.names for part in a.name.split(".")]
        if any(n.startswith("_") and not n.endswith("__") and n not in _NAMED_TUPLES for n in names):
            return True
    return False


_NAMED_TUPLES = ("_asdict", "_fields", "_make", "_replace")


@dataclass
class _Group:
    kept: frozenset[int]
    seen: frozenset[str]


class _Parter:
    """Slices one script.

    Args:
        script: The script.
    """

    def __init__(self, script: str) -> None:
        self.source = read(script)
        self.body = self.source.tree.body
        self.asserting = asserting_functions(self.body)
        self.fixed = flow_all(s for s in self.body if isinstance(s, _DEFINITIONS)).binds
        self.linked = _links(self.body, self.fixed)
        self.checks = [self._is_check(s) for s in self.body]
        self.effects = [self._effect(i) for i in range(len(self.body))]
        self.private = {i for i, s in enumerate(self.body) if not isinstance(s, _DEFINITIONS) and is_private(s)}

    def groups(self) -> Iterator[list[int]]:
        """Positions of the statements of each script."""
        group: _Group | None = None
        for position, statement in enumerate(self.body):
            if not self.checks[position]:
                continue
            kept = self.behind(position)
            seen = self.looked_at(statement)
            if kept & self.private or not seen:
                continue
            if group is not None and (joined := self.joined(group, kept, seen)):
                group = joined
                continue
            if group is not None:
                yield sorted(group.kept)
            group = _Group(kept, seen)
        if group is not None:
            yield sorted(group.kept)

    def joined(self, group: _Group, kept: frozenset[int], seen: frozenset[str]) -> _Group | None:
        """A group with another check; None where the two are better apart."""
        both = _Group(group.kept | kept, group.seen | seen)
        anew = self.bound_anew(both.kept) - self.bound_anew(group.kept) - self.bound_anew(kept)
        return None if len(both.seen) > LOOKED_AT or anew else both

    def bound_anew(self, kept: frozenset[int]) -> frozenset[str]:
        """Names that more than one assignment of some statements binds."""
        found = Counter(n for i in kept if isinstance(self.body[i], ast.Assign) for n in self.effects[i].binds)
        return frozenset(name for name, times in found.items() if times > 1)

    def looked_at(self, statement: ast.stmt) -> frozenset[str]:
        """What a check looks at: names that statements compute, and calls, as texts; nothing where all is known."""
        if not isinstance(statement, ast.Assert):
            return frozenset([ast.unparse(statement)])
        found: set[str] = set()
        for side in _sides(statement.test):
            if any(isinstance(n, ast.Call) and not _only_looks(n) for n in nodes(side)):
                found.add(ast.unparse(side))
            else:
                found |= flow(side).reads & self.computed
        return frozenset(found)

    @cached_property
    def computed(self) -> frozenset[str]:
        """Names that statements bind to what isn't written out."""
        return frozenset(
            name
            for s, what in zip(self.body, self.effects, strict=True)
            if not isinstance(s, _DEFINITIONS) and any(isinstance(n, ast.Call) for n in nodes(s))
            for name in what.binds
        )

    def behind(self, position: int) -> frozenset[int]:
        """The statements that a check depends on, and its own position."""
        open_names = set(flow(self.body[position]).reads)
        kept = {position}
        for i in range(position - 1, -1, -1):
            what = self.effects[i]
            if not (what.binds | what.changes) & open_names and (what.changes or not self._is_global(self.body[i])):
                continue
            kept.add(i)
            if isinstance(self.body[i], _KILLERS):
                open_names -= what.binds - what.reads
            open_names |= what.reads
        return frozenset(kept | self._late(open_names, position))

    def _late(self, names: set[str], position: int) -> set[int]:
        """Definitions below that functions above call."""
        return {
            i
            for i, s in enumerate(self.body[position + 1 :], start=position + 1)
            if isinstance(s, _DEFINITIONS) and self.effects[i].binds & names
        }

    def _is_check(self, statement: ast.stmt) -> bool:
        if isinstance(statement, _DEFINITIONS):
            return False
        return any(
            isinstance(n, ast.Assert)
            or (isinstance(n, ast.Call) and (root_name(n.func) in self.asserting or imported_check(n, self.asserting)))
            or (isinstance(n, ast.Call) and raises_call(n) is not None)
            or (isinstance(n, ast.With) and pytest_context(n, "raises", "warns", "deprecated_call") is not None)
            for n in nodes(statement)
        )

    def _effect(self, position: int) -> Flow:
        """What a statement does, the objects that share parts with what it changes among what it changes."""
        statement = self.body[position]
        what = flow(statement)
        changed, binds = what.changes - self.fixed, what.binds
        if self.checks[position]:
            mutates, binds = effect(statement, self.asserting)
            changed = changed if mutates else frozenset()
        elif isinstance(statement, ast.With):
            changed |= what.reads - self.fixed
        changes = frozenset(other for name in changed for other in self.linked.get(name, (name,)))
        return Flow(what.reads, binds, changes)

    def _is_global(self, statement: ast.stmt) -> bool:
        """Whether a statement sets something of a module: a seed, an option."""
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) as function)):
                return root_name(function) in self.fixed and bool(_SETS.search(name))
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript() as target]):
                return root_name(target) in self.fixed
        return False

    def text(self, kept: list[int]) -> str:
        """The statements at some positions with the comments above them."""
        if len(kept) == len(self.body):
            return self.source.text
        return "\n".join(self._comment(self.body[i]) + self.source.block([self.body[i]]).rstrip() for i in kept) + "\n"

    def _comment(self, statement: ast.stmt) -> str:
        at = first = first_line(statement) - 1
        while first > 0 and self.source.lines[first - 1].startswith("#"):
            first -= 1
        return "".join(self.source.lines[first:at])


def _sides(test: ast.expr) -> list[ast.expr]:
    """The parts of a condition that are looked at each by itself."""
    match test:
        case ast.Compare(left=left, comparators=others):
            return [side for part in (left, *others) for side in _sides(part)]
        case ast.BoolOp(values=values):
            return [side for value in values for side in _sides(value)]
        case ast.UnaryOp(operand=operand):
            return _sides(operand)
        case ast.Call(func=ast.Name(id=name), args=given) if name.endswith("_equal"):
            return [side for argument in given for side in _sides(argument)]
    return [test]


def _only_looks(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in _LOOKING


_LOOKING = ("all", "any", "isinstance", "len", "list", "range", "round", "set", "sorted", "tuple", "type")
"""Functions that only look at what they are given."""


def _links(body: Sequence[ast.stmt], fixed: frozenset[str]) -> dict[str, frozenset[str]]:
    """Names whose objects share parts: `view = G.edges`, `d = data[0]`, `for n, d in G.nodes(data=True):`."""
    groups: dict[str, frozenset[str]] = {}
    for statement in body:
        for target, value in _bindings(statement):
            names = (flow(target).binds | _shared(value)) - fixed - BUILTINS
            together = frozenset().union(names, *(groups.get(n, frozenset()) for n in names))
            for name in together:
                groups[name] = together
    return groups


def _bindings(statement: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in nodes(statement):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets)
            case ast.For(target=target, iter=value):
                yield target, value
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                yield target, value


def _shared(value: ast.expr) -> frozenset[str]:
    """Names whose objects a value may share parts with."""
    match value:
        case ast.Name(id=name):
            return frozenset([name])
        case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _shared(inner)
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return frozenset().union(*map(_shared, items))
        case ast.Dict(values=items):
            return frozenset().union(*map(_shared, items))
        case ast.Call(func=ast.Attribute(attr="copy" | "deepcopy")):
            return frozenset()
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=given, keywords=named):
            shared = _shared(owner)
            if _VIEWS.search(name.lower()):
                shared |= frozenset().union(*map(_shared, given), *(_shared(k.value) for k in named))
            return shared
        case ast.Call(func=ast.Name(id=name), args=given) if _VIEWS.search(name.lower()):
            return frozenset().union(*map(_shared, given))
    return frozenset()
