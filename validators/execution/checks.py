"""One check of a test: what the program sends for it, what decides outside, and what can't be decided there."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.text import Text
from validators.execution.names import dotted


class NotRewritable(Exception):  # noqa: N818 - a property of the test, not an error
    """Why a test can only be proven weakly."""


@dataclass(frozen=True)
class Check:
    """One comparison that the supervisor makes.

    Attributes:
        line: Its line in the test.
        source: The assert it comes from, in one line.
        expected: The literals, as text; where there are several, a tuple.
        values: How many values the program sends for it.
        guessable: Whether True, False or None is all that is asked for.
        holds: Whether the decoded values satisfy it; may raise what such a comparison raises.
    """

    line: int
    source: str
    expected: str
    values: int
    guessable: bool
    holds: Callable[[Sequence[Any]], bool]


@dataclass(frozen=True)
class Condition:
    """What is sent for one check, as text of the test, and what decides about it outside."""

    holes: list[str]
    holds: Callable[[Sequence[Any]], bool]
    expected: str
    guessable: bool

    def check(self, node: ast.stmt, test: Text) -> Check:
        """The check that a statement comes to."""
        source = " ".join(test.segment(node).split())
        return Check(node.lineno, source[:300], self.expected, len(self.holes), self.guessable, self.holds)


_CHECKERS = {"raises", "warns", "deprecated_call", "fail", "suppress", "match"}


def refuse_hidden_checks(node: ast.AST) -> None:
    """Raise where something within `node` decides about the outcome by itself, inside the program's process."""
    for inner in ast.walk(node):
        line = getattr(inner, "lineno", 0)
        if isinstance(inner, ast.Assert):
            raise NotRewritable(f"Line {line} is a nested assert")
        if isinstance(inner, ast.Raise):
            raise NotRewritable(f"Line {line} raises by itself")
        if isinstance(inner, ast.Compare) and not all(isinstance(op, (ast.Is, ast.IsNot)) for op in inner.ops):
            raise NotRewritable(f"Line {line} compares outside an assert")
        if isinstance(inner, ast.Call):
            name = inner.func.attr if isinstance(inner.func, ast.Attribute) else dotted(inner.func)
            if name.startswith("assert") or name in _CHECKERS:
                raise NotRewritable(f"Line {line} calls {name}, which decides inside the process")
