"""Tests in the form `def check(candidate): …`, which the harness calls with the program's entry point."""

from __future__ import annotations

import ast
import textwrap

from registry.records import Program

CHECK = "check"


def test_of(program: Program) -> str:
    """The program's test, with its `check` applied to the entry point where the test itself doesn't call it.

    The body of `check` is unfolded where that changes nothing, so that its asserts can be proven strongly.
    """
    entry = program.entry_point
    if not entry or not entry.isidentifier() or f"def {CHECK}" not in program.test:
        return program.test
    try:
        tree = ast.parse(program.test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program.test
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == CHECK]
    calls = any(isinstance(n, ast.Name) and n.id == CHECK for n in ast.walk(tree))
    if len(found) != 1 or calls or len(found[0].args.args) != 1:
        return program.test
    return _unfolded(program.test, found[0], entry) or f"{program.test.rstrip()}\n\n\n{CHECK}({entry})\n"


def _unfolded(test: str, check: ast.FunctionDef, entry: str) -> str | None:
    """The test with the statements of `check` at the top level, on their own lines; None where that isn't the same."""
    first, last = check.body[0].lineno, check.end_lineno or 0
    if first <= check.lineno or check.decorator_list or any(isinstance(n, _BOUND) for n in ast.walk(check)):
        return None
    lines = test.splitlines()
    body = textwrap.dedent("\n".join(lines[first - 1 : last]))
    try:
        same = [ast.dump(n) for n in ast.parse(body).body] == [ast.dump(n) for n in check.body]
    except SyntaxError:
        return None
    if not same or len(body.splitlines()) != last - first + 1:
        return None
    header = [f"{check.args.args[0].arg} = {entry}", *([""] * (first - check.lineno - 1))]
    return "\n".join([*lines[: check.lineno - 1], *header, *body.splitlines(), *lines[last:]]) + "\n"


_BOUND = (ast.Return, ast.Yield, ast.YieldFrom, ast.Nonlocal, ast.Global)
