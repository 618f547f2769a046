"""`edit` rows from rows that are there: a migration from a `drift` row, a correction from a `bug` row.

An instruction says what is wrong, quotes the statements that are to be changed, and says that nothing else is: their
lines are the row's `scope`. The programs are the source row's own, so nothing has to run for these rows.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.records import Example, Program
from registry.text import lines_of
from registry.trees import parsed
from synth.claims import checks_of, has_idle_call, tells_values
from synth.dataflow import BUILTINS, flow, flow_all
from synth.edited.asking import asked
from synth.edited.decided import Whole
from synth.material import derived
from synth.source import first_line

GENERATOR, VERSION = "edits", "7"
MOST_PLACES, MOST_LINES = 3, 8
"""Places of one edit, and lines of one place: more can't be quoted."""
MOST_CHECKS, LONGEST_CHECK = 3, 160
"""Checks that an instruction quotes, and characters of one."""

_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Place:
    """Lines that an edit replaces.

    Attributes:
        first: The first one, 1-based.
        last: The last one; `first - 1` where something is put in before `first`.
        text: They, dedented.
        imports: Packages that they import, where they are imports, before or after.
    """

    first: int
    last: int
    text: str
    imports: frozenset[str]


def migrations(
    rows: Iterable[Example], programs: Mapping[str, Program], releases: tuple[str, str]
) -> Iterator[Example]:
    """`edit` rows of `drift` rows whose two programs have one test and differ in statements that name what changed.

    Two versions of a test that only asks for yes or no may do different things: they give no row.

    Args:
        rows: Rows; those of kind `drift` are read.
        programs: Program id -> program.
        releases: The old and the new release in words, as `networkx 3.6.1`.
    """
    for example, old, new, places in _editable(rows, programs, ("drift", "old", "new")):
        names = {path.rpartition(".")[2] for path in (*example.symbols, *filter(None, [example.family]))}
        changed = [p for p in places if not p.imports]
        if not changed or not all(names & set(_WORD.findall(p.text)) for p in changed):
            continue
        if not frozenset().union(*(p.imports for p in places)) <= {path.partition(".")[0] for path in example.symbols}:
            continue  # another package's import: more than the change
        if not (example.operator or "").startswith(("forward", "backward")) and not tells_values(new.test):
            continue  # nothing says that the two programs do the same
        if Whole(new.code, new.test).is_private:
            continue
        quoted = "\n".join(f"```python\n{p.text}\n```" for p in changed)
        beside = " and the imports that go with it" if len(changed) < len(places) else ""
        what = f"{example.parts['prompt']}\nIt was written for {releases[0]}: change this{beside} for {releases[1]}"
        yield _row(example, old, new, f"{what}, and leave everything else as it is:\n{quoted}", places, "migration")


def corrections(rows: Iterable[Example], programs: Mapping[str, Program]) -> Iterator[Example]:
    """`edit` rows of `bug` rows with one mistake: the instruction says what is wrong, where, and what has to hold.

    A mistake that there are no words for (a statement that is missing, which nobody can infer) gives no row; nor does
    a test that only asks for yes or no, as it doesn't say what is right.

    Args:
        rows: Rows; those of kind `bug` are read.
        programs: Program id -> program.
    """
    single = (row for row in rows if row.bugs in (None, 1))  # several on neighbouring lines would be one place
    for example, buggy, fixed, places in _editable(single, programs, ("bug", "buggy", "fixed")):
        checks = _checks(fixed)
        if (
            len(places) != 1
            or has_idle_call(fixed.code)
            or not checks
            or not tells_values(fixed.test)
            or Whole(fixed.code, fixed.test).is_private
        ):
            continue
        what = asked(example.operator or "", buggy.code, fixed.code)
        if what:
            holds = "\n".join(checks)
            prompt = f"{what}\n{_where(places[0])}\nThen this holds:\n```python\n{holds}\n```"
            yield _row(example, buggy, fixed, prompt, places, "correction")


def _where(place: Place) -> str:
    """Where something is to be changed, with the statement; where something is put in, that nothing else changes."""
    if place.last < place.first:
        return "Leave everything else as it is."
    lines = f"line {place.first}" if place.first == place.last else f"lines {place.first} to {place.last}"
    return f"Correct {lines}, and leave everything else as it is:\n```python\n{place.text}\n```"


def _editable(
    rows: Iterable[Example], programs: Mapping[str, Program], roles: tuple[str, str, str]
) -> Iterator[tuple[Example, Program, Program, list[Place]]]:
    """Rows of one kind whose programs differ in a few places alone, each pair of programs once."""
    kind, wrong, right = roles
    seen: set[tuple[str, str]] = set()
    for example in sorted((e for e in rows if e.kind == kind), key=lambda e: e.id):
        named = dict(example.parts["programs"])
        pair = named[wrong], named[right]
        before, after = programs.get(pair[0]), programs.get(pair[1])
        if pair in seen or before is None or after is None or (before.test, before.files) != (after.test, after.files):
            continue
        seen.add(pair)
        places = _places(before.code, after.code) if parsed(before.code) is not None else []
        if 0 < len(places) <= MOST_PLACES and all(p.last - p.first < MOST_LINES for p in places):
            yield example, before, after, places


def _places(before: str, after: str) -> list[Place]:
    """Where two programs differ, widened to whole statements of `before`; what overlaps or touches is one place."""
    old, new = lines_of(before), lines_of(after)
    tree = ast.parse(before)
    found: list[tuple[int, int, list[str]]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        first, last = _widened(tree, i1 + 1, i2)
        added = new[j1:j2]
        if found and first <= found[-1][1] + 1:
            start, end, before_it = found.pop()
            first, last, added = min(start, first), max(end, last), [*before_it, *added]
        found.append((first, last, added))
    return [Place(a, b, _dedented(old[a - 1 : b]), _imported([*old[a - 1 : b], *added])) for a, b, added in found]


def _widened(tree: ast.Module, first: int, last: int) -> tuple[int, int]:
    """The lines of the innermost statements that the lines are part of."""
    start, end = first, last
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not _has_block(node):
            a, b = first_line(node), node.end_lineno or node.lineno
            if a <= last and b >= first:
                start, end = min(start, a), max(end, b)
    return start, end


def _has_block(node: ast.stmt) -> bool:
    return hasattr(node, "body") or hasattr(node, "handlers")


def _imported(lines: Iterable[str]) -> frozenset[str]:
    """The packages that lines import; none where anything but imports stands in them."""
    texts = [line.split() for line in lines if line.strip()]
    if all(text[0] in ("import", "from") and len(text) > 1 for text in texts):
        return frozenset(text[1].partition(".")[0].rstrip(",") for text in texts)
    return frozenset()


def _dedented(lines: Sequence[str]) -> str:
    widths = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    cut = min(widths, default=0)
    return "".join(line[cut:] if line.strip() else line for line in lines).rstrip("\n")


def _checks(program: Program) -> list[str]:
    """The first checks of a test, on one line each; the whole test where they need what stands above them."""
    checks = [(ast.unparse(check), flow(check).reads) for check in checks_of(program.test)]
    short = [(said, reads) for said, reads in checks if len(said) <= LONGEST_CHECK][:MOST_CHECKS]
    known = flow_all(ast.parse(program.code).body).binds | BUILTINS
    if all(reads <= known for _, reads in short):
        return [said for said, _ in short]
    whole = program.test.strip()
    return [whole] if whole.count("\n") < MOST_LINES + MOST_CHECKS else []


def _row(
    example: Example, before: Program, after: Program, prompt: str, places: Sequence[Place], operator: str
) -> Example:
    parts = {
        "programs": {"before": before.id, "after": after.id},
        "prompt": prompt,
        "scope": [[p.first, p.last] for p in places],
    }
    return derived(example, "edit", parts, (GENERATOR, VERSION), operator=operator, seed=example.seed)
