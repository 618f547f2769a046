"""A Python source as text with nodes in it: its lines as the parser counts them, and where each node stands.

`str.splitlines` counts otherwise: it also ends lines at form feeds, at U+2028 in a string, and a few more.
`ast.get_source_segment` is right, but splits the whole source anew for each node.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

_DEFINED = re.compile(r"^(?:async def|def|class) (\w+)", re.MULTILINE)


def lines_of(text: str) -> list[str]:
    r"""The lines with their ends, which are `\n`, `\r\n` and `\r` alone."""
    return io.StringIO(text, newline="").readlines()


def defined_in(text: str, symbols: Iterable[str]) -> tuple[str, ...]:
    """Those symbols, of a module's top level, that a text defines."""
    words = frozenset(_DEFINED.findall(text))
    return tuple(path for path in symbols if path.rpartition(".")[2] in words)


def placed_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree, but those inside f-strings: before Python 3.12 these don't know where they stand."""
    left = [tree]
    for node in left:  # grows while it is read
        yield node
        if not isinstance(node, ast.JoinedStr):
            left += ast.iter_child_nodes(node)


class Text:
    """A source; positions of nodes are character offsets into it.

    Attributes:
        text: The source.
        lines: Its lines with their ends.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = lines_of(text)
        self._starts = [0, *accumulate(map(len, self.lines))]
        self._ascii = text.isascii()

    def offset(self, line: int, column: int) -> int:
        """The character offset of a 1-based line and a column in UTF-8 bytes (as `ast` counts)."""
        if column and not self._ascii:
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return min(self._starts[line - 1] + column, len(self.text))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where `node` stands: its first character and the one after its last."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        end_line, end_column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self.offset(line, column), self.offset(end_line, end_column)

    def arguments(self, call: ast.Call) -> list[tuple[int, int]]:
        """Where the arguments of a call stand, in order, with parentheses around them, which nodes leave out."""
        closing = self.span(call)[1] - 1
        given = (self.span(argument) for argument in (*call.args, *call.keywords))
        return sorted(self._with_parentheses(start, end, closing) for start, end in given)

    def _with_parentheses(self, start: int, end: int, limit: int) -> tuple[int, int]:
        while True:
            left, right = len(self.text[:start].rstrip()) - 1, len(self.text) - len(self.text[end:].lstrip())
            if right >= limit or self.text[left : left + 1] != "(" or self.text[right] != ")":
                return start, end
            start, end = left, right + 1

    def segment(self, node: ast.AST) -> str:
        """The text of `node`, as it stands; continuation lines keep their indentation."""
        start, end = self.span(node)
        return self.text[start:end]


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """How many characters, or tokens of a list, have to be put in, taken out or replaced (Levenshtein, 1966)."""
    row = list(range(len(other) + 1))
    for i, token in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, theirs in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (token != theirs))
    return row[-1]
