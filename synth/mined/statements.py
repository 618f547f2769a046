"""What the statements of a test are: expected exceptions and warnings, known values, helpers that check."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from synth.dataflow import BUILTINS, flow, is_mutator, nodes, root_name
from synth.folding import NotConstantError, fold, literal


class UnsplittableError(Exception):
    """The script has a form that can't be told apart into usage and checks; the message says which."""


def decided(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Statements with those of `if True:` and `if not None:` in place of it (what parameters put in leave behind)."""
    made: list[ast.stmt] = []
    for statement in body:
        try:
            chosen = fold(statement.test) if isinstance(statement, ast.If) else None
        except NotConstantError:
            made.append(statement)
            continue
        if isinstance(statement, ast.If):
            made += decided(statement.body if chosen else statement.orelse)
        else:
            made.append(statement)
    return made


def assigned_constants(statement: ast.stmt, names: Mapping[str, Any]) -> dict[str, tuple[ast.expr, Any]]:
    """Names that a statement binds to known values, with the expression and the value."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return {}
    target, value = statement.targets[0], statement.value
    pairs: list[tuple[ast.expr, ast.expr]] = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = list(zip(target.elts, value.elts, strict=True))
    found: dict[str, tuple[ast.expr, Any]] = {}
    for name, node in pairs:
        try:
            known = fold(node, names)
            literal(known)
        except NotConstantError:
            continue
        if isinstance(name, ast.Name):
            found[name.id] = (node, known)
    return found


def changed_by_methods(statement: ast.stmt) -> frozenset[str]:
    """Names on which a statement calls a method that changes lists, sets and dicts."""
    return frozenset(
        node.func.value.id
        for node in nodes(statement)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.attr in _CHANGERS
    )


_CHANGERS = frozenset(
    {"append", "add", "update", "extend", "insert", "pop", "remove", "discard", "clear", "sort", "reverse",
     "setdefault", "popitem", "difference_update", "intersection_update", "symmetric_difference_update"}
)  # fmt: skip


def passed_names(statement: ast.stmt) -> frozenset[str]:
    """Names only handed to a call: literals that a library is given are rarely changed by it."""
    match statement:
        case ast.Expr(value=ast.Call(args=arguments)):
            return frozenset(a.id for a in arguments if isinstance(a, ast.Name))
    return frozenset()


def effect(statement: ast.stmt, asserting: frozenset[str]) -> tuple[bool, frozenset[str]]:
    """Whether a statement may change objects, and what it binds: asserts bind nothing, definitions do neither."""
    if isinstance(statement, ast.Assert):
        return is_mutator(statement) or any(_consumes(n) for n in nodes(statement)), frozenset()
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return False, frozenset()
    if (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and (
            root_name(statement.value.func) in asserting
            or imported_check(statement, asserting)
            or raises_call(statement.value)
        )
    ):
        return False, frozenset()
    if isinstance(statement, ast.With) and pytest_context(statement, "raises"):
        return False, frozenset()
    return is_mutator(statement), flow(statement).binds


def _consumes(node: ast.AST) -> bool:
    """Whether an iterator with a name is surely moved on: `next(it)`, `"".join(it)`."""
    match node:
        case ast.Call(func=ast.Name(id="next") | ast.Attribute(attr="join"), args=[ast.Name(), *_]):
            return True
    return False


def asserting_functions(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Functions of the script that make checks themselves, and imported ones named so."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef) and any(isinstance(n, ast.Assert) for n in nodes(statement)):
            names.add(statement.name)
        elif isinstance(statement, ast.ImportFrom):
            names.update(n for a in statement.names if (n := a.asname or a.name).startswith("assert"))
    for _ in range(3):  # functions that call such functions
        for statement in body:
            if isinstance(statement, ast.FunctionDef) and any(
                isinstance(n, ast.Call) and root_name(n.func) in names for n in nodes(statement)
            ):
                names.add(statement.name)
    return frozenset(names)


def plain_functions(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Functions of the script that use nothing but what Python has: they are no usage of the library."""
    return frozenset(
        s.name for s in body if isinstance(s, ast.FunctionDef) and flow(s).reads <= BUILTINS and not _asserts(s)
    )


def _asserts(function: ast.FunctionDef) -> bool:
    return any(isinstance(n, ast.Assert) for n in nodes(function))


def imported_check(node: ast.AST, asserting: frozenset[str]) -> ast.Call | None:
    """A call of a library's own checking function: `assert_x(…)`, `tm.assert_x(…)`; None for anything else.

    Args:
        node: A statement or expression.
        asserting: Functions that the script itself makes checks with.
    """
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call):
        return None
    match call.func:
        case ast.Attribute(attr=name) if root_name(call.func) not in (None, "self", "cls"):
            checks = name.startswith("assert_") and not name.startswith(_MOCKS)
        case ast.Name(id=name):
            checks = name in asserting and name.startswith("assert")
        case _:
            return None
    return call if checks and name != "assert_produces_warning" else None


_MOCKS = ("assert_called", "assert_not_called", "assert_any_call", "assert_has_calls", "assert_awaited")


def is_predicate(node: ast.expr) -> bool:
    """Whether an expression's value is surely a bool that the library computed alone."""
    match node:
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[container]):
            return not isinstance(container, ast.Constant)
        case ast.Call(func=ast.Name(id=name)):
            return name in ("isinstance", "callable", "all", "any") or name.startswith(("is_", "has_"))
        case ast.Call(func=ast.Attribute(attr=name)):
            return name.startswith(("is_", "has_"))
    return False


def is_singleton(node: ast.expr) -> bool:
    """Whether an expression is written as a value of which there is only one: None, `...`, True or False."""
    return isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis or type(node.value) is bool)


def iterates(*sides: ast.expr) -> bool:
    """Whether iterators are compared, which can't be copied."""
    return any(isinstance(n, ast.Call) and root_name(n.func) == "iter" for side in sides for n in nodes(side))


def pytest_context(node: ast.With, *names: str) -> ast.expr | None:
    """The first argument (else the call) of `with pytest.raises(…)` or the like; None for other blocks."""
    for item in node.items:
        match item.context_expr:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr=name)) as call if name in names:
                if len(node.items) > 1:
                    raise UnsplittableError("several contexts")
                return call.args[0] if call.args else call
            case ast.Call(func=ast.Attribute(attr="assert_produces_warning"), args=[category, *_]) as call:
                plain = isinstance(category, (ast.Name, ast.Attribute)) and len(node.items) == 1
                if "warns" in names and plain:
                    return category
    return None


def without_warnings(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Statements with those of `with tm.assert_produces_warning(None):` in place of it."""
    made: list[ast.stmt] = []
    for statement in body:
        match statement:
            case ast.With(
                items=[
                    ast.withitem(
                        context_expr=ast.Call(
                            func=ast.Attribute(attr="assert_produces_warning"), args=[ast.Constant(None), *_]
                        )
                    )
                ],
                body=inner,
            ):
                made += without_warnings(inner)
            case _:
                made.append(statement)
    return made


def plain_pattern(pattern: object) -> str | None:
    """The longest text that what a regular expression finds is sure to hold; None where the pattern says more."""
    if not isinstance(pattern, str) or re.search(r"[\\^$*+?{}\[\]|()]", _ESCAPED.sub("", pattern)):
        return None
    marked = _ESCAPED.sub(lambda found: f"\\{ord(found.group(1)):06x}", pattern)  # an escaped dot is no dot
    parts = [re.sub(r"\\(\w{6})", lambda found: chr(int(found.group(1), 16)), p) for p in marked.split(".")]
    return max(parts, key=len) or None


_ESCAPED = re.compile(r"\\([^\w\s]|\s)")


def raises_call(node: ast.expr) -> tuple[ast.expr, list[ast.stmt]] | None:
    """Exception and call of `pytest.raises(E, f, *args, **kwargs)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="raises"), args=[caught, function, *rest]):
            if isinstance(function, ast.Lambda) and not rest:
                return caught, [ast.Expr(function.body)]
            if isinstance(function, ast.Attribute) and function.attr == "__getitem__" and len(rest) == 1:
                return caught, [ast.Expr(ast.Subscript(function.value, rest[0], ast.Load()))]
            return caught, [ast.Expr(ast.Call(func=function, args=rest, keywords=node.keywords))]
    return None
