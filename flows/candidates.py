"""The rows that are worked on: proven, curated, trained on."""

from __future__ import annotations

from flows.authored import is_written, written
from flows.house import House
from flows.synthesis import is_derived, overlaid, unwritten
from registry.records import Example


def candidates(house: House) -> list[Example]:
    """All rows that are worked on: those that were mined, derived from them, and written by an LLM, by id."""
    return overlaid(unwritten(house), written(house))


def is_made(house: House) -> bool:
    """Whether all candidates are there that today's versions and settings give; but for dialogues that were left."""
    return is_derived(house) and is_written(house)
