"""Near-copies of what is held out: call sites that are evaluated on, found again in rows to train on or in texts.

What names a held-out family is left out of training by the splits already. This finds what they can't see: the very
program that is evaluated (a method that several classes have names no family), the same program in another file, or one
that reaches the call by another way (`getattr(nx, "diameter")(G)`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rensa import RMinHash, RMinHashLSH

from registry.records import Example, Program
from validators.curation.contamination import trees_of
from validators.curation.forms import Form, Forms, form_of_tree, likeness, shingles
from validators.curation.near import AFTER
from validators.parts import measured, programs_of

LIKE = 0.5
"""Share of shingles: of either program's in a near-copy, of the site's in a text that holds it.

Lower than for near-duplicates: what is wrongly left out costs a row, what is wrongly trained on the evaluation."""

_PERMUTATIONS, _BANDS = 128, 32
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _Held:
    """A held-out site, its program's form and words, and the last parts of its family's and its symbol's names."""

    site: Example
    form: Form
    words: frozenset[str]
    names: frozenset[str]


class Copies:
    """Which rows copy one of the sites that are held out.

    Args:
        sites: The held-out call sites.
        programs: Program id -> program.
        forms: The programs' forms.
    """

    def __init__(self, sites: Iterable[Example], programs: Mapping[str, Program], forms: Forms) -> None:
        self._programs, self._forms = programs, forms
        self._held: list[_Held] = []
        self._evaluated: dict[str, str] = {}
        seen: set[tuple[str, frozenset[str]]] = set()
        for site in sorted(sites, key=lambda e: e.id):
            name = measured(site)
            self._evaluated.setdefault(name, site.id)
            names = frozenset(_last(path) for path in (site.family, *site.symbols[:1]))
            if (name, names) not in seen and forms.of(name).tokens:
                seen.add((name, names))
                self._held.append(_Held(site, forms.of(name), _words(forms.of(name)), names))
        self._words = {word for held in self._held for word in held.names}
        self._index = RMinHashLSH(LIKE, _PERMUTATIONS, _BANDS)
        self._index.insert_many(_sketches([held.form for held in self._held]))

    def of_rows(self, rows: Iterable[Example]) -> dict[str, str]:
        """Id of each row whose program is a site's, or a near-copy of it -> id of the site."""
        named = {row.id: programs_of(row).get(AFTER.get(row.kind, ""), "") for row in rows}
        copied = {name: self._evaluated[name] for name in named.values() if name in self._evaluated}
        others = {name for name in named.values() if name not in copied}
        programs = sorted(name for name in others if self._words & self._words_of(name))
        sketches = _sketches([self._forms.of(name) for name in programs])
        for name, sketch in zip(programs, sketches, strict=True):
            near = [held for k in sorted(self._index.query(sketch)) if self._is_copy(name, held := self._held[k])]
            if near:
                copied[name] = near[0].site.id
        return {row: copied[name] for row, name in named.items() if name in copied}

    def _is_copy(self, name: str, held: _Held) -> bool:
        alike = likeness(self._forms.of(name).shingles, held.form.shingles) >= LIKE
        return alike and not held.names.isdisjoint(self._words_of(name))

    def _words_of(self, name: str) -> set[str]:
        p = self._programs.get(name)
        return set(_WORD.findall(f"{p.code}\n{p.test}")) if p is not None else set()

    def in_text(self, text: str) -> frozenset[str]:
        """The families of the sites whose program stands in a text's code."""
        words = set(_WORD.findall(text))
        near = [h for h in self._held if _last(h.site.family) in words and len(h.words & words) >= LIKE * len(h.words)]
        runs = (
            frozenset(run for tree in trees_of(text) for run in shingles(form_of_tree(tree))) if near else frozenset()
        )
        copied = [h for h in near if len(h.form.shingles & runs) >= LIKE * len(h.form.shingles)]
        return frozenset(h.site.family or "" for h in copied)


def _last(path: str | None) -> str:
    return (path or "").rpartition(".")[2]


def _words(form: Form) -> frozenset[str]:
    """The words and numbers of a program, but the names it chooses itself."""
    return frozenset(word for token in form.said for word in _WORD.findall(token))


def _sketches(forms: Iterable[Form]) -> list[RMinHash]:
    return list(RMinHash.from_token_sets([form.shingles for form in forms], _PERMUTATIONS, 1))
