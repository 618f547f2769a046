"""Cuts what is held out from `text` rows: definitions, code blocks and paragraphs that name it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from registry.families import Families
from registry.text import lines_of
from validators.references import Reader

_WORD = re.compile(r"[^\W\d]\w*")
_FENCE = re.compile(r"^\s*(```|~~~)")


class Cutter:
    """Removes the parts of a text that give away a family.

    Args:
        families: The families of the domain's releases.
        reader: Finds the families that code names.
    """

    def __init__(self, families: Families, reader: Reader) -> None:
        self._reader = reader
        self._families: dict[str, set[str]] = {}
        for family in families.by_name.values():
            for path in family.paths:
                owner, _, name = path.rpartition(".")
                if owner not in family.paths:  # its functions and classes; a method's name alone says little
                    self._families.setdefault(name, set()).add(family.name)

    def mentions(self, text: str) -> frozenset[str]:
        """Families that any word of a text may stand for: a quick upper bound of what it names."""
        found = set(_WORD.findall(text))
        return frozenset(f for word in found & self._families.keys() for f in self._families[word])

    def named(self, text: str) -> frozenset[str]:
        """Families that words of a prose stand for: a plain English one only where it looks like code."""
        found = set(_WORD.findall(text)) & self._families.keys()
        return frozenset(f for word in found if _means(word, text) for f in self._families[word])

    def cut(self, text: str, held: frozenset[str]) -> str:
        """The text without the pieces that name one of the families `held`.

        Python is cut by definition (of classes: by method), anything else by code block and paragraph.
        """
        words = [word for word, families in sorted(self._families.items()) if families & held]
        pieces = _python_pieces(text) or [("", piece) for piece in _prose_pieces(text)]
        return "".join(piece for owner, piece in pieces if owner not in words and not self._names(piece, held, words))

    def _names(self, piece: str, held: frozenset[str], words: list[str]) -> bool:
        return bool(self._reader.families_of(_code_of(piece)) & held) or any(_means(word, piece) for word in words)


def _means(word: str, piece: str) -> bool:
    """Whether a word stands for code in a piece: a plain English one only where it looks like code."""
    if word not in piece:
        return False
    name = re.escape(word)
    if "_" in word or any(c.isdigit() or c.isupper() for c in word):
        return re.search(rf"\b{name}\b", piece) is not None
    return re.search(rf"(?:[.`~]|\b(?:def|class|import)\s+){name}\b|\b{name}\s*[(,]|,\s*{name}\b", piece) is not None


def _python_pieces(text: str) -> list[tuple[str, str]]:
    """(class it belongs to, source) of a module's statements, methods apart. Empty where it's no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    if not any(isinstance(n, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) for n in tree.body):
        return []
    lines = lines_of(text)
    pieces: list[tuple[str, str]] = []
    start = 0
    for owner, end in [*(found for node in tree.body for found in _ends(node)), ("", len(lines))]:
        if end > start:
            pieces.append((owner, "".join(lines[start:end])))
            start = end
    return pieces


def _ends(node: ast.stmt) -> Iterator[tuple[str, int]]:
    """(class, last line) of a statement, or of each statement in a class."""
    if isinstance(node, ast.ClassDef):
        yield from ((node.name, child.end_lineno or child.lineno) for child in node.body)
    else:
        yield "", node.end_lineno or node.lineno


def _prose_pieces(text: str) -> list[str]:
    """Paragraphs and fenced blocks; an indented or doctest block keeps its blank lines and its introduction."""
    pieces: list[list[str]] = [[]]
    fenced = False
    blank = False
    for line in text.splitlines(keepends=True):
        fence = _FENCE.match(line) is not None
        code = line.startswith((" ", "\t", ">>>"))
        if blank and not fenced and not code and line.strip():
            pieces.append([])
        pieces[-1].append(line)
        fenced ^= fence
        blank = not line.strip()
    return ["".join(piece) for piece in pieces if piece]


def _code_of(piece: str) -> str:
    """The Python in a piece: itself, or the statements of its doctests."""
    if ">>>" not in piece:
        return piece
    lines = re.findall(r"^\s*(?:>>>|\.\.\.) ?(.*)$", piece, flags=re.MULTILINE)
    return "\n".join(lines)
