"""The rows that are worked on: proven, curated, trained on."""

from __future__ import annotations

from collections.abc import Iterable

from flows.authored import chosen, done, is_written, written
from flows.house import House
from flows.synthesis import derive_key, is_derived, mine_keys, unwritten
from registry.records import Example, Program
from registry.shelf import Shelf
from validators.parts import programs_of


def candidates(house: House) -> Shelf[Example]:
    """All rows that are worked on: those that were mined, derived from them, and written by an LLM, by id."""
    of_llm = written(house)
    return house.kept("candidates", lambda: _with(house, of_llm)) if of_llm else unwritten(house)


def _with(house: House, of_llm: Iterable[Example]) -> Shelf[Example]:
    found: Shelf[Example] = house.shelf()
    found.put((row.id, row) for row in unwritten(house).values())
    found.put(((row.id, row) for row in of_llm), over=True)
    return found


def programs_of_all(house: House, others: Iterable[Example]) -> Shelf[Program]:
    """The programs of all candidates and of other rows, by id.

    Nearly all of them were written by the works that made the candidates.
    """
    dialogues = {each.key for each in chosen(house) or ()} & done(house).keys()
    found = house.shelved(Program, [*mine_keys(house), derive_key(house), *sorted(dialogues)])
    rows = (row for each in (candidates(house).values(), others) for row in each)
    missing = {name for row in rows for name in programs_of(row).values() if name not in found}
    found.put(house.programs(missing).items())
    return found


def is_made(house: House) -> bool:
    """Whether all candidates are there that today's versions and settings give; but for dialogues that were left."""
    return is_derived(house) and is_written(house)
