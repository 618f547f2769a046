"""The drift part of synth in one place: what is learnt from runs, what is proposed, what is asked of the sandbox.

Two rounds. First the mined programs of the old release are run at both releases and those of the new one there;
`Drift` takes these outcomes and gives pairs, codemods and call sites, and probes: programs whose expected values are
not known. Then the probes are run at the new release, and `site_rows` writes the rows of all call sites. Everything
is a proposal: proofs sort it.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.material import Messages, Outcomes, Piece, Update, drifted, passing
from synth.migrated import behaviour
from synth.migrated.acceptance import acceptable, few_of_a_fact, tidied, without_change, without_idle_calls
from synth.migrated.behaviour import Behaviour, with_behaviour
from synth.migrated.evidence import (
    Pair,
    rules_from_likeness,
    rules_from_pairs,
    values_seen,
)
from synth.migrated.literals import varied
from synth.migrated.messages import Said, rules_from_messages
from synth.migrated.migrate import Migrated, Migration, as_new
from synth.migrated.pairs import Pairs, asserted, broken, matched
from synth.migrated.planting import Planter, Probe, settled
from synth.migrated.rules import HOLE, NAMING, Rule, removed_parameters, rules_of
from synth.migrated.site import Site
from synth.migrated.sites import Limits, Sites
from synth.migrated.spelling import Speller
from synth.migrated.templates import guessed
from synth.migrated.trials import Bench, chosen, given_up, proven_rules, runnable
from synth.migrated.wording import Wording


@dataclass(frozen=True)
class _Rewritten:
    """What came of rewriting old examples.

    Attributes:
        found: The examples, rewritten.
        proofs: Codemod -> id of a rewritten program that holds at the new release.
        called: Id of a rewritten program that holds -> what its run called.
    """

    found: list[Migrated]
    proofs: Mapping[Rule, str]
    called: Mapping[str, tuple[str, ...]]


class Drift:
    """Everything that two releases and the runs of their programs give.

    Args:
        changes: What changed.
        indexes: Symbols of the old and of the new release.
        families: Families of the changes.
        old: Mined examples of the old release.
        new: Mined examples of the new release.
        outcomes: (program, release) -> outcome: old programs at both releases, new ones at the new.
        messages: (program, release) -> its error and deprecation warnings, where there are any.
        warned: (program, release) of those that warned of a deprecation.
        releases: Ids of the old and the new release.
        domain: Name of the domain.
        limits: How many call sites are proposed.
        seed: Seed.
        bench: Runs what is proposed, so that the proven one is kept.
        suspects: Canonical paths of what may act differently without a note (see `synth.migrated.behaviour`).
        hunks: Functions of the library itself that were rewritten.
        titles: The old and the new release in words: `networkx 3.6.1`.
        given: More code of the old release, where values of parameters are looked for.
    """

    def __init__(
        self,
        changes: Sequence[Change],
        indexes: tuple[SymbolIndex, SymbolIndex],
        families: Families,
        old: Sequence[Piece],
        new: Sequence[Piece],
        outcomes: Outcomes,
        messages: Messages,
        warned: frozenset[tuple[str, str]],
        releases: tuple[str, str],
        domain: str,
        limits: Limits,
        seed: int,
        bench: Bench,
        suspects: frozenset[str] = frozenset(),
        hunks: Sequence[Pair] = (),
        titles: tuple[str, str] = ("the old release", "the new release"),
        given: Sequence[str] = (),
    ) -> None:
        self.hunks, self.titles, self.given = hunks, titles, given
        self.bench = bench
        self.changes, self.families = sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)), families
        self.old_index, self.new_index = indexes
        self.old = sorted(old, key=lambda p: (p.key, p.program.id))
        self.new = sorted(new, key=lambda p: (p.key, p.program.id))
        self.outcomes, self.messages, self.warned = outcomes, messages, warned
        self.releases, self.domain, self.seed = releases, domain, seed
        self.limits = limits
        self.behaviour = Behaviour(self.old, outcomes, self.old_index, suspects, bench, releases, seed)

    @cached_property
    def passing(self) -> list[Piece]:
        """Examples of the new release that pass there without a deprecation warning."""
        found = passing(self.new, self.outcomes, self.releases[1])
        return [p for p in found if (p.program.id, self.releases[1]) not in self.warned]

    @cached_property
    def rules(self) -> list[Rule]:
        """The codemods: from the changes, from what errors say, from the maintainers' own migrations."""
        old, new = self.old_index, self.new_index
        removed = [(p.rpartition(".")[2], f"{name}=") for p, name in removed_parameters(self.changes)]
        given = (text for text in self.given if any(name in text and keyword in text for name, keyword in removed))
        seen = values_seen((*map(_text, self.old), *given), old)
        passes = frozenset(p.program.id for p in self.passing)
        matches = matched(self.old, self.passing, passes, like=False)  # likeness shows no renames
        pairs = [m for m in matches if asserted(m.old.program) & asserted(m.new.program)]
        codes = [
            Pair(_text(m.old), _text(m.new), (m.old.called, m.new.called))
            for m in pairs
            if m.old.program.code != m.new.program.code
        ]
        aliases = self._speller.alias
        found = itertools.chain(
            rules_of(self.changes, old, new, seen),
            rules_from_messages(self._said(), self.changes, old, new),
            rules_from_likeness(self.changes, old, new),
            rules_from_pairs(codes, self.changes, old, new),
            (dataclasses.replace(r, guess=True) for r in rules_from_pairs(self.hunks, self.changes, old, new)),
            *(guessed(c, old.by_path[c.symbol], old, new, aliases) for c in self.changes if c.symbol in old.by_path),
        )
        return distinct(found)

    def _said(self) -> list[Said]:
        """What the runs of old programs said at either release."""
        said = ((self.messages.get((p.program.id, r), "").strip(), p.called) for p in self.old for r in self.releases)
        return [Said(text, called) for text, called in said if text]

    @property
    def migrated(self) -> list[Migrated]:
        """Old examples that broke, rewritten by the rules; of several ways the one that holds at the new release."""
        return self._rewritten.found

    @cached_property
    def _rewritten(self) -> _Rewritten:
        hurt = [*broken(self.old, self.outcomes, self.releases, self._warnings), *self.behaviour.mendable]
        options = [ways for piece in sorted(hurt, key=_order) if (ways := self._migration.variants(piece))]
        found, proven = chosen(options, self.bench, self.releases[1])
        return _Rewritten(found, proven_rules(found, proven), {i: v.symbols_called for i, v in proven.items()})

    def learnt(self) -> list[Change]:
        """The changes with the replacements that runs have proved, and with those that runs alone tell of."""
        changes = with_replacements(self.changes, self._rewritten.proofs)
        return with_behaviour(changes, self.behaviour.differences, self.releases)

    def knowing(self, changes: Sequence[Change], families: Families) -> Drift:
        """The same, with what was learnt written to the changes, and their families."""
        other = copy.copy(self)
        other._rewritten = self._rewritten  # what is learnt once serves both
        other.changes, other.families = sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)), families
        for name in ("sites", "found", "probes", "_rows"):
            other.__dict__.pop(name, None)
        return other

    @cached_property
    def _migration(self) -> Migration:
        return Migration(self.rules, self._speller, self.old_index, self.new_index)

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self.passing, self.old_index, self.new_index)

    @cached_property
    def _warnings(self) -> Messages:
        return {key: self.messages.get(key, "") for key in self.warned}

    @cached_property
    def sites(self) -> Sites:
        """Finds and writes call sites."""
        return Sites(
            self.changes, self.old_index, self.new_index, self.rules, self.families, self.limits, self.seed
        )  # fmt: skip

    @cached_property
    def found(self) -> list[Site]:
        """Call sites in programs of the new release, and in old ones rewritten."""
        return self.sites.find([*self.passing, *as_new(self.migrated, self.releases[1], self._rewritten.called)])

    @cached_property
    def probes(self) -> list[Probe]:
        """What is to be run once at the new release: planted call sites and ones with other literals."""
        planted = Planter(self.new_index, self.seed).probes(self.found, self.passing)
        return [*planted, *varied(self.sites.limited(self.found), self.seed)]

    def rows(self) -> Iterator[Program | Example]:
        """`drift` rows: the same example at both releases, old examples rewritten by codemods, results restated."""
        yield from self._rows

    @cached_property
    def _rows(self) -> list[Program | Example]:
        pairs = Pairs(self.changes, self.old_index, self.new_index, self.families)
        hurt = broken(self.old, self.outcomes, self.releases, self._warnings)
        updates = itertools.chain(
            pairs.updates(hurt, self.passing, self.messages, self.releases),
            self._migration.updates(self.migrated, self.families),
            behaviour.updates(self.behaviour.differences, self.changes, self.families),
        )
        return list(self._emitted(updates))

    def site_rows(self) -> Iterator[Program | Example]:
        """`preference` rows of call sites, and a `drift` row for each old form that `rows` has none of."""
        told = self.bench.run(self.releases[1], (program for probe in self.probes for program in probe.programs))
        more: Iterable[Site] = settled(self.probes, told)
        sites = runnable(self.sites.limited([*self.found, *more]), self.bench, self.releases[0])
        yield from self.sites.rows(sites, self.domain, self.releases)
        updates = self.sites.updates(sites, given_up(sites, self.bench, self.releases))
        yield from self._emitted(updates, frozenset(record.id for record in self._rows))

    def _emitted(self, updates: Iterable[Update], known: Collection[str] = frozenset()) -> Iterator[Program | Example]:
        """A row for each old program, with what the old form does at the new release.

        Of several ways to update it the first that runs prove is the row, else the first: what is refuted is counted
        too. Proofs refuse it; that it has no effect says so here. Old programs that are `known` have a row.
        """
        ways: dict[str, list[Update]] = {}
        for update in self._accepted(updates):
            if update.old.id not in known:
                ways.setdefault(update.old.id, []).append(update)
        every = [update for of_one in ways.values() for update in of_one]
        before, after = (self.bench.run(release, (u.old for u in every)) for release in self.releases)
        holding = self.bench.holding(self.releases[1], (u.new for u in every if before[u.old.id].outcome == "passed"))
        wording = Wording(self.changes, (self.old_index, self.new_index), self.titles)
        for name, of_one in ways.items():
            update = next((u for u in of_one if u.new.id in holding), of_one[0])
            broke = self.bench.breaks(before[name], after[name]) if update.new.id in holding else None
            effect, said = broke or (None, "")
            yield update.old
            yield update.new
            yield drifted(update, wording.prompt(update, effect or "differs", said), effect, self.releases)

    def _accepted(self, updates: Iterable[Update]) -> list[Update]:
        """The updates that a maintainer would take, each two programs once: the change feeds a check, no call is idle.

        What stands in them and does nothing for the checks is left out where they hold without it.
        """
        found = _distinct(tidied(u) for u in few_of_a_fact(filter(acceptable, updates)))
        lean = {i: made for i, u in enumerate(found) if (made := without_idle_calls(u)) is not None}
        holding = self.bench.holding(self.releases[1], (u.new for u in lean.values()))
        found = [lean[i] if i in lean and lean[i].new.id in holding else u for i, u in enumerate(found)]
        cut = {i: bare for i, u in enumerate(found) if (bare := without_change(u)) is not None}
        holding = self.bench.holding(self.releases[1], cut.values())
        return _distinct(u for i, u in enumerate(found) if i not in cut or cut[i].id not in holding)


def _distinct(updates: Iterable[Update]) -> list[Update]:
    """The first update of each two programs."""
    found: dict[tuple[str, str], Update] = {}
    for update in updates:
        found.setdefault((update.old.id, update.new.id), update)
    return list(found.values())


def distinct(rules: Iterable[Rule]) -> list[Rule]:
    """The rules without those that rewrite as one before does, whatever tells of them."""
    unique: dict[tuple[object, ...], Rule] = {}
    for rule in rules:
        key = (
            rule.kind, rule.old, rule.new, rule.parameter, rule.to, rule.accepted, rule.around, rule.values,
            rule.template,
        )  # fmt: skip
        unique.setdefault(key, rule)
    return list(unique.values())


def _text(piece: Piece) -> str:
    return piece.program.code + "\n" + piece.program.test


def _order(piece: Piece) -> tuple[str, str]:
    return piece.key, piece.program.id


LEARNT = "runs and migrations"
"""Source of the evidence for a replacement that no note names."""


def with_replacements(changes: Iterable[Change], proofs: Mapping[Rule, str]) -> list[Change]:
    """The changes, with the replacements that runs have proved: a family has its old and its new names.

    Args:
        changes: The changes, as notes and signatures tell them.
        proofs: Codemod -> id of a rewritten program that holds at the new release.
    """
    learnt: dict[str, str] = {}
    shown: dict[str, str] = {}
    for rule, program in sorted(proofs.items(), key=lambda kv: kv[0].kind not in NAMING):
        if rule.change and rule.kind in (*NAMING, "expression"):
            text = rule.new if rule.kind in NAMING else HOLE.sub(r"{\1}", rule.template)
            learnt.setdefault(rule.change, text)
            shown.setdefault(rule.change, program)
    made = []
    for change in changes:
        new = learnt.get(change.id)
        if change.kind == "removed" and change.replacement is None and new is not None:
            evidence = [*change.evidence, {"source": LEARNT, "text": _learnt(new, shown[change.id])}]
            made.append(dataclasses.replace(change, replacement=new, evidence=evidence))
        else:
            made.append(change)
    return made


def _learnt(new: str, program: str) -> str:
    return f"Old calls are written with {new} now: proved by program {program}"
