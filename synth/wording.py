"""What a `drift` row asks: that code be updated, with what the library's own notes say of the change."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from registry.names import SymbolIndex
from registry.records import Change

SOURCES = ("docstring", "warning", "decorator", "changelog")
"""Where notes for people come from; what finders and runs say is none."""

LONGEST = 200
"""Characters of a note."""


class Wording:
    """Writes prompts.

    Args:
        changes: What changed.
        indexes: Symbols of the old and of the new release.
    """

    def __init__(self, changes: Sequence[Change], *indexes: SymbolIndex) -> None:
        self.changes = {c.id: c for c in changes}
        self.names = frozenset(path.rpartition(".")[2] for index in indexes for path in index.by_path)

    def prompt(self, public: str, change: str | None, symbols: Collection[str]) -> str:
        """What a row asks of the reader.

        Args:
            public: Public path of what has changed.
            change: Id of the change, where one is known.
            symbols: Paths that the row shows: a note that names anything else of the library is left out, for that may
                be held out.
        """
        asked = f"Update this code: {public} has changed."
        known = self.changes.get(change or "")
        own = {part for path in (public, *symbols) for part in path.split(".")}
        note = next((text for text in _notes(known) if self._is_about(text, own)), None) if known is not None else None
        return f"{asked} {note}" if note is not None else asked

    def _is_about(self, text: str, own: Collection[str]) -> bool:
        words = {word for word in re.findall(r"\w+", text) if len(word) > 3}
        words |= set(re.findall(r"[.`](\w+)", text))  # a short one is mostly English, but not where code stands
        return not (words & self.names) - set(own)


def _notes(change: Change) -> list[str]:
    rows: Sequence[Any] = change.evidence
    texts = [str(e["text"]) for e in rows if isinstance(e, Mapping) and e.get("source") in SOURCES]
    return [text for text in (" ".join(t.split()) for t in texts) if 10 < len(text) <= LONGEST]
