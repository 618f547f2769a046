"""Values that are known without running anything: literals, and builtins over literals."""

from __future__ import annotations

import ast
import math
import operator
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from registry.trees import parse_expression

LIMIT = 2000
"""Longest range or sequence that is folded; longer ones are no natural literals."""

_CALLS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (abs, bool, dict, enumerate, float, frozenset, int, len, list, map, max, min, range, reversed, round)
} | {f.__name__: f for f in (set, sorted, str, sum, tuple, zip)}
_TYPES = {n: _CALLS[n] for n in ("list", "set", "tuple", "frozenset", "sorted", "len", "str", "int", "float", "sum")}
_MATH: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (math.ceil, math.floor, math.sqrt, math.comb, math.log, math.log2, math.prod)
}
_TEXT = frozenset(
    {"strip", "lstrip", "rstrip", "encode", "join", "split", "splitlines", "lower", "upper", "replace"}
)  # fmt: skip
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


class NotConstantError(Exception):
    """The value depends on something that has to be run."""


def fold(node: ast.expr, names: Mapping[str, Any] | None = None) -> Any:
    """The value of an expression made of literals, known `names`, and pure builtins over them.

    Raises:
        NotConstantError: It isn't such an expression, or evaluating it fails or gets large.
    """
    try:
        return _fold(node, dict(names or {}))
    except NotConstantError:
        raise
    except Exception as error:
        raise NotConstantError(str(error)) from error


def is_constant(node: ast.expr, names: Mapping[str, Any] | None = None) -> bool:
    """Whether `fold` knows its value."""
    try:
        fold(node, names)
    except NotConstantError:
        return False
    return True


def literal(value: Any) -> str:
    """`value` as source, the same in every process (sets are sorted).

    It is a literal, but for `set()`, `frozenset({…})` and `float("inf")`.

    Raises:
        NotConstantError: It holds something that has no such form (an iterator, not a number).
    """
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return repr(value)
    if isinstance(value, float):
        if math.isnan(value):
            raise NotConstantError("nan equals nothing")
        return repr(value) if math.isfinite(value) else f'{"-" if value < 0 else ""}float("inf")'
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        items = "{" + ", ".join(sorted(map(literal, value))) + "}"
        if isinstance(value, frozenset):
            return f"frozenset({items})" if value else "frozenset()"
        return items if value else "set()"
    raise NotConstantError(f"A {type(value).__name__} has no literal form")


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a literal as it stands."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return not (isinstance(node, ast.Call))  # literal_eval reads `set()` too


def reads_as_literal(text: str) -> bool:
    """Whether a text is a literal's."""
    try:
        return is_literal(parse_expression(text))
    except SyntaxError:
        return False


def _fold(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Attribute(value=ast.Name(id="math"), attr="inf" | "pi" as name):
            return getattr(math, name)
        case ast.List() | ast.Tuple() | ast.Set():
            return _display(node, names)
        case ast.Dict():
            return _dict(node, names)
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_fold(node.operand, names))
        case ast.BinOp():
            return _sized(_binary(node, names))
        case ast.Subscript(slice=ast.Slice()):
            raise NotConstantError
        case ast.Subscript():
            return _fold(node.value, names)[_fold(node.slice, names)]
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return _comprehension(node, names)
        case ast.Compare(comparators=[_]):
            return _condition(node, names)
        case ast.Call():
            return _call(node, names)
    raise NotConstantError(type(node).__name__)


def _display(node: ast.List | ast.Tuple | ast.Set, names: dict[str, Any]) -> Any:
    items: list[Any] = []
    for item in node.elts:
        if isinstance(item, ast.Starred):
            items.extend(_fold(item.value, names))
        else:
            items.append(_fold(item, names))
    return {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)](items)


def _dict(node: ast.Dict, names: dict[str, Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for k, v in zip(node.keys, node.values, strict=True):
        if k is None:
            made.update(_fold(v, names))
        else:
            made[_fold(k, names)] = _fold(v, names)
    return made


def _binary(node: ast.BinOp, names: dict[str, Any]) -> Any:
    left, right = _fold(node.left, names), _fold(node.right, names)
    if (
        isinstance(node.op, ast.Mult)
        and max(
            (n * len(s) for n, s in ((left, right), (right, left)) if isinstance(n, int) and hasattr(s, "__len__")),
            default=0,
        )
        > LIMIT
    ):
        raise NotConstantError("too long")
    if isinstance(node.op, ast.Pow) or (isinstance(node.op, ast.Mod) and isinstance(left, str)):
        raise NotConstantError
    return _BINARY[type(node.op)](left, right)


def _call(node: ast.Call, names: dict[str, Any]) -> Any:
    arguments: list[Any] = []
    for argument in node.args:
        if isinstance(argument, ast.Name) and argument.id in _TYPES and argument.id not in names:
            arguments.append(_TYPES[argument.id])
        elif isinstance(argument, ast.Starred):
            arguments.extend(_fold(argument.value, names))
        else:
            arguments.append(_fold(argument, names))
    keywords = {k.arg: _fold(k.value, names) for k in node.keywords if k.arg}
    if len(keywords) != len(node.keywords):
        raise NotConstantError
    match node.func:
        case ast.Name(id=name) if name in _CALLS and name not in names:
            return _settled(_CALLS[name](*arguments, **keywords))
        case ast.Name(id="dedent"):
            return textwrap.dedent(*arguments)
        case ast.Attribute(value=ast.Name(id="math"), attr=name) if name in _MATH:
            return _sized(_MATH[name](*arguments))
        case ast.Attribute(value=ast.Name(id="textwrap"), attr="dedent"):
            return textwrap.dedent(*arguments)
        case ast.Attribute(value=ast.Name(id="dict"), attr="fromkeys"):
            return dict.fromkeys(*arguments)
        case ast.Attribute(attr=name, value=owner):
            return _method(_fold(owner, names), name, arguments)
    raise NotConstantError


def _method(owner: Any, name: str, arguments: list[Any]) -> Any:
    """What a method without side effects gives of a known dict or text."""
    if isinstance(owner, dict) and name in ("items", "keys", "values"):
        return list(getattr(owner, name)(*arguments))
    if isinstance(owner, str) and name in _TEXT:
        return _sized(getattr(owner, name)(*arguments))
    if isinstance(owner, (set, frozenset)) and name in ("union", "intersection", "difference"):
        combined: Any = getattr(owner, name)(*arguments)
        return combined
    raise NotConstantError(name)


def _settled(value: Any) -> Any:
    """Iterators as lists, so that a value may be used twice; of bounded length."""
    if isinstance(value, (map, zip, enumerate, range, reversed)) or type(value).__name__.endswith("iterator"):
        if isinstance(value, range):
            _sized(value)
        return list(value)
    return _sized(value)


def _sized(value: Any) -> Any:
    if hasattr(value, "__len__") and len(value) > LIMIT:
        raise NotConstantError("too long")
    if isinstance(value, int) and abs(value) > 10**30:
        raise NotConstantError("too large")
    return value


def _comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, names: dict[str, Any]) -> Any:
    scopes = [names]
    for generator in node.generators:
        scopes = [
            inner
            for scope in scopes
            for inner in bindings(generator.target, _fold(generator.iter, scope), scope)
            if all(_condition(test, inner) for test in generator.ifs)
        ]
        if len(scopes) > LIMIT:
            raise NotConstantError("too long")
    if isinstance(node, ast.DictComp):
        return {_fold(node.key, scope): _fold(node.value, scope) for scope in scopes}
    values = [_fold(node.elt, scope) for scope in scopes]
    return set(values) if isinstance(node, ast.SetComp) else values


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda x, y: x in y, ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}  # fmt: skip


def _condition(node: ast.expr, names: dict[str, Any]) -> bool:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = _fold(left, names), _fold(right, names)
            return bool(_COMPARISONS[type(op)](a, b))
        case ast.Compare():
            raise NotConstantError
    return bool(_fold(node, names))


def bindings(target: ast.expr, values: Any, names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scopes of a loop over known `values`: `names` with the loop's variables bound, one a round.

    Raises:
        NotConstantError: The target is no name or tuple of names, or a value doesn't fit it.
    """
    scopes = []
    for value in values:
        scope = dict(names)
        _bind(target, value, scope)
        scopes.append(scope)
    return scopes


def _bind(target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        scope[target.id] = value
    elif isinstance(target, (ast.Tuple, ast.List)):
        parts = list(value)
        if len(parts) != len(target.elts):
            raise NotConstantError("unpacking")
        for inner, part in zip(target.elts, parts, strict=True):
            _bind(inner, part, scope)
    else:
        raise NotConstantError(type(target).__name__)
