"""Exact duplicates: rows of one kind whose programs or texts are equal but for layout.

One of the current release stays before one of an older release, one that no LLM wrote before one that it wrote, and of
these the one with the lowest id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sys import intern
from typing import Any, NamedTuple

from registry.identity import sha256_of
from registry.records import Example, Program
from validators.parts import programs_of, turns

_ROLES = (
    "answer", "old", "new", "buggy", "fixed", "chosen", "rejected", "whole", "before", "after", "original", "corrupted",
)  # fmt: skip
"""Programs that make a row what it is; a stub follows from its answer."""

_CUTS = ("prefix", "middle")
"""Texts that make a row what it is beside its programs: where a gap is."""


_AT_HAND = 4096
"""Programs whose hashes are remembered."""


def duplicates(examples: Iterable[Example], programs: Mapping[str, Program], current: str = "") -> dict[str, str]:
    """Id of every row that repeats another -> id of the row that stays in its place.

    The pairs of one call site belong together (choice@1 compares them with each other), so of two equal call sites
    one stays, with all its pairs, and all pairs of the other go.

    Args:
        examples: The rows, of any kinds.
        programs: Program id -> program.
        current: Id of the release that is trained for.
    """
    texts = Texts(programs)
    rows = sorted(_Told.of(row, texts, current) for row in examples)
    first_root: dict[str, str] = {}
    for row in rows:
        if row.root:
            first_root[row.site] = min(row.root, first_root.get(row.site, row.root))
    kept: dict[tuple[str, str], str] = {}
    stays: dict[str, str] = {}
    gone: list[_Told] = []
    for row in rows:
        if row.root and row.root != first_root[row.site]:
            gone.append(row)
            continue
        first = kept.setdefault((row.site, row.content), row.id)
        if first == row.id:
            stays.setdefault(row.site, row.id)
        else:
            gone.append(row)
    return {row.id: kept.get((row.site, row.content), stays[row.site]) for row in gone}


class _Told(NamedTuple):
    """What of a row is compared, in the order in which rows stay; the root only where it is a pair of a call site."""

    is_older: bool
    is_written: bool
    id: str
    root: str
    site: str
    content: str

    @classmethod
    def of(cls, row: Example, texts: Texts, current: str) -> _Told:
        is_older, root = row.releases[-1:] != (current,), row.root if row.kind == "preference" else ""
        return cls(is_older, bool(row.written), row.id, intern(root), intern(texts.site(row)), texts.content(row))


class Texts:
    """Layout-free hashes of what rows hold; a program's is remembered for a while.

    Args:
        programs: Program id -> program.
    """

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self._programs = programs
        self._known: dict[str, str] = {}

    def site(self, row: Example) -> str:
        """What a row is about: for a preference its call site, else its kind."""
        if row.kind != "preference":
            return row.kind
        parts: Any = row.parts
        texts = [str(parts.get(name, "")) for name in ("prompt", "chosen", "suffix")]
        return sha256_of([row.kind, *(normalise(t) for t in texts)])

    def content(self, row: Example) -> str:
        """What a row says, whatever its layout."""
        parts: Any = row.parts
        named = programs_of(row)
        texts = [[role, self._program(named[role])] for role in _ROLES if role in named]
        texts += [[name, normalise(str(parts[name]))] for name in _CUTS if name in parts]
        texts += [[role, normalise(text)] for role, text in turns(row)]
        if row.written and "prompt" in parts:  # the same program asked for in other words
            texts.append(["prompt", normalise(str(parts["prompt"]))])
        if not named:
            texts = [["text", normalise(str(parts.get("text", "")))]]
        return sha256_of([row.kind, texts])

    def _program(self, name: str) -> str:
        if len(self._known) == _AT_HAND:
            self._known.clear()
        if name not in self._known:
            p = self._programs.get(name)
            self._known[name] = name if p is None else sha256_of([normalise(p.code), normalise(p.test), dict(p.files)])
        return self._known[name]


def normalise(text: str) -> str:
    """`text` without blank lines, comment lines and trailing space."""
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
