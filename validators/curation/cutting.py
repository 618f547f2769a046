"""Cuts what is held out from `text` rows: definitions, code blocks and paragraphs that name it."""

from __future__ import annotations

import re
import textwrap

from registry.families import Families
from registry.prose import says_enough
from registry.trees import parsed
from validators.curation import modules, prose
from validators.references import Reader

_WORD = re.compile(r"[^\W\d]\w*")
_PROMPT = re.compile(r"^([ \t]*>>>.*\n?)((?:[ \t]*\.\.\.(?: .*)?\n?)*)", re.MULTILINE)
_PROMPTED = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?(.*)$", re.MULTILINE)
_FENCED = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:::|\.\. (?:code-block|ipython|sourcecode)::.*)\n(?:[ \t]*\n)*((?:[ \t]+\S.*\n?|[ \t]*\n)+)")


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

    def called(self, text: str) -> frozenset[str]:
        """Families that code which a text quotes names, or calls by a method that theirs alone have."""
        return frozenset(family for code in codes_in(text) for family in self._reader.families_of(code))

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
        codes = codes_in(piece) if ">>>" in piece else [piece, *codes_in(piece)]
        named = (self._reader.families_of(code) for code in codes)
        return any(families & held for families in named) or any(_means(word, piece) for word in words)


def _means(word: str, piece: str) -> bool:
    """Whether a word stands for code in a piece: a plain English one only where it looks like code."""
    if word not in piece:
        return False
    name = re.escape(word)
    if "_" in word or any(c.isdigit() or c.isupper() for c in word):
        return re.search(rf"\b{name}\b", piece) is not None
    return re.search(rf"(?:[.`~]|\b(?:def|class|import)\s+){name}\b|\b{name}\s*[(,]|,\s*{name}\b", piece) is not None


def codes_in(text: str) -> list[str]:
    """The Python that a text quotes: its doctests, its fenced and its indented blocks, those that parse.

    Of doctests that don't parse together each one stands alone.
    """
    prompts = [f"{first}{rest}" for first, rest in _PROMPT.findall(text)]
    asked = ["\n".join(_PROMPTED.findall(prompt)) for prompt in prompts]
    together = "\n".join(asked)
    blocks = [textwrap.dedent(block) for block in (*_FENCED.findall(text), *_INDENTED.findall(text))]
    found = [*blocks, *([together] if parsed(together) is not None else asked)]
    return [code for code in dict.fromkeys(found) if code.strip() and parsed(code) is not None]
