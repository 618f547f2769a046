"""Statements that set up a module (imports, also under `if TYPE_CHECKING:`, `try:`, `with`) with fewer names."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator, Sequence

from registry.text import lines_of

_Import = (ast.Import, ast.ImportFrom)
_Block = (ast.If, ast.With, ast.Try)
_BLANK = re.compile(r":\n(?:[ \t]*\n)+(?=[ \t])")
"""Blank lines at the head of a block."""
_WIDEST = 88
"""Characters of an import's line beyond which each name stands on its own."""


def narrowed(text: str, keep: Callable[[str], bool]) -> str:
    """A statement of a module's top level without what binds unwanted names in it; empty where it binds no other.

    Args:
        text: The statement, with the lines above it that belong to it.
        keep: Whether a name that it binds is wanted.
    """
    tree = ast.parse(text)
    lines = lines_of(text)
    for first, last, new in sorted(_edits(tree.body, keep), reverse=True):
        lines[first - 1 : last] = [new] if new else []
    return _BLANK.sub(":\n", "".join(lines)) if _left(tree.body, keep) else ""


def bound_by(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The names that an import binds: of `import a.b` it is `a`."""
    return {_name(node, alias) for alias in node.names}


def names_read(node: ast.AST) -> set[str]:
    """The names that stand in a piece of code to be read, in annotations too, also those written as texts."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return found | annotated(node)


def annotated(node: ast.AST) -> set[str]:
    """The names that stand in annotations, also in those that are written as texts."""
    found: set[str] = set()
    for inner in ast.walk(node):
        for annotation in (getattr(inner, "annotation", None), getattr(inner, "returns", None)):
            for part in ast.walk(annotation) if isinstance(annotation, ast.AST) else ():
                if isinstance(part, ast.Name):
                    found.add(part.id)
                elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found |= _spelled(part.value)
    return found


def _spelled(annotation: str) -> set[str]:
    try:
        tree = ast.parse(annotation.strip(), mode="eval")
    except SyntaxError:
        return set()
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def _name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    return alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])


def _left(body: Sequence[ast.stmt], keep: Callable[[str], bool]) -> bool:
    """Whether a block does anything without what binds unwanted names."""
    return any(_stays(node, keep) for node in body)


def _stays(node: ast.stmt, keep: Callable[[str], bool]) -> bool:
    if isinstance(node, _Import):
        return any(keep(name) for name in bound_by(node))
    if isinstance(node, _Block):
        return _left(node.body, keep)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return keep(node.name)
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return any(map(keep, bound)) if bound else not isinstance(node, ast.Pass)


def _edits(body: Sequence[ast.stmt], keep: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, what stands there instead) of the statements that lose names."""
    for node in body:
        last = node.end_lineno or node.lineno
        if not _stays(node, keep):
            yield node.lineno, last, ""
        elif isinstance(node, _Import):
            less = copy.copy(node)
            less.names = [alias for alias in node.names if keep(_name(node, alias))]
            if len(less.names) < len(node.names):
                yield node.lineno, last, _written(less)
        elif isinstance(node, _Block):
            yield from _edits(node.body, keep)


def _written(node: ast.Import | ast.ImportFrom) -> str:
    """An import on one line, or one name a line, indented as it was."""
    indent = " " * node.col_offset
    said = indent + ast.unparse(node)
    if isinstance(node, ast.ImportFrom) and len(said) > _WIDEST:
        names = "".join(f"{indent}    {ast.unparse(alias)},\n" for alias in node.names)
        said = f"{said.partition(' import ')[0]} import (\n{names}{indent})"
    return f"{said}\n"
