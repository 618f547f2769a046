"""Cuts what is held out from `text` rows: definitions, code blocks and paragraphs that name it."""

from __future__ import annotations

import re

from registry.families import Families
from registry.prose import says_enough
from validators.curation import modules, prose
from validators.references import Reader

_WORD = re.compile(r"[^\W\d]\w*")


class Cutter:
    """Removes the parts of a text that give away a family.

    Args:
        families: The families of the domain's releases.
        reader: Finds the families that code names.
    """

    def __init__(self, families: Families, reader: Reader) -> None:
        self._reader = reader
        self._families: dict[str, set[str]] = {}
        for family in families.by_name.values():
            for path in family.paths:
                owner, _, name = path.rpartition(".")
                if owner not in family.paths:  # its functions and classes; a method's name alone says little
                    self._families.setdefault(name, set()).add(family.name)

    def mentions(self, text: str) -> frozenset[str]:
        """Families that any word of a text may stand for: a quick upper bound of what it names."""
        found = set(_WORD.findall(text))
        return frozenset(f for word in found & self._families.keys() for f in self._families[word])

    def named(self, text: str) -> frozenset[str]:
        """Families that words of a prose stand for: a plain English one only where it looks like code."""
        found = set(_WORD.findall(text)) & self._families.keys()
        return frozenset(f for word in found if _means(word, text) for f in self._families[word])

    def cut(self, text: str, held: frozenset[str]) -> str:
        """The text without the pieces that name one of the families `held`; empty where too little would be left.

        Of Python definitions go, with what uses them (see `validators.curation.modules`), of anything else code
        blocks and paragraphs.
        """
        words = [word for word, families in sorted(self._families.items()) if families & held]

        def gives_away(piece: str) -> bool:
            return self._names(piece, held, words)

        rest = modules.without(text, words, gives_away)
        if rest is None:
            rest = prose.without(text, gives_away)
            return "" if says_enough(text) and not says_enough(rest) else rest
        return rest

    def _names(self, piece: str, held: frozenset[str], words: list[str]) -> bool:
        return bool(self._reader.families_of(_code_of(piece)) & held) or any(_means(word, piece) for word in words)


def _means(word: str, piece: str) -> bool:
    """Whether a word stands for code in a piece: a plain English one only where it looks like code."""
    if word not in piece:
        return False
    name = re.escape(word)
    if "_" in word or any(c.isdigit() or c.isupper() for c in word):
        return re.search(rf"\b{name}\b", piece) is not None
    return re.search(rf"(?:[.`~]|\b(?:def|class|import)\s+){name}\b|\b{name}\s*[(,]|,\s*{name}\b", piece) is not None


def _code_of(piece: str) -> str:
    """The Python in a piece: itself, or the statements of its doctests."""
    if ">>>" not in piece:
        return piece
    lines = re.findall(r"^\s*(?:>>>|\.\.\.) ?(.*)$", piece, flags=re.MULTILINE)
    return "\n".join(lines)
