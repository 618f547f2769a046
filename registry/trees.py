"""Syntax trees, parsed and walked.

What is parsed came from somebody else, so it is refused as no Python where it is nested too deeply: Python has a
thousand frames, and what visits a tree takes up to five for each level of it.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from functools import cache
from typing import TypeVar

T = TypeVar("T", bound=ast.AST)

DEEPEST = 80
"""Levels of a tree; people's code has 46 at most (networkx, polars, pandas, with their tests)."""


def parse(code: str) -> ast.Module:
    """The syntax tree of Python source.

    Raises:
        SyntaxError: It is no Python, or its tree has more than `DEEPEST` levels.
    """
    with _no_other_error():
        tree = ast.parse(code)
    return _shallow(tree)


def parse_expression(code: str) -> ast.expr:
    """The syntax tree of an expression.

    Raises:
        SyntaxError: It is none, or its tree has more than `DEEPEST` levels.
    """
    with _no_other_error():
        tree = ast.parse(code, mode="eval").body
    return _shallow(tree)


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of Python source, or None where `parse` refuses it."""
    try:
        return parse(code)
    except SyntaxError:
        return None


@contextlib.contextmanager
def _no_other_error() -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"It can't be parsed: {error}") from error


def _shallow(tree: T) -> T:
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _below(node)]
        if not level:
            return tree
    raise SyntaxError(f"It is nested deeper than {DEEPEST} levels")


def _below(node: ast.AST) -> list[ast.AST]:
    """What stands directly in a node, contexts apart, the last first."""
    found: list[ast.AST] = []
    for field in _children(type(node).__name__):
        value = getattr(node, field, None)
        if isinstance(value, list):
            found.extend([item for item in reversed(value) if isinstance(item, ast.AST)])
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but contexts (`Load`, `Store`), in order of the text: a third of what `ast.walk` costs."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        left += _below(node)


@cache
def _children(kind: str) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes, the last first."""
    plain = {"ctx", "id", "attr", "name", "arg", "kind", "value"} if kind in ("Name", "Constant", "alias") else {"ctx"}
    return tuple(reversed([f for f in getattr(ast, kind)._fields if f not in plain]))
