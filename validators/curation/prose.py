"""What is left of prose without the paragraphs, code blocks and entries that give something away."""

from __future__ import annotations

import re
from collections.abc import Callable

from registry.prose import is_rule

_FENCE = re.compile(r"^\s*(```|~~~)")
_TALLEST = 4
"""Lines that are too many for a heading with a rule under it, and one over it."""
_LIST = re.compile(r"^\s*(?:\.\.\s+(?:autosummary|toctree)::|```\{(?:autosummary|toctree)\})", re.MULTILINE)


def without(text: str, gives_away: Callable[[str], bool]) -> str:
    """The text without what gives away: paragraphs, blocks of code, entries of lists of contents, emptied sections."""
    given = pieces(text)
    levels = list(dict.fromkeys(_level(piece) for piece in given if is_heading(piece)))
    kept: list[str] = []
    cut = False  # whether anything went since the last piece that stayed
    for piece in [*given, ""]:
        rest = _entries(piece, gives_away)
        if piece and not rest:
            cut = True
            continue
        while cut and kept and is_heading(kept[-1]) and (not rest or _is_upper(rest, kept[-1], levels)):
            kept.pop()
        kept.append(rest)
        cut = False
    return "".join(kept)


def _is_upper(piece: str, other: str, levels: list[str]) -> bool:
    """Whether a piece is a heading that ends the section of another one."""
    return is_heading(piece) and levels.index(_level(piece)) <= levels.index(_level(other))


def pieces(text: str) -> list[str]:
    """Headings, paragraphs and fenced blocks; an indented or doctest block keeps its blank lines and introduction."""
    found: list[list[str]] = [[]]
    fenced = False
    blank = False
    said = 0  # lines of the last piece that aren't blank: a long one is read no further for being a heading
    for line in text.splitlines(keepends=True):
        code = line.startswith((" ", "\t", ">>>"))
        is_headed = line.strip() and said < _TALLEST and is_heading("".join(found[-1]))
        if not fenced and (is_headed or (blank and not code and line.strip())):
            found.append([])
            said = 0
        found[-1].append(line)
        fenced ^= _FENCE.match(line) is not None
        blank = not line.strip()
        said += not blank
    return ["".join(piece) for piece in found if piece]


def is_heading(piece: str) -> bool:
    """Whether a piece is a heading and nothing else."""
    lines = [line for line in piece.splitlines() if line.strip()]
    if len(lines) == 1:
        return lines[0].startswith("#")
    return 1 < len(lines) < _TALLEST and is_rule(lines[-1]) and not is_rule(lines[-2])


def _level(piece: str) -> str:
    last = piece.rstrip().splitlines()[-1]
    return last[: len(last) - len(last.lstrip("#"))] or last[0]


def _entries(piece: str, gives_away: Callable[[str], bool]) -> str:
    """A piece, a list of contents without the entries that give away; empty where it has to go."""
    if not gives_away(piece):
        return piece
    if not _LIST.search(piece):
        return ""
    rest = "".join(line for line in piece.splitlines(keepends=True) if not gives_away(line))
    return rest if _LIST.search(rest) and not gives_away(rest) else ""
