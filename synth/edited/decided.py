"""Whether what fills a gap follows from what stands around it: names in scope, and values that the rest speaks of."""

from __future__ import annotations

import ast
import builtins
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from registry.names import dotted_name
from synth.claims import is_flag
from synth.source import Source

MOST_VALUES = 3
"""Literals of a gap."""

_WORD = re.compile(r"[^\W\d]\w*")
_BUILT_IN = frozenset(dir(builtins))
_COMMON = frozenset(
    name for kind in (list, dict, set, str, bytes, tuple, int, io.BytesIO, io.StringIO) for name in dir(kind)
)
"""Attributes of built-in types: nobody has to be told of them."""
_GROUPS = (ast.List, ast.Tuple, ast.Set, ast.Dict)

Nodes = Sequence[ast.AST]


@dataclass(frozen=True)
class Whole:
    """A program and its test, as one who fills a gap in it sees them.

    Attributes:
        code: The program.
        test: Its test, which stands below it.
    """

    code: str
    test: str

    @cached_property
    def source(self) -> Source:
        """The program as text with nodes in it: those of a gap have to be its nodes."""
        return Source(self.code)

    @property
    def is_private(self) -> bool:
        """Whether it reaches into what isn't public: nobody should learn that."""
        named = {n.attr for n in self._nodes if isinstance(n, ast.Attribute)}
        return any(name.startswith("_") and not name.startswith("__") for name in named)

    def decides(self, nodes: Nodes, span: tuple[int, int], told: str) -> bool:
        """Whether a gap can be filled by one who sees the rest of it, and what other files say.

        Args:
            nodes: What stands in the gap.
            span: Where it stands in the program.
            told: What other files say.
        """
        gap = _Gap(nodes)
        if not gap.calls_something:
            return False
        after = frozenset(_WORD.findall(self.code, span[1])) | self._asked_words
        words = after | frozenset(_WORD.findall(self.code, 0, span[0]))
        known = words | frozenset(_WORD.findall(told))
        if not (gap.reads <= words | _BUILT_IN and gap.attributes <= known | _COMMON and gap.keywords <= known):
            return False
        inner = {id(node) for node in gap.inner}
        rest = [node for node in self._nodes if id(node) not in inner]
        return (
            gap.leads_on_to(after)
            and gap.goes_on_from(_made(rest))
            and not any(self._statements[ast.dump(n)] > 1 for n in gap.nodes if isinstance(n, ast.stmt))
            and not self._can_be_copied(gap.nodes, span)
            and self._knows_values(gap, rest)
        )

    def _can_be_copied(self, nodes: Nodes, span: tuple[int, int]) -> bool:
        """Whether what a gap held stands in the rest, word for word, as may the value that it binds.

        Who copies it has learnt nothing.
        """
        start, end = span
        value = nodes[0].value if len(nodes) == 1 and isinstance(nodes[0], ast.Assign) else None
        held = self.source.segment(value) if value is not None else self.code[start:end]
        same = re.compile(rf"(?<!\w){re.escape(held)}(?!\w)")
        return any(same.search(text) for text in (self.code[:start], self.code[end:], self.test))

    @cached_property
    def _checks(self) -> ast.Module:
        return ast.parse(self.test)

    @cached_property
    def _asked_words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self.test))

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        return [*ast.walk(self.source.tree), *ast.walk(self._checks)]

    @cached_property
    def _asked(self) -> frozenset[str]:
        """Literals inside of the values that the test compares with: one alone may be there for another reason."""
        groups = [node for node in ast.walk(self._checks) if isinstance(node, _GROUPS)]
        return frozenset(repr(n.value) for g in groups for n in ast.walk(g) if isinstance(n, ast.Constant))

    @cached_property
    def _statements(self) -> Counter[str]:
        """How often each statement stands there: nothing tells that one stands there twice."""
        return Counter(ast.dump(node) for node in self._nodes if isinstance(node, ast.stmt))

    @cached_property
    def _shapes(self) -> Counter[str]:
        return Counter(_shape(node) for node in self._nodes if isinstance(node, ast.Call))

    def _knows_values(self, gap: _Gap, rest: Nodes) -> bool:
        """Whether each literal of a gap is in what is asked for, or stands so in another call."""
        values = [node for node in gap.inner if isinstance(node, ast.Constant)]
        if not values:
            return True
        if len(values) > MOST_VALUES or (gap.does and any(gap.keyword_with(value) is None for value in values)):
            return False
        own = Counter(_shape(node) for node in gap.inner if isinstance(node, ast.Call))
        keywords = {ast.dump(node) for node in rest if isinstance(node, ast.keyword)}
        texts = {node.arg for node in rest if isinstance(node, ast.keyword)}
        groups = {ast.dump(node) for node in rest if isinstance(node, _GROUPS)}
        texts |= {node.value for node in rest if isinstance(node, ast.Constant) and isinstance(node.value, str)}

        def is_known(value: ast.Constant) -> bool:
            call, keyword = gap.call_with(value), gap.keyword_with(value)
            if call is not None and self._shapes[shape := _shape(call)] > own[shape]:
                return True
            if keyword is not None and (ast.dump(keyword) in keywords or value.value in texts):
                return True
            group = gap.group_with(value)
            if group is not None and ast.dump(group) not in groups:
                return False  # its values may be among those asked for, but nothing tells that they are these
            return not isinstance(value.value, (bool, type(None))) and repr(value.value) in self._asked

        return all(is_known(value) for value in values)


class _Gap:
    """What stands in a gap."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.inner = [inner for node in nodes for inner in ast.walk(node)]
        bound = _stored(self.inner) | {n.arg for n in self.inner if isinstance(n, ast.arg)}
        loaded = _loaded(self.inner)
        self.reads = loaded - bound
        self.read_inside = loaded & bound
        self.targets = {name for node in nodes for name in _targets(node)}
        self.attributes = {n.attr for n in self.inner if isinstance(n, ast.Attribute)}
        self.keywords = {n.arg for n in self.inner if isinstance(n, ast.keyword) and n.arg}

    @property
    def does(self) -> bool:
        """Whether it does something to an object, as `G.add_edge(1, 2)` does."""
        return any(isinstance(n, (ast.Expr, ast.AugAssign, ast.Delete)) for n in self.inner)

    @property
    def calls_something(self) -> bool:
        """Whether it calls anything but built-in functions, and keeps nothing for a check alone."""
        if len(self.nodes) > 1 and not isinstance(self.nodes[0], ast.stmt):
            return True  # the arguments of a call
        called = [dotted_name(n.func) or "." for n in self.inner if isinstance(n, ast.Call)]
        is_kept = any(name in ("id", "deepcopy", "copy.deepcopy") for name in called)  # to look at it later
        return any(name not in _BUILT_IN for name in called) and not is_kept

    def goes_on_from(self, made: frozenset[str]) -> bool:
        """Whether it, and each statement in it, reads what is there: one that begins something new can't be told."""
        if not self.reads & made:
            return False
        steps = [n for n in self.nodes if isinstance(n, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr))]
        return all(_loaded(ast.walk(step)) & (made | self.targets) and _computes(step) for step in steps)

    def leads_on_to(self, after: frozenset[str]) -> bool:
        """Whether what it binds is read, and whether what it does is seen afterwards."""
        if any(name not in after | self.read_inside or is_flag(name) for name in self.targets):
            return False
        if any(isinstance(n, ast.Assign) and _replaces_by_copy(n) for n in self.nodes):
            return False
        if not isinstance(self.nodes[0], ast.stmt) or any(isinstance(n, (ast.Return, ast.Yield)) for n in self.inner):
            return True
        done = {name for n in self.inner if isinstance(n, ast.Expr) for name in _loaded(ast.walk(n))}
        return bool((self.targets | done) & after)

    def call_with(self, value: ast.Constant) -> ast.Call | None:
        """The innermost call that a literal is given to."""
        calls = [n for n in self.inner if isinstance(n, ast.Call) and any(x is value for x in ast.walk(n))]
        return calls[-1] if calls else None

    def group_with(self, value: ast.Constant) -> ast.expr | None:
        """The innermost list, tuple, set or mapping of literals that a literal stands in."""
        groups = [n for n in self.inner if isinstance(n, _GROUPS) and any(x is value for x in ast.walk(n))]
        return groups[-1] if groups else None

    def keyword_with(self, value: ast.Constant) -> ast.keyword | None:
        """The keyword that a literal is given for."""
        return next((n for n in self.inner if isinstance(n, ast.keyword) and n.value is value), None)


def _stored(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))


def _loaded(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))


def _targets(node: ast.AST) -> frozenset[str]:
    """The names that a statement, and those in its blocks, assign; what loops and comprehensions bind is their own."""
    if isinstance(node, ast.Assign):
        return _stored(inner for target in node.targets for inner in ast.walk(target))
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        return _stored(ast.walk(node.target))
    return frozenset(name for inner in ast.iter_child_nodes(node) for name in _targets(inner))


def _replaces_by_copy(node: ast.Assign) -> bool:
    """`G = G.copy()`: nothing shows that."""
    return any(ast.unparse(node.value) == f"{ast.unparse(target)}.copy()" for target in node.targets)


def _computes(node: ast.stmt) -> bool:
    return any(isinstance(n, (ast.Call, ast.Subscript, ast.BinOp)) for n in ast.walk(node))


def _made(nodes: Nodes) -> frozenset[str]:
    """The names that nodes bind, but for imports."""
    defined = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    return _stored(nodes) | defined | {n.arg for n in nodes if isinstance(n, ast.arg)}


def _shape(call: ast.Call) -> str:
    """A call without the values of its literals; one without a name or without arguments is like no other."""
    name = dotted_name(call.func)
    if name is None or not (call.args or call.keywords):
        return f"#{id(call)}"
    return re.sub(r"Constant\(value=[^()]*\)", "Constant()", ast.dump(call))
