"""A trigram model over tokens of code: what tends to stand in a place, counted over the library's own code."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>[rRbBfFuU]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}
        |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>(?:\d[\w]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+))
    |(?P<name>[^\W\d]\w*)
    |(?P<op>\*\*=|//=|>>=|<<=|\.\.\.|:=|->|==|!=|<=|>=|\+=|-=|\*=|/=|%=|\*\*|//|[^\w\s])
    |(?P<line>\n)""",
    re.VERBOSE | re.DOTALL,
)
LONG_TEXT = 20
"""Characters of a string beyond which it counts as any text."""

ANY_TEXT = '"…"'


@dataclass(frozen=True)
class Token:
    """A token of a program.

    Attributes:
        text: It.
        kind: name, number, string or op; line for the end of a line.
        at: Where it begins, in characters.
    """

    text: str
    kind: str
    at: int


def tokens(code: str) -> Iterator[Token]:
    """The tokens of a code, without comments; several ends of lines are one."""
    before = "line"
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup or ""
        if kind == "comment" or kind == before == "line":
            continue
        before = kind
        yield Token(match.group(), kind, match.start())


def _counted(token: Token) -> str:
    return ANY_TEXT if token.kind == "string" and len(token.text) > LONG_TEXT else token.text


class Trigrams:
    """Counts of two and three tokens in a row.

    Args:
        codes: Texts of code.
    """

    def __init__(self, codes: Iterable[str]) -> None:
        self._two: Counter[tuple[str, str]] = Counter()
        self._behind: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for code in codes:
            row = ["\n", "\n", *(_counted(t) for t in tokens(code))]
            self._two.update(itertools.pairwise(row[1:]))
            for first, second, third in zip(row, row[1:], row[2:], strict=False):
                self._behind[first, second][third] += 1

    def score(self, row: Sequence[str], token: str) -> int:
        """How well a token fits between others: 0 where the model never saw it in such a place.

        Args:
            row: Two tokens before the place, and one behind it.
            token: What would stand there.
        """
        first, second, behind = row
        seen = self._behind[first, second][token] if (first, second) in self._behind else 0
        return (2 * seen + self._two[second, token]) * self._two[token, behind]

    def candidates(self, row: Sequence[str]) -> list[str]:
        """Tokens seen behind two others, the commonest first."""
        found: Counter[str] = self._behind.get((row[0], row[1]), Counter())
        return sorted(found, key=lambda token: (-found[token], token))
