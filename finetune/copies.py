"""Which training rows an output is nearest to: those that it shares the longest run of tokens with.

A run counts as it stands, as in studies of memorisation (Lee et al., "Deduplicating Training Data Makes Language Models
Better", ACL 2022, where a generation that shares 50 tokens in a row with the training data is a copy), and it counts
under other names: the names that a text binds may stand for each other, one to one (parameterised matching: Baker,
"Parameterized Duplication in Strings", SIAM Journal on Computing 26, 1997). A name that a cut-off piece of code uses
and doesn't bind is compared as it stands. Tokens are words, numbers and single signs, not those of a model.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from registry.records import Example, Program

AT_LENGTH = 50
"""An output with so many tokens in a row from one row is a copy at length."""

NEAR = 8
"""A shorter shared run says nothing: `import networkx as nx` has 4 tokens, an assignment of a call about 8."""

_PLACES = 64
"""Places of one run in an output that are looked at: an output that says the same over and over has thousands."""

_UNLEARNED = ("stub", "empty", "alone")
"""Beginnings of the roles of programs that only prove something; nobody is shown them."""

_TOKEN = re.compile(r"[^\W\d]\w*|\d[\w.]*|[^\w\s]")
_NAME = re.compile(r"[^\W\d]\w*")
_BINDING = re.compile(
    r"""^[ \t]*(?P<assigned>\w+(?:[ \t]*,[ \t]*\w+)*)[ \t]*(?::[^=\n]*)?=(?!=)
    | \b(?:for\s(?P<looped>[\w\s,()]{1,200}?)\sin | as\s(?P<renamed>\w+) | class\s(?P<named>\w+))\b
    | \bdef\s(?P<defined>\w+(?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\)){0,2000}\))?)
    | \blambda\s(?P<taken>[^:\n]{0,200}):""",
    re.MULTILINE | re.VERBOSE,
)
_INNER = re.compile(r"\[[^][]*\]|\{[^{}]*\}|\([^()]*\)")
"""Brackets in a signature: annotations, and defaults that are calls, displays or lambdas."""
_PARAMETER = re.compile(r"(?:^|[(,])\s*\*{0,2}([^\W\d]\w*)")
"""A function's name, or one that its signature binds: not those of annotations and defaults."""
_RESERVED = frozenset({*keyword.kwlist, *dir(builtins)})
_BOUND = " "
"""What stands for every name that a text binds; no token is so."""


@dataclass(frozen=True)
class Match:
    """What an output shares with one training row.

    Attributes:
        row: Id of the row.
        tokens: Tokens of the longest shared run.
        share: Share of the output's tokens that stand in a shared run, in (0, 1].
        lines: First and last line of the longest run in the output, from 1.
        renamed: The row's name -> the output's, of those names in the longest run that differ.
    """

    row: str
    tokens: int
    share: float
    lines: tuple[int, int]
    renamed: Mapping[str, str] = field(default_factory=dict)


def texts_of(example: Example, programs: Mapping[str, Program]) -> list[str]:
    """What a row shows of itself: its programs with their tests, what it asks, and the text that it is or quotes.

    Args:
        example: The row.
        programs: Program id -> program; those that aren't there are left out.
    """
    parts: Any = example.parts
    named = {role: name for role, name in parts.get("programs", {}).items() if not role.startswith(_UNLEARNED)}
    shown = [programs[name] for _, name in sorted(named.items()) if name in programs]
    said = [parts.get("prompt", ""), parts.get("text", ""), *(c.get("text", "") for c in parts.get("context", ()))]
    return [text for text in (*(f"{p.code}\n{p.test}" for p in shown), *map(str, said)) if text]


def copied(outputs: Sequence[str], rows: Mapping[str, Sequence[str]], *, least: int = AT_LENGTH) -> list[Match | None]:
    """Of each output the row that it copies at length; None where it copies none.

    Args:
        outputs: What a model wrote, without what it was given.
        rows: Id of a training row -> its texts (`texts_of`).
        least: Tokens in a row that make a copy.
    """
    return [found[0] if found else None for found in nearest(outputs, rows, least=least)]


def nearest(outputs: Sequence[str], rows: Mapping[str, Sequence[str]], *, least: int = NEAR) -> list[list[Match]]:
    """Of each output the rows that it shares a run with, nearest first: by the longest run, then by the share.

    The outputs are indexed and the rows read once, in about the time it takes to cut them into tokens.

    Args:
        outputs: Texts.
        rows: Id of a training row -> its texts (`texts_of`).
        least: Tokens of the shortest run that counts.
    """
    read = [_Text(text) for text in outputs]
    indexes = [_Index([text.spelled(free=free) for text in read], least) for free in (False, True)]
    holders: dict[str, list[str]] = {}
    for row, texts in rows.items():
        for text in dict.fromkeys(texts):
            holders.setdefault(text, []).append(row)
    found: list[dict[str, list[_Run]]] = [{} for _ in outputs]
    for text, holding in holders.items():
        for run in _runs(_Text(text), read, indexes):
            for row in holding:
                found[run.output].setdefault(row, []).append(run)
    return [
        sorted((_match(text, row, runs) for row, runs in shared.items()), key=lambda m: (-m.tokens, -m.share, m.row))
        for text, shared in zip(read, found, strict=True)
    ]


def _match(output: _Text, row: str, runs: Sequence[_Run]) -> Match:
    longest = max(runs, key=lambda r: (r.tokens, -len(r.renamed)))
    covered = {place for run in runs for place in range(run.at, run.at + run.tokens)}
    lines = (output.lines[longest.at], output.lines[longest.at + longest.tokens - 1])
    return Match(row, longest.tokens, len(covered) / len(output.tokens), lines, longest.renamed)


class _Text:
    """A text as tokens, and the names that it binds."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = _TOKEN.findall(text)

    def spelled(self, *, free: bool) -> list[str]:
        """The tokens; where `free`, one sign in place of each name that the text binds, attributes excepted."""
        if not free:
            return self.tokens
        bound = {name for found in _BINDING.finditer(self.text) for name in _named(found)} - _RESERVED
        before = ["", *self.tokens]
        return [_BOUND if token in bound and last != "." else token for last, token in pairwise(before)]

    @cached_property
    def lines(self) -> list[int]:
        """The line of each token, from 1."""
        ends = [0, *(found.start() for found in _TOKEN.finditer(self.text))]
        return list(accumulate((self.text.count("\n", a, b) for a, b in pairwise(ends)), initial=1))[1:]


def _named(found: re.Match[str]) -> list[str]:
    """The names that a binding binds."""
    text = found[found.lastgroup or 0]
    if found.lastgroup not in ("defined", "taken"):
        return _NAME.findall(text)
    head, opens, signature = text.partition("(") if found.lastgroup == "defined" else ("", "", text)
    inner = 1
    while inner:
        signature, inner = _INNER.subn("", signature)
    return _PARAMETER.findall(head + opens + signature)


@dataclass(frozen=True)
class _Run:
    """A run that an output shares with a text: `tokens` of it from `at` on."""

    output: int
    at: int
    tokens: int
    renamed: Mapping[str, str]


def _runs(text: _Text, outputs: Sequence[_Text], indexes: Iterable[_Index]) -> Iterator[_Run]:
    """What a text shares with the outputs, as it stands and under other names."""
    for free, index in zip((False, True), indexes, strict=True):
        spelled = text.spelled(free=free)
        for output, at, since, length in index.stretches(spelled):
            stretch = slice(since, since + length)
            ours, bound = outputs[output].tokens[at : at + length], [token == _BOUND for token in spelled[stretch]]
            pairs = list(zip(ours, text.tokens[stretch], bound, strict=True))
            start, kept = _one_to_one(pairs)
            if kept >= index.least:
                renamed = {b: a for a, b, _ in pairs[start : start + kept] if a != b}
                yield _Run(output, at + start, kept, renamed)


class _Index:
    """Where each run of `least` tokens stands in the outputs, in one spelling."""

    def __init__(self, outputs: Sequence[Sequence[str]], least: int) -> None:
        self.least = least
        self._numbers: dict[str, int] = {}
        self._places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for output, tokens in enumerate(outputs):
            numbers = [self._numbers.setdefault(token, len(self._numbers) + 1) for token in tokens]
            for at in range(len(numbers) - least + 1):
                places = self._places.setdefault(tuple(numbers[at : at + least]), [])
                if len(places) < _PLACES or places[-_PLACES][0] != output:
                    places.append((output, at))

    def stretches(self, tokens: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
        """(output, its first token, the first of `tokens`, how many) of every shared run that can't be lengthened."""
        known, least = self._numbers.get, self.least
        numbers = [known(token, 0) for token in tokens]  # 0: a token of no output, in no shared run
        since = 0
        going: dict[tuple[int, int], int] = {}  # (output, where its last whole piece began) -> tokens so far
        for end, number in enumerate([*numbers, 0], 1):
            hits: Sequence[tuple[int, int]] = ()
            if not number:
                since = end
            elif end - since >= least:
                hits = self._places.get(tuple(numbers[end - least : end]), ())
            if hits or going:
                longer = {(output, at): going.pop((output, at - 1), least - 1) + 1 for output, at in hits}
                for (output, at), length in going.items():
                    yield output, at + least - length, end - 1 - length, length
                going = longer


def _one_to_one(pairs: Iterable[tuple[str, str, bool]]) -> tuple[int, int]:
    """Start and length of the longest stretch in which names stand for each other one to one.

    Args:
        pairs: The output's token, the row's, and whether both are names that their text binds.
    """
    start, best = 0, (0, 0)
    forth: dict[str, tuple[str, int]] = {}  # name -> what stood for it last, and where
    back: dict[str, tuple[str, int]] = {}
    for place, (our, their, bound) in enumerate(pairs):
        for known, one, other in ((forth, their, our), (back, our, their)) if bound else ():
            before, last = known.get(one, (other, -1))
            if before != other:
                start = max(start, last + 1)
            known[one] = (other, place)
        if place + 1 - start > best[1]:
            best = (start, place + 1 - start)
    return best
