"""What one assert, or one call of a checking function, asks for: values of the program, and what decides outside.

Rules (its parts being EXPR, any expression without a comparison in it, and LITERAL):

* a comparison, also a chain of them, of EXPRs with at least one LITERAL: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`,
  `not in`; `is` and `is not` with None, True, False and built-in classes
* `EXPR`, `not EXPR`: its truth value, where the value turns out to be a literal
* `A and B`: one after the other
* `EXPR == pytest.approx(LITERAL, rel=…, abs=…)`, `math.isclose(EXPR, LITERAL, …)`, `abs(EXPR - LITERAL) < LITERAL`
* numpy's and pandas' comparisons of an EXPR with a LITERAL, `(EXPR == LITERAL).all()`, `EXPR.equals(LITERAL)`
* the methods of `unittest.TestCase` that say the same
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.text import Text
from validators.execution import comparing, frames
from validators.execution.checkers import ALMOST, CLOSE, LIBRARY, STATEMENTS, UNITTEST, Form
from validators.execution.checks import Condition, NotRewritable, refuse_hidden_checks
from validators.execution.constants import constant
from validators.execution.names import Names, dotted
from validators.execution.patterns import search, tame
from validators.execution.typed import Null, Undecided, plain
from validators.execution.values import approximately, render

_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: lambda a, b: _same(a, b), ast.IsNot: lambda a, b: not _same(a, b),
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


def _same(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, Null) and isinstance(b, Null) and a.name == b.name)


@dataclass(frozen=True)
class _Approx:
    """The expected side of `== pytest.approx(...)`: equal is what is near."""

    expected: Any
    rel: float | None
    abs_: float | None

    def __eq__(self, other: object) -> bool:
        return approximately(other, self.expected, self.rel, self.abs_)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        return f"approx({render(self.expected)})"

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class _Hole:
    text: str
    minus: Any = None

    def value_of(self, value: Any) -> Any:
        return value if self.minus is None else abs(value - self.minus)


class Reader:
    """Reads expressions into conditions.

    Args:
        test: The test.
        constants: Names that stand for literals.
        paths: What the other names stand for.
    """

    def __init__(self, test: Text, constants: Mapping[str, Any], paths: Names) -> None:
        self.test = test
        self.constants = dict(constants)
        self.paths = paths
        self.consumed: Counter[str] = Counter()

    def literal(self, node: ast.expr) -> Any:
        """The value of a literal, or of pure arithmetic and functions over literals.

        Raises:
            ValueError: It is something else.
        """
        found = constant(node, self.constants, self.paths)
        self.consumed.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in self.constants)
        return found

    def statement(self, node: ast.Expr) -> list[Condition] | None:
        """The conditions of a call that checks something; None where it is no such call."""
        call = node.value
        if not isinstance(call, ast.Call):
            return None
        path = self.paths.path(call.func)
        if path in STATEMENTS:
            return [self._form(call, STATEMENTS[path], False)]
        if path == "numpy.testing.assert_" and call.args:
            return self.conditions(call.args[0])
        if isinstance(call.func, ast.Attribute) and call.func.attr in UNITTEST and self._is_case(call.func):
            return self._unittest(call, call.func.attr)
        return None

    def conditions(self, node: ast.expr, negate: bool = False) -> list[Condition]:
        """What has to hold where `node` has to be true (false with `negate`)."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.conditions(node.operand, not negate)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) and not negate:
            return [c for value in node.values for c in self.conditions(value)]
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and negate:
            return [c for value in node.values for c in self.conditions(value, True)]
        if isinstance(node, ast.Compare):
            return [self._comparison(node, negate)]
        if isinstance(node, ast.Call):
            path = self.paths.path(node.func)
            if path == "math.isclose":
                return [self._isclose(node, negate)]
            if path in LIBRARY:
                return [self._form(node, LIBRARY[path], negate)]
            if path in ("numpy.all", "all") and len(node.args) == 1 and not node.keywords:
                return self._all(node, node.args[0], negate)
            if isinstance(node.func, ast.Attribute) and len(node.args) <= 1 and not node.keywords:
                return self._method(node, node.func, negate)
        return [self._truth(node, negate)]

    def hole(self, node: ast.expr) -> str:
        """The text of `node`, if it may be evaluated inside: an object's own `__eq__` must not decide anything."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Compare) and not all(isinstance(op, (ast.Is, ast.IsNot)) for op in inner.ops):
                raise NotRewritable(f"Line {node.lineno} has a comparison within an expression")
            if isinstance(inner, (ast.BoolOp, ast.IfExp, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
                raise NotRewritable(f"Line {node.lineno} has a choice within an expression")
        refuse_hidden_checks(node)
        return self.test.segment(node)

    def _truth(self, node: ast.expr, negate: bool) -> Condition:
        return Condition([self.hole(node)], lambda v: bool(v[0]) is not negate, str(not negate), True)

    # ------------------------------------------------------------------------------------------- comparisons

    def _comparison(self, node: ast.Compare, negate: bool) -> Condition:
        operands = [self._operand(n) for n in (node.left, *node.comparators)]
        holes = [o for o in operands if isinstance(o, _Hole)]
        known = [o for o in operands if not isinstance(o, _Hole)]
        identity = any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
        if not holes:
            raise NotRewritable(f"Line {node.lineno} compares constants")
        if not known:
            raise NotRewritable(f"Line {node.lineno} compares two values of the program")
        if identity and not all(k is None or isinstance(k, (bool, type, Null)) for k in known):
            raise NotRewritable(f"Line {node.lineno} compares identities")
        functions = [_OPERATORS[type(op)] for op in node.ops]
        odd = any(_has_nan(k) for k in known)

        def holds(values: Sequence[Any]) -> bool:
            supply = iter(values)
            sides = [o.value_of(next(supply)) if isinstance(o, _Hole) else o for o in operands]
            held = all(f(sides[i], sides[i + 1]) for i, f in enumerate(functions))
            if not held and odd and any(_has_nan(v) for v in values):
                raise Undecided("Whether NaN in a container is itself depends on identity")
            return held is not negate

        guessable = all(k is None or isinstance(k, bool) for k in known)
        return Condition([h.text for h in holes], holds, _shown(known), guessable)

    def _operand(self, node: ast.expr) -> Any:
        try:
            return self.literal(node)
        except ValueError:
            pass
        if isinstance(node, ast.Call) and self._is_approx(node) and len(node.args) == 1:
            return self._approx(node)
        if isinstance(node, ast.Call) and self.paths.path(node.func) == "abs" and len(node.args) == 1:
            inner = node.args[0]
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
                for hole, other in ((inner.left, inner.right), (inner.right, inner.left)):
                    try:
                        return _Hole(self.hole(hole), self.literal(other))
                    except ValueError:
                        continue
        return _Hole(self.hole(node))

    def _is_approx(self, node: ast.Call) -> bool:
        return dotted(node.func) in ("pytest.approx", "approx")

    def _approx(self, node: ast.Call) -> _Approx:
        try:
            options = {k.arg: self.literal(k.value) for k in node.keywords}
            expected = self.literal(node.args[0])
            inner = list(expected.values()) if isinstance(expected, dict) else expected
            nested = isinstance(inner, (list, tuple)) and any(isinstance(i, (list, tuple, dict)) for i in inner)
            if set(options) <= {"rel", "abs"} and not nested and not isinstance(expected, (str, bytes)):
                return _Approx(expected, options.get("rel"), options.get("abs"))
        except ValueError:
            pass
        raise NotRewritable(f"Line {node.lineno} is near something that is no literal")

    def _isclose(self, node: ast.Call, negate: bool) -> Condition:
        try:
            options = {str(k.arg): self.literal(k.value) for k in node.keywords}
            expected = self.literal(node.args[1])
        except (ValueError, IndexError) as error:
            raise NotRewritable(f"Line {node.lineno} is close to something that is no literal") from error
        if len(node.args) != 2 or not set(options) <= {"rel_tol", "abs_tol"}:
            raise NotRewritable(f"Line {node.lineno} calls isclose in another way")

        def holds(values: Sequence[Any]) -> bool:
            return math.isclose(values[0], expected, **options) is not negate

        return Condition([self.hole(node.args[0])], holds, render(expected), False)

    # --------------------------------------------------------------------------------------- numpy and pandas

    def _form(self, node: ast.Call, form: Form, negate: bool) -> Condition:
        extra = node.args[2:]
        named = [*zip(form.positional, extra, strict=False), *((k.arg or "", k.value) for k in node.keywords)]
        if len(node.args) < 2 or len(extra) > len(form.positional):
            raise NotRewritable(f"Line {node.lineno} calls {dotted(node.func)} in another way")
        try:
            options = {name: self.literal(value) for name, value in named if name not in form.ignored}
        except ValueError as error:
            raise NotRewritable(f"Line {node.lineno} has an option that is no literal") from error
        if not set(options) <= set(form.options):
            raise NotRewritable(f"Line {node.lineno} has an option of another kind")

        def compare(first: Any, second: Any) -> bool:
            return form.compare(first, second, **options)

        return self._pair(node, node.args[0], node.args[1], compare, negate)

    def _pair(
        self, node: ast.AST, left: ast.expr, right: ast.expr, compare: Callable[[Any, Any], bool], negate: bool
    ) -> Condition:
        """A literal and a value of the program, in either order, which a function compares."""
        sides: list[Any] = []
        for side in (left, right):
            try:
                sides.append(self.literal(side))
            except ValueError:
                sides.append(_Hole(self.hole(side)))
        holes = [s.text for s in sides if isinstance(s, _Hole)]
        if len(holes) != 1:
            what = "two values of the program" if holes else "constants"
            raise NotRewritable(f"Line {getattr(node, 'lineno', 0)} compares {what}")

        def holds(values: Sequence[Any]) -> bool:
            first, second = (values[0] if isinstance(s, _Hole) else s for s in sides)
            return compare(first, second) is not negate

        return Condition(holes, holds, _shown([s for s in sides if not isinstance(s, _Hole)]), False)

    def _all(self, node: ast.expr, inner: ast.expr, negate: bool) -> list[Condition]:
        if isinstance(inner, ast.Compare) and len(inner.ops) == 1 and isinstance(inner.ops[0], ast.Eq):
            return [self._pair(node, inner.left, inner.comparators[0], comparing.all_equal, negate)]
        if isinstance(inner, ast.Call) and self.paths.path(inner.func) == "numpy.isclose":
            return [self._form(inner, Form(comparing.close, CLOSE, CLOSE), negate)]
        return [self._truth(node, negate)]

    def _method(self, node: ast.Call, method: ast.Attribute, negate: bool) -> list[Condition]:
        if method.attr == "all" and not node.args:
            return self._all(node, method.value, negate)
        if method.attr == "equals" and len(node.args) == 1:
            try:
                self.literal(node.args[0])
            except ValueError:
                return [self._truth(node, negate)]
            return [self._pair(node, method.value, node.args[0], frames.equals, negate)]
        return [self._truth(node, negate)]

    # ------------------------------------------------------------------------------------------------- unittest

    def _is_case(self, method: ast.Attribute) -> bool:
        """Whether `method` can be that of a TestCase: of a plain name, and not redefined here."""
        return isinstance(method.value, ast.Name) and f"def {method.attr}" not in self.test.text

    def _unittest(self, call: ast.Call, name: str) -> list[Condition]:
        operators, count = UNITTEST[name]
        arguments = call.args[:count]
        options = {k.arg: k.value for k in call.keywords if k.arg != "msg"}
        if len(arguments) < count or (options and name not in ALMOST):
            raise NotRewritable(f"Line {call.lineno} calls {name} in another way")
        if name in ALMOST:
            return [self._almost(call, arguments, options, negate=name != "assertAlmostEqual")]
        if name in ("assertTrue", "assertFalse"):
            return self.conditions(arguments[0], name == "assertFalse")
        if name in ("assertIsInstance", "assertNotIsInstance"):
            inner = f"isinstance({', '.join(f'({self.hole(a)})' for a in arguments)})"
            negate = name == "assertNotIsInstance"
            return [Condition([inner], lambda v: bool(v[0]) is not negate, str(not negate), True)]
        if name == "assertCountEqual":
            return [self._counted(call, arguments)]
        if name == "assertRegex":
            return [self._found(call, arguments)]
        right = arguments[1] if count == 2 else ast.copy_location(ast.Constant(None), call)
        made = ast.Compare(left=arguments[0], ops=[operators()], comparators=[right])
        return [self._comparison(ast.copy_location(made, call), False)]

    def _almost(
        self, call: ast.Call, arguments: list[ast.expr], options: dict[str | None, ast.expr], negate: bool
    ) -> Condition:
        given = {k or "": v for k, v in options.items()} | dict(
            zip(("places", "msg", "delta"), call.args[2:], strict=False)
        )
        try:
            values = {k: self.literal(v) for k, v in given.items() if k != "msg"}
        except ValueError as error:
            raise NotRewritable(f"Line {call.lineno} has an option that is no literal") from error
        if not set(values) <= {"places", "delta"}:
            raise NotRewritable(f"Line {call.lineno} calls {dotted(call.func)} in another way")
        places, delta = values.get("places", 7), values.get("delta")

        def compare(first: Any, second: Any) -> bool:
            if first == second:
                return True
            difference = abs(plain(first) - plain(second))
            return bool(difference <= delta) if delta is not None else round(difference, places) == 0

        return self._pair(call, arguments[0], arguments[1], compare, negate)

    def _found(self, call: ast.Call, arguments: list[ast.expr]) -> Condition:
        try:
            expected = self.literal(arguments[1])
            pattern = tame(expected)
        except (ValueError, TypeError, OverflowError, re.error, RecursionError) as error:
            raise NotRewritable(f"Line {call.lineno} matches what is no literal, or what may take for ever") from error

        def holds(values: Sequence[Any]) -> bool:
            return search(pattern, values[0]) is not None

        return Condition([self.hole(arguments[0])], holds, render(expected), False)

    def _counted(self, call: ast.Call, arguments: list[ast.expr]) -> Condition:
        try:
            expected = list(self.literal(arguments[1]))
        except (ValueError, TypeError) as error:
            raise NotRewritable(f"Line {call.lineno} counts something that is no literal") from error

        def holds(values: Sequence[Any]) -> bool:
            left = list(expected)
            for item in values[0]:
                if item not in left:
                    return False
                left.remove(item)
            return not left

        return Condition([f"list({self.hole(arguments[0])})"], holds, render(expected), False)


def _has_nan(value: Any) -> bool:
    value = plain(value)
    if isinstance(value, dict):
        return any(_has_nan(v) for v in (*value, *value.values()))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return any(_has_nan(v) for v in value)
    return isinstance(value, float) and math.isnan(value)


def _shown(known: Sequence[Any]) -> str:
    shown = known[0] if len(known) == 1 else tuple(known)
    return repr(shown) if isinstance(shown, _Approx) else render(shown)
