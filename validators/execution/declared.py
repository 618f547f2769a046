"""What a test's author writes with the classes of the program: `Point(1, y=2)`, `Colour.RED`, from the syntax alone.

A dataclass, a named tuple or an Enum whose statement says all there is to it: nothing of its own decides how its
instances are made or compared.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from validators.execution.names import dotted
from validators.execution.typed import Instance, Member

Literal = Callable[[ast.expr], Any]


def instance(node: ast.stmt, given: Sequence[Any], named: Mapping[str, Any], literal: Literal) -> Any:
    """What calling a class makes: an Instance for a dataclass, a tuple for a named tuple.

    Args:
        node: The statement that binds the class.
        given: The call's arguments.
        named: Its keywords.
        literal: Evaluates a literal; raises ValueError where it is none.

    Raises:
        ValueError: It is another kind of class, or the arguments don't fit.
    """
    fields = _fields(node, literal)
    names = list(fields)
    if len(given) > len(names) or not set(named) <= set(names[len(given) :]):
        raise ValueError("no literal: the arguments don't fit")
    values = {**fields, **dict(zip(names, given, strict=False)), **named}
    if any(v is _MISSING for v in values.values()):
        raise ValueError("no literal: an argument is missing")
    if isinstance(node, ast.ClassDef) and node.decorator_list:
        return Instance(node.name, tuple(values.items()))
    return tuple(values.values())


def member(node: ast.stmt, name: str, literal: Literal) -> Member:
    """A member of an Enum whose members are all different.

    Raises:
        ValueError: It is no such class, or has no such member.
    """
    if not isinstance(node, ast.ClassDef) or node.decorator_list or node.keywords:
        raise ValueError("no literal")
    if [dotted(b) for b in node.bases] not in (["Enum"], ["enum.Enum"]):
        raise ValueError("no literal")
    values: dict[str, Any] = {}
    for statement in _body(node):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError("no literal")
        automatic = isinstance(statement.value, ast.Call) and dotted(statement.value.func) in ("auto", "enum.auto")
        values[statement.targets[0].id] = object() if automatic else literal(statement.value)
    kinds = {type(v) for v in values.values()}
    if name not in values or len(kinds) != 1 or kinds - {int, str, object}:
        raise ValueError("no literal")
    if len(set(values.values())) != len(values):
        raise ValueError("no literal: members have two names")
    return Member(node.name, name)


_MISSING = object()
_OPTIONS = {"frozen", "order", "slots", "repr", "unsafe_hash"}


def _fields(node: ast.stmt, literal: Literal) -> dict[str, Any]:
    if isinstance(node, ast.Assign):
        return _tuple_fields(node, literal)
    if not isinstance(node, ast.ClassDef) or node.keywords:
        raise ValueError("no literal")
    bases = [dotted(b) for b in node.bases]
    if not ((_is_dataclass(node) and not bases) or (not node.decorator_list and bases in _NAMED_TUPLES)):
        raise ValueError("no literal")
    found: dict[str, Any] = {}
    for statement in _body(node):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            raise ValueError("no literal")
        if "ClassVar" in (text := ast.unparse(statement.annotation)) or "InitVar" in text or "KW_ONLY" in text:
            raise ValueError("no literal")
        found[statement.target.id] = _MISSING if statement.value is None else literal(statement.value)
    return found


_NAMED_TUPLES = (["NamedTuple"], ["typing.NamedTuple"])


def _is_dataclass(node: ast.ClassDef) -> bool:
    if len(node.decorator_list) != 1:
        return False
    (decorator,) = node.decorator_list
    call = decorator if isinstance(decorator, ast.Call) else None
    if call and (call.args or any(k.arg not in _OPTIONS for k in call.keywords)):
        return False
    return dotted(call.func if call else decorator) in ("dataclass", "dataclasses.dataclass")


def _tuple_fields(node: ast.Assign, literal: Literal) -> dict[str, Any]:
    call = node.value
    named = isinstance(call, ast.Call) and dotted(call.func) in ("namedtuple", "collections.namedtuple")
    if not isinstance(call, ast.Call) or not named or len(call.args) != 2 or call.keywords:
        raise ValueError("no literal")
    fields = literal(call.args[1])
    names = fields.replace(",", " ").split() if isinstance(fields, str) else fields
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        raise ValueError("no literal")
    return dict.fromkeys(names, _MISSING)


def _body(node: ast.ClassDef) -> list[ast.stmt]:
    """A class's statements without its docstring and plain methods; refuses what may change instances."""
    kept = []
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if statement.name.startswith("_") and statement.name not in ("__repr__", "__str__"):
                raise ValueError("no literal: a class decides for itself")
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            kept.append(statement)
    return kept
