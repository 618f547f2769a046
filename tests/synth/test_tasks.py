"""Rows of `fim`, `edit` and `locate` keep their promise: whole nodes, one token, nothing outside the instruction."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

import pytest

from registry.names import SymbolIndex
from registry.records import Example, Program
from synth import edits, fim, locate, refactors
from synth.claims import tells_values
from synth.context import Definitions
from synth.decided import Whole
from synth.material import Piece, chosen
from synth.ngrams import Trigrams, tokens
from synth.source import Source
from tests.synth.conftest import RELEASE, page, parted, symbol
from validators.scope import gap_fault, scope_fault, token_fault

SOURCE = page("lib/core.py", "def make(size, kind=None):\n    return size\n", "source")
MAKE = dataclasses.replace(
    symbol("lib.core.make", "function", "lib.make", doc="Make a graph.\n\nAt length.", on=SOURCE),
    signature="(size, kind=None)",
    parameters=(
        {"name": "size", "kind": "positional or keyword", "default": None},
        {"name": "kind", "kind": "positional or keyword", "default": "None"},
    ),
)
INDEX = SymbolIndex([symbol("lib", "module"), symbol("lib.core", "module"), MAKE])
CODE = 'import lib\n\nG = lib.make(3)\nH = lib.make(4, kind="x")\nresult1 = G.size()\nresult2 = H.size(G)\n'
TEST = "assert result1 == 3\nassert result2 == 7\n"
LIBRARY = "G.size()\nG.order()\nG.order()\nlib.make(3)\nlib.made(4)\nH.size(H)\n" * 3


def piece(code: str = CODE, test: str = TEST) -> Piece:
    program = Program(code=code, test=test)
    example = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": program.id}, "name": "test_make"},
        symbols=("lib.core.make",), file="lib/tests/test_core.py", root="root", generator="g", generator_version="1",
        licence="MIT",
    )  # fmt: skip
    return Piece(example, program)


def derived(kind: str, roles: tuple[str, str], before: str, after: str, **more: Any) -> tuple[Example, list[Program]]:
    programs = [Program(code=code, test=TEST) for code in (before, after)]
    parts = {"programs": dict(zip(roles, (p.id for p in programs), strict=True)), "prompt": "…"}
    return dataclasses.replace(piece().example, kind=kind, parts=parts, **more), programs


FILLED = "import lib\n\nn = [0, 1]\nk = 'x'\nG = lib.make(n, k)\nresult1 = G.order()\nresult2 = G.order(n)\n"


@pytest.mark.parametrize("seed", range(12))
def test_gap_makes_its_program(seed: int) -> None:
    """Prefix, middle and suffix are the program with its test, cut at whole nodes, whatever is drawn."""
    (row,) = fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed)
    parts: Any = row.parts
    assert gap_fault(FILLED, TEST, parts["prefix"], parts["middle"], parts["suffix"]) == ""
    assert row.operator in ("line", "block", "expression", "arguments")
    assert parts["order"] in fim.ORDERS
    assert "make" in parts["prefix"].splitlines()[-1] + parts["middle"], "the subject is called there"


def test_gaps_of_every_sort_and_order_are_drawn() -> None:
    """Over the seeds there are lines, blocks, expressions and arguments, and both orders."""
    rows = [row for seed in range(40) for row in fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed)]
    assert {r.operator for r in rows} == {"line", "block", "expression", "arguments"}
    assert {dict(r.parts)["order"] for r in rows} == {"psm", "spm"}  # type: ignore[call-overload]


def test_function_that_nothing_else_names_is_told() -> None:
    """A gap that calls what the rest doesn't name always has its definition with it."""
    head = 'def make(size, kind=None):\n    """Make a graph."""\n    ...\n'
    told: dict[bool, set[bool]] = {True: set(), False: set()}
    for seed in range(40):
        (row,) = fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed)
        parts: Any = row.parts
        assert parts["context"] in ([], [{"path": "lib/core.py", "text": head}])
        assert (SOURCE.id in row.parents) is bool(parts["context"])
        told["make" in parts["prefix"]].add(bool(parts["context"]))
    assert told[False] == {True}


@pytest.mark.parametrize(
    ("code", "test", "gap", "decided"),
    [
        ("G = lib.make(nodes)\nr = lib.size(G)\n", "assert r == 3\n", "r = lib.size(G)", False),  # any function fits
        ("r = lib.size(nodes)\ns = lib.size(more)\n", "assert (r, s) == (1, 2)\n", "lib.size(more)", True),
        ("G = lib.size(4)\n", "assert lib.size(G) == 3\n", "lib.size(4)", False),  # nothing from what is there
        ("r = lib.size(nodes, 2)\n", "assert lib.size(r) == 2\n", "lib.size(nodes, 2)", False),  # 2 by chance
        ("r = lib.size(nodes, 2)\n", "assert lib.size(r) == [1, 2]\n", "lib.size(nodes, 2)", True),
        ("r = lib.size(nodes, 2)\ns = lib.size(nodes, 5)\n", "assert r < s\n", "lib.size(nodes, 2)", True),
        ("r = lib.size(nodes, on=True)\n", "assert lib.size(r) == 2\n", "lib.size(nodes, on=True)", False),
        ("nodes.grow(1)\nr = nodes.grow(2)\n", "assert r == [1, 2]\n", "nodes.grow(1)", False),  # what is done
        ("lib.size(nodes)\nlib.size(nodes)\n", "assert nodes == [1]\n", "lib.size(nodes)", False),  # twice
        ("H = lib.size(nodes)\nr = lib.size(more)\n", "assert r == [1]\n", "H = lib.size(nodes)", False),  # unread
        ("r = len(nodes)\n", "assert r == [1]\n", "len(nodes)", False),  # no more than built-in functions
        ("r = nodes.copy()\n", "assert r == [1]\n", "nodes.copy()", True),  # everybody knows a list's methods
        ("r = nodes.coat()\n", "assert r == [1]\n", "nodes.coat()", False),
    ],
)
def test_gap_follows_from_what_stands_around_it(code: str, test: str, gap: str, decided: bool) -> None:
    """Names in scope, what the rest calls, and literals that are asked for or stand in a like call; nothing else."""
    whole = Whole(f"import lib\n\nnodes, more = [1], [2]\n{code}", test)
    found = [g for g in fim.gaps(whole.source) if whole.code[g.start : g.end] == gap]
    assert found
    assert {whole.decides(g.nodes, (g.start, g.end), "") for g in found} == {decided}


def test_private_attributes_and_questions_of_yes_or_no_give_no_gap() -> None:
    """Nobody should learn `G._adj`, and a test that asks for yes or no doesn't decide."""
    definitions = Definitions([SOURCE], INDEX)
    assert list(fim.mine(piece(FILLED + "G._adj = 1\n"), definitions)) == []
    assert list(fim.mine(piece(FILLED, "assert result1\nassert not result2\n"), definitions)) == []


def test_nothing_in_an_f_string_is_a_gap() -> None:
    """Before Python 3.12 what stands in an f-string doesn't know where: no gap begins or ends there."""
    code = 'x = 1\ny = """\n""" + f"{lib.make(x)} and {lib.make(x, 3)}"\n'
    assert {gap.operator for gap in fim.gaps(Source(code))} <= {"line", "block"}


@pytest.mark.parametrize("given", ["(a + b), c", "a, (b + c)", "((a)), k=(b)"])
def test_gap_of_arguments_has_all_of_their_parentheses(given: str) -> None:
    """Where arguments stand in parentheses, these are in the gap."""
    code = f"import lib\n\nr = lib.f({given})\n"
    found = [code[gap.start : gap.end] for gap in fim.gaps(Source(code)) if gap.operator == "arguments"]
    assert found == [given]


@pytest.mark.parametrize("seed", range(12))
def test_one_token_is_replaced_by_a_plausible_one(seed: int) -> None:
    """The corrupted program is a token away from the original, parses, and takes no name for one that isn't bound."""
    source = piece()
    examples, programs = parted(locate.mine(source, Trigrams([LIBRARY]), seed=seed))
    parts: Any = examples[0].parts
    corrupted = programs[parts["programs"]["corrupted"]]
    assert token_fault(CODE, corrupted.code, parts["at"], parts["was"], parts["replaced"]) == ""
    assert ast.dump(ast.parse(corrupted.code)) != ast.dump(ast.parse(CODE))
    assert corrupted.code.splitlines()[parts["line"] - 1] != CODE.splitlines()[parts["line"] - 1]
    assert not parts["was"].startswith("result")
    if examples[0].operator == "name":
        assert parts["replaced"] in ("G", "H")


@pytest.mark.parametrize(
    ("test", "tells"),
    [
        ("assert raised1 is True\nassert x == False\nassert y\n", False),
        ("assert len(x) == 3\n", True),
        ("for k in x:\n    assert k in (3, 4)\n", True),
        ("assert not x\n", False),
        ("pd.testing.assert_frame_equal(x, y)\n", True),
        ("mock.assert_called()\n", False),
    ],
)
def test_literals_stay_where_a_test_asks_for_yes_or_no(test: str, tells: bool) -> None:
    """A number is replaced only where the test compares values and shows it: else it couldn't be told."""
    assert tells_values(test) is tells
    rows = [r for seed in range(20) for r in locate.mine(piece(test=test), Trigrams([LIBRARY]), seed=seed)]
    kinds = {r.operator for r in rows if isinstance(r, Example)}
    assert ("number" in kinds) is (tells and "3" in test)


def test_model_proposes_what_it_saw_in_such_places() -> None:
    """Behind `G.` it knows `size` and `order`, the commoner first; it knows what is raised; a comment is no code."""
    model = Trigrams(["G.order()\nG.order()\nG.size()  # G.comment()\n"])
    assert model.candidates(["G", "."]) == ["order", "size"]
    assert model.score(["G", ".", "("], "order") > model.score(["G", ".", "("], "size") > 0
    model = Trigrams(
        ["try:\n    raise lib.Bad(1)\nexcept (ValueError): pass\nexcept lib.Worse: pass\n"], {"f": "function"}
    )
    assert model.same_sort("Bad", "Worse")
    assert not model.same_sort("Bad", "f")
    assert [t.text for t in tokens("x = 'a#b'  # c\n\n\ny")] == ["x", "=", "'a#b'", "\n", "y"]


OLD = CODE.replace("lib.make(3)", "lib.made(3)")


def test_drift_row_becomes_an_instruction_to_migrate() -> None:
    """The instruction quotes the statement that names what changed, and the programs are the drift row's own."""
    row, programs = derived("drift", ("old", "new"), OLD, CODE, symbols=("lib.core.make", "lib.core.made"))
    (edit,) = edits.migrations([row], {p.id: p for p in programs}, ("lib 1", "lib 2"))
    parts: Any = edit.parts
    assert parts["programs"] == {"before": programs[0].id, "after": programs[1].id}
    assert parts["scope"] == [[3, 3]]
    assert "```python\nG = lib.made(3)\n```" in parts["prompt"]
    assert (edit.root, edit.file, edit.operator) == (row.root, row.file, "migration")


@pytest.mark.parametrize(
    "old",
    [
        OLD.replace("G.size()", "len(G)"),  # another statement that doesn't name what changed
        CODE.replace("G.size()", "len(G)"),
        CODE,
        OLD.replace("import lib\n", "import json\nimport lib\n"),  # another package's import
    ],
)
def test_drift_with_more_than_its_change_is_no_edit(old: str) -> None:
    """Where old and new code also differ in what the instruction doesn't speak of, there is no row."""
    row, programs = derived("drift", ("old", "new"), old, CODE, symbols=("lib.core.make", "lib.core.made"))
    assert list(edits.migrations([row], {p.id: p for p in programs}, ("lib 1", "lib 2"))) == []


def test_versions_of_a_test_that_asks_yes_or_no_are_no_migration() -> None:
    """Nothing says that two programs do the same whose test is `assert raised1 is True`; a codemod does."""
    row, programs = derived("drift", ("old", "new"), OLD, CODE, symbols=("lib.core.make", "lib.core.made"))
    asked = [dataclasses.replace(p, test="assert result1 is True\n") for p in programs]
    parts = {"programs": {"old": asked[0].id, "new": asked[1].id}, "prompt": "…"}
    known = {p.id: p for p in asked}
    for operator, rows in (("same:whole", 0), ("forward:rename", 1)):
        asking = dataclasses.replace(row, parts=parts, operator=operator)
        assert len(list(edits.migrations([asking], known, ("lib 1", "lib 2")))) == rows


@pytest.mark.parametrize(
    ("before", "after", "scope"),
    [
        ("f(\n    1,\n    3,\n)\nx = 1\n", "f(\n    1,\n    2,\n    3,\n)\nx = 1\n", [[1, 4]]),
        ("f(\n    1,\n    2,\n    3,\n)\n", "f(\n    0,\n    2,\n    4,\n)\n", [[1, 5]]),
        ("a = 1\nb = 1\nc = 1\n", "a = 2\nb = 1\nc = 2\n", [[1, 1], [3, 3]]),
        ("for a in b:\n    f(a)\n", "for a in c:\n    f(a)\n", [[1, 1]]),
    ],
)
def test_places_are_whole_statements(before: str, after: str, scope: list[list[int]]) -> None:
    """A line put into a statement, or two lines of it changed, are the whole statement; headers stand alone."""
    row, programs = derived("bug", ("buggy", "fixed"), before, after)
    made = list(edits.corrections([row], {p.id: p for p in programs}))
    assert [parts["scope"] for edit in made for parts in [dict(edit.parts)]] == ([scope] if len(scope) == 1 else [])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("buggy", "scope", "says"),
    [
        (CODE.replace("lib.make(3)", "lib.make(2)"), [[3, 3]], "G = lib.make(2)"),
        (CODE.replace("result1 = G.size()\n", ""), [[5, 4]], "missing before line 5"),
        (CODE.replace("result2 = H.size(G)\n", ""), [[6, 5]], "missing at the end. Add it"),
        (CODE.replace("lib.make(3)", "lib.make(\n    2\n)"), [[3, 5]], "lib.make(\n    2\n)"),
    ],
)
def test_bug_row_becomes_an_instruction_to_correct(buggy: str, scope: list[list[int]], says: str) -> None:
    """The instruction shows the wrong statement whole and what has to hold; the rest stays."""
    row, programs = derived("bug", ("buggy", "fixed"), buggy, CODE, operator="off_by_one", bug_kind="off by one")
    (edit,) = edits.corrections([row], {p.id: p for p in programs})
    parts: Any = edit.parts
    assert parts["scope"] == scope
    assert says in parts["prompt"]
    assert "assert result2 == 7" in parts["prompt"]
    assert scope_fault(buggy, CODE, scope) == ""
    assert edit.bug_kind is None


def test_bug_of_several_mistakes_is_no_correction() -> None:
    """Two mistakes on neighbouring lines would be shown as one statement that is wrong: they give no row."""
    buggy = CODE.replace("lib.make(3)", "lib.make(2)").replace("lib.make(4", "lib.make(5")
    for count, made in ((1, 1), (2, 0)):
        row, programs = derived("bug", ("buggy", "fixed"), buggy, CODE, bugs=count)
        assert len(list(edits.corrections([row], {p.id: p for p in programs}))) == made


def run(program: Program) -> bool:
    """Whether a program that needs nothing passes its own test."""
    scope: dict[str, Any] = {}
    exec(compile(program.code, "code", "exec"), scope)
    try:
        exec(compile(program.test, "test", "exec"), scope)
    except (AssertionError, NameError):
        return False
    return True


PLAIN = "import math\n\nx = 16\nresult1 = math.sqrt(x)\nresult2 = [n for n in range(x)]\n"


@pytest.mark.parametrize("operator", sorted(refactors.REFACTORINGS))
def test_refactoring_keeps_behaviour_and_needs_the_edit(operator: str) -> None:
    """The new test fails before the edit and passes after it, and nothing outside the scope changes."""
    index = SymbolIndex(
        [symbol("math", "module"), dataclasses.replace(symbol("math.sqrt"), parameters=(
            {"name": "value", "kind": "positional or keyword", "default": None},
        ))]
    )  # fmt: skip
    code = PLAIN.replace("(x)\nr", "(16)\nr")
    source = piece(code, "assert result1 == 4\nassert len(result2) == 16\n")
    made = refactors.REFACTORINGS[operator](source, index)
    assert made is not None
    assert scope_fault(code, made.code, made.scope) == ""
    assert not run(Program(code=code, test=made.test))
    assert run(Program(code=made.code, test=made.test))


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("import lib\n\nresult1 = lib.sqrt(4)\nsqrt = 1\n", "assert result1 == 2\n"),  # the new name is taken
        ("import lib\n\nresult1 = len([1])\n", "assert result1 == 1\n"),  # a built-in's name
        ("import lib\n\nresult1 = lib.sqrt(4)\n", "assert lib\n"),  # the test doesn't read it
        ("import lib\n\nresult1 = lib.sqrt(4)\ns = f'{result1}'\n", "assert result1 == 2\n"),  # an f-string does
    ],
)
def test_name_that_is_taken_is_not_given(code: str, test: str) -> None:
    """A result keeps its number where its function's name stands for something else, or no test could tell."""
    assert refactors.renamed(piece(code, test), INDEX) is None


def test_lottery_takes_its_share() -> None:
    """As many of a hundred as asked for, the same ones whoever else plays; none at 0 and all at 100."""
    taken = [n for n in range(1000) if chosen(33, "fim", n)]
    assert 250 < len(taken) < 420
    assert set(taken) <= {n for n in range(1000) if chosen(50, "fim", n)}
    assert not any(chosen(0, n) for n in range(100))
    assert all(chosen(100, n) for n in range(100))
