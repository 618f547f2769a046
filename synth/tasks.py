"""The task texts of `doc` and `test` rows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from registry.names import SymbolIndex
from registry.records import Program
from synth.dataflow import flow_all, unbound
from synth.suites import TestFunction


def prompt_of(test: TestFunction, claims: tuple[str, ...], index: SymbolIndex, program: Program) -> str:
    """The task in words: the docstring or the test's name, the calls to use, the names to bind."""
    doc = ast.get_docstring(test.node)
    title = doc.strip().splitlines()[0] if doc and doc.strip() else _words(test.node.name)
    return task_text(title, claims, index, program)


def task_text(title: str, claims: Iterable[str], index: SymbolIndex, program: Program) -> str:
    """A task in words: a title if it has one, the library's calls to use, the names that are checked."""
    calls = ", ".join(f"`{index.public(path)}`" for path in list(claims)[:4])
    names = _checked_names(program)
    lines = [title.rstrip(".") + "."] if title else []
    lines.append(f"Use {calls}.")
    if names:
        lines.append(f"Bind {', '.join(f'`{n}`' for n in names)}.")
    return "\n".join(lines)


def _checked_names(program: Program) -> list[str]:
    """The names that the test looks at and the code binds, other than modules and functions; in the test's order."""
    code, test = ast.parse(program.code).body, ast.parse(program.test).body
    given = flow_all(
        s for s in code if isinstance(s, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))
    ).binds
    wanted = flow_all(code).binds & frozenset(unbound(test)) - given
    return list(dict.fromkeys(name for name in re.findall(r"\w+", program.test) if name in wanted))[:12]


def _words(name: str) -> str:
    words = re.sub(r"_+", " ", name.removeprefix("test_").removeprefix("test")).strip()
    return words[:1].upper() + words[1:] if words else "Example"
