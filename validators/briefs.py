"""Briefs: what of a row decides where it goes, without what it says; those of all rows fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from sys import intern

from registry.records import Example
from validators.parts import measured


@dataclass(frozen=True, slots=True)
class Brief:
    """A row in brief. Attributes are those of `Example`, but for these.

    Attributes:
        program: Id of the program that it is about (`validators.parts.measured`).
        is_written: Whether an LLM wrote it.
    """

    id: str
    kind: str
    family: str | None
    symbols: tuple[str, ...]
    file: str
    root: str
    parents: tuple[str, ...]
    licence: str | None
    bug_kind: str | None
    program: str
    is_written: bool

    @classmethod
    def of(cls, row: Example) -> Brief:
        """A row in brief; what many rows have in common is held once."""
        return cls(
            id=row.id,
            kind=intern(row.kind),
            family=row.family and intern(row.family),
            symbols=_interned(tuple(row.symbols)),
            file=intern(row.file),
            root=intern(row.root),
            parents=_interned(tuple(row.parents)),
            licence=row.licence and intern(row.licence),
            bug_kind=row.bug_kind and intern(row.bug_kind),
            program=intern(measured(row)),
            is_written=bool(row.written),
        )


@lru_cache(maxsize=1024)
def _interned(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple for equal ones that come soon after each other, as those of one root do."""
    return tuple(map(intern, names))
