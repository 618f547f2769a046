"""Near-copies of what is evaluated on: call sites, or other rows, found again in rows to train on or in texts.

What names a held-out family is left out of training by the splits already. This finds what they can't see: the very
program that is evaluated (a method that several classes have names no family), the same program in another file, or one
that reaches the call by another way (`getattr(nx, "diameter")(G)`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern

from rensa import RMinHash, RMinHashLSH

from registry.records import Program
from validators.briefs import Brief
from validators.curation.contamination import trees_of
from validators.curation.forms import Form, Forms, form_of_tree, likeness, shingles

LIKE = 0.5
"""Share of shingles: of either program's in a near-copy, of the site's in a text that holds it.

Lower than for near-duplicates: what is wrongly left out costs a row, what is wrongly trained on the evaluation."""

_PERMUTATIONS, _BANDS = 128, 32

_AT_ONCE = 500
"""Programs whose sketches are made at once."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _Held:
    """A row that is evaluated on, its program's words, and names of which a copy and a text must hold one."""

    row: Brief
    words: frozenset[str]
    names: frozenset[str]
    told: frozenset[str]


class Copies:
    """Which rows copy one of those that are evaluated on.

    Args:
        held: The held-out call sites, or other rows that are evaluated on.
        programs: Program id -> program.
        forms: The programs' forms.
        names: Id of a row that is no call site -> words of which a copy of it has one: what it is held out for.
    """

    def __init__(
        self,
        held: Iterable[Brief],
        programs: Mapping[str, Program],
        forms: Forms,
        names: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._programs, self._forms = programs, forms
        self._held: list[_Held] = []
        self._evaluated: dict[str, set[str]] = {}
        seen: set[tuple[str, frozenset[str]]] = set()
        for row in sorted(held, key=lambda e: e.id):
            name = row.program
            self._evaluated.setdefault(name, set()).add(row.id)
            told = (names or {}).get(row.id) or frozenset({last(row.family)})
            words = told if names else told | {last(path) for path in row.symbols[:1]}
            if (name, words) not in seen and forms.of(name).tokens:
                seen.add((name, words))
                self._held.append(_Held(row, _words(forms.of(name)), words, told))
        self._words = {word for held in self._held for word in held.names}
        self._index = RMinHashLSH(LIKE, _PERMUTATIONS, _BANDS)
        for start in range(0, len(self._held), _AT_ONCE):
            some = self._held[start : start + _AT_ONCE]
            self._index.insert_many(self._sketches([held.row.program for held in some]), start)

    def of_rows(self, rows: Iterable[Brief]) -> dict[str, frozenset[str]]:
        """Id of each row whose program is one that is evaluated on, or a near-copy of some -> ids of their rows."""
        named: dict[str, list[str]] = {}
        for row in rows:
            named.setdefault(row.program, []).append(row.id)
        copied = {name: frozenset(self._evaluated[name]) for name in named if name in self._evaluated}
        programs = sorted(name for name in named if self._words & self._words_of(name))
        for start in range(0, len(programs), _AT_ONCE):
            some = programs[start : start + _AT_ONCE]
            for name, sketch in zip(some, self._sketches(some), strict=True):
                near = {h.row.id for k in self._index.query(sketch) if self._is_copy(name, h := self._held[k])}
                if near:
                    copied[name] = copied.get(name, frozenset()) | near
        return {row: found for name, found in copied.items() for row in named[name]}

    def _sketches(self, programs: Iterable[str]) -> list[RMinHash]:
        return list(RMinHash.from_token_sets([self._forms.of(p).shingles for p in programs], _PERMUTATIONS, 1))

    def _is_copy(self, name: str, held: _Held) -> bool:
        alike = likeness(self._forms.of(name).shingles, self._forms.of(held.row.program).shingles) >= LIKE
        return alike and not held.names.isdisjoint(self._words_of(name))

    def _words_of(self, name: str) -> set[str]:
        p = self._programs.get(name)
        return set(_WORD.findall(f"{p.code}\n{p.test}")) if p is not None else set()

    def in_text(self, text: str) -> list[Brief]:
        """The rows whose program stands in a text's code."""
        words = set(_WORD.findall(text))
        near = [h for h in self._held if h.told & words and len(h.words & words) >= LIKE * len(h.words)]
        runs = (
            frozenset(run for tree in trees_of(text) for run in shingles(form_of_tree(tree))) if near else frozenset()
        )
        of_near = ((h.row, self._forms.of(h.row.program).shingles) for h in near)
        return [row for row, shingled in of_near if len(shingled & runs) >= LIKE * len(shingled)]


def last(path: str | None) -> str:
    """The last part of a dotted path."""
    return (path or "").rpartition(".")[2]


def _words(form: Form) -> frozenset[str]:
    """The words and numbers of a program, but the names it chooses itself."""
    return frozenset(intern(word) for token in form.said for word in _WORD.findall(token))
