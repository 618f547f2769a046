"""Stated results: a call whose result another release changed, with what it gives written below it as code.

Where the call itself stays as it is, old and new form differ in what the code says of its result: that is how a
maintainer updates an example or a test.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.records import Program, Verdict
from synth.migrated.recording import values_of, values_of_checks
from synth.migrated.slices import Slicer

LONGEST = 200
"""Characters of a stated result."""

_OPAQUE = re.compile(r"\b[0-9a-f]{16,}\b")
"""A hash: nobody can tell what it will be."""

_FLAG = re.compile(r"(raised|warned|printed)\d*$")
"""Names of what says whether a call raised or warned, and of what was printed: the layout of a text is no result."""


def stated(program: Program, actual: Mapping[int, str], most: int = 2) -> Iterator[tuple[str, Program, Program]]:
    """(expression, program with the old result, program with the new one) of checks that give something else now.

    Args:
        program: An old program whose test compares with literals.
        actual: Number of a check -> what it gives at the new release.
        most: Most checks that are used.
    """
    try:
        slicer = Slicer(program)
        checks = [s for s in slicer.test.tree.body if isinstance(s, ast.Assert)]
    except (SyntaxError, ValueError, RecursionError):
        return
    expected = values_of_checks(program)
    for number, check in enumerate(checks):
        before, after = expected.get(number), actual.get(number)
        if before is None or after is None or most == 0 or max(len(before), len(after)) > LONGEST:
            continue
        if any(_only_says_whether(text) or _OPAQUE.search(text) for text in (before, after)):
            continue
        assert isinstance(check.test, ast.Compare)
        if _FLAG.match(ast.unparse(check.test.left)):
            continue  # that a call raises or warns no more is no result of it
        alone = slicer.only(check)
        if len(ast.parse(alone.test).body) > 1:
            continue  # the check needs a set-up of its own
        most -= 1
        left = ast.unparse(check.test.left)
        name = _free(alone.code)
        after = _in_order(before, after)
        forms = (
            Program(code=f"{alone.code}{name} = {value}\n", test=f"assert {left} == {name}\n")
            for value in (before, after)
        )
        old, new = forms
        yield left, old, new


def told(program: Program, verdict: Verdict, same: Callable[[Any, Any], bool]) -> dict[int, str]:
    """What the checks of a program give in a run, by the number of the check, where it is something else.

    Args:
        program: A program whose test compares with literals.
        verdict: How it ran.
        same: Whether two literals are the same for a reader.
    """
    found = {}
    values: Any = verdict.values
    expected = values_of_checks(program)
    for number, actual in values_of(verdict).items():
        ours, theirs = expected.get(number), str(values[str(number)].get("expected"))
        if ours is None or not _literals(ours, theirs, actual):
            continue
        value = ast.literal_eval(ours)
        if value == ast.literal_eval(theirs) and not same(value, ast.literal_eval(actual)):
            found[number] = actual
    return found


def _literals(*texts: str) -> bool:
    try:
        for text in texts:
            ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _only_says_whether(text: str) -> bool:
    """Whether a literal is a truth value, or some: the call's own result is not to be seen."""
    value = ast.literal_eval(text)
    return isinstance(value, bool) or (
        isinstance(value, (list, tuple, set)) and bool(value) and all(isinstance(v, bool) for v in value)
    )


def _in_order(before: str, after: str) -> str:
    """The new literal, its keys in the old one's order: only what changed is to be seen."""
    old, new = ast.literal_eval(before), ast.literal_eval(after)
    if not isinstance(old, dict) or not isinstance(new, dict) or not new.keys() <= old.keys():
        return after
    return repr({key: new[key] for key in old if key in new})


def _free(code: str) -> str:
    names = {n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name)}
    return next(n for n in ("expected", *(f"expected{i}" for i in range(1, 99))) if n not in names)
