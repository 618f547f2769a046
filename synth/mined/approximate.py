"""Checks of nearly equal numbers, `x == pytest.approx(y)`, as comparisons of rounded numbers."""

from __future__ import annotations

import ast
import math
from typing import Any

from synth.folding import NotConstantError, fold


def approx_call(node: ast.expr) -> ast.Call | None:
    """The call of `pytest.approx`, where an expression is one."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="approx"), args=[_, *_]):
            return node
        case ast.Call(func=ast.Name(id="approx"), args=[_, *_]):
            return node
    return None


def _option(approx: ast.Call, name: str) -> float | None:
    for keyword in approx.keywords:
        if keyword.arg == name:
            try:
                value = fold(keyword.value)
            except NotConstantError:
                if isinstance(keyword.value, ast.BinOp):  # 10**-7
                    value = eval(ast.unparse(keyword.value), {"__builtins__": {}})  # noqa: S307 - constants only
                    return float(value)
                raise
            return None if value is None else float(value)
    return None


def tolerance(approx: ast.Call) -> str:
    """The tolerance as arguments of `math.isclose`."""
    absolute, relative = _option(approx, "abs"), _option(approx, "rel")
    if relative is None:
        relative = 1e-06 if absolute is None else 0.0
    return f"rel_tol={relative:g}, abs_tol={1e-12 if absolute is None else absolute:g}"


def digits_of(approx: ast.Call, value: Any) -> int:
    """How many decimals agree when numbers agree within the tolerance of `pytest.approx`."""
    absolute, relative = _option(approx, "abs"), _option(approx, "rel")
    if absolute:
        return max(0, round(-math.log10(absolute)))
    sizes = [abs(v) for v in _numbers(value) if v]
    if not sizes:
        return 7
    return max(0, round(-math.log10(relative or 1e-6)) - 1 - math.floor(math.log10(max(sizes))))


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [n for v in value for n in _numbers(v)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    raise NotConstantError("not a number")


def round_all(value: Any, digits: int) -> Any:
    """`value` with every float in it rounded."""
    if isinstance(value, dict):
        return {k: round_all(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(round_all(v, digits) for v in value)
    return round(value, digits)


def rounded(text: str, value: Any, digits: int) -> str:
    """Source that rounds what `text` gives, of the shape of `value`."""
    if isinstance(value, dict) and not any(isinstance(v, (dict, list, tuple)) for v in value.values()):
        return f"{{k: round(v, {digits}) for k, v in {text}.items()}}"
    if isinstance(value, (list, tuple)) and not any(isinstance(v, (dict, list, tuple)) for v in value):
        made = f"round(v, {digits}) for v in {text}"
        return f"[{made}]" if isinstance(value, list) else f"tuple({made})"
    if isinstance(value, (int, float)):
        return f"round({text}, {digits})"
    raise NotConstantError("nested")
