"""Regular expressions that end: a test's pattern meets a program's text in the supervisor, whom nothing interrupts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_TEXT = 2000
"""Characters of a program's text that a pattern is tried on: as many as the worker sends."""

_REPEATS = 2
_CHOICES = 8
_FEW = 20


def search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """`pattern.search` on the beginning of a program's text."""
    return pattern.search(text[:_TEXT])


def tame(pattern: str) -> re.Pattern[str]:
    """A compiled pattern that fails within milliseconds on any text.

    Backtracking takes as long as the text to the power of the repeats in a row, and for ever where a repeat has a
    choice within.

    Raises:
        ValueError: It may not end in time; or it is no pattern (`re.error`, RecursionError or OverflowError too).
    """
    compiled = re.compile(pattern)
    repeats, choices = _cost(_parser.parse(pattern))
    if repeats > _REPEATS or choices > _CHOICES:
        raise ValueError(f"The pattern {pattern[:100]!r} may take for ever")
    return compiled


def _cost(items: Any) -> tuple[float, float]:
    """Repeats in a row, and choices beside them; infinite where a repeat has either within."""
    repeats = choices = 0.0
    for operation, argument in items:
        if operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            least, most, body = argument
            r, c = _cost(body)
            if most > _FEW:
                repeats += math.inf if r or c else 1
            else:
                repeats, choices = repeats + most * r, choices + most * c + (least != most)
        elif operation is _constants.BRANCH:
            found = [_cost(body) for body in argument[1]]
            repeats += sum(r for r, _ in found)
            choices += 1 + sum(c for _, c in found)
        elif operation is _constants.GROUPREF:
            repeats += 1
        else:
            for body in _bodies(argument):
                r, c = _cost(body)
                repeats, choices = repeats + r, choices + c
    return repeats, choices


def _bodies(argument: Any) -> Iterator[Any]:
    """The patterns within a group, an assertion or a condition."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, (tuple, list)):
        for inner in argument:
            yield from _bodies(inner)
