"""Programs whose expected values are not known yet: run once at the new release, then written with what came out.

A probe compares each value with a placeholder; the verdict of its run tells the actual values (compared outside the
candidate's process), and `recorded` writes them into the checks.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Program, Verdict
from synth.folding import is_literal, reads_as_literal

PLACEHOLDER = "None"
LONGEST = 600
"""Characters of a recorded value: longer ones make poor checks."""

_TELLING_NOTHING = {"None", "[]", "{}", "()", "set()", "frozenset()", "''", '""', "0", "0.0"}


@dataclass(frozen=True)
class Check:
    """A check of a probe.

    Attributes:
        expression: What is compared.
    """

    expression: str

    @property
    def probing(self) -> str:
        """The check with the placeholder."""
        return f"assert {self.expression} == {PLACEHOLDER}"


def values_of(verdict: Verdict) -> dict[int, str]:
    """The actual values that a verdict tells, by the number of the check."""
    found: dict[int, str] = {}
    values: Mapping[str, Any] = verdict.values if isinstance(verdict.values, Mapping) else {}
    for number, value in values.items():
        if isinstance(value, Mapping) and isinstance(value.get("actual"), str):
            found[int(number)] = value["actual"]
    return found


def recorded(checks: Sequence[Check], values: Mapping[int, str]) -> str | None:
    """The test with the values that came out; None where one is missing, no literal, long, or none tells anything."""
    lines = []
    for number, check in enumerate(checks):
        value = values.get(number)
        if value is None or len(value) > LONGEST or not reads_as_literal(value):
            return None
        lines.append(f"assert {check.expression} == {value}")
    if not lines or all(values[i] in _TELLING_NOTHING for i in range(len(lines))):
        return None
    return "\n".join(lines) + "\n"


def probing(checks: Sequence[Check]) -> str:
    """The test with placeholders."""
    return "\n".join(check.probing for check in checks) + "\n"


def checks_of(program: Program) -> list[Check] | None:
    """The checks of a program whose test is nothing but comparisons with literals; None where it is more."""
    found = []
    for statement in ast.parse(program.test).body:
        if not isinstance(statement, ast.Assert) or not isinstance(statement.test, ast.Compare):
            return None
        compare = statement.test
        if len(compare.ops) != 1 or not isinstance(compare.ops[0], (ast.Eq, ast.Is)):
            return None
        if not is_literal(compare.comparators[0]):
            return None
        found.append(Check(ast.unparse(compare.left)))
    return found or None


def values_of_checks(program: Program) -> dict[int, str]:
    """The literals that a program's checks compare with, by the number of the check; other checks are left out."""
    found: dict[int, str] = {}
    checks = [s for s in ast.parse(program.test).body if isinstance(s, ast.Assert)]
    for number, statement in enumerate(checks):
        compare = statement.test
        if not isinstance(compare, ast.Compare) or len(compare.ops) != 1 or not is_literal(compare.comparators[0]):
            continue
        if isinstance(compare.ops[0], (ast.Eq, ast.Is)):
            found[number] = ast.unparse(compare.comparators[0])
    return found
