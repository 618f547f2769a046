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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from sys import intern
from typing import Any, NamedTuple

from rensa import RMinHash

from registry.records import Example
from validators.curation.forms import Form, Forms, likeness, shingles
from validators.parts import programs_of

LIKE = 0.8
"""Programs that speak of the same are alike from this index of Jaccard on."""

_PERMUTATIONS, _BANDS = 128, 32
"""Bands of four: of pairs at `LIKE` one in ten million is missed."""

_ODD = 0x9E3779B97F4A7C15
"""Multiplies what is hashed: 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, 6.4)."""

_AT_HAND = 512
"""Rows that are in memory at a time."""

_SITE = "preference"
"""The kind of which several rows are of one call site."""

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


def near_duplicates(
    names: Iterable[str], examples: Mapping[str, Example], forms: Forms, current: str = ""
) -> dict[str, str]:
    """Id of every row that is like another -> id of the row that stays in its place.

    Rows of one root are made to differ, so they are not compared. The pairs of a call site stay or go together.

    Args:
        names: Ids of the rows, of any kinds.
        examples: Id -> row.
        forms: The forms of their programs.
        current: Id of the release that is trained for.
    """
    heads: dict[str, list[_Head]] = {}
    pairs: dict[str, list[_Head]] = {}
    for name in names:
        kind, head = _Head.of(examples[name], current)
        (pairs.setdefault(head.root, []) if kind == _SITE else heads.setdefault(kind, [])).append(head)
    if pairs:
        heads[_SITE] = [min(found) for found in pairs.values()]

    @lru_cache(maxsize=_AT_HAND)
    def look(name: str) -> _Row:
        return _Row(examples[name], forms)

    gone: dict[str, str] = {}
    for kind in sorted(heads):
        for head, stays in _repeats(sorted(heads[kind]), look):
            of_site = pairs[head.root] if kind == _SITE else [head]
            gone.update((one.id, stays.id) for one in of_site)
    return gone


class _Head(NamedTuple):
    """A row, or the first pair of a call site, in the order in which rows stay."""

    is_older: bool
    is_written: bool
    id: str
    root: str

    @classmethod
    def of(cls, row: Example, current: str) -> tuple[str, _Head]:
        """Its kind, and what of it is held in memory."""
        return row.kind, cls(row.releases[-1:] != (current,), bool(row.written), row.id, intern(row.root))


def _repeats(heads: Sequence[_Head], look: Callable[[str], _Row]) -> Iterator[tuple[_Head, _Head]]:
    """(row, the first row before it that it is like), for rows in the order in which they would stay."""
    sharing = _sharing(heads, look)
    gone: set[int] = set()
    for n, head in enumerate(heads):
        near = sorted({k for band in sharing.get(n, ()) for k in band if k < n and k not in gone})
        others = (heads[k] for k in near if heads[k].root != head.root)
        like = next((other for other in others if look(head.id).is_like(look(other.id))), None)
        if like is not None:
            yield head, like
            gone.add(n)


def _sharing(heads: Sequence[_Head], look: Callable[[str], _Row]) -> dict[int, list[tuple[int, ...]]]:
    """Place of a row -> the places of rows that have a band of their sketches in common with it, band by band.

    Only of rows that speak of the same, or come from the same place: no others are alike, however near, and among rows
    that one template made every pair would be looked at. In memory are numbers for each row, no index: most rows have
    no band in common with any.
    """
    import numpy as np

    banded = np.zeros((len(heads), _BANDS), dtype=np.uint64)
    said, origins = (np.zeros(len(heads), dtype=np.int64) for _ in range(2))
    sketched: list[int] = []
    named: list[int] = []
    for start in range(0, len(heads), _AT_HAND):
        found = {n: look(heads[n].id) for n in range(start, min(start + _AT_HAND, len(heads)))}
        places = [n for n, row in found.items() if row.shingles]
        sketches = RMinHash.from_token_sets([found[n].shingles for n in places], _PERMUTATIONS, 1)
        banded[places] = _bands(np.array([s.digest() for s in sketches], dtype=np.uint64))
        said[places] = [hash(found[n].form.said) for n in places]
        origins[places] = [hash(found[n].origin) for n in places]
        sketched += places
        named += [n for n in places if found[n].origin]
    bands: dict[tuple[int, ...], None] = {}
    for keys, among in ((said, np.array(sketched, dtype=int)), (origins, np.array(named, dtype=int))):
        for column in range(_BANDS):
            values = _mixed(banded[among, column], keys[among].astype(np.uint64))
            order = np.argsort(values, kind="stable")
            values = values[order]
            starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True]) if len(values) else np.array([0])
            sizes = np.diff(starts)
            for start, size in zip(starts[:-1][sizes > 1], sizes[sizes > 1], strict=True):
                bands[tuple(among[order[start : start + size]].tolist())] = None
    sharing: dict[int, list[tuple[int, ...]]] = {}
    for band in bands:
        for place in band:
            sharing.setdefault(place, []).append(band)
    return sharing


def _bands(sketches: Any) -> Any:
    """(n, 128) hashes of sketches as (n, 32): of four in a row one number. Equal bands have equal numbers."""
    import numpy as np

    rows = sketches.reshape(len(sketches), _BANDS, _PERMUTATIONS // _BANDS)
    mixed = np.zeros((len(sketches), _BANDS), dtype=np.uint64)
    for row in range(rows.shape[2]):
        mixed = _mixed(mixed, rows[:, :, row])
    return mixed


def _mixed(numbers: Any, others: Any) -> Any:
    """Numbers of 64 bits with others in them: equal pairs give equal ones."""
    import numpy as np

    mixed = (numbers ^ others) * np.uint64(_ODD)
    return mixed ^ mixed >> np.uint64(29)


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

    @property
    def origin(self) -> tuple[str, str] | None:
        """The place that it is mined from, which is the same at other releases."""
        name = self.example.parts.get("name")
        return None if name is None else (self.example.file, str(name))

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
        is_another_release = one.releases != two.releases and self.origin is not None and self.origin == other.origin
        if one.root == two.root or not (self.form.said == other.form.said or is_another_release):
            return False
        return likeness(self.shingles, other.shingles) >= LIKE and self.core == other.core


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
