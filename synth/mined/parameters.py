"""The rows of parametrised tests, as source."""

from __future__ import annotations

import ast

from synth.folding import NotConstantError, fold, literal
from synth.mined.suites import Module, NotAloneError, TestFunction
from synth.source import Source

ROWS = 3
"""Most rows taken of a parametrised test."""

_REFUSED = ("anyio", "asyncio", "network", "skip", "skipif", "slow", "usefixtures", "xfail")
"""Marks that say that a test doesn't always run, or needs more than itself; others only name groups of tests."""


def tables(test: TestFunction) -> list[tuple[list[str], list[list[str]]]]:
    """Parameter names and rows (as source) of each `parametrize`.

    Raises:
        NotAloneError: A decorator other than parametrize, or rows that aren't written out.
    """
    found = []
    classes = [(m, d) for m, c in test.owner[:1] for d in c.decorator_list]
    for module, decorator in [*((test.module, d) for d in test.node.decorator_list), *classes]:
        text = ast.unparse(decorator)
        if text in ("staticmethod", "classmethod"):
            continue
        if not text.startswith("pytest.mark."):
            raise NotAloneError(f"decorator {text.split('(')[0]}")
        mark = text.removeprefix("pytest.mark.").split("(")[0]
        if mark in _REFUSED:
            raise NotAloneError(f"mark {mark}")
        if mark == "parametrize" and isinstance(decorator, ast.Call):
            found.append(_table(module, decorator))
    return found


def _table(module: Module, call: ast.Call) -> tuple[list[str], list[list[str]]]:
    if len(call.args) != 2 or any(k.arg == "indirect" for k in call.keywords):
        raise NotAloneError("parametrize with options")
    try:
        names = fold(call.args[0])
        listed = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
    except (NotConstantError, TypeError) as error:
        raise NotAloneError("parametrize names that aren't written out") from error
    rows = written(module, call.args[1])
    if len(listed) == 1 and not (isinstance(names, str) and names.rstrip().endswith(",")):
        return listed, [[row] for row in rows[:ROWS]]
    cells = []
    for row in rows[:ROWS]:
        tree = ast.parse(row, mode="eval")
        if not isinstance(tree.body, (ast.Tuple, ast.List)) or len(tree.body.elts) != len(listed):
            raise NotAloneError("parametrize rows of another shape")
        source = Source(row)
        cells.append([source.inline(e) for e in tree.body.elts])
    return listed, cells


def written(module: Module, node: ast.expr) -> list[str]:
    """The rows of a list, as source.

    Raises:
        NotAloneError: They aren't written out.
    """
    if isinstance(node, ast.Name):
        places = module.bound.get(node.id, [])
        statement = module.statements[places[0]] if len(places) == 1 else None
        if isinstance(statement, ast.Assign):
            node = statement.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_row(module, e) for e in node.elts]
    try:
        return [literal(v) for v in list(fold(node))]
    except (NotConstantError, TypeError) as error:
        raise NotAloneError("parametrize rows that aren't written out") from error


def _row(module: Module, node: ast.expr) -> str:
    if isinstance(node, ast.Starred):
        raise NotAloneError("parametrize rows that aren't written out")
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.param":
        if any(k.arg == "marks" for k in node.keywords):
            raise NotAloneError("parametrize rows with marks")
        inner = [module.source.inline(a) for a in node.args]
        return inner[0] if len(inner) == 1 else f"({', '.join(inner)})"
    return module.source.inline(node)
