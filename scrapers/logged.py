"""Entries of changelogs: evidence for the changes of a symbol, or changes that nothing else tells of."""

from __future__ import annotations

import re

from registry.records import Symbol
from scrapers.changelogs import Entry
from scrapers.comparison import Comparison, Draft, last_part
from scrapers.notes import Note

_OF_A_PART = re.compile(r"\b(?:param|argument|keyword|kwarg|option|attribute)", re.IGNORECASE)


class Logged(Comparison):
    """Finds what release notes tell."""

    def changelogs(self) -> None:
        """Entries that name a symbol: evidence for its changes, or a change of behaviour of its own."""
        for path, found in self.entries_on.items():
            for entry in found:
                self._logged(entry, path, self.now(path))
        for path, found in self.entries_at.items():
            for entry in found if path not in self.before else ():
                self._logged(entry, path, None)

    def _logged(self, entry: Entry, path: str, other: Symbol | None) -> None:
        """Takes an entry as evidence of the changes of a symbol, or as a change where it is in both (`other`)."""
        drafts = [(kind, d) for (symbol, kind), d in self.drafts.items() if symbol == path]
        for kind, draft in drafts:
            draft.add(entry.path, entry.text)
            if (kind == "removed" or draft.whole) and draft.replacement is None:
                draft.replacement = self.replacement(entry.text, path, strict=True)
            if kind == "signature" and other is not None:
                self._parameters_logged(draft, entry, other)
        kinds = {kind for kind, _ in drafts}
        if other is None or "removed" in kinds or other.path in self._instead_of(entry):
            return
        if entry.deprecates and "deprecated" not in kinds:
            self._deprecated_by(entry, path, other)
        elif entry.is_behaviour and not kinds.intersection({"behaviour", "deprecated"}):
            told = "signature" in kinds and Note(entry.text, "", "").of_signature
            if not told:
                self.draft(path, "behaviour").add(entry.path, entry.text)

    def _parameters_logged(self, draft: Draft, entry: Entry, other: Symbol) -> None:
        """What an entry that names a parameter which went says to use instead."""
        told = draft.detail.get("replacements", {})
        for name in draft.detail.get("removed", ()):
            spoken_of = name not in told and re.search(rf"[`'\"]{re.escape(name)}\b", entry.text)
            if spoken_of and (named := self.instead(entry.text, name, other, strict=True)) is not None:
                draft.detail["replacements"] = told = {**told, name: named}

    def _instead_of(self, entry: Entry) -> set[str]:
        """What an entry names to use instead: it isn't about these."""
        named = self.replacement(entry.text, "", strict=True)
        return {self.new.names.exact(named) or named} if named else set()

    def _deprecated_by(self, entry: Entry, path: str, other: Symbol) -> None:
        """A deprecation that release notes tell and the source doesn't: of the symbol, or of parameters it names."""
        if any(n.whole and n.deprecates for n in self.old.notes.get(path, ())):
            return
        parameters = {str(p["name"]) for p in other.parameters}
        named = parameters.intersection(re.findall(r"`(\w+)(?:=[^`]*)?`", entry.subject))
        whole = last_part(path) in re.findall(r"\w+", entry.subject) and not _OF_A_PART.search(entry.subject)
        if entry.is_over(self.new.version) or not (named or (whole and not entry.of_parameter)):
            return  # of one that is gone: its signature says so
        draft = self.draft(path, "deprecated")
        draft.add(entry.path, entry.text)
        if named:
            draft.detail["parameters"] = sorted({*draft.detail.get("parameters", ()), *named})
            return
        draft.whole = True
        draft.replacement = draft.replacement or self.replacement(entry.text, path, strict=True)
