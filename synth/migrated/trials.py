"""Trials: what is proposed for one place is run, and the proven one kept; a codemod that proves nothing is given up.

Everything that is tried here for a row of its own is run again by nobody: a verdict is remembered by its program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.records import Program, Verdict
from synth.material import draw
from synth.migrated.migrate import Migrated, is_guess
from synth.migrated.rules import Rule
from synth.migrated.site import Site

TRIES = 3
"""Sites of one codemod that are tried before it is given up."""

MOST = 600
"""Other ways to rewrite broken examples that are tried, at most."""


@dataclass(frozen=True)
class Bench:
    """What a flow lends: it runs programs, and judges what came of them.

    Attributes:
        run: Id of a release and programs -> id of each program and its verdict there.
        holds: Whether a verdict is a pass without a warning of changes to come.
        same: Whether two values, as literals, are the same for a reader.
        breaks: Verdicts of a program at the old and the new release -> what the new one does to it (fails, differs,
            warns) and the error or warning of its code that tells; None where it does nothing.
    """

    run: Callable[[str, Iterable[Program]], Mapping[str, Verdict]]
    holds: Callable[[Verdict], bool]
    same: Callable[[Any, Any], bool]
    breaks: Callable[[Verdict, Verdict], tuple[str, str] | None]

    def holding(self, release: str, programs: Iterable[Program]) -> dict[str, Verdict]:
        """Id -> verdict of the programs that hold at a release."""
        return {i: v for i, v in self.run(release, programs).items() if self.holds(v)}


def chosen(
    options: Sequence[Sequence[Migrated]], bench: Bench, release: str
) -> tuple[list[Migrated], dict[str, Verdict]]:
    """Of each example the first way that holds at the new release, else the first; and the verdicts of those that hold.

    Args:
        options: For each example the ways to rewrite it, the likelier first.
        bench: Runs programs.
        release: Id of the new release.
    """
    proven = bench.holding(release, [ways[0].program for ways in options])
    others = [made.program for ways in options if ways[0].program.id not in proven for made in ways[1:]]
    proven |= bench.holding(release, others[:MOST])
    found = []
    for ways in options:
        best = next((made for made in ways if made.program.id in proven), ways[0])
        if best.program.id in proven or not all(map(is_guess, best.rules)):
            found.append(best)  # what nothing but a guess speaks for is worth a row where a run does too
    return [*_worthwhile(found, proven)], proven


def _worthwhile(found: Iterable[Migrated], proven: Collection[str]) -> Iterator[Migrated]:
    """Without those that fail by a codemod of which nothing was proved, from the fourth on."""
    every = list(found)
    good = proven_rules(every, proven)
    failed: Counter[Rule] = Counter()
    for made in every:
        if made.program.id in proven or all(rule in good for rule in made.rules):
            yield made
            continue
        bad = [rule for rule in made.rules if rule not in good]
        if min(failed[rule] for rule in bad) < TRIES:
            yield made
        failed.update(bad)


def runnable(sites: Iterable[Site], bench: Bench, release: str) -> list[Site]:
    """The sites with those old forms that passed at the old release: what failed there nobody wrote.

    Args:
        sites: Call sites.
        bench: Runs programs.
        release: Id of the old release.
    """
    every = list(sites)
    forms = {(s.root, text): s.program(text) for s in every for _, text in s.stale}
    verdicts = bench.run(release, forms.values())
    held = {key for key, program in forms.items() if verdicts[program.id].outcome == "passed"}
    return [replace(s, stale=tuple(form for form in s.stale if (s.root, form[1]) in held)) for s in every]


def given_up(sites: Iterable[Site], bench: Bench, releases: tuple[str, str]) -> frozenset[tuple[str, str]]:
    """(root of a site, codemod) of old forms that get no row: the codemod failed at the symbol's first sites.

    Args:
        sites: Call sites, those with old forms among them.
        bench: Runs programs.
        releases: Ids of the old and the new release.
    """
    groups: dict[tuple[str, ...], list[tuple[str, str, Program]]] = {}
    for site in sorted(sites, key=lambda s: draw(s.root)):
        for operator, text in site.stale[:2]:
            key = (site.path, operator, *sorted(_keywords(site.chosen) ^ _keywords(text)))
            groups.setdefault(key, []).append((site.root, operator, site.program(text)))
    tried = [program for members in groups.values() for *_, program in members[:TRIES]]
    before = bench.holding(releases[0], tried)
    after = bench.holding(releases[1], [p for p in tried if p.id in before])
    spared: set[tuple[str, str]] = set()
    for members in groups.values():
        proved = [p.id in before and p.id not in after for *_, p in members[:TRIES]]
        if sum(proved) * 2 < len(proved):
            spared |= {(root, operator) for root, operator, _ in members[TRIES:]}
    return frozenset(spared)


def _keywords(text: str) -> set[str]:
    """Names that stand before an equals sign in a call's text."""
    return set(re.findall(r"\b(\w+)=(?!=)", text))


def proven_rules(found: Iterable[Migrated], proven: Collection[str]) -> dict[Rule, str]:
    """The rules of rewritten programs that hold, each with the id of the first that proves it."""
    rules: dict[Rule, str] = {}
    for made in found:
        if made.program.id in proven:
            for rule in made.rules:
                rules.setdefault(rule, made.program.id)
    return rules
