"""A trigram model over tokens of code: what tends to stand in a place, counted over the library's own code."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def _raised(row: Sequence[str]) -> Iterator[str]:
    """The names behind `raise` and `except`, without the modules they are called through."""
    for at, word in enumerate(row):
        if word in ("raise", "except"):
            end = at + 1
            while row[end + 1 : end + 2] == ["."]:
                end += 2
            if row[end : end + 1] and row[end].isidentifier():
                yield row[end]


class Trigrams:
    """Counts of two and three tokens in a row, and the names of what is raised and caught.

    Args:
        codes: Texts of code.
        sorts: Name -> what sort of thing it is, where that is known.
    """

    def __init__(self, codes: Iterable[str], sorts: Mapping[str, str] | None = None) -> None:
        self._sorts = dict(sorts or {})
        self._seen: Counter[str] = Counter()
        self._two: Counter[tuple[str, str]] = Counter()
        self._behind: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for code in codes:
            row = ["\n", "\n", *(_counted(t) for t in tokens(code))]
            self._two.update(itertools.pairwise(row[1:]))
            for first, second, third in zip(row, row[1:], row[2:], strict=False):
                self._behind[first, second][third] += 1
            self._seen.update(row)
            self._sorts.update(dict.fromkeys(_raised(row), "raised"))

    def score(self, row: Sequence[str], token: str) -> int:
        """How well a token fits between others: 0 where the model never saw it in such a place.

        Args:
            row: Two tokens before the place, and one behind it.
            token: What would stand there.
        """
        first, second, behind = row
        seen = self._behind[first, second][token] if (first, second) in self._behind else 0
        return (2 * seen + self._two[second, token]) * self._two[token, behind]

    def knows(self, token: str) -> bool:
        """Whether it was ever seen."""
        return token in self._seen

    def commonness(self, token: str) -> int:
        """In how many digits is written how often it was seen."""
        return len(str(self._seen[token]))

    def sort(self, name: str) -> str:
        """What sort of thing a name stands for; empty where that isn't known."""
        return self._sorts.get(name, "")

    def same_sort(self, one: str, other: str) -> bool:
        """Whether two names stand for the same sort of thing, as far as is known."""
        return self._sorts.get(one) == self._sorts.get(other)

    def candidates(self, row: Sequence[str]) -> list[str]:
        """Tokens seen behind two others, the commonest first."""
        found: Counter[str] = self._behind.get((row[0], row[1]), Counter())
        return sorted(found, key=lambda token: (-found[token], token))
