"""What the statements of a test are: expected exceptions and warnings, known values, helpers that check."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from synth.dataflow import flow, is_mutator, nodes, root_name
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
        and (root_name(statement.value.func) in asserting or raises_call(statement.value))
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


def pytest_context(node: ast.With, *names: str) -> ast.expr | None:
    """The first argument (else the call) of `with pytest.raises(…)` or the like; None for other blocks."""
    for item in node.items:
        match item.context_expr:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr=name)) as call if name in names:
                if len(node.items) > 1:
                    raise UnsplittableError("several contexts")
                return call.args[0] if call.args else call
    return None


def raises_call(node: ast.expr) -> tuple[ast.expr, list[ast.stmt]] | None:
    """Exception and call of `pytest.raises(E, f, *args, **kwargs)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="raises"), args=[caught, function, *rest]):
            if isinstance(function, ast.Lambda) and not rest:
                return caught, [ast.Expr(function.body)]
            return caught, [ast.Expr(ast.Call(func=function, args=rest, keywords=node.keywords))]
    return None
