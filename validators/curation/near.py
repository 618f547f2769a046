"""Near-duplicates: rows of one kind that say the same in other words.

Candidates are found by MinHash (Broder, "On the resemblance and containment of documents", 1997) over the shingles of
programs' forms, and decided by the exact index of Jaccard. Of two rows that are alike the first stays: rows of the
current release come before others, those that no LLM wrote before those that it wrote, and of these the lowest id, so
neither order nor the sketches' seed matter.

A high index alone is no reason: tests of `nx.Graph` and `nx.DiGraph` share 97% of their shingles. So two rows are
alike where they also speak of the same things, as often, or where they are the same test or example at two releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rensa import RMinHash, RMinHashLSH

from registry.records import Example
from validators.curation.forms import Form, Forms, likeness, shingles
from validators.parts import programs_of

LIKE = 0.8
"""Programs that speak of the same are alike from this index of Jaccard on."""

_PERMUTATIONS, _BANDS = 128, 32
"""Bands of four: of pairs at `LIKE` one in ten million is missed."""

AFTER: Mapping[str, str] = {
    "doc": "answer", "test": "answer", "bug": "fixed", "drift": "new", "edit": "after", "locate": "original",
    "fim": "whole", "preference": "chosen", "syntax": "fixed", "task": "answer", "repair": "answer", "chat": "block1",
}  # fmt: skip
"""Kind -> the role of the program that two rows are compared by."""

_BEFORE: Mapping[str, str] = {
    "bug": "buggy", "drift": "old", "edit": "before", "locate": "corrupted", "syntax": "buggy", "repair": "attempt1",
}  # fmt: skip
"""Kind -> the role of the program from which it is changed; alike rows change the same."""

_GAP: Mapping[str, tuple[str, str]] = {"preference": ("prompt", "chosen"), "fim": ("prefix", "middle")}
"""Kind -> the texts that say where in its program a row asks for what; alike rows ask for the same."""

_WORD = re.compile(r"\w+")
_PIECE = re.compile(r"\w+|[^\w\s]")


def near_duplicates(examples: Iterable[Example], forms: Forms, current: str = "") -> dict[str, str]:
    """Id of every row that is like another -> id of the row that stays in its place.

    Rows of one root are made to differ, so they are not compared. The pairs of a call site stay or go together.

    Args:
        examples: The rows, of any kinds.
        forms: The forms of their programs.
        current: Id of the release that is trained for.
    """
    units: dict[str, dict[str, list[Example]]] = {}
    for row in sorted(examples, key=lambda e: (e.releases[-1:] != (current,), bool(e.written), e.id)):
        name = row.root if row.kind == "preference" else row.id
        units.setdefault(row.kind, {}).setdefault(name, []).append(row)
    gone: dict[str, str] = {}
    for kind in sorted(units):
        heads = [_Row(rows[0], forms) for rows in units[kind].values()]
        for head, stays in _repeats([h for h in heads if h.shingles]):
            name = head.example.root if kind == "preference" else head.example.id
            gone.update((row.id, stays.example.id) for row in units[kind][name])
    return gone


def _repeats(rows: list[_Row]) -> Iterator[tuple[_Row, _Row]]:
    """(row, the first row before it that it is like), for rows in the order in which they would stay."""
    sketches = RMinHash.from_token_sets([r.shingles for r in rows], _PERMUTATIONS, 1)
    index = RMinHashLSH(LIKE, _PERMUTATIONS, _BANDS)
    for n, row in enumerate(rows):
        like = next((rows[k] for k in sorted(index.query(sketches[n])) if row.is_like(rows[k])), None)
        if like is not None:
            yield row, like
        else:
            index.insert(n, sketches[n])


@dataclass(frozen=True)
class _Row:
    """A row that others are compared with."""

    example: Example
    forms: Forms

    @cached_property
    def programs(self) -> Mapping[str, str]:
        return programs_of(self.example)

    @cached_property
    def after(self) -> str:
        return self.programs.get(AFTER.get(self.example.kind, ""), "")

    @cached_property
    def shingles(self) -> frozenset[str]:
        if self.example.kind == "text":
            parts: Any = self.example.parts
            return shingles(_WORD.findall(str(parts.get("text", ""))))
        return self.form.shingles

    @cached_property
    def form(self) -> Form:
        return self.forms.of(self.after)

    @cached_property
    def core(self) -> tuple[Any, ...]:
        """What alike rows have exactly in common beside what they speak of: files, the change, the gap."""
        example = self.example
        if example.kind == "text":
            return ()
        gap = _gap(example, _GAP[example.kind], self.form.said) if example.kind in _GAP else ()
        before = self.programs.get(_BEFORE.get(example.kind, ""), "")
        old = self.forms.of(before).tokens
        changed = _changed(old, self.form.tokens) if old else before  # what doesn't parse is like nothing else
        return (example.family if gap else None, self.forms.files(self.after), changed, gap)

    def is_like(self, other: _Row) -> bool:
        """Whether one of the two is enough."""
        one, two = self.example, other.example
        if one.root == two.root or not (self._speaks_as(other) or _is_another_release(one, two)):
            return False
        return likeness(self.shingles, other.shingles) >= LIKE and self.core == other.core

    def _speaks_as(self, other: _Row) -> bool:
        return self.form.said == other.form.said


def _is_another_release(one: Example, other: Example) -> bool:
    """Whether two rows are mined from the same place of two releases."""
    origins = [(e.file, e.parts.get("name")) for e in (one, other)]
    return one.releases != other.releases and origins[0] == origins[1] and origins[0][1] is not None


def _changed(before: Sequence[str], after: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The tokens of two forms between their common start and end."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    end = next((i for i in range(shorter - start) if before[-1 - i] != after[-1 - i]), shorter - start)
    return before[start : len(before) - end], after[start : len(after) - end]


def _gap(example: Example, texts: tuple[str, str], spoken: Iterable[str]) -> tuple[Any, ...]:
    """What is asked for, without the names its program binds, and how often what begins like it stands before it."""
    parts: Any = example.parts
    before, asked = (str(parts.get(name, "")) for name in texts)
    words = {word.lstrip(".") for word in spoken}
    pieces = [w for w in _PIECE.findall(asked) if w in words or not w.isidentifier()]
    return tuple(pieces), before.count(next((w for w in pieces if w.isidentifier()), "\0"))
