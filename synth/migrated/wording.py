"""What a `drift` row asks: that code be updated, with what its run showed and what the library's own notes say."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from registry.names import SymbolIndex
from registry.records import Change
from synth.material import Update
from synth.migrated.acceptance import Diff

SOURCES = ("docstring", "warning", "decorator", "changelog")
"""Where notes for people come from; what finders and runs say is none."""

LONGEST = 200
"""Characters of a note."""

LONGEST_ERROR = 300
"""Characters of an error or warning."""

_CODE = re.compile(r"(?<=[.`'\"])\w+|\w+(?=\()|\b\w*[a-z0-9]_\w+|\b[A-Z]\w*[a-z]\w*[A-Z]\w*")
"""Words that stand as code in an error's text: after a dot or quote, before a bracket, with capitals within."""

_ROLE = re.compile(r":\w+:`~?([^`<]+)(?: <[^`]*>)?`")
"""A role of reST, as `:meth:` before a name."""

_SENTENCE = re.compile(r"(?=\S+\s+\S+\s+\S).*[.!`)]$")
"""Three words or more, and an end."""

_PARAMETER = re.compile(r"\b(parameters?|arguments?|keywords?|args?)\b", re.IGNORECASE)
_SINCE = re.compile(r"(Deprecated|Removed|Changed|Added) (since|in)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_QUOTED = re.compile(r"`(\w+)`")


class Wording:
    """Writes prompts.

    Args:
        changes: What changed.
        indexes: Symbols of the old and of the new release.
        releases: The old and the new release in words: `networkx 3.6.1`.
    """

    def __init__(
        self, changes: Sequence[Change], indexes: tuple[SymbolIndex, SymbolIndex], releases: tuple[str, str]
    ) -> None:
        self.changes, self.indexes, self.releases = {c.id: c for c in changes}, indexes, releases
        self.names = frozenset(path.rpartition(".")[2] for index in indexes for path in index.by_path)
        self.members: dict[str, set[str]] = {}
        for index in indexes:
            for path, symbol in index.by_path.items():
                if symbol.kind in ("method", "attribute"):
                    owner, _, name = path.rpartition(".")
                    self.members.setdefault(owner, set()).add(name)

    def prompt(self, update: Update, effect: str, said: str) -> str:
        """What a row asks of the reader: what the new release does to the code, as its run showed, and what notes say.

        Nothing of the library is named that neither program names, members of the same class apart: that may be held
        out.

        Args:
            update: The old and the new form.
            effect: What the new release does to the old one: fails, differs, warns.
            said: The error or warning with which it does so; empty where only a check tells.
        """
        own = {part for path in update.symbols for part in path.split(".")}
        known = self.changes.get(update.change or "")
        quiet = known is None or effect == "warns" or update.restates
        notes = _notes(known) if known is not None and not quiet else []
        asked = self._asked(update, effect, said)
        changed = _changed(update)
        about = (text for text in notes if self._is_about(text, own) and _is_of(text, changed))
        known_names = {*_WORD.findall(asked)}
        note = next(
            (text for text in about if not _QUOTED.search(text) or set(_QUOTED.findall(text)) - known_names), None
        )
        return "\n".join(filter(None, [asked, note]))

    def _asked(self, update: Update, effect: str, said: str) -> str:
        old, new = self.releases
        subject = self._public(update.symbols[0]) if update.symbols else "something"
        if update.restates:
            return f"{subject} gives another result with {new} than with {old}. Update what this code expects."
        told = self._told(said, update)
        if told:
            does = "warns" if effect == "warns" else "fails"
            return f"With {new} this code {does}:\n{told}\nUpdate it."
        if said:
            does = "warns at" if effect == "warns" else "fails at"
            return f"With {new} this code {does} its use of `{_named(update)}` ({said.partition(':')[0]}). Update it."
        differs = f"With {new} this code no longer gives what it gave with {old}"
        told_by_runs = update.maker[0] != "pairs" or len(update.symbols) == 1  # else which one changed isn't known
        return f"{differs}: {subject} has changed. Update it." if told_by_runs else f"{differs}. Update it."

    def _public(self, path: str) -> str:
        """A function's public path; of a method the name alone: which class it is of, code seldom shows."""
        old, new = self.indexes
        index = old if path in old.by_path else new
        method = path in index.by_path and index.by_path[path].kind in ("method", "attribute")
        return f"`{path.rpartition('.')[2]}`" if method else index.public(path)

    def _told(self, said: str, update: Update) -> str:
        """An error or warning on one line; empty where it names what the programs don't, is long, or says nothing."""
        text = " ".join(said.split())
        programs = (update.old, update.new)
        own = {*re.findall(r"\w+", " ".join(p.code + " " + p.test for p in programs))}
        for path in update.symbols:
            own |= {*path.split("."), *self.members.get(path, ()), *self.members.get(path.rpartition(".")[0], ())}
        _, _, message = text.partition(":")
        foreign = (set(_CODE.findall(message)) & self.names) - own
        return text if message and not foreign and len(text) <= LONGEST_ERROR else ""

    def _is_about(self, text: str, own: Collection[str]) -> bool:
        words = {word for word in re.findall(r"\w+", text) if len(word) > 3}
        words |= set(re.findall(r"[.`](\w+)", text))  # a short one is mostly English, but not where code stands
        return not (words & self.names) - set(own)


def _notes(change: Change) -> list[str]:
    """What people wrote of a change: sentences, without markup."""
    rows: Sequence[Any] = change.evidence
    texts = [str(e["text"]) for e in rows if isinstance(e, Mapping) and e.get("source") in SOURCES]
    plain = (_ROLE.sub(r"`\1`", " ".join(t.split())).replace("``", "`") for t in texts)
    return [text for text in plain if 10 < len(text) <= LONGEST and _SENTENCE.match(text)]


def _is_of(note: str, changed: Collection[str]) -> bool:
    """Whether a note about a parameter, or one that only says since when, is about what the two forms differ in."""
    if not _PARAMETER.search(note) and not _SINCE.match(note):
        return True
    return bool({*_WORD.findall(note)} & set(changed))


def _named(update: Update) -> str:
    """What the old form names of what changed: the new form's name would be the answer."""
    calls = [n for s in Diff(update).gone for n in ast.walk(s) if isinstance(n, ast.Call)]
    if update.maker[0] == "pairs" and calls:
        return ast.unparse(calls[0].func).rpartition(".")[2]  # what reads the rest of its statement
    old = _WORD.findall(update.old.code)
    names = [path.rpartition(".")[2] for path in update.symbols]
    gone = [word for word in old if word in _changed(update)]
    return next((name for name in (*(n for n in names if n in old), *gone)), names[0] if names else "")


def _changed(update: Update) -> frozenset[str]:
    """The words that only one of the two forms has."""
    old, new = ({*_WORD.findall(p.code)} for p in (update.old, update.new))
    return frozenset(old ^ new)
