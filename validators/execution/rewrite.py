"""A test, rewritten so that its comparisons happen outside the process that runs the program.

`assert EXPR == LITERAL` becomes "send EXPR's value": the literal stays with the supervisor and never enters the wall.
Rules for one top-level assert (its parts being EXPR, any expression without a comparison in it, and LITERAL):

* a comparison, also a chain of them, of EXPRs with at least one LITERAL: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`,
  `not in`; `is` and `is not` with None, True and False
* `EXPR`, `not EXPR`: its truth value, where the value turns out to be a literal
* `A and B`: one after the other
* `EXPR == pytest.approx(LITERAL, rel=…, abs=…)`, `math.isclose(EXPR, LITERAL, …)`, `abs(EXPR - LITERAL) < LITERAL`

and for a top-level `with pytest.raises(ERROR):`, also with `match=LITERAL`, the names of the raised error's classes are
sent, and its message. Where no class has that name, ERROR may be an alias: the proof is weak then.

LITERAL also covers arithmetic and a few pure functions over literals (`set()`, `list(range(5))`, `math.sqrt(2)`), and a
name that the test binds once to a literal and only compares with. A test in which anything else decides (a nested
assert, `pytest.warns`, a comparison between two of the program's values) is not rewritten: its proof is weak.
"""

from __future__ import annotations

import ast
import builtins
import io
import math
import operator
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from validators.execution.constants import constant, dotted
from validators.execution.patterns import search, tame
from validators.execution.values import approximately, render

SENDER = "_driftune_check"
"""What the rewritten test calls with a check's number and its values."""

CATCHER = "_driftune_raises"
"""What the rewritten test enters with a check's number, to send what was raised."""


class Undecided(Exception):  # noqa: N818 - a property of the values, not an error
    """The values can't decide a check: the proof is weak."""


class NotRewritable(Exception):  # noqa: N818 - a property of the test, not an error
    """Why a test can only be proven weakly."""


@dataclass(frozen=True)
class Check:
    """One comparison that the supervisor makes.

    Attributes:
        line: Its line in the test.
        source: The assert it comes from, in one line.
        expected: The literals, as text; where there are several, a tuple.
        values: How many values the program sends for it.
        guessable: Whether True, False or None is all that is asked for.
        holds: Whether the decoded values satisfy it; may raise what such a comparison raises.
    """

    line: int
    source: str
    expected: str
    values: int
    guessable: bool
    holds: Callable[[Sequence[Any]], bool]


@dataclass(frozen=True)
class Rewritten:
    """A test whose checks leave the process as values."""

    test: str
    checks: tuple[Check, ...]

    @property
    def guessable(self) -> bool:
        """Whether every check asks for True, False or None only: a program could claim these without any work."""
        return all(c.guessable for c in self.checks)


def rewrite(test: str, code: str = "") -> Rewritten:
    """The test with its asserts sending values.

    Args:
        test: The test.
        code: What runs before it: a name that it uses too doesn't stay outside.

    Raises:
        NotRewritable: Something else than comparisons with literals decides.
    """
    try:
        return _rewrite(ast.parse(test), test, code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotRewritable(f"It doesn't parse: {error}") from error


def _rewrite(tree: ast.Module, test: str, code: str) -> Rewritten:
    if SENDER in test or CATCHER in test:
        raise NotRewritable(f"It uses the name {SENDER} or {CATCHER}")
    if re.search(r"(?<!\.)\b(raises|approx)\(", test) and "pytest" not in test + code:
        raise NotRewritable("It calls raises or approx, and not pytest's")
    constants = _constants(tree, code)
    checks: list[Check] = []
    edits: list[tuple[ast.stmt | ast.expr, str]] = []
    for node in tree.body:
        if isinstance(node, ast.Assert):
            parts = _Reader(test, constants).conditions(node.test)
            edits.append((node, _calls(test, node, parts, len(checks))))
            checks += [p.check(node, test) for p in parts]
        elif isinstance(node, ast.Assign) and _target(node) in constants:
            edits.append((node, _padded("(None", node, ")")))
        elif isinstance(node, ast.With) and _is_raises(node):
            call = node.items[0].context_expr
            edits.append((call, _padded(f"{CATCHER}({len(checks)}", call, ")")))
            checks.append(_raises(node, test))
            for statement in node.body:
                _refuse_hidden_checks(statement)
        else:
            _refuse_hidden_checks(node)
    if not checks:
        raise NotRewritable("It has no top-level assert")
    return Rewritten(_without_comments(_edited(test, edits)), tuple(checks))


# -------------------------------------------------------------------------------------------- what an assert asks for


@dataclass(frozen=True)
class _Condition:
    holes: list[ast.expr]
    holds: Callable[[Sequence[Any]], bool]
    expected: str
    guessable: bool

    def check(self, node: ast.Assert, test: str) -> Check:
        source = " ".join((ast.get_source_segment(test, node) or "assert").split())
        return Check(node.lineno, source[:300], self.expected, len(self.holes), self.guessable, self.holds)


_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


@dataclass(frozen=True)
class _Approx:
    """The expected side of `== pytest.approx(...)`: equal is what is near."""

    expected: Any
    rel: float | None
    abs_: float | None

    def __eq__(self, other: object) -> bool:
        return approximately(other, self.expected, self.rel, self.abs_)

    def __repr__(self) -> str:
        return f"approx({render(self.expected)})"

    __hash__ = None  # type: ignore[assignment]


class _Reader:
    """Reads one assert's expression into conditions."""

    def __init__(self, test: str, constants: dict[str, Any]) -> None:
        self.test = test
        self.constants = constants

    def conditions(self, node: ast.expr, negate: bool = False) -> list[_Condition]:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.conditions(node.operand, not negate)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) and not negate:
            return [c for value in node.values for c in self.conditions(value)]
        if isinstance(node, ast.Compare):
            return [self._comparison(node, negate)]
        if isinstance(node, ast.Call) and dotted(node.func) == "math.isclose":
            return [self._isclose(node, negate)]
        hole = _hole(node)
        return [_Condition([hole], lambda v: bool(v[0]) is not negate, str(not negate), True)]

    def _comparison(self, node: ast.Compare, negate: bool) -> _Condition:
        operands = [self._operand(n) for n in (node.left, *node.comparators)]
        holes = [o for o in operands if isinstance(o, _Hole)]
        known = [o for o in operands if not isinstance(o, _Hole)]
        identity = any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
        if not holes:
            raise NotRewritable(f"Line {node.lineno} compares constants")
        if not known:
            raise NotRewritable(f"Line {node.lineno} compares two values of the program")
        if identity and not all(k is None or isinstance(k, bool) for k in known):
            raise NotRewritable(f"Line {node.lineno} compares identities")
        functions = [_OPERATORS[type(op)] for op in node.ops]

        def holds(values: Sequence[Any]) -> bool:
            supply = iter(values)
            sides = [o.value_of(next(supply)) if isinstance(o, _Hole) else o for o in operands]
            held = all(f(sides[i], sides[i + 1]) for i, f in enumerate(functions))
            return held is not negate

        shown = known[0] if len(known) == 1 else tuple(known)
        guessable = all(k is None or isinstance(k, bool) for k in known)
        return _Condition([h.node for h in holes], holds, _shown(shown), guessable)

    def _operand(self, node: ast.expr) -> Any:
        try:
            return self.literal(node)
        except ValueError:
            pass
        if isinstance(node, ast.Call) and dotted(node.func) in ("pytest.approx", "approx") and len(node.args) == 1:
            return self._approx(node)
        if isinstance(node, ast.Call) and dotted(node.func) == "abs" and len(node.args) == 1:
            inner = node.args[0]
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
                for hole, other in ((inner.left, inner.right), (inner.right, inner.left)):
                    try:
                        return _Hole(_hole(hole), self.literal(other))
                    except ValueError:
                        continue
        return _Hole(_hole(node))

    def _approx(self, node: ast.Call) -> _Approx:
        try:
            options = {k.arg: self.literal(k.value) for k in node.keywords}
            expected = self.literal(node.args[0])
            if set(options) <= {"rel", "abs"} and isinstance(expected, (int, float, complex, list, tuple, dict)):
                return _Approx(expected, options.get("rel"), options.get("abs"))
        except ValueError:
            pass
        raise NotRewritable(f"Line {node.lineno} is near something that is no literal")

    def _isclose(self, node: ast.Call, negate: bool) -> _Condition:
        try:
            options = {str(k.arg): self.literal(k.value) for k in node.keywords}
            expected = self.literal(node.args[1])
        except (ValueError, IndexError) as error:
            raise NotRewritable(f"Line {node.lineno} is close to something that is no literal") from error
        if len(node.args) != 2 or not set(options) <= {"rel_tol", "abs_tol"}:
            raise NotRewritable(f"Line {node.lineno} calls isclose in another way")

        def holds(values: Sequence[Any]) -> bool:
            return math.isclose(values[0], expected, **options) is not negate

        return _Condition([_hole(node.args[0])], holds, render(expected), False)

    def literal(self, node: ast.expr) -> Any:
        """The value of a literal, or of pure arithmetic and functions over literals.

        Raises:
            ValueError: It is something else.
        """
        return constant(node, self.constants)


@dataclass(frozen=True)
class _Hole:
    node: ast.expr
    minus: Any = None

    def value_of(self, value: Any) -> Any:
        return value if self.minus is None else abs(value - self.minus)


def _hole(node: ast.expr) -> ast.expr:
    """`node`, if it may be evaluated inside: an object's own `__eq__` must not decide anything."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Compare) and not all(isinstance(op, (ast.Is, ast.IsNot)) for op in inner.ops):
            raise NotRewritable(f"Line {node.lineno} has a comparison within an expression")
        if isinstance(inner, (ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Await)):
            raise NotRewritable(f"Line {node.lineno} has a choice within an expression")
    _refuse_hidden_checks(node)
    return node


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, _Approx) else render(value)


# -------------------------------------------------------------------------------------------- names for literals


def _target(node: ast.Assign) -> str:
    return node.targets[0].id if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) else ""


def _constants(tree: ast.Module, code: str) -> dict[str, Any]:
    """Names bound once, to a literal, and only compared after that in top-level asserts: they stay outside."""
    bound: dict[str, Any] = {}
    compared: Counter[str] = Counter()
    for node in tree.body:
        if isinstance(node, ast.Assign) and (name := _target(node)):
            with suppress(ValueError):
                bound[name] = constant(node.value)
        elif isinstance(node, ast.Assert):
            compared.update(s.id for s in _sides(node.test) if isinstance(s, ast.Name) and s.id in bound)
    uses = Counter(inner.id for inner in ast.walk(tree) if isinstance(inner, ast.Name))
    alone = {n for n in compared if uses[n] == compared[n] + 1 and not re.search(rf"\b{n}\b", code)}
    return {n: v for n, v in bound.items() if n in alone}


def _sides(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.UnaryOp):
        return _sides(node.operand)
    if isinstance(node, ast.BoolOp):
        return [s for value in node.values for s in _sides(value)]
    if isinstance(node, ast.Compare):
        return [s for side in (node.left, *node.comparators) for s in _sides(side)]
    if isinstance(node, ast.Call) and dotted(node.func) in ("pytest.approx", "approx") and node.args:
        return [node.args[0]]
    return [node]


# ------------------------------------------------------------------------------------------------- pytest.raises


def _is_raises(node: ast.With) -> bool:
    item = node.items[0]
    call = item.context_expr
    return (
        len(node.items) == 1
        and item.optional_vars is None
        and isinstance(call, ast.Call)
        and dotted(call.func) in ("pytest.raises", "raises")
        and len(call.args) == 1
        and all(k.arg == "match" for k in call.keywords)
    )


def _raises(node: ast.With, test: str) -> Check:
    call = node.items[0].context_expr
    assert isinstance(call, ast.Call)
    listed = call.args[0].elts if isinstance(call.args[0], ast.Tuple) else [call.args[0]]
    names = {n.attr if isinstance(n, ast.Attribute) else dotted(n) for n in listed}
    names = {getattr(getattr(builtins, n, None), "__name__", n) for n in names}
    try:
        match = constant(call.keywords[0].value) if call.keywords else ""
        pattern = tame(match)
    except (ValueError, TypeError, OverflowError, re.error, RecursionError) as error:
        raise NotRewritable(f"Line {node.lineno} matches what is no literal, or what may take for ever") from error
    if "" in names:
        raise NotRewritable(f"Line {node.lineno} raises something without a name")

    def holds(values: Sequence[Any]) -> bool:
        kinds, message = values
        if kinds is None:
            return False
        if not names & set(kinds):
            raise Undecided(f"Line {node.lineno}: raised {kinds[0]}")
        return search(pattern, message) is not None

    source = " ".join((ast.get_source_segment(test, call) or "raises").split())
    return Check(node.lineno, f"with {source[:300]}", ", ".join(sorted(names)), 2, False, holds)


# ------------------------------------------------------------------------------------------- the other statements


_CHECKERS = {"raises", "warns", "deprecated_call", "fail"}


def _refuse_hidden_checks(node: ast.AST) -> None:
    """Raise where something within `node` decides about the outcome by itself, inside the program's process."""
    for inner in ast.walk(node):
        line = getattr(inner, "lineno", 0)
        if isinstance(inner, ast.Assert):
            raise NotRewritable(f"Line {line} is a nested assert")
        if isinstance(inner, ast.Raise):
            raise NotRewritable(f"Line {line} raises by itself")
        if isinstance(inner, ast.Compare) and not all(isinstance(op, (ast.Is, ast.IsNot)) for op in inner.ops):
            raise NotRewritable(f"Line {line} compares outside an assert")
        if isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else dotted(inner.func)
            if name.startswith("assert") or name in _CHECKERS:
                raise NotRewritable(f"Line {line} calls {name}, which decides inside the process")


# ------------------------------------------------------------------------------------------------------------- the text


def _calls(test: str, node: ast.Assert, parts: list[_Condition], first: int) -> str:
    calls = []
    for i, part in enumerate(parts):
        values = "".join(f", ({ast.get_source_segment(test, hole)})" for hole in part.holes)
        calls.append(f"{SENDER}({first + i}{values}")
    return _padded("); ".join(calls), node, ")")


def _padded(text: str, node: ast.stmt | ast.expr, end: str) -> str:
    """As many lines as `node` had, so that the line numbers after it stay."""
    missing = (node.end_lineno or node.lineno) - node.lineno - text.count("\n")
    return text + "\n" * missing + end


def _edited(test: str, edits: list[tuple[ast.stmt | ast.expr, str]]) -> str:
    data = test.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, text in reversed(edits):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        data = data[:begin] + text.encode() + data[end:]
    return data.decode()


def _without_comments(test: str) -> str:
    """A comment may name what is expected: it stays outside too."""
    if "#" not in test:
        return test
    lines = io.StringIO(test).readlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(test).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start[0] - 1, token.start[1]
                lines[row] = lines[row][:column] + lines[row][column + len(token.string) :]
    except (tokenize.TokenError, SyntaxError) as error:
        raise NotRewritable(f"Its comments can't be told: {error}") from error
    return "".join(lines)
