"""A program's form: its syntax as tokens that layout, comments and the names it binds itself don't change.

Programs that differ in formatting, quotes, docstrings, type hints, assertions' messages, the aliases of imports or the
names of variables, functions and parameters have one form. Literals, attributes and keywords stay in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from registry.identity import sha256_of
from registry.names import dotted_name
from registry.records import Program
from registry.shelf import Shelf
from registry.trees import parsed

SHINGLE = 5
"""Tokens in a shingle: one changed token touches so many of them."""

SEPARATOR = "\x1f"
"""Stands between the tokens of a shingle."""

BOUND = "_"
"""What stands for every name that the program binds itself."""

SYNTAX = "<"
"""First character of the tokens that say how a program is built, not of what."""

_AT_HAND = 512
"""Forms in memory: one takes about 15 KB."""

_UNSAID = frozenset({"annotation", "returns", "type_comment", "ctx", "kind", "type_ignores", "msg", "simple"})
"""Fields that don't matter to what runs; `msg` is an assertion's message."""

_BINDING = frozenset({"name", "names", "rest"})
"""Fields that hold names which a program binds, as `arg` does in parameters."""


def form_of(code: str) -> list[str]:
    """The form of Python source; the empty one where it doesn't parse."""
    tree = parsed(code)
    return form_of_tree(tree) if tree is not None else []


def form_of_tree(tree: ast.AST, whole: ast.AST | None = None) -> list[str]:
    """The form of a syntax tree, or of a part of the tree `whole`, which tells the names that are bound."""
    reading = _Reading(tree)
    bindings = reading if whole is None else _Reading(whole)
    return list(bindings.spelled(reading.tokens))


def shingles(form: Sequence[str], size: int = SHINGLE) -> frozenset[str]:
    """Every run of `size` tokens; the whole where it is shorter."""
    count = max(1, len(form) - size + 1) if form else 0
    return frozenset(SEPARATOR.join(form[i : i + size]) for i in range(count))


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
    """The forms of programs, each read once; what was read stands on a shelf.

    Args:
        programs: Program id -> program.
        folder: Where the shelf is made.
    """

    def __init__(self, programs: Mapping[str, Program], folder: Path | None = None) -> None:
        self._programs = programs
        self._tokens: Shelf[tuple[str, ...]] = Shelf(folder)
        self.of = lru_cache(maxsize=_AT_HAND)(self._of)
        """The form of a program by its id: of its code and its test, as one."""

    def _of(self, name: str) -> Form:
        tokens = self._tokens.get(name)
        if tokens is None:
            p = self._programs.get(name)
            tokens = tuple(form_of(f"{p.code}\n{p.test}") if p is not None else ())
            self._tokens.put([(name, tokens)])
        return Form(tokens, shingles(tokens), said(tokens))

    def files(self, name: str) -> str:
        """A hash of the files beside a program."""
        return sha256_of(dict(self._programs[name].files)) if name in self._programs else ""


@dataclass(frozen=True)
class _Named:
    """A name in a form, before it is known whether the program binds it; a keyword in a call of `called`."""

    name: str
    rest: tuple[str, ...] = ()
    called: str = ""


class _Reading:
    """A tree's tokens, in one pass, and the names that it binds."""

    def __init__(self, tree: ast.AST) -> None:
        self.tokens: list[str | _Named] = []
        self._bound: set[str] = set()
        self._imported: dict[str, str] = {}
        left: list[Any] = [tree]
        while left:
            node = left.pop()
            if isinstance(node, ast.AST):
                left.extend(reversed(self._read(node)))
            else:
                self.tokens.append(node)

    def spelled(self, tokens: Iterable[str | _Named]) -> Iterator[str]:
        """Tokens with each name as what it means here: `BOUND`, an import's dotted path, or itself."""
        for token in tokens:
            if isinstance(token, str):
                yield token
            elif token.called:
                yield BOUND if {token.name, token.called} <= self._bound else token.name
            elif token.name not in self._imported:
                yield from (BOUND if token.name in self._bound else token.name, *token.rest)
            else:
                head, *path = self._imported[token.name].split(".")
                yield from (head, *(f".{part}" for part in path), *token.rest)

    def _read(self, node: ast.AST) -> Sequence[Any]:
        """What a node is and what it holds, in order."""
        if isinstance(node, ast.Constant):
            return (repr(node.value),)
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._chain(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._imported.update(_imported(node))
            return ()
        if _is_silent(node):
            return ()
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            keywords = [(f"{SYNTAX}keyword", _keyword(k, called), k.value) for k in node.keywords]
            return (_shape(node), node.func, *node.args, *(item for triple in keywords for item in triple))
        return (_shape(node), *self._inside(node))

    def _chain(self, node: ast.Name | ast.Attribute) -> Sequence[Any]:
        """`a.b.c` as its parts; an attribute of anything else as that and its name."""
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self._bound.add(node.id)
        dotted = dotted_name(node)
        if dotted is None and isinstance(node, ast.Attribute):
            return (f"{SYNTAX}Attribute", node.value, f".{node.attr}")
        head, *rest = (dotted or "").split(".")
        return (_Named(head, tuple(f".{part}" for part in rest)),)

    def _inside(self, node: ast.AST) -> Iterator[Any]:
        said, binding = _fields(type(node).__name__)
        for field in said:
            value = getattr(node, field)
            for item in value if isinstance(value, list) else (value,):
                if field in binding and item is not None:
                    self._bound.add(item)
                    yield _Named(item)
                else:
                    yield item if isinstance(item, ast.AST) else str(item)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for a in node.names:
        if isinstance(node, ast.ImportFrom):
            yield a.asname or a.name, f"{node.module or ''}.{a.name}"
        else:
            yield (a.asname, a.name) if a.asname else (a.name.partition(".")[0], a.name.partition(".")[0])


def _keyword(node: ast.keyword, called: str) -> str | _Named:
    """A keyword's name, which is the program's own where it calls, by its plain name, what it defines."""
    return _Named(node.arg, called=called) if called and node.arg else node.arg or "**"


@cache
def _fields(kind: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The fields of a kind of node that say something, and those of them that hold names it binds."""
    said = tuple(f for f in getattr(ast, kind)._fields if f not in _UNSAID)
    return said, frozenset(f for f in said if f in _BINDING or (f == "arg" and kind == "arg"))


def _is_silent(node: ast.AST) -> bool:
    """Whether a node does nothing: imports (what they bind is spelled out where used), docstrings, bare hints."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.Import, ast.ImportFrom)) or (isinstance(node, ast.AnnAssign) and node.value is None)


def _shape(node: ast.AST) -> str:
    """A node's kind, with the number of its arguments, elements or statements: no two trees have the same tokens."""
    name = type(node).__name__
    if isinstance(node, ast.mod):
        return SYNTAX + name
    if isinstance(node, ast.AnnAssign):  # `x: int = 1` does what `x = 1` does
        return f"{SYNTAX}Assign[1]"
    lists = [v for f in node._fields if isinstance(v := getattr(node, f), list)]
    counts = [sum(not _is_silent(item) for item in items) for items in lists]
    return f"{SYNTAX}{name}{counts}" if counts else SYNTAX + name
