"""A program's form: its syntax as tokens that layout, comments and the names it binds itself don't change.

Programs that differ in formatting, quotes, docstrings, type hints, assertions' messages, the aliases of imports or the
names of variables, functions and parameters have one form. Literals, attributes and keywords stay in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from registry.identity import sha256_of
from registry.names import dotted_name
from registry.records import Program
from registry.trees import walk

SHINGLE = 5
"""Tokens in a shingle: one changed token touches so many of them."""

BOUND = "_"
"""What stands for every name that the program binds itself."""

SYNTAX = "<"
"""First character of the tokens that say how a program is built, not of what."""

_UNSAID = frozenset({"annotation", "returns", "type_comment", "ctx", "kind", "type_ignores", "msg", "simple"})
"""Fields that don't matter to what runs; `msg` is an assertion's message."""

_NAMES = frozenset({"name", "names", "rest"})
"""Fields that hold names which a program may bind, as `arg` does in parameters."""


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of Python source, or None where it doesn't parse."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def form_of(code: str) -> list[str]:
    """The form of Python source; the empty one where it doesn't parse."""
    tree = parsed(code)
    return form_of_tree(tree) if tree is not None else []


def form_of_tree(tree: ast.AST, whole: ast.AST | None = None) -> list[str]:
    """The form of a syntax tree, or of a part of the tree `whole`, which tells the names that are bound."""
    meaning = _meanings(whole or tree)
    tokens: list[str] = []
    own: set[int] = set()  # the keywords in calls of what the program defines
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, str):
            tokens.append(node)
        elif isinstance(node, ast.Constant):
            tokens.append(repr(node.value))
        elif (chain := dotted_name(node)) is not None:
            head, dot, rest = chain.partition(".")
            tokens += f"{meaning.get(head, head)}{dot}{rest}".replace(".", " .").split(" ")
        elif isinstance(node, ast.keyword):
            left += [node.value, _keyword(node, meaning, own), SYNTAX + "keyword"]
        elif not _is_silent(node):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and meaning.get(node.func.id) == BOUND:
                own.update(map(id, node.keywords))
            tokens.append(SYNTAX + _shape(node))
            left.extend(reversed(list(_inside(node, meaning))))
    return tokens


def shingles(form: Sequence[str], size: int = SHINGLE) -> frozenset[str]:
    """Every run of `size` tokens; the whole where it is shorter."""
    count = max(1, len(form) - size + 1) if form else 0
    return frozenset("\x1f".join(form[i : i + size]) for i in range(count))


def said(form: Iterable[str]) -> tuple[str, ...]:
    """What a program speaks of, sorted: its literals, attributes, keywords, and the names that it doesn't bind."""
    return tuple(sorted(token for token in form if token != BOUND and not token.startswith(SYNTAX)))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard's index: the share of shingles in both among those in either, in [0, 1]."""
    return len(one & other) / (len(one | other) or 1)


@dataclass(frozen=True)
class Form:
    """A program's form and what rows are compared by.

    Attributes:
        tokens: The form; empty where the program is unknown or doesn't parse.
        shingles: Its shingles.
        said: What the program speaks of.
    """

    tokens: tuple[str, ...]
    shingles: frozenset[str]
    said: tuple[str, ...]


class Forms:
    """The forms of programs, each read once.

    Args:
        programs: Program id -> program.
    """

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self._programs = programs
        self._known: dict[str, Form] = {}

    def of(self, name: str) -> Form:
        """The form of a program: of its code and its test, as one."""
        if name not in self._known:
            p = self._programs.get(name)
            tokens = form_of(f"{p.code}\n{p.test}") if p is not None else []
            self._known[name] = Form(tuple(tokens), shingles(tokens), said(tokens))
        return self._known[name]

    def files(self, name: str) -> str:
        """A hash of the files beside a program."""
        return sha256_of(dict(self._programs[name].files)) if name in self._programs else ""


def _meanings(tree: ast.AST) -> Mapping[str, str]:
    """Name -> the dotted path that an import binds it to, else `BOUND`, for every name that the tree binds."""
    bound: dict[str, str] = {}
    imported: dict[str, str] = {}
    for node in walk(tree):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                bound[node.id] = BOUND
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            imported.update(_imported(node))
        else:
            for field in _fields(type(node).__name__)[1]:
                value = getattr(node, field)
                bound.update(dict.fromkeys(value if isinstance(value, list) else [value], BOUND))
    return bound | imported


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for a in node.names:
        if isinstance(node, ast.ImportFrom):
            yield a.asname or a.name, f"{node.module or ''}.{a.name}"
        else:
            yield (a.asname, a.name) if a.asname else (a.name.partition(".")[0], a.name.partition(".")[0])


@cache
def _fields(kind: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The fields of a kind of node that say something, and those of them that hold names."""
    said = tuple(f for f in getattr(ast, kind)._fields if f not in _UNSAID)
    return said, frozenset(f for f in said if f in _NAMES or (f == "arg" and kind == "arg"))


def _is_silent(node: ast.AST) -> bool:
    """Whether a node does nothing: imports (what they bind is spelled out where used), docstrings, bare hints."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.Import, ast.ImportFrom)) or (isinstance(node, ast.AnnAssign) and node.value is None)


def _keyword(node: ast.keyword, meaning: Mapping[str, str], own: set[int]) -> str:
    """The name of a keyword argument: a parameter's own name where the program defines what it calls."""
    name = node.arg or "**"
    return BOUND if id(node) in own and meaning.get(name) == BOUND else name


def _shape(node: ast.AST) -> str:
    """A node's kind, with the number of its arguments, elements or statements: no two trees have the same tokens."""
    name = type(node).__name__
    if isinstance(node, ast.mod):
        return name
    if isinstance(node, ast.AnnAssign):  # `x: int = 1` does what `x = 1` does
        return "Assign[1]"
    lists = [v for f in node._fields if isinstance(v := getattr(node, f), list)]
    counts = [sum(not _is_silent(item) for item in items) for items in lists]
    return f"{name}{counts}" if counts else name


def _inside(node: ast.AST, meaning: Mapping[str, str]) -> Iterator[Any]:
    """What a node holds, in order: nodes and texts."""
    said, names = _fields(type(node).__name__)
    for field in said:
        value = getattr(node, field)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                yield item
            elif field in names and item is not None:
                yield meaning.get(item, item)
            else:
                yield str(item)
