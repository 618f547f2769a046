"""Python source as text with nodes in it: segments, edits and dedenting that keep the author's own formatting."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from synth.dataflow import nodes as all_nodes

Edit = tuple[int, int, str]
"""Replace the characters from start to end (offsets into the text) by a text."""


@dataclass
class Source:
    """A module's text and its tree, parsed once; positions of nodes are character offsets into the text.

    Attributes:
        text: The source.
        tree: Its syntax tree, parsed on first use (SyntaxError where it is no Python).
    """

    text: str
    _starts: list[int] = field(init=False, repr=False)
    _ascii: bool = field(init=False, repr=False)
    lines: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.lines = self.text.splitlines(keepends=True)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))
        self._ascii = self.text.isascii()

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    def offset(self, line: int, column: int) -> int:
        """The character offset of a 1-based line and a column in UTF-8 bytes (as `ast` counts)."""
        if not self._ascii:
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return min(self._starts[line - 1] + column, len(self.text))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where `node` stands: its first character and the one after its last."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        end_line, end_column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self.offset(line, column), self.offset(end_line, end_column)

    def segment(self, node: ast.AST) -> str:
        """The text of an expression, as it stands; continuation lines keep their indentation."""
        start, end = self.span(node)
        return self.text[start:end]

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
        lines = text.splitlines(keepends=True)
        cuts = {i: _leading(line, indent) for i, line in enumerate(lines) if i not in skip}
        return _apply(lines, cuts, start, edits)

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
    return tuple(ast.parse(text).body)


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
    lines = text.splitlines(keepends=True)
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
