"""Where a program can go wrong: its mutations, drawn by weight, each given only where it can matter and isn't told."""

from __future__ import annotations

import ast
import io
import random
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from registry.names import dotted_name
from registry.records import Program
from synth.claims import is_flag, is_record
from synth.dataflow import flow, needed
from synth.mutated.operators import Edits, Scope
from synth.mutated.taxonomy import MISTAKES
from synth.source import Source
from synth.vocabulary import Library, Words

_HOLDERS = ("contextlib", "warnings")
"""Modules whose calls and contexts hold what a test looks at (what is printed, what is warned of)."""


@dataclass(frozen=True)
class Slip:
    """One mistake in a program.

    Attributes:
        operator: Its operator.
        edits: What is written instead.
        statement: Position of the statement of the top level it is in.
    """

    operator: str
    edits: Edits
    statement: int


@dataclass
class Draft:
    """A program that passes its test, and every way of ours to break it.

    Attributes:
        program: The program.
        library: Names to be wrong with.
    """

    program: Program
    library: Library

    @cached_property
    def source(self) -> Source:
        """Its code."""
        return Source(self.program.code)

    @cached_property
    def _words(self) -> Words:
        return Words(self.library, self.source.tree)

    @cached_property
    def variables(self) -> list[tuple[str, ...]]:
        """For each statement the names that those before it have bound, but what a test looks at."""
        names: dict[str, None] = {}
        found = []
        for statement in self.source.tree.body:
            found.append(tuple(names))
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
                bound = sorted(flow(statement).binds)
                names.update(dict.fromkeys(n for n in bound if not is_record(n)))
        return found

    @cached_property
    def _after(self) -> list[tuple[frozenset[str], frozenset[str]]]:
        """For each statement the names whose objects those after it change, and those that are read after it."""
        changes, reads = frozenset[str](), self.looked_at
        found = []
        for statement in reversed(self.source.tree.body):
            found.append((changes, reads))
            changes, reads = changes | flow(statement).changes, reads | flow(statement).reads
        return found[::-1]

    @cached_property
    def looked_at(self) -> frozenset[str]:
        """Names in its test."""
        return frozenset(n.id for n in ast.walk(self._test) if isinstance(n, ast.Name))

    @cached_property
    def _test(self) -> ast.Module:
        return ast.parse(self.program.test)

    @cached_property
    def tested(self) -> Counter[object]:
        """How often each text and number stands in its test."""
        return _constants(self._test)

    @cached_property
    def said(self) -> Counter[object]:
        """How often each stands in the program or its test."""
        return _constants(self.source.tree) + self.tested

    @cached_property
    def decided(self) -> bool:
        """Whether its test tells more than yes from no, or a number: other mistakes' fixes would pass else."""
        return sum(self.tested.values()) > 2 or any(isinstance(v, (str, float)) for v in self.tested)

    @cached_property
    def _made(self) -> dict[str, str]:
        """Variable -> the function whose value it is bound to first, or the sort of literal."""
        found: dict[str, str] = {}
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = node.value
                made = dotted_name(value.func) if isinstance(value, ast.Call) else type(value).__name__
                found.setdefault(node.targets[0].id, made or "")
        return found

    @cached_property
    def _matters(self) -> frozenset[int]:
        return frozenset(needed(self.source.tree.body, self.looked_at, fixed=frozenset(self._words.imported)))

    def matters(self, statement: int) -> bool:
        """Whether something depends on the statement at a position that the test looks at."""
        return statement in self._matters

    @cached_property
    def _places(self) -> dict[type[ast.AST], list[tuple[int, ast.AST]]]:
        """Type -> nodes in the order of the text, with the positions of their statements."""
        found: dict[type[ast.AST], list[tuple[int, ast.AST]]] = {}
        for i, statement in enumerate(self.source.tree.body):
            for node in _nodes(statement):
                found.setdefault(type(node), []).append((i, node))
        return found

    def slips(self, rng: random.Random, sure: bool = False) -> Iterator[Slip]:
        """Mistakes in the order in which they are tried: operators by weighted draw, one place of each at random.

        Args:
            rng: The source of choice.
            sure: Only of operators that seldom leave what passes.
        """
        left = {
            name: mistake.weight
            for name, mistake in MISTAKES.items()
            if mistake.sure >= sure and any(kind in self._places for kind in mistake.nodes)
        }
        while left:
            name = rng.choices(list(left), weights=list(left.values()))[0]
            del left[name]
            found = list(self._of(name, rng))
            if found:
                yield rng.choice(found)

    def _of(self, name: str, rng: random.Random) -> Iterator[Slip]:
        mistake = MISTAKES[name]
        for kind in mistake.nodes:
            for i, node in self._places.get(kind, ()):
                expected = isinstance(self.source.tree.body[i], ast.Try)  # an exception is
                if (expected and not mistake.sure) or not (self.matters(i) or mistake.anywhere):
                    continue
                scope = Scope(
                    self.source, self._words, rng, self.variables[i], *self._after[i],
                    self.said, self.tested, self._made, self.decided,
                )  # fmt: skip
                for edits in mistake.operator(node, scope):
                    if not self.told(edits):
                        yield Slip(name, edits, i)

    def told(self, edits: Edits) -> bool:
        """Whether a comment gives a mistake away: it stands at the place, or names what is no longer there."""
        if "#" not in self.program.code:
            return False
        gone: set[str] = set()
        for start, end, text in edits:
            gone |= _said(self.program.code[start:end]) - _said(text)
            first, last = (self.program.code.count("\n", 0, at) + 1 for at in (start, end))
            if any(line in self._comments for line in range(first - 1, last + 1)):
                return True
        return any(gone & _said(comment) for comment in self._comments.values())

    @cached_property
    def _comments(self) -> dict[int, str]:
        """Line -> the comment on it."""
        return comments(self.program.code)


def comments(code: str) -> dict[int, str]:
    """Line (1-based) -> the comment on it."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}


def _constants(tree: ast.AST) -> Counter[object]:
    """Texts and numbers of a tree, counted; not `True`, `False` and `None`."""
    values = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return Counter(v for v in values if v is not None and not isinstance(v, (bool, bytes)) and v is not ...)


def _said(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w+", text)}


def _nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """A statement and what is in it that mistakes are made in; nodes know how they stand (`only`, `parent`)."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt) and _records(node):
            continue
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_record(call.func.value):
            stack += reversed(call.args)  # results1.append(...)
            continue
        yield node
        stack += reversed(_within(node))


def _within(node: ast.AST) -> Sequence[ast.AST]:
    """What is in a node, but the bookkeeping around a `try` or `with`, and what of a call only records."""
    if isinstance(node, ast.Try):
        return [*_marked(node.body), *node.handlers]
    if isinstance(node, ast.ExceptHandler):
        return []
    if isinstance(node, (ast.With, ast.AsyncWith)):
        held = any(_is_holder(item.context_expr) for item in node.items)
        return [*([] if held else node.items), *_marked(node.body)]
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return []  # before Python 3.12 what is in an f-string doesn't know where it stands
    for test in _tests(node):
        test.__dict__["decides"] = True
    if isinstance(node, ast.Call):
        node.func.__dict__["called"] = node
        for argument in node.args:
            argument.__dict__["parent"] = _last(node.func)
    elif isinstance(node, (ast.For, ast.comprehension)):
        node.iter.__dict__["parent"] = "iter"
    elif isinstance(node, ast.Attribute):
        node.value.__dict__["parent"] = "."
        node.value.__dict__["member"] = node.attr
    body = getattr(node, "body", None)
    if isinstance(body, list):
        _marked(body)
    signs = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
    return [child for child in ast.iter_child_nodes(node) if not isinstance(child, signs)]


def _tests(node: ast.AST) -> list[ast.expr]:
    """What decides in a node: conditions, what a function answers, parts of these."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return [node.test]
    if isinstance(node, ast.comprehension):
        return node.ifs
    if isinstance(node, ast.Return) and node.value is not None:
        return [node.value]
    if "decides" in node.__dict__ and isinstance(node, (ast.BoolOp, ast.UnaryOp)):
        return node.values if isinstance(node, ast.BoolOp) else [node.operand]
    return []


def _marked(body: list[ast.stmt]) -> list[ast.stmt]:
    if len(body) == 1:
        body[0].__dict__["only"] = True
    return body


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_record(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and is_record(node.id)


def _is_holder(node: ast.AST) -> bool:
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in _HOLDERS


def _records(statement: ast.stmt) -> bool:
    """Bookkeeping of the checks: `results1 = []`, `warnings.simplefilter(...)`, `warned1 = ...`, `raised1 = True`."""
    if isinstance(statement, ast.Expr):
        return _is_holder(statement.value)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        name = statement.targets[0].id
        empty = isinstance(statement.value, ast.List) and not statement.value.elts
        return is_flag(name) or (name.startswith("results") and empty)
    return False
