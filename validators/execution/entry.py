"""Tests in the form `def check(candidate): …`, which the harness calls with the program's entry point."""

from __future__ import annotations

import ast
import textwrap

from registry.records import Program
from validators.execution.parsing import parse

CHECK = "check"


def test_of(program: Program) -> str:
    """The program's test, with its `check` applied to the entry point where the test itself doesn't call it.

    The body of `check` is unfolded where that changes nothing, so that its asserts can be proven strongly.
    """
    entry = program.entry_point
    if not entry or not entry.isidentifier() or f"def {CHECK}" not in program.test:
        return program.test
    try:
        tree = parse(program.test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program.test
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == CHECK]
    if len(found) != 1 or len(found[0].args.args) != 1:
        return program.test
    calls = _uses(tree, CHECK)
    if not calls:
        return _unfolded(program.test, found[0], entry) or f"{program.test.rstrip()}\n\n\n{CHECK}({entry})\n"
    applied = _applied(tree, found[0], entry)
    if sum(_uses(n, CHECK) for n in applied) != calls:
        return program.test
    return _unfolded(_without(program.test, tree, applied), found[0], entry) or program.test


def _uses(tree: ast.AST, name: str) -> int:
    return sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(tree))


def _applied(tree: ast.Module, check: ast.FunctionDef, entry: str) -> list[ast.stmt]:
    """What applies `check` to the entry point right after it: `check(f)`, or a function that does only that, called."""
    application, caller = f"{CHECK}({entry})", ""
    found: list[ast.stmt] = []
    for node in tree.body[tree.body.index(check) + 1 :]:
        found.append(node)
        if isinstance(node, ast.Expr) and ast.unparse(node) == application:
            return found if not caller or _uses(tree, caller) == 1 else []
        if caller or not isinstance(node, ast.FunctionDef) or node.decorator_list or ast.unparse(node.args):
            return []
        if [ast.unparse(n) for n in node.body] != [application]:
            return []
        application, caller = f"{node.name}()", node.name
    return []


def _without(test: str, tree: ast.Module, statements: list[ast.stmt]) -> str:
    """The test with these statements' lines empty; as it is, where they share a line with others."""
    lines = test.splitlines()
    for node in statements:
        for i in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[i] = ""
    left = "\n".join(lines) + "\n"
    wanted = [ast.dump(n) for n in tree.body if n not in statements]
    try:
        return left if [ast.dump(n) for n in parse(left).body] == wanted else test
    except SyntaxError:
        return test


def _unfolded(test: str, check: ast.FunctionDef, entry: str) -> str | None:
    """The test with the statements of `check` at the top level, on their own lines; None where that isn't the same."""
    first, last = check.body[0].lineno, check.end_lineno or 0
    if first <= check.lineno or check.decorator_list or any(isinstance(n, _BOUND) for n in ast.walk(check)):
        return None
    lines = test.splitlines()
    body = textwrap.dedent("\n".join(lines[first - 1 : last]))
    try:
        same = [ast.dump(n) for n in parse(body).body] == [ast.dump(n) for n in check.body]
    except SyntaxError:
        return None
    if not same or len(body.splitlines()) != last - first + 1:
        return None
    header = [f"{check.args.args[0].arg} = {entry}", *([""] * (first - check.lineno - 1))]
    return "\n".join([*lines[: check.lineno - 1], *header, *body.splitlines(), *lines[last:]]) + "\n"


_BOUND = (ast.Return, ast.Yield, ast.YieldFrom, ast.Nonlocal, ast.Global)
