"""`bug` and `syntax` rows: a proven program, and the same with one mistake in it, or with two, three or four.

Every mistake that is drawn is a row: what is known beforehand to change nothing (a statement that no test looks at, a
copy of what nobody changes) or to be told by a comment is never drawn; the sandbox finds the rest.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from registry.names import SymbolIndex
from registry.records import Example, Program
from synth.claims import is_endless
from synth.material import derived
from synth.mutated.difficulty import edit_distance
from synth.mutated.slips import Draft, Slip
from synth.mutated.syntax_bugs import broken
from synth.mutated.taxonomy import MISTAKES
from synth.source import applied
from synth.vocabulary import Library

GENERATOR, VERSION = "bugs", "12"

SEVERAL = 8
"""One example in so many also gives a row with several mistakes, and each of them alone."""

SYNTAX = 4
"""One example in so many also gives a row that doesn't parse."""

COUNTS = {2: 6, 3: 3, 4: 1}
"""How many mistakes several are, by weight."""

NAMES = {2: "double", 3: "triple", 4: "quadruple"}
"""The operators of rows with so many mistakes."""


def mutate(
    example: Example,
    programs: Mapping[str, Program],
    library: Library | SymbolIndex,
    *,
    seed: int = 0,
    limit: int = 3,
) -> Iterator[Program | Example]:
    """Bugs of a proven `doc` or `test` example, each by another operator.

    Args:
        example: The source; its answer is what the bug's fix is.
        programs: Programs by id; the example's answer is looked up.
        library: The release's names (an index alone gives no stale names).
        seed: Other bugs for another seed; the same for the same program and seed, whatever else there is.
        limit: Most rows with one mistake; one example in `SEVERAL` has as many as it needs for one with several.

    Yields:
        For each bug the buggy Program, then the Example; the fixed Program is the example's own answer.
    """
    fixed = programs.get(example.parts["programs"]["answer"])
    if fixed is None or not limit or is_endless(fixed.test):
        return
    rng = random.Random(f"{seed}:{fixed.id}")
    draft = Draft(fixed, library if isinstance(library, Library) else Library(library))
    wanted = rng.choices(list(COUNTS), list(COUNTS.values()))[0] if rng.randrange(SEVERAL) == 0 else 0
    source = _Source(example, fixed, seed)
    found: list[Slip] = []
    for slip in draft.slips(rng, sure=wanted > 0):
        if len(found) >= max(limit, wanted):
            break
        if len(found) < limit or _apart([*found, slip]):
            found.append(slip)
            yield from source.rows([slip])
    together = _together(found, wanted)
    if together:
        yield from source.rows(together)
    if rng.randrange(SYNTAX) == 0:
        yield from source.unparsable(draft, rng)


def _together(found: list[Slip], wanted: int) -> list[Slip]:
    """As many mistakes as wanted that stand in different statements, two at least; else none."""
    chosen: list[Slip] = []
    for slip in found:
        if len(chosen) < wanted and _apart([*chosen, slip]):
            chosen.append(slip)
    return chosen if len(chosen) > 1 else []


def _apart(slips: list[Slip]) -> bool:
    """Whether all stand in different statements of the top level."""
    return len({s.statement for s in slips}) == len(slips)


class _Source:
    """An example that bugs are made from.

    Args:
        example: The example.
        fixed: Its answer.
        seed: The seed.
    """

    def __init__(self, example: Example, fixed: Program, seed: int) -> None:
        self.example = example
        self.fixed = fixed
        self.seed = seed

    def rows(self, slips: list[Slip]) -> Iterator[Program | Example]:
        """The program with these mistakes, and its row; the programs with one of several are known already."""
        edits = [edit for slip in slips for edit in slip.edits]
        buggy = self._program(applied(self.fixed.code, edits))
        named = {"buggy": buggy.id, "fixed": self.fixed.id}
        operator, kind = slips[0].operator, MISTAKES[slips[0].operator].kind
        if len(slips) > 1:
            operator = NAMES[len(slips)]
            kind = f"{operator} error"
            for i, slip in enumerate(slips, 1):
                named[f"alone{i}"] = self._program(applied(self.fixed.code, slip.edits)).id
        yield buggy
        parts = {"programs": named, "prompt": self._prompt("the bug" if len(slips) == 1 else f"the {len(slips)} bugs")}
        yield self._row("bug", parts, operator, kind, len(slips), edit_distance(self.fixed.code, edits))

    def unparsable(self, draft: Draft, rng: random.Random) -> Iterator[Program | Example]:
        """The program with an error of syntax, and its row."""
        for slip in broken(draft, rng):
            buggy = self._program(applied(self.fixed.code, slip.edits))
            parts = {
                "programs": {"buggy": buggy.id, "fixed": self.fixed.id},
                "prompt": self._prompt("the syntax error"),
            }
            size = edit_distance(self.fixed.code, slip.edits)
            yield buggy
            yield self._row("syntax", parts, slip.operator, slip.operator.replace("_", " "), 1, size)
            return

    def _prompt(self, what: str) -> str:
        """The task: the test says what the code is for, without which many a mistake can't be told from a choice."""
        return f"Fix {what}, so that this holds afterwards:\n```python\n{self.fixed.test.strip()}\n```"

    def _program(self, code: str) -> Program:
        fixed = self.fixed
        return Program(code=code, test=fixed.test, files=fixed.files, entry_point=fixed.entry_point)

    def _row(self, kind: str, parts: dict[str, Any], operator: str, bug_kind: str, count: int, size: int) -> Example:
        row = derived(self.example, kind, parts, (GENERATOR, VERSION), operator=operator, seed=self.seed)
        return replace(row, bug_kind=bug_kind, bugs=count, edit_distance=size)
