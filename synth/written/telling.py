"""What prose may say of a change to a program: nothing foreign, nothing that gives the new text away, what changed."""

from __future__ import annotations

import builtins
import difflib
import io
import keyword
import re
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from registry.records import Verdict
from registry.text import distance, lines_of

MOST_LINES = 12
"""From the first line that a mistake changes to the last one."""

_SPELLED = re.compile(r"`([^`\n]+)`|\b(\w*[A-Za-z0-9]_\w+)|\b(\w+(?:\.\w+)+)|\b(\w+)(?=\()")
_KEYWORD = re.compile(r"\b([A-Za-z_]\w*)=(?=\w)")
_SPAN = re.compile(r"(?<=`)[^`\n]+(?=`)|\b\w[\w.]*\([^()\n]*\)")
_ERROR = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning)\b")
_WORD = re.compile(r"[A-Za-z_]\w*")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PLAIN = frozenset(["e", "g", "i", "etc", "self", "Python", "python", *dir(builtins)])


@dataclass(frozen=True)
class Difference:
    """In which lines two programs differ, from the first one to the last one.

    Attributes:
        old: The lines of the one, joined.
        new: The lines of the other.
        places: [first, last] lines of the one in each place, 1-based; [n + 1, n] is the place behind line n.
        span: Lines from the first to the last change, in whichever has more.
    """

    old: str
    new: str
    places: tuple[tuple[int, int], ...]
    span: int

    @property
    def tokens(self) -> int:
        """Words and signs put in, taken out or replaced."""
        return distance(_TOKEN.findall(self.old), _TOKEN.findall(self.new))


def difference(old: str, new: str) -> Difference | None:
    """Where two texts differ; None where they don't."""
    one, other = lines_of(old), lines_of(new)
    found = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    codes = [code for code in found if code[0] != "equal"]
    if not codes:
        return None
    removed = "".join(line for _, a, b, _, _ in codes for line in one[a:b])
    added = "".join(line for _, _, _, a, b in codes for line in other[a:b])
    span = max(codes[-1][2] - codes[0][1], codes[-1][4] - codes[0][3])
    return Difference(removed, added, tuple((a + 1, b) for _, a, b, _, _ in codes), span)


def foreign(prose: str, *known: str) -> list[str]:
    """What a prose spells as code that none of the texts has: names in backticks, with dots, underscores, brackets."""
    words = frozenset(word for text in known for word in _WORD.findall(text)) | _PLAIN
    spelled = [next(filter(None, found)) for found in _SPELLED.findall(prose)]
    names = [word for text in spelled for word in _WORD.findall(text)]
    return list(dict.fromkeys(name for name in names if name not in words))


def gives_away(prose: str, changed: Difference) -> str:
    """What a prose says of the new text that the old one doesn't: a line, a name, or code; empty where nothing."""
    said = " ".join(prose.split())
    for line in changed.new.splitlines():
        plain = " ".join(line.split())
        if len(plain) > 12 and plain in said:
            return plain
    new = set(_WORD.findall(changed.new)) - set(_WORD.findall(changed.old))
    told = {word for found in _SPELLED.findall(prose) for text in found for word in _WORD.findall(text)}
    told.update(_KEYWORD.findall(prose))
    one, other = ("".join(text.split()) for text in (changed.old, changed.new))
    spans = ("".join(span.split()) for span in _SPAN.findall(prose))
    return min(new & told, default="") or next((s for s in spans if len(s) > 2 and s in other and s not in one), "")


def other_errors(prose: str, verdict: Verdict) -> list[str]:
    """Errors and warnings that a prose names, and that a run didn't end in: nobody saw these."""
    raised: Any = verdict.exception
    seen = {str(raised.get("type", "")).rpartition(".")[2], *_ERROR.findall(verdict.detail), "AssertionError"}
    return list(dict.fromkeys(name for name in _ERROR.findall(prose) if name not in seen))


def is_about(prose: str, changed: Difference) -> bool:
    """Whether a prose names something of what changed: what is on one side only; where that has no names, on both.

    Words of the language itself say nothing, unless they are what changed: `for` and `not` stand in any sentence.
    """
    words = {word.lower() for word in _WORD.findall(prose) if len(word) > 2}
    old, new = (set(_WORD.findall(text)) for text in (changed.old, changed.new))
    names = {w for w in old ^ new if len(w) > 2} or {w for w in (old | new) - {*keyword.kwlist} if len(w) > 2}
    parts = {part.lower() for name in names for part in (name, *name.split("_")) if len(part) > 2}
    return bool(words & parts)


def comments(code: str) -> frozenset[str]:
    """The comments of a program that parses."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):
        return frozenset()
    return frozenset(token.string for token in tokens if token.type == tokenize.COMMENT)


def listed(names: Iterable[str]) -> str:
    """Names in backticks, with commas."""
    return ", ".join(f"`{name}`" for name in names)
