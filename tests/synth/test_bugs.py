"""Bugs are mistakes in proven programs: one or several, the same ones for the same program and seed."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from registry.text import distance
from synth.bugs import NAMES, SEVERAL, SYNTAX, mutate
from synth.mutated.difficulty import edit_distance
from synth.mutated.slips import comments
from synth.mutated.taxonomy import MISTAKES
from synth.vocabulary import Library
from tests.synth.conftest import RELEASE, parted, symbol
from validators.edits import syntax_error

INDEX = SymbolIndex(
    [symbol("lib.find_one"), symbol("lib.find_all"), symbol("lib.G", "class"), symbol("lib.G.add", "method")]
)
CODE = "import lib\n\nG = lib.G()\nG.add(1)\nresult1 = lib.find_one(G, 0, weight=None)\n"
FIXED = Program(code=CODE, test="assert result1 == 3\n")
SOURCE = Example(
    domain="d", kind="doc", releases=(RELEASE,), parts={"programs": {"answer": FIXED.id}}, file="lib/a.py",
    root="root", generator="doc_examples", generator_version="1", licence="MIT", source_url="u",
    symbols=("lib.find_one",),
)  # fmt: skip


def code_of(example: Example, programs: dict[str, Program], role: str = "buggy") -> str:
    return programs[dict(example.parts)["programs"][role]].code


def many(count: int, limit: int = 1) -> tuple[list[Example], dict[str, Program]]:
    """The rows of so many sources that differ in a number."""
    rows = []
    for number in range(count):
        fixed = replace(FIXED, code=CODE.replace("add(1)", f"add({number})"))
        source = replace(SOURCE, parts={"programs": {"answer": fixed.id}})
        rows += list(mutate(source, {fixed.id: fixed}, INDEX, limit=limit))
    return parted(rows)


def test_bugs_differ_from_their_fix_and_from_each_other() -> None:
    """Every bug parses, is another program, made by another operator, and carries its source's root and licence."""
    examples, programs = parted(mutate(SOURCE, {FIXED.id: FIXED}, INDEX, limit=6))
    singles = [e for e in examples if e.kind == "bug" and e.bugs == 1]
    assert len(singles) == 6
    assert len({e.operator for e in singles}) == 6
    buggy = {ast.dump(ast.parse(code_of(e, programs))) for e in singles}
    assert len(buggy | {ast.dump(ast.parse(CODE))}) == 7
    for example in singles:
        assert dict(example.parts)["programs"]["fixed"] == FIXED.id
        assert (example.root, example.licence, example.parents) == ("root", "MIT", (SOURCE.id,))
        assert example.bug_kind == MISTAKES[example.operator or ""].kind


def test_bugs_are_the_same_for_the_same_program_and_seed() -> None:
    """A seed gives a program the same bugs again, whatever release or page its row is of; another seed gives others."""
    elsewhere = replace(SOURCE, releases=("s" * 64,), parents=("page",))
    first, again, moved, other = (
        [r.id for r in mutate(source, {FIXED.id: FIXED}, INDEX, seed=s) if isinstance(r, Program)]
        for source, s in ((SOURCE, 0), (SOURCE, 0), (elsewhere, 0), (SOURCE, 1))
    )
    assert first == again == moved
    assert first != other


def test_stale_names_come_from_changes() -> None:
    """A symbol that was renamed is mistaken for what it was called before."""
    change = Change(old="o" * 64, new=RELEASE, symbol="lib.one", kind="renamed", replacement="lib.find_one")
    library = Library(INDEX, [change], SymbolIndex([symbol("lib.one")]))
    examples, programs = parted(mutate(SOURCE, {FIXED.id: FIXED}, library, limit=20))
    [stale] = [e for e in examples if e.operator == "stale_name"]
    assert "lib.one(G, 0, weight=None)" in code_of(stale, programs)


def test_several_mistakes_are_each_a_row_of_their_own() -> None:
    """A row with n mistakes holds those of n other rows, which stand in different statements."""
    examples, programs = many(20 * SEVERAL)
    several = [e for e in examples if e.operator in NAMES.values()]
    singles = {dict(e.parts)["programs"]["buggy"]: e for e in examples if e.bugs == 1}
    assert 5 < len(several) < 40
    for example in several:
        named = dict(example.parts)["programs"]
        alone = [named[role] for role in sorted(named) if role.startswith("alone")]
        assert len(alone) == example.bugs
        assert NAMES[len(alone)] == example.operator
        assert all(a in singles for a in alone)
        assert example.edit_distance == sum(singles[a].edit_distance or 0 for a in alone)
        changed = [set(programs[a].code.splitlines()) - set(code_of(example, programs).splitlines()) for a in alone]
        assert all(changed), "each mistake alone leaves right what another one breaks"


def test_syntax_rows_do_not_parse_and_are_one_edit_away() -> None:
    """Rows of kind `syntax` are of many kinds, none of which compiles."""
    examples, programs = many(40 * SYNTAX)
    broken = [e for e in examples if e.kind == "syntax"]
    assert 20 < len(broken) < 70
    assert len({e.operator for e in broken}) >= 4
    assert [e.operator for e in broken if syntax_error(code_of(e, programs)) is None] == []
    assert all(e.bugs == 1 and 0 < (e.edit_distance or 0) < 9 for e in broken)
    assert Counter(e.kind for e in examples)["bug"] > 100


SYNTAX_CODE = """\
import lib

def count(rows, name="x"):
    total = 0
    for row in rows:
        total += row
    if total == 3:
        return {"name": name, "total": total}
    return None

G = lib.G()
G.add(1)
# what is counted
result1 = count([1, 2])
"""


def test_each_error_of_syntax_can_be_made() -> None:
    """All eight errors are made where a program has a place for them."""
    found: set[str] = set()
    for number in range(80 * SYNTAX):
        fixed = Program(code=SYNTAX_CODE.replace("add(1)", f"add({number})"), test="assert result1\n")
        source = replace(SOURCE, parts={"programs": {"answer": fixed.id}})
        examples, programs = parted(mutate(source, {fixed.id: fixed}, INDEX, limit=1))
        for e in examples:
            if e.kind == "syntax":
                found.add(e.operator or "")
                assert syntax_error(code_of(e, programs)), code_of(e, programs)
                assert (e.operator == "illegal_comment") == ("# what is counted" not in code_of(e, programs))
    assert len(found) == 8


@pytest.mark.parametrize(("one", "other", "wanted"), [("a b", "a c", 1), ("", "a b", 2), ("a b c", "b c d", 2)])
def test_distance_counts_tokens(one: str, other: str, wanted: int) -> None:
    """A token put in, taken out or replaced counts one."""
    assert distance(one.split(), other.split()) == distance(other.split(), one.split()) == wanted
    assert edit_distance(f"x = {one}", [(4, 4 + len(one), other)]) == wanted


def test_comments_are_not_what_strings_hold() -> None:
    """A hash in a string is no comment."""
    assert comments("a = '# no'\nb = 1  # yes\n") == {2: "# yes"}


@pytest.mark.parametrize(("literals", "is_source"), [(9, True), (100, False)])
def test_nobody_is_asked_by_a_list_of_a_hundred_literals(literals: int, is_source: bool) -> None:
    """A program whose test holds more literals than anybody writes gives no bugs."""
    fixed = replace(FIXED, test=f"assert result1 == {[True] * literals}\n")
    source = replace(SOURCE, parts={"programs": {"answer": fixed.id}})
    assert bool(list(mutate(source, {fixed.id: fixed}, INDEX))) is is_source
