"""How hard a bug is to find, as far as its text says: how much of the program it changes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from registry.text import distance

_TOKEN = re.compile(r"\w+|[^\w\s]")


def edit_distance(code: str, edits: Iterable[tuple[int, int, str]]) -> int:
    """Tokens put in, taken out or replaced by edits of a text (Levenshtein over words and signs); blanks count 1."""
    return sum(max(1, distance(_TOKEN.findall(code[a:b]), _TOKEN.findall(text))) for a, b, text in edits)
