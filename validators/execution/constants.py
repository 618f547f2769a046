"""What a test's author could have written as a literal: evaluated on the host, from the syntax alone."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any


def constant(node: ast.expr, names: Mapping[str, Any] | None = None) -> Any:
    """The value of a literal, or of pure arithmetic and a few pure functions over literals.

    Args:
        node: The expression.
        names: Names that stand for literals.

    Raises:
        ValueError: It is something else, or too large.
    """
    return _Constant(names or {}).value(node)


def dotted(node: ast.expr) -> str:
    """`a.b` for a name or an attribute of a name, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "set": set, "frozenset": frozenset, "list": list, "tuple": tuple, "dict": dict, "sorted": sorted, "range": range,
    "len": len, "sum": sum, "min": min, "max": max, "abs": abs, "float": float, "int": int, "str": str, "round": round,
    "math.sqrt": math.sqrt, "math.log": math.log, "math.exp": math.exp,
}  # fmt: skip
NAMES = {"math.inf": math.inf, "math.pi": math.pi, "math.e": math.e, "math.nan": math.nan}
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


class _Constant:
    """Evaluates what consists of literals only, with bounds on size."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.budget = 20000

    def value(self, node: ast.expr) -> Any:
        found = self._value(node)
        if isinstance(found, range):
            raise ValueError("a range is no literal")
        return found

    def _value(self, node: ast.expr) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise ValueError("too large")
        if isinstance(node, ast.Constant) and isinstance(node.value, _PLAIN):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
            return self._guard(kind, [self._value(n) for n in node.elts])
        if isinstance(node, ast.Dict):
            pairs = [(self._value(k), self._value(v)) for k, v in zip(node.keys, node.values, strict=True) if k]
            if len(pairs) != len(node.keys):
                raise ValueError("it unpacks")
            return self._guard(dict, pairs)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return self._guard(
                operator.neg if isinstance(node.op, ast.USub) else operator.pos, self._value(node.operand)
            )
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._call(node)
        name = dotted(node)
        if name in self.names:
            return self.names[name]
        if name in NAMES:
            return NAMES[name]
        raise ValueError("no literal")

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        if isinstance(node.op, ast.Pow) and not (abs(left) <= 1000 and abs(right) <= 100):
            raise ValueError("too large")
        if isinstance(node.op, ast.Mult) and any(
            isinstance(a, int) and not isinstance(b, (int, float, complex)) and abs(a) * len(b) > 10000
            for a, b in ((left, right), (right, left))
        ):
            raise ValueError("too large")
        if isinstance(node.op, ast.Mod) and not isinstance(left, (int, float)):
            raise ValueError("no arithmetic")
        return self._guard(ARITHMETIC[type(node.op)], left, right)

    def _call(self, node: ast.Call) -> Any:
        function = FUNCTIONS.get(dotted(node.func))
        if function is None:
            raise ValueError("no literal")
        arguments = [self._value(a) for a in node.args]
        if function is range and any(not isinstance(a, int) or abs(a) > 10000 for a in arguments):
            raise ValueError("too large")
        return self._guard(function, *arguments)

    def _guard(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (TypeError, ArithmeticError, LookupError, RecursionError) as error:
            raise ValueError(f"no literal: {error}") from error
