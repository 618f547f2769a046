"""Old code against new code, line by line, with the words that differ marked within lines that are alike."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LINES = 400
"""Lines of either side that are compared: a row may hold any text, and comparing takes the square of it."""

_WORDS = 200
"""Words of a line within which differences are looked for."""

_ALIKE = 0.35
"""Lines less alike than this are shown as one that went and one that came."""

_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Some text of a line, and whether it differs from the other side."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class Line:
    """A line of a diff.

    Attributes:
        sign: `-` went, `+` came, a space stayed.
        pieces: Its text.
    """

    sign: str
    pieces: tuple[Piece, ...]


def diff(old: str, new: str) -> list[Line]:
    """What differs between two programs, whole: lines that stayed are shown too.

    Args:
        old: The code before.
        new: The code after.
    """
    before, after = old.splitlines(), new.splitlines()
    left = max(len(before), len(after)) - _LINES
    before, after = before[:_LINES], after[:_LINES]
    lines: list[Line] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [Line(" ", (Piece(text),)) for text in before[i:j]]
        else:
            lines += _changed(before[i:j], after[k:m])
    if left > 0:
        lines.append(Line(" ", (Piece(f"… and {left:,} lines more, not shown"),)))
    return lines


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """A block that was replaced: its lines in pairs where they are as many, else what went and then what came."""
    if len(before) != len(after):
        yield from (Line("-", (Piece(text),)) for text in before)
        yield from (Line("+", (Piece(text),)) for text in after)
        return
    pairs = [_words(old, new) for old, new in zip(before, after, strict=True)]
    yield from (Line("-", old) for old, _ in pairs)
    yield from (Line("+", new) for _, new in pairs)


def _words(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The pieces of two lines, those that differ marked; none is where the lines have little in common."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    whole = ((Piece(old),), (Piece(new),))
    if max(len(before), len(after)) > _WORDS:
        return whole
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return whole
    steps = matcher.get_opcodes()
    was = tuple(Piece("".join(before[i:j]), tag != "equal") for tag, i, j, _, _ in steps if j > i)
    now = tuple(Piece("".join(after[k:m]), tag != "equal") for tag, _, _, k, m in steps if m > k)
    return was, now
