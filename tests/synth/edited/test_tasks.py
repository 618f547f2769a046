"""Rows of `fim` and `locate` keep their promise: whole nodes that the rest decides, and one token."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

import pytest

from registry.gaps import emptied
from registry.names import SymbolIndex
from registry.records import Example, Program
from synth.claims import tells_values
from synth.edited import fim
from synth.edited.context import Definitions
from synth.edited.decided import Whole
from synth.material import Piece, chosen
from synth.mutated import locate
from synth.mutated.ngrams import Trigrams, tokens
from synth.source import Source
from tests.synth.conftest import RELEASE, page, parted, symbol
from validators.scope import gap_fault, token_fault

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
TELLING = f"{TEST}assert [result1, result2] == [3, 7]\n"
LIBRARY = "G.size()\nG.order()\nG.order()\nlib.make(3)\nlib.made(4)\nH.size(H)\n" * 3


def piece(code: str = CODE, test: str = TEST) -> Piece:
    program = Program(code=code, test=test)
    example = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": program.id}, "name": "test_make"},
        symbols=("lib.core.make",), file="lib/tests/test_core.py", root="root", generator="g", generator_version="1",
        licence="MIT",
    )  # fmt: skip
    return Piece(example, program)


FILLED = "import lib\n\nn = [0, 1]\nk = 'x'\nG = lib.make(n, k)\nresult1 = G.order()\nresult2 = G.order(n)\n"


@pytest.mark.parametrize("seed", range(12))
def test_gap_makes_its_program(seed: int) -> None:
    """Prefix, middle and suffix are the program with its test, cut at whole nodes, whatever is drawn."""
    *_, row = fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed)
    assert isinstance(row, Example)
    parts: Any = row.parts
    assert gap_fault(FILLED, TEST, parts["prefix"], parts["middle"], parts["suffix"]) == ""
    assert row.operator in ("line", "block", "expression", "arguments")
    assert parts["order"] in fim.ORDERS
    assert "make" in parts["prefix"].splitlines()[-1] + parts["middle"], "the subject is called there"


def test_gaps_of_every_sort_and_order_are_drawn() -> None:
    """Over the seeds there are lines, blocks, expressions and arguments, and both orders."""
    made = (row for seed in range(40) for row in fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed))
    rows, _ = parted(made)
    assert {r.operator for r in rows} == {"line", "block", "expression", "arguments"}
    assert {dict(r.parts)["order"] for r in rows} == {"psm", "spm"}  # type: ignore[call-overload]


def test_function_that_nothing_else_names_is_told() -> None:
    """A gap that calls what the rest doesn't name always has its definition with it."""
    head = 'def make(size, kind=None):\n    """Make a graph."""\n    ...\n'
    told: dict[bool, set[bool]] = {True: set(), False: set()}
    for seed in range(40):
        *_, row = fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed)
        assert isinstance(row, Example)
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
        ("r = lib.size(nodes, [3, 4])\n", "assert lib.size(r) == [3, 4, 5]\n", "lib.size(nodes, [3, 4])", False),
        ("r = lib.size(nodes, [3, 4])\n", "assert lib.size(r) == [[3, 4]]\n", "lib.size(nodes, [3, 4])", True),
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


@pytest.mark.parametrize(
    ("code", "gap", "copied"),
    [
        ("r = list(lib.size(nodes))\ns = list(lib.size(nodes))\n", "list(lib.size(nodes))", True),
        ("r = list(lib.size(nodes))\ns = [*lib.size(nodes)]\n", "list(lib.size(nodes))", False),
        ("r = lib.size(nodes)\ns = lib.size(nodes)\n", "r = lib.size(nodes)", True),
        ("r = lib.size(more, nodes)\nx = more, nodes, r\n", "more, nodes", True),
        ("r = lib.size(more, nodes)\nx = more, nodes_too\n", "more, nodes", False),
        ("r = lib.size(nodes)\ns = lib.size(more)\n", "r = lib.size(nodes)", False),
    ],
)
def test_gap_cannot_be_copied_from_the_rest(code: str, gap: str, copied: bool) -> None:
    """What stands word for word before or behind a gap is none of what it may hold."""
    whole = Whole(f"import lib\n\nnodes, more = [1], [2]\n{code}", "assert lib.size(r) == 3\n")
    found = [g for g in fim.gaps(whole.source) if whole.code[g.start : g.end] == gap]
    assert found
    assert {whole.decides(g.nodes, (g.start, g.end), "") for g in found} == {not copied}


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
    source = piece(test=TELLING)
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
    ("test", "tells", "decides"),
    [
        ("assert raised1 is True\nassert result1 == False\nassert result2\n", False, False),
        ("assert len(result1) == 3\n", True, False),
        ("for k in result1:\n    assert k in (3, 4)\n", True, False),
        ("assert result1 == {1: 2, 3: 4}\n", True, True),
        ("assert repr(result1) == 'View([1, 3, 5])'\nassert result2 == 3\n", True, True),
        ("assert 'no 3, 4, 5 or 6' in raised\n", True, False),
        ("assert not result1\n", False, False),
        ("pd.testing.assert_frame_equal(result1, result2)\n", True, False),
        ("mock.assert_called()\n", False, False),
    ],
)
def test_literals_stay_where_a_test_tells_little(test: str, tells: bool, decides: bool) -> None:
    """A number is replaced only where the test compares several values and shows it: else it couldn't be told."""
    assert tells_values(test) is tells
    rows = [r for seed in range(20) for r in locate.mine(piece(test=test), Trigrams([LIBRARY]), seed=seed)]
    kinds = {r.operator for r in rows if isinstance(r, Example)}
    assert ("number" in kinds) is decides


@pytest.mark.parametrize(
    ("code", "test", "wanted"),
    [
        ("G = lib.make(3)\nx = G.order()\n", "assert x == 3\n", {"oredr"}),
        ("G = lib.make(3)\nx = G.size()\n", "assert x == 3\n", set()),  # too short to slip in
        ("G = lib.make(3)\nx = G.other()\n", "assert x == 3\n", set()),  # nothing that the library has
        ("G = lib.make(3)\nx = G.order()\n", f"assert x == {[3] * 99}\n", set()),  # nobody writes this test
    ],
)
def test_name_is_mistyped_where_the_test_tells_little(code: str, test: str, wanted: set[str]) -> None:
    """A name that exists nowhere is wrong whatever the test says; no other token is replaced there."""
    source = piece(f"import lib\n\n{code}", test)
    rows = [r for seed in range(9) for r in locate.mine(source, Trigrams([LIBRARY]), seed=seed)]
    assert {dict(r.parts)["replaced"] for r in rows if isinstance(r, Example)} == wanted  # type: ignore[call-overload]


def test_variable_is_taken_for_the_only_other_one_of_its_sort() -> None:
    """Where a third variable might do too, none is replaced."""
    model, last = Trigrams([LIBRARY]), "result1 = lib.show(G, 9)\nresult2 = lib.show(G)\n"
    for made, found in (
        ("G = lib.make(8)\nH = lib.make(7)\n", True),
        ("G = lib.make(8)\nH = lib.make(7)\nK = lib.make(6)\n", False),
    ):
        code = f"import lib\n\n{made}{last}"
        drawn = [locate.drawn_replacement(code, model, seed, test=SHOWS) for seed in range(9)]
        assert any(d is not None and d.operator == "name" for d in drawn) is found


def test_model_proposes_what_it_saw_in_such_places() -> None:
    """Behind `G.` it knows `size` and `order`, the commoner first; it knows what is raised; a comment is no code."""
    model = Trigrams(["G.order()\nG.order()\nG.size()  # G.comment()\n"])
    assert model.candidates(["G", "."]) == ["order", "size"]
    assert model.score(["G", ".", "("], "order") > model.score(["G", ".", "("], "size") > 0
    model = Trigrams(
        ["try:\n    raise lib.Bad(1)\nexcept (ValueError): pass\nexcept lib.Worse: pass\n"], {"f": "function"}
    )
    assert model.same_sort("Bad", "Worse")
    assert (model.sort("f"), model.sort("Bad"), model.sort("x")) == ("function", "raised", "")
    assert not model.same_sort("Bad", "f")
    assert [t.text for t in tokens("x = 'a#b'  # c\n\n\ny")] == ["x", "=", "'a#b'", "\n", "y"]


def test_lottery_takes_its_share() -> None:
    """As many of a hundred as asked for, the same ones whoever else plays; none at 0 and all at 100."""
    taken = [n for n in range(1000) if chosen(33, "fim", n)]
    assert 250 < len(taken) < 420
    assert set(taken) <= {n for n in range(1000) if chosen(50, "fim", n)}
    assert not any(chosen(0, n) for n in range(100))
    assert all(chosen(100, n) for n in range(100))


def test_program_goes_with_its_row_where_it_parses_with_the_gap_left_empty() -> None:
    """It is the one that the proof wants, of every sort of gap but an expression that a line can't do without."""
    tried: dict[str, set[bool]] = {}
    for seed in range(40):
        rows, programs = parted(fim.mine(piece(FILLED), Definitions([SOURCE], INDEX), seed=seed))
        parts: Any = rows[0].parts
        start, end = len(parts["prefix"]), len(parts["prefix"] + parts["middle"])
        left = emptied(FILLED, start, end)
        assert {p.code for p in programs.values()} == ({left} if left is not None else set())
        assert list(programs) == [name for role, name in parts["programs"].items() if role == "empty"]
        tried.setdefault(rows[0].operator or "", set()).add(bool(programs))
    assert tried == {"line": {True}, "block": {True}, "arguments": {True}, "expression": {False}}


def test_definition_is_shown_of_the_class_that_is_called() -> None:
    """Of two methods with one name it is that of the class that the program makes."""
    methods = [
        dataclasses.replace(symbol(f"lib.core.{c}.size", "method", doc=f"Size of {c}.", on=SOURCE), signature="(self)")
        for c in ("Graph", "Tree")
    ]
    definitions = Definitions([SOURCE], SymbolIndex([*methods, symbol("lib.core.Tree", "class", on=SOURCE)]))
    shown = definitions.named_in("t.size()", ["lib.core.Graph.size", "lib.core.Tree", "lib.core.Tree.size"])
    assert ["Size of Tree." in head for _, head in shown] == [True]
    made = dataclasses.replace(symbol("lib.core.Tree.of", "method", on=SOURCE), signature="(cls, x)")
    ((_, head),) = Definitions([SOURCE], SymbolIndex([made])).named_in("lib.Tree.of(1)", ["lib.core.Tree.of"])
    assert head == "class Tree:\n    @classmethod\n    def of(cls, x): ...\n"


SHOWS = "assert result1 == [1, 2, 4, 5]\n"


@pytest.mark.parametrize(
    ("code", "was"),
    [
        pytest.param('f = lib.frame({"a": [4], "b": [7]})\nresult1 = f.sum("a")\n', {'"a"'}, id="data stay"),
        pytest.param("lib.add(f, 4)\nresult1 = lib.size(f)\n", set(), id="what is put into something is data"),
        pytest.param("x = lib.made(4)\nresult1 = lib.make(5)\n", {"5"}, id="what no check depends on stays"),
        pytest.param("G = lib.make(8)\nH = lib.make(7)\nresult1 = G.k(H.j)\n", set(), id="to rename H would do too"),
    ],
)
def test_replaced_token_could_be_told(code: str, was: set[str]) -> None:
    """A column gives way to another one of its frame; no token does that could be mended elsewhere, or needn't be."""
    drawn = [locate.drawn_replacement(f"import lib\n\n{code}", Trigrams([LIBRARY]), s, test=SHOWS) for s in range(9)]
    found = {d.was for d in drawn if d is not None and d.operator in ("name", "number", "string")}
    assert found == was
    assert all(d is None or d.operator != "string" or d.replaced == '"b"' for d in drawn)
