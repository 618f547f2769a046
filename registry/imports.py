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

    All suites of a block are narrowed (`else:`, `except …:`, `finally:` too), one that would be empty has a `pass`.
    What shares a line with something else is left whole.

    Args:
        text: The statement, with the lines above it that belong to it.
        keep: Whether a name that it binds is wanted.
    """
    tree = ast.parse(text)
    if not _left(tree.body, keep):
        return ""
    lines = lines_of(text)
    for first, last, new in sorted(_edits(tree.body, keep, tuple(lines)), reverse=True):
        lines[first - 1 : last] = [new] if new else []
    return _BLANK.sub(":\n", "".join(lines))


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
    """Whether a statement does anything without what binds unwanted names; one that binds no name does."""
    if isinstance(node, _Block):
        # a handler alone does nothing where nothing is left that could raise
        suites = [node.body, *([] if isinstance(node, ast.With) else [node.orelse])]
        suites += [node.finalbody] if isinstance(node, ast.Try) else []
        return any(_left(suite, keep) for suite in suites) or any(map(keep, _bound_beside(node)))
    bound = _bound(node)
    return any(map(keep, bound)) if bound else not isinstance(node, ast.Pass)


def _bound_beside(node: ast.If | ast.With | ast.Try) -> set[str]:
    """The names that a block binds in its header or its handlers."""
    if isinstance(node, ast.If):
        return _bound(node.test)
    parts: Sequence[ast.AST] = node.items if isinstance(node, ast.With) else node.handlers
    return {name for part in parts for name in _bound(part)}


def _bound(node: ast.AST) -> set[str]:
    """The names that a statement binds, those of the blocks in it too."""
    found: set[str] = set()
    left = [node]
    while left:
        inner = left.pop()
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(inner.name)
        elif isinstance(inner, _Import):
            found |= bound_by(inner)
        elif isinstance(inner, ast.Name):
            found |= {inner.id} if isinstance(inner.ctx, ast.Store) else set()
        else:
            left += ast.iter_child_nodes(inner)
    return found


def _suites(node: ast.If | ast.With | ast.Try) -> Iterator[list[ast.stmt]]:
    for part in (node, *getattr(node, "handlers", [])):
        for name in ("body", "orelse", "finalbody"):
            if suite := getattr(part, name, None):
                yield suite


def _edits(
    body: Sequence[ast.stmt], keep: Callable[[str], bool], lines: Sequence[str], above: ast.stmt | None = None
) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, what stands there instead) of the statements of a suite that lose names.

    Args:
        body: The suite.
        keep: Whether a name that it binds is wanted.
        lines: The text's lines.
        above: The block that it is a suite of.
    """
    left = [node for node in body if _stays(node, keep) or not _is_alone(node, lines)]
    is_empty = not left and above is not None and not _is_elif(body[0], above)
    if is_empty:
        left += [node for node in body if isinstance(node, ast.Pass)][:1]
    for node in body:
        first, last = _first(node), node.end_lineno or node.lineno
        if node not in left:
            yield first, last, f"{_indent(node, lines)}pass\n" if is_empty and not left and node is body[0] else ""
        elif isinstance(node, _Import) and _is_alone(node, lines):
            less = copy.copy(node)
            less.names = [alias for alias in node.names if keep(_name(node, alias))]
            if len(less.names) < len(node.names):
                yield first, last, _written(less, _indent(node, lines))
        elif isinstance(node, _Block):
            for suite in _suites(node):
                yield from _edits(suite, keep, lines, node)


def _is_alone(node: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether nothing but a comment shares a statement's lines."""
    before = lines[node.lineno - 1].encode()[: node.col_offset]
    after = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def _is_elif(node: ast.stmt, above: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(above, ast.If) and node.col_offset == above.col_offset


def _first(node: ast.stmt) -> int:
    """The first line of a statement, its decorators' too."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _indent(node: ast.stmt, lines: Sequence[str]) -> str:
    line = lines[node.lineno - 1]
    return line[: len(line) - len(line.lstrip())]


def _written(node: ast.Import | ast.ImportFrom, indent: str) -> str:
    """An import on one line, or one name a line, indented as it was."""
    said = indent + ast.unparse(node)
    if isinstance(node, ast.ImportFrom) and len(said) > _WIDEST:
        names = "".join(f"{indent}    {ast.unparse(alias)},\n" for alias in node.names)
        said = f"{said.partition(' import ')[0]} import (\n{names}{indent})"
    return f"{said}\n"
