"""What is being written of elements that a page's writer puts together at their end: blocks, and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MOST_COLUMNS, MOST_ROWS = 20, 100
"""That one cell stands in; cells of further columns stand in one row."""


@dataclass
class Frame:
    """What is being written of an element that its closing puts together.

    Attributes:
        kind: What it is.
        blocks: (kind, text) of what is written already; `inner` is what belongs to another API entry.
    """

    kind: str
    blocks: list[tuple[str, str]] = field(default_factory=list)

    def text(self, *, own: bool = False) -> str:
        """All blocks as one text; `own` leaves out what is `inner`."""
        parts: list[str] = []
        before = ""
        for kind, text in self.blocks:
            if own and kind == "inner":
                continue
            if parts:
                parts.append("\n" if self.kind == "li" and kind == "list" and before == "text" else "\n\n")
            parts.append(text)
            before = kind
        return "".join(parts)


@dataclass
class Table(Frame):
    """A table: rows of cells, written with bars; one that has code in its cells as a list, a row an item.

    Attributes:
        listed: Whether it has code.
        covered: Column -> rows from here on that a cell above stands in, too.
        rows: The cells of each row.
        head: Whether the first row is a head.
    """

    listed: bool = False
    covered: dict[int, int] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)
    head: bool = False

    def add_cell(self, row: list[str], text: str, columns: int, rows: int) -> None:
        """Adds a cell to a row that is being written; more columns of it stay empty, as do its places in rows below."""
        for column in range(columns):
            place = len(row)
            if rows > 1 and place < MOST_COLUMNS:
                self.covered[place] = rows - 1
            plain = text if self.listed else " ".join(text.split()).replace("|", "\\|")
            row.append("" if column else plain)

    def cover(self, row: list[str]) -> None:
        """Leaves cells of a row empty where one of a row above stands."""
        while rows := self.covered.pop(len(row), 0):
            if rows > 1:
                self.covered[len(row)] = rows - 1
            row.append("")

    def markdown(self) -> str:
        """The table; empty where it has no row."""
        if not self.rows:
            return ""
        return "\n".join(self._items() if self.listed else self._lines())

    def _lines(self) -> list[str]:
        lines = ["| " + " | ".join(row) + " |" for row in self.rows]
        width = len(re.findall(r"(?<!\\)\|", lines[0])) - 1
        return [lines[0], "|" + " --- |" * width, *lines[1:]]

    def _items(self) -> list[str]:
        """Each row an item: what its cells hold, under the names of their columns where there are any."""
        names = self.rows[0] if self.head else []
        items = []
        for row in self.rows[self.head :]:
            named = (names[i] if i < len(names) else "" for i in range(len(row)))
            cells = (_named(" ".join(name.split()), text) for name, text in zip(named, row, strict=True) if text)
            items.append(indented("\n\n".join(cells), "- ", "  "))
        return ["\n\n".join(items)]


def _named(name: str, text: str) -> str:
    if not name:
        return text
    return f"**{name}**:\n\n{text}" if "\n" in text else f"**{name}**: {text}"


def indented(text: str, first: str, others: str) -> str:
    """The text with something before its first line, and before each other line that is not empty."""
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(others + line if line else line for line in lines[1:])])
