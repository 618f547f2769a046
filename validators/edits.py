"""Buggy and fixed code beside each other: where they differ, whether they compile, and how hard the bug is to find."""

from __future__ import annotations

import ast
import difflib
import warnings
from typing import Any

from registry.records import Program, Verdict

HUNK_LINES = 12
"""A mistake is one place: at most so many lines of either program lie between its start and its end."""

Place = tuple[int, int, int, int]
"""First and end line (0-based) in the one text, first and end line in the other."""


def differences(one: str, other: str, mistakes: int = 1) -> list[Place]:
    """Where the lines of two texts differ; for one mistake one place, from the first difference to the last."""
    before, after = one.splitlines(), other.splitlines()
    if mistakes > 1:
        matched = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        return [(a, b, c, d) for tag, a, b, c, d in matched if tag != "equal"]
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return [(start, len(before) - end, start, len(after) - end)]


def place_fault(buggy: Program, fixed: Program, mistakes: int = 1) -> str:
    """Why what differs between two programs isn't so many small places of their code; empty where it is."""
    if (buggy.test, buggy.files, buggy.entry_point) != (fixed.test, fixed.files, fixed.entry_point):
        return "Buggy and fixed program differ in more than their code"
    places = differences(buggy.code, fixed.code, mistakes)
    size = max((max(end - start, to - since) for start, end, since, to in places), default=0)
    if len(places) > mistakes:
        return f"The edits stand in {len(places)} places, for {mistakes} mistakes"
    return "" if 0 < size <= HUNK_LINES else f"The edit spans {size} lines, more than the intended change"


def syntax_error(code: str) -> SyntaxError | None:
    """What the compiler says of code that is no Python; None where it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, "code", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        pass
    return None


def checks_failing(buggy: Verdict, fixed: Verdict) -> int | None:
    """How many values that the test looks at are others than the fixed program's; None where the buggy one raises."""
    got, wanted = (_values(v) for v in (buggy, fixed))
    if buggy.outcome != "failed" or not got:
        return None
    return sum(value != wanted.get(check) for check, value in got.items())


def _values(verdict: Verdict) -> dict[str, Any]:
    """Number of a check -> the value it looks at; the text of one that is no literal."""
    rows: Any = verdict.values
    return {check: _literal(str(row["actual"])) for check, row in rows.items() if "actual" in row}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return text


def line_named(buggy: str, fixed: str, mistakes: int, verdict: Verdict | None) -> bool:
    """Whether the error that buggy code ends in names a line of a mistake (where one was left out, the next)."""
    if verdict is None:
        error = syntax_error(buggy)
        line = error.lineno if error is not None else None
    else:
        exception: Any = verdict.exception
        line = exception.get("line") if exception.get("in") == "code" else None
    places = differences(buggy, fixed, mistakes)
    return line is not None and any(start < line <= max(end, start + 1) for start, end, _, _ in places)
