"""What is made of mined rows once it is known how they ran: the table of steps, and the stock they all draw on.

A new step is one line in `STEPS` (it sees everything at once) or in `BY_SOURCE` (it sees one proven example, so that
several processes can share the work); what it needs of others it takes from the `Stock`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flows.working import collecting_rarely
from registry.deprecations import deprecations
from registry.domain import SynthSpec
from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program, Record, Release, Verdict
from registry.trees import parsed
from scrapers.sources import Scraped
from synth import bugs
from synth.edited import edits, fim, refactors
from synth.edited.context import Definitions
from synth.material import Piece, chosen, pieces
from synth.migrated import behaviour, migrate, pairs, sites
from synth.migrated.behaviour import suspects
from synth.migrated.drift import Drift
from synth.migrated.hunks import rewritten_functions
from synth.migrated.sites import Limits
from synth.migrated.trials import Bench
from synth.mined import doc_examples, test_examples
from synth.mutated import locate
from synth.mutated.ngrams import Trigrams
from synth.vocabulary import Library
from validators.execution.likeness import DEFAULT, alike
from validators.parts import programs_of
from validators.proofs import announces

Observe = Callable[[Release, Iterable[Program]], Mapping[str, Verdict]]
"""Runs programs at a release now: program id -> verdict."""

Spread = Callable[[Callable[[Any, Any], Any], Any, Iterable[Any], int], Iterator[Any]]
"""Computes `function(common, job)` of each job by several workers, at most so many as are given."""


_LOOKED = (doc_examples.GENERATOR, test_examples.GENERATOR)
"""Generators that emit only what can be visited."""

SHARD = 64
"""Sources that a process takes at a time."""

WORTH = 16
"""A process more is worth its start (about 1 s of CPU) for so many shards (about 4 s)."""


def unobserved(_release: Release, _programs: Iterable[Program]) -> Mapping[str, Verdict]:
    """No program can be run by steps by source."""
    return {}


@dataclass(frozen=True)
class Mined:
    """The mined rows of both releases, and how their answers ran: no more, so that it stays the same later.

    Attributes:
        examples: The `doc` and `test` rows.
        verdicts: (program id, release id) -> verdict.
    """

    examples: list[Example]
    verdicts: Mapping[tuple[str, str], Verdict]

    def of(self, release: Release) -> list[Example]:
        """The rows of one release."""
        return [e for e in self.examples if e.releases == (release.id,)]

    def visitable(self, programs: Mapping[str, Program]) -> Mined:
        """The same without rows whose answer isn't there, or can't be visited; what is built in has looked itself."""

        def is_visited(example: Example) -> bool:
            program = programs.get(programs_of(example).get("answer", ""))
            return program is not None and parsed(program.code) is not None and parsed(program.test) is not None

        return Mined([e for e in self.examples if e.generator in _LOOKED or is_visited(e)], self.verdicts)


@dataclass(frozen=True)
class Source:
    """A mined example of the new release whose answer passed there.

    Attributes:
        example: The `doc` or `test` row.
        program: Its answer.
        verdict: How that ran.
    """

    example: Example
    program: Program
    verdict: Verdict


@dataclass
class Stock:
    """What all steps draw on.

    Attributes:
        domain: The domain's name.
        settings: How much is made.
        private: Modules that the library keeps to itself.
        old: The old release as it was scraped.
        new: The new release as it was scraped.
        changes: What comparing them found; from the step `drift` on with what that learnt.
        mined: The mined rows, and how they ran.
        programs: Programs of mined rows, by id.
        observe: Runs programs now, for a step that must see what they do.
        made: Rows that the steps before made, in order.
    """

    domain: str
    settings: SynthSpec
    private: tuple[str, ...]
    old: Scraped
    new: Scraped
    changes: list[Change]
    mined: Mined
    programs: Mapping[str, Program]
    observe: Observe
    made: list[Record] = field(default_factory=list)

    @cached_property
    def indexes(self) -> tuple[SymbolIndex, SymbolIndex]:
        """Symbols of the old and of the new release."""
        return SymbolIndex(self.old.symbols, self.private), SymbolIndex(self.new.symbols, self.private)

    @cached_property
    def library(self) -> Library:
        """What mistakes are made with; not before the step `drift`, which learns stale names."""
        return Library(self.indexes[1], self.changes, self.indexes[0])

    @cached_property
    def definitions(self) -> Definitions:
        """What the new release's files say of its names."""
        return Definitions(self.new.pages, self.indexes[1])

    @cached_property
    def trigrams(self) -> Trigrams:
        """What is plausible in the new release's code."""
        return locate.model_of(self.new.pages, self.indexes[1])

    def for_sources(self) -> Stock:
        """The same as far as steps by source may look, so that it is quickly sent to another process."""
        shared = dataclasses.replace(self, mined=Mined([], {}), programs={}, observe=unobserved, made=[])
        shared.indexes, shared.library = self.indexes, self.library
        shared.definitions, shared.trigrams = self.definitions, self.trigrams
        return shared

    @cached_property
    def sources(self) -> list[Source]:
        """The mined examples of the new release that passed there, by id."""
        found = []
        for example in sorted(self.mined.of(self.new.release), key=lambda e: e.id):
            answer = programs_of(example).get("answer", "")
            verdict = self.mined.verdicts.get((answer, self.new.release.id))
            if verdict is not None and verdict.outcome == "passed":
                found.append(Source(example, self.programs[answer], verdict))
        return found


def derived(stock: Stock, shared: Spread) -> Iterator[Record]:
    """The rows of all steps, in the tables' order, and of each source in turn; none that names what is private.

    Args:
        stock: What they are made of.
        shared: Has several workers share the steps by source.
    """
    for step in STEPS.values():
        with collecting_rarely():
            made = list(public(step(stock), stock.indexes[1]))
        stock.made += made
        yield from made
    shards = [stock.sources[i : i + SHARD] for i in range(0, len(stock.sources), SHARD)]
    for rows in shared(of_sources, stock.for_sources(), shards, max(1, len(shards) // WORTH)):
        yield from rows


def public(rows: Iterable[Record], index: SymbolIndex) -> Iterator[Record]:
    """The rows without programs that name what the library keeps to itself, and without the examples of these."""
    gone: set[str] = set()
    for row in rows:
        if not index.private:
            yield row
        elif isinstance(row, Program) and (index.names_private(row.code) or index.names_private(row.test)):
            gone.add(row.id)
        elif not (isinstance(row, Example) and gone.intersection(programs_of(row).values())):
            yield row


def of_sources(stock: Stock, sources: Sequence[Source]) -> list[Record]:
    """The rows of all steps by source, of each source in turn."""
    rows: list[Record] = []
    for source in sources:
        so_far: list[Record] = []
        for by_source in BY_SOURCE.values():
            so_far += list(public(by_source(stock, source, so_far), stock.indexes[1]))
        rows += so_far
    return rows


def _drift(stock: Stock) -> Iterator[Record]:
    """Changes with the replacements that were learnt, then drift rows, then rows of call sites."""
    verdicts, settings = stock.mined.verdicts, stock.settings
    between = stock.changes
    warnings = {pair: " ".join(sorted(said for _, said in deprecations(v))) for pair, v in verdicts.items()}
    releases = stock.old.release, stock.new.release
    called = [{p: v.symbols_called for (p, r), v in verdicts.items() if r == release.id} for release in releases]
    of_old, of_new = (
        list(pieces([*stock.programs.values(), *stock.mined.of(release)], by_program))
        for release, by_program in zip(releases, called, strict=True)
    )
    first = Drift(
        between,
        stock.indexes,
        Families(between, *stock.indexes),
        of_old,
        of_new,
        {pair: v.outcome for pair, v in verdicts.items()},
        {pair: f"{v.detail} {warnings[pair]}" for pair, v in verdicts.items()},
        frozenset(pair for pair, said in warnings.items() if said),
        (releases[0].id, releases[1].id),
        stock.domain,
        Limits(mutants=settings.rejected, family=settings.sites),
        settings.seed,
        _bench(stock),
        suspects(between, (stock.old.pages, stock.new.pages), stock.indexes[0]),
        list(rewritten_functions(stock.old.pages, stock.new.pages)),
        _titles(stock),
        [page.markdown for page in stock.old.pages if page.kind in ("source", "test")],
    )
    stock.changes = first.learnt()
    before = {change.digest for change in between}
    yield from (change for change in stock.changes if change.digest not in before)
    drift = first.knowing(stock.changes, Families(stock.changes, *stock.indexes))
    yield from drift.rows()
    yield from drift.site_rows()


def _bench(stock: Stock) -> Bench:
    """The sandbox, as a generator that tries what it proposes sees it."""
    releases = {release.id: release for release in (stock.old.release, stock.new.release)}

    def run(release: str, programs: Iterable[Program]) -> Mapping[str, Verdict]:
        return stock.observe(releases[release], programs)

    def holds(verdict: Verdict) -> bool:
        return verdict.outcome == "passed" and not announces(verdict)

    def same(old: Any, new: Any) -> bool:
        return alike(old, new, (*DEFAULT, "list-order", "container")) is not None

    return Bench(run, holds, same, broken)


def broken(before: Verdict, after: Verdict) -> tuple[str, str] | None:
    """What a release does to a program (fails, differs, warns) and the error or warning of its code that tells.

    Args:
        before: Its verdict at the old release.
        after: Its verdict at the new one.
    """
    raised = after.exception if isinstance(after.exception, Mapping) else {}
    if after.outcome == "error":
        in_code = raised.get("in") == "code" and raised.get("type")
        return "fails", f"{raised['type']}: {raised.get('message', '')}".rstrip(": ") if in_code else ""
    if after.outcome == "failed":
        return "differs", ""
    new = sorted(deprecations(after) - deprecations(before)) if after.outcome == "passed" else []
    return ("warns", ": ".join(new[0])) if new else None


def _bugs(stock: Stock, source: Source, _made: Sequence[Record]) -> Iterator[Record]:
    settings = stock.settings
    if _is_telling(stock, source):  # so the fixes of its bugs are
        yield from bugs.mutate(
            source.example,
            {source.program.id: source.program},
            stock.library,
            seed=settings.seed,
            limit=settings.mutants,
        )


def _migrations(stock: Stock) -> Iterator[Record]:
    """Edits of the drift rows that the step before made and saw proven."""
    programs = {**stock.programs, **{r.id: r for r in stock.made if isinstance(r, Program)}}
    rows = (r for r in stock.made if isinstance(r, Example) and r.old_effect is not None)
    return edits.migrations(rows, programs, _titles(stock))


def _titles(stock: Stock) -> tuple[str, str]:
    """The old and the new release in words."""
    old, new = (f"{r.library} {r.version}" for r in (stock.old.release, stock.new.release))
    return old, new


def _corrections(stock: Stock, source: Source, made: Sequence[Record]) -> Iterator[Record]:
    if _takes(stock.settings.edits, edits.GENERATOR, stock, source):
        programs = {r.id: r for r in (source.program, *made) if isinstance(r, Program)}
        yield from edits.corrections((r for r in made if isinstance(r, Example)), programs)


def _refactorings(stock: Stock, source: Source, _made: Sequence[Record]) -> Iterator[Record]:
    if _is_telling(stock, source) and _takes(stock.settings.edits, refactors.GENERATOR, stock, source):
        yield from refactors.mine(_piece(source), stock.indexes[1], seed=stock.settings.seed)


def _gaps(stock: Stock, source: Source, _made: Sequence[Record]) -> Iterator[Record]:
    if _takes(stock.settings.fim, fim.GENERATOR, stock, source):
        yield from fim.mine(_piece(source), stock.definitions, seed=stock.settings.seed)


def _replaced_tokens(stock: Stock, source: Source, _made: Sequence[Record]) -> Iterator[Record]:
    if _is_telling(stock, source) and _takes(stock.settings.locate, locate.GENERATOR, stock, source):
        yield from locate.mine(_piece(source), stock.trigrams, seed=stock.settings.seed)


def _piece(source: Source) -> Piece:
    return Piece(source.example, source.program)


def _is_telling(stock: Stock, source: Source) -> bool:
    """Whether a source passed well enough for what is made of its program to be told right from wrong by its test."""
    return source.verdict.proof == "strong" or stock.settings.weak


def _takes(percent: int, generator: str, stock: Stock, source: Source) -> bool:
    """Whether a generator's lottery takes a source."""
    return chosen(percent, stock.settings.seed, generator, source.program.id)


DRIFT = (pairs, migrate, behaviour, sites)
"""What makes the rows of the step `drift`; its version goes up with any of theirs."""

STEPS: Mapping[str, Callable[[Stock], Iterable[Record]]] = {
    "+".join(f"{made.GENERATOR}@{made.VERSION}" for made in DRIFT): _drift,
    f"{edits.GENERATOR}@{edits.VERSION}": _migrations,
}
"""Part with its version -> the step; one sees what those before it made (`Stock.made`)."""

BY_SOURCE: Mapping[str, Callable[[Stock, Source, Sequence[Record]], Iterable[Record]]] = {
    f"{bugs.GENERATOR}@{bugs.VERSION}": _bugs,
    f"{edits.GENERATOR}@{edits.VERSION}": _corrections,
    f"{refactors.GENERATOR}@{refactors.VERSION}": _refactorings,
    f"{fim.GENERATOR}@{fim.VERSION}": _gaps,
    f"{locate.GENERATOR}@{locate.VERSION}": _replaced_tokens,
}
"""Part with its version -> the step for one source; one sees what those before it made of the same source."""
