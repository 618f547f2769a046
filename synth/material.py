"""Mined programs as this part of synth takes them: an Example with the Program that answers it, and how runs ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.identity import sha256_of
from registry.records import Example, Program, Record

Outcomes = Mapping[tuple[str, str], str]
"""(id of a program, id of a release) -> outcome of its verdict."""

Messages = Mapping[tuple[str, str], str]
"""(id of a program, id of a release) -> detail of its verdict, and its deprecation warnings."""


@dataclass(frozen=True)
class Piece:
    """A mined example with its program.

    Attributes:
        example: A `doc` or `test` row.
        program: What its role `answer` names.
        called: Canonical paths of the library that its run called at its release.
    """

    example: Example
    program: Program
    called: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """File, name of the test or page, and row: equal at two versions where the example is the same one."""
        row = self.parts.get("row", 0)
        return f"{self.example.file}::{self.name}[{row}]"

    @property
    def name(self) -> str:
        """Name of the test function or of the documented object."""
        return str(self.parts.get("name") or self.example.root)

    @property
    def parts(self) -> Mapping[str, Any]:
        """The example's parts."""
        parts = self.example.parts
        return parts if isinstance(parts, Mapping) else {}


def pieces(records: Iterable[Record], called: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[Piece]:
    """The `doc` and `test` rows of a stream of programs and examples, each with its program, in the stream's order.

    Args:
        records: Programs before the examples that name them.
        called: Id of a program -> what its run called.
    """
    programs: dict[str, Program] = {}
    for record in records:
        if isinstance(record, Program):
            programs[record.id] = record
        elif isinstance(record, Example) and record.kind in ("doc", "test"):
            parts = record.parts if isinstance(record.parts, Mapping) else {}
            program = programs.get(dict(parts.get("programs", {})).get("answer", ""))
            if program is not None:
                yield Piece(record, program, (called or {}).get(program.id, ()))


def passing(found: Iterable[Piece], outcomes: Outcomes, release: str) -> list[Piece]:
    """Those whose program passed at a release."""
    return [p for p in found if outcomes.get((p.program.id, release)) == "passed"]


def key_of(*what: Any) -> str:
    """A short key of plain values: the root of the rows that derive from one site or pair."""
    return str(sha256_of(list(what)))[:24]


def draw(*what: object) -> str:
    """A number of a lottery: orders things at random, yet each stays where it is when others come and go."""
    return hashlib.sha256("\0".join(map(str, what)).encode()).hexdigest()


def derived(
    source: Example, kind: str, parts: Mapping[str, Any], maker: tuple[str, str], *, operator: str, seed: int = 0
) -> Example:
    """A row of another kind that says something of the same code: it shares the source's root, file and family.

    Args:
        source: The row it is made of.
        kind: Its kind.
        parts: Its parts.
        maker: Name and version of the generator.
        operator: What was done.
        seed: The seed of it.
    """
    return Example(
        domain=source.domain,
        kind=kind,
        releases=source.releases,
        parts=parts,
        change=source.change,
        family=source.family,
        symbols=source.symbols,
        file=source.file,
        root=source.root,
        generator=maker[0],
        generator_version=maker[1],
        seed=seed,
        parents=(source.id,),
        licence=source.licence,
        source_url=source.source_url,
        operator=operator,
    )


@dataclass(frozen=True)
class Update:
    """Code that a release breaks, and the same brought up to date: what a `drift` row is made of.

    Attributes:
        old: The code as it was, with its test.
        new: The code as it is now.
        pieces: The examples that it comes from; file and address are the first one's.
        root: Key that all rows of the site or pair share.
        maker: Name and version of the generator.
        operator: What was done.
        symbols: Paths of what it shows, first what has changed.
        family: Name of its family.
        change: Id of the change that it shows.
        seed: The seed of it.
        restates: Whether the calls stay, and what the code says of their results is what changes.
    """

    old: Program
    new: Program
    pieces: tuple[Piece, ...]
    root: str
    maker: tuple[str, str]
    operator: str
    symbols: tuple[str, ...]
    family: str | None
    change: str | None
    seed: int = 0
    restates: bool = False


def drifted(update: Update, prompt: str, old_effect: str | None, releases: tuple[str, str]) -> Example:
    """The `drift` row of an update.

    Args:
        update: The two forms.
        prompt: What is asked.
        old_effect: What the new release does to the old form: fails, differs, warns; None where runs refute the row.
        releases: Ids of the old and the new release.
    """
    first = update.pieces[0].example
    return Example(
        domain=first.domain,
        kind="drift",
        releases=releases,
        parts={"programs": {"old": update.old.id, "new": update.new.id}, "prompt": prompt},
        change=update.change,
        family=update.family,
        symbols=update.symbols,
        file=first.file,
        root=update.root,
        generator=update.maker[0],
        generator_version=update.maker[1],
        seed=update.seed,
        parents=parents_of(*update.pieces),
        licence=licence_of(*update.pieces),
        source_url=first.source_url,
        operator=update.operator,
        old_effect=old_effect,
    )


def parents_of(*found: Piece) -> tuple[str, ...]:
    """Ids of examples and of what they were made of, each once."""
    return tuple(dict.fromkeys(i for p in found for i in (p.example.id, *p.example.parents)))


def chosen(percent: int, *what: object) -> bool:
    """Whether a lottery takes something, as `percent` of a hundred things: others that come and go change nothing."""
    return int(draw(*what)[:8], 16) * 100 < percent << 32


def licence_of(*found: Piece) -> str | None:
    """The licences of all, joined by AND; None where one is unknown."""
    return joined_licences(p.example.licence for p in found)


def joined_licences(found: Iterable[str | None]) -> str | None:
    """Licences joined by AND; None where one is unknown."""
    known = list(found)
    if any(text is None for text in known):
        return None
    distinct = sorted({text for text in known if text})
    return " AND ".join(f"({t})" if " OR " in t and len(distinct) > 1 else t for t in distinct) or None
