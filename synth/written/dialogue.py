"""How a row is written: a dialogue with an LLM and the sandbox, which does neither itself.

A dialogue is a generator: it yields what it wants to know (a `Request` to an LLM, or a `Trial` of programs), is sent
what came of it, and returns its rows. So a writer is plain Python without any I/O; who drives it holds many at once,
keeps the budget, and sends no request twice.

    def write(desk, subject):
        reply = yield Request("task/solution@1", messages, 800)
        if reply.outcome != "ok":
            return Ending(outcome=reply.outcome, detail=reply.detail)
        verdicts = yield Trial(desk.new.id, (program,))
        ...
        return Ending((program, example))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Page, Program, Release
from synth.llm import Reply, Request
from synth.material import Piece

WRITTEN = "written"
"""The outcome of a dialogue that ended with rows."""

PASSING = ("budget", "error", "timeout", "rate-limited")
"""Outcomes that asking again may change: such a dialogue is left to the next run."""


@dataclass(frozen=True)
class Trial:
    """Programs to be run at a release now; a mapping of program id to Verdict is sent back.

    Attributes:
        release: Id of the release.
        programs: The programs.
    """

    release: str
    programs: tuple[Program, ...]


@dataclass(frozen=True)
class Ending:
    """How a dialogue ended.

    Attributes:
        rows: Its rows, each with its programs before it; none where it came to nothing.
        outcome: `written`, else why there are none: an outcome of a Reply, or what was wrong with the answer:
            `format` (no code, or not in the form that was asked for), `language` (not in English, or no Python),
            `off-topic` (it doesn't use what it was asked to, or imports what isn't there), `hostile` (its code attacks
            what runs it), `unproven` (it doesn't run as it should), `vacuous-test` (its test passes on a stub),
            `solved` (there was nothing to repair).
        detail: Why, in a sentence.
        calls: Keys of the answers it took, in order: the trace of a dialogue that came to nothing.
    """

    rows: tuple[Program | Example, ...] = ()
    outcome: str = WRITTEN
    detail: str = ""
    calls: tuple[str, ...] = ()


Dialogue = Generator[Request | Trial, Any, Ending]
"""Yields a Request and is sent its Reply, or yields a Trial and is sent program id -> Verdict."""


@dataclass(frozen=True)
class Desk:
    """What writers have before them.

    Attributes:
        domain: Name of the domain.
        model: Name of the LLM, for the rows' provenance.
        trainable: Whether its terms let a model be trained on what it says.
        old: The old release.
        new: The new release.
        indexes: Symbols of the old and of the new release.
        pages: Pages of the new release.
        changes: Changes between both.
        pieces: Mined examples of the new release that passed there, with their programs.
        examples: Other proven rows: bugs, edits, drift.
        programs: Id -> program, of what `pieces` and `examples` name.
        packages: Importable third-party packages beside the library.
        seed: Of every random choice.
        rounds: Programs that a repair may take.
    """

    domain: str
    model: str
    trainable: bool
    old: Release
    new: Release
    indexes: tuple[SymbolIndex, SymbolIndex]
    pages: Sequence[Page] = ()
    changes: Sequence[Change] = ()
    pieces: Sequence[Piece] = ()
    examples: Sequence[Example] = ()
    programs: Mapping[str, Program] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    seed: int = 0
    rounds: int = 3

    @cached_property
    def families(self) -> Families:
        """The families of the changes between both releases."""
        return Families(self.changes, *self.indexes)

    @cached_property
    def page(self) -> Mapping[str, Page]:
        """Id -> page, of the new release."""
        return {page.id: page for page in self.pages}

    @cached_property
    def rows(self) -> Counter[str]:
        """Canonical path -> proven rows that show it."""
        shown = (example.symbols for example in (*(piece.example for piece in self.pieces), *self.examples))
        return Counter(path for symbols in shown for path in symbols)

    @property
    def spelled(self) -> tuple[str, str]:
        """The old and the new release in words, as `networkx 3.6.1`."""
        old, new = (f"{release.library} {release.version}" for release in (self.old, self.new))
        return old, new

    @property
    def imports(self) -> frozenset[str]:
        """What a program may import beside the standard library."""
        return self.indexes[1].roots | {*self.packages}


@dataclass(frozen=True)
class Subject:
    """What one dialogue is about.

    Attributes:
        name: Names it among those of its writer, for people and for the work key.
        inputs: Digests of all that the dialogue reads; while they are the same it isn't held again.
        about: What the writer made of these, for itself.
    """

    name: str
    inputs: tuple[str, ...]
    about: Any = None


class Writer(Protocol):
    """Has rows of one kind written."""

    name: str
    version: str

    def subjects(self, desk: Desk) -> Iterable[Subject]:
        """What it could write of, most needed first; the same for the same desk."""
        ...

    def write(self, desk: Desk, subject: Subject) -> Dialogue:
        """A dialogue about one of these; it reads nothing of the desk that `inputs` doesn't name."""
        ...


def run(dialogue: Dialogue, answer: Any, trial: Any) -> Ending:
    """Holds one dialogue to its end: in a REPL or a test.

    Args:
        dialogue: The dialogue.
        answer: Takes a Request; its Reply.
        trial: Takes a Trial; program id -> Verdict.
    """
    sent: Reply | Mapping[str, Any] | None = None
    while True:
        try:
            wanted = dialogue.send(sent)
        except StopIteration as end:
            ending: Ending = end.value
            return ending
        sent = answer(wanted) if isinstance(wanted, Request) else trial(wanted)
