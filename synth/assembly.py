"""Code and test from their statements: unused ones left out, imports where they are read, blank lines."""

from __future__ import annotations

import ast
import sys
from collections.abc import Container
from dataclasses import dataclass

from synth.dataflow import flow
from synth.source import parsed


@dataclass(frozen=True)
class Line:
    """A statement's text with what it does, to find out later what is unused."""

    text: str
    tree: ast.stmt
    comment: str = ""


def line_of(text: str, comment: str = "") -> Line:
    """A line of a text, read."""
    return Line(text, parsed(text)[0], comment)


def pruned(code: list[Line], test: list[Line], inert: Container[str]) -> tuple[list[Line], list[Line]]:
    """Without constants and definitions that nobody reads; definitions that only the test reads go there."""
    while True:
        in_code = [flow(line.tree).reads for line in code]
        in_test = frozenset().union(*(flow(line.tree).reads for line in test))
        moved: list[Line] = []
        kept: list[Line] = []
        for i, line in enumerate(code):
            binds = flow(line.tree).binds
            definition = isinstance(line.tree, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
            constant = isinstance(line.tree, ast.Assign) and bool(binds) and all(n in inert for n in binds)
            used = any(binds & reads for j, reads in enumerate(in_code) if j != i)
            if not (definition or constant) or used:
                kept.append(line)
            elif binds & in_test:
                moved.append(line)
        if len(kept) == len(code):
            return code, test
        code, test = kept, moved + test


def joined(lines: list[Line]) -> str:
    """The script of `lines`: imports first, a blank line after them and around definitions."""
    parts: list[str] = []
    last: ast.stmt | None = None
    imports = [line for line in lines if isinstance(line.tree, (ast.Import, ast.ImportFrom))]
    others = [line for line in lines if line not in imports]
    for line in [*_trimmed(imports, lines), *others]:
        if last is not None and _kind(line.tree) != _kind(last):
            parts.append("")
            if "definition" in (_kind(line.tree), _kind(last)):
                parts.append("")
        elif last is not None and _kind(last) == "definition":
            parts += ["", ""]
        if line.comment:
            parts.append(line.comment)
        parts.append(line.text.rstrip())
        last = line.tree
    return "\n".join(parts) + "\n" if parts else ""


def _trimmed(imports: list[Line], lines: list[Line]) -> list[Line]:
    """Imports of the names that are read, each once, those from one module together; the standard library's first."""
    reads = frozenset().union(*(flow(line.tree).reads for line in lines))
    texts: dict[str, None] = {}
    members: dict[str, dict[str, None]] = {}
    for line in imports:
        node = line.tree
        if not flow(node).binds & reads:
            continue
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = members.setdefault(f"from {node.module} import ", {})
            names.update(dict.fromkeys(ast.unparse(alias) for alias in node.names))
        elif isinstance(node, ast.Import):
            texts.setdefault(line.text.strip())
    made = [*texts, *(head + ", ".join(sorted(names)) for head, names in members.items())]
    return sorted((line_of(text) for text in made), key=lambda line: not _is_stdlib(line.tree))


def _is_stdlib(node: ast.stmt) -> bool:
    name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name  # type: ignore[attr-defined]
    return name.split(".")[0] in sys.stdlib_module_names


def _kind(node: ast.stmt) -> str:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    return "definition" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else "statement"
