"""Python source as text with nodes in it: segments, edits and dedenting that keep the author's own formatting."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from registry.names import tree_of
from registry.text import Text, lines_of
from registry.trees import parse
from synth.dataflow import nodes as all_nodes

_PROGRAM = 10_000
"""Characters up to which a text may be a program that several look at; trees of whole modules are not kept."""

Edit = tuple[int, int, str]
"""Replace the characters from start to end (offsets into the text) by a text."""


class Source(Text):
    """A module's text and its tree, parsed once: treat as frozen, as others look at a program's tree too."""

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree (SyntaxError where it is no Python)."""
        return tree_of(self.text) if len(self.text) <= _PROGRAM else parse(self.text)

    def inline(self, node: ast.expr) -> str:
        """The text of an expression, in parentheses where it spans lines without brackets of its own."""
        text = _shift(self.segment(node), self._inner_string_lines([node]), node.lineno, self._indent(node))
        if isinstance(node, ast.GeneratorExp) and not text.startswith("("):
            return f"({text})"
        if "\n" not in text or isinstance(
            node,
            (ast.List, ast.Dict, ast.Set, ast.Call, ast.ListComp, ast.SetComp, ast.DictComp, ast.Subscript),
        ):
            return text
        if isinstance(node, (ast.Tuple, ast.GeneratorExp)) and text.startswith("("):
            return text
        if isinstance(node, ast.Constant) and text.endswith(('"""', "'''")):
            return text
        return f"({text})"

    def block(self, statements: Sequence[ast.stmt], edits: Iterable[Edit] = ()) -> str:
        """The lines of consecutive statements with the comments between them, edited, then dedented."""
        first, last = statements[0], statements[-1]
        start_line, end_line = first_line(first), last.end_lineno or last.lineno
        start, end = self._starts[start_line - 1], self.offset(end_line, last.end_col_offset or 0)
        begin = self.offset(start_line, first.col_offset)
        if self.text[start:begin].strip():  # a statement behind a semicolon or a colon
            start = begin
        indent = begin - start
        text = self.text[start:end]
        skip = {n - start_line for n in self._inner_string_lines(statements)}
        lines = lines_of(text)
        cuts = {i: _leading(line, indent) for i, line in enumerate(lines) if i not in skip}
        return _apply(lines, cuts, start, edits)

    def comment_above(self, statement: ast.stmt) -> str:
        """The comment lines that stand directly above a statement."""
        line = first_line(statement) - 1
        found: list[str] = []
        while line > 0 and self.lines[line - 1].strip().startswith("#"):
            found.insert(0, self.lines[line - 1].strip())
            line -= 1
        return "\n".join(found)

    def _indent(self, node: ast.expr) -> int:
        line = self.lines[node.lineno - 1]
        return len(line) - len(line.lstrip())

    def _inner_string_lines(self, nodes: Iterable[ast.AST]) -> set[int]:
        """Lines that begin within a string: their leading blanks belong to it."""
        inner: set[int] = set()
        for node in nodes:
            for part in all_nodes(node):
                if isinstance(part, (ast.Constant, ast.JoinedStr)) and part.end_lineno != part.lineno:
                    inner.update(range(part.lineno + 1, (part.end_lineno or part.lineno) + 1))
        return inner


@lru_cache(maxsize=4096)
def parsed(text: str) -> tuple[ast.stmt, ...]:
    """The statements of a text, parsed once: treat as frozen (the same set-up is inlined into many tests)."""
    return tuple(parse(text).body)


@lru_cache(maxsize=16)
def read(text: str) -> Source:
    """A text with its tree, read once by those that look at it in turn: treat as frozen."""
    return Source(text)


def first_line(statement: ast.stmt) -> int:
    """The line a statement begins on, decorators included."""
    decorators = getattr(statement, "decorator_list", ())
    lines: list[int] = [statement.lineno, *(d.lineno for d in decorators)]
    return min(lines)


def indented(text: str, by: int = 4) -> str:
    """`text` moved right, strings over several lines left alone."""
    source = Source(text)
    inner = source._inner_string_lines([source.tree])
    return "".join(
        line if i in inner or not line.strip() else " " * by + line for i, line in enumerate(source.lines, start=1)
    )


def _leading(line: str, indent: int) -> int:
    return min(indent, len(line) - len(line.lstrip(" \t")))


def _shift(text: str, inner: set[int], first: int, indent: int) -> str:
    lines = lines_of(text)
    kept = [line if i == 0 or first + i in inner else line[_leading(line, indent) :] for i, line in enumerate(lines)]
    return "".join(kept)


def _apply(lines: list[str], cuts: dict[int, int], start: int, edits: Iterable[Edit]) -> str:
    """`lines` with the edits made and without their cut blanks, unless an edit replaces these too."""
    text = "".join(lines)
    changes: list[Edit] = [(a - start, b - start, new) for a, b, new in edits if start <= a and b <= start + len(text)]
    spans = [(a, b) for a, b, _ in changes]
    at = 0
    for i, line in enumerate(lines):
        if cuts.get(i) and not any(a < at + cuts[i] and at < b for a, b in spans):
            changes.append((at, at + cuts[i], ""))
        at += len(line)
    for a, b, new in sorted(changes, reverse=True):
        text = text[:a] + new + text[b:]
    return text


def applied(text: str, edits: Iterable[Edit]) -> str:
    """`text` with edits, which do not overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
