"""Every mutation operator makes the mistake it is named after, and leaves the rest of the text alone."""

from __future__ import annotations

import random

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Program, Symbol
from synth.mutated.slips import Draft
from synth.mutated.taxonomy import MISTAKES
from synth.source import applied
from synth.vocabulary import Library
from tests.synth.conftest import RELEASE, symbol

INDEX = SymbolIndex(
    [
        symbol("lib.find_one"),
        symbol("lib.find_one_path"),
        symbol("lib.part.color"),
        symbol("lib.DiGraph", "class"),
        symbol("lib.Graph", "class"),
        symbol("lib.DiGraph.only", "method"),
        symbol("lib.Graph.in_edges", "method"),
        symbol("lib.Graph.out_edges", "method"),
        symbol("lib.Graph.remove", "method"),
        symbol("lib.Graph.nodes", "attribute"),
        symbol("lib.Graph.edges", "attribute"),
        Symbol(
            release=RELEASE, path="lib.f", kind="function",
            parameters=[
                {"name": "G", "kind": "positional or keyword", "default": None},
                {"name": "weight", "kind": "positional or keyword", "default": "None"},
                {"name": "directed", "kind": "keyword-only", "default": "False"},
            ],
        ),
        Symbol(
            release=RELEASE, path="lib.spread", kind="function",
            parameters=[{"name": "items", "kind": "variadic positional", "default": None}],
        ),
        Symbol(
            release=RELEASE, path="lib.g", kind="function",
            parameters=[{"name": "k", "kind": "positional or keyword", "default": "'a'"}],
        ),
        Symbol(
            release=RELEASE, path="lib.Graph.add", kind="method",
            parameters=[{"name": n, "kind": "positional or keyword", "default": None} for n in ("self", "u", "v")],
        ),
    ]
)  # fmt: skip
STALE = Change(old="o" * 64, new=RELEASE, symbol="lib.one", kind="renamed", replacement="lib.find_one")
LIBRARY = Library(INDEX, [STALE], SymbolIndex([symbol("lib.one")]))

CASES = [
    ("changed_while_read", "for r in list(G):\n    G.remove(r)", {"for r in G:\n    G.remove(r)"}),
    ("comparison_swap", "if a < b:\n    r = a", {"if a <= b:\n    r = a"}),
    ("comparison_swap", "r = [i for i in a if i not  in b]", {"r = [i for i in a if i in b]"}),
    ("foreign_word", "r = lib.f(a, None)", {"r = lib.f(a, null)"}),
    ("function_as_method", "r = lib.f(G, 1)", {"r = G.f(1)"}),
    ("function_as_method", "r = lib.f(G)", {"r = G.f()"}),
    ("invented_name", "r = lib.find_one(a)", {f"r = lib.{n}(a)" for n in ("findone", "findOne")}),
    ("lazy_result", "r = list(lib.f(a))", {"r = lib.f(a)"}),
    ("lost_result", "G = lib.f(G)\nr = G", {"lib.f(G)\nr = G"}),
    ("method_as_function", "G.add(1, 2)\nr = G", {"lib.add(G, 1, 2)\nr = G"}),
    ("misspelt_keyword", "r = lib.f(weight=1)", {"r = lib.f(weights=1)", "r = lib.f(wegiht=1)"}),
    ("missing_argument", "r = lib.f(a, k=True)", {"r = lib.f(a)", "r = lib.f(k=True)"}),
    ("missing_argument", "r = lib.f(7, k=8)\nr = lib.f(b, kind=lib.Graph)", {
        "r = lib.f(7, k=8)\nr = lib.f(kind=lib.Graph)", "r = lib.f(7, k=8)\nr = lib.f(b)"}),
    ("missing_argument", "r = lib.f(\n    a,\n)", {"r = lib.f(\n    )"}),
    ("missing_await", "async def r():\n    return await a", {"async def r():\n    return a"}),
    ("missing_call", "r = G.size()", {"r = G.size"}),
    ("missing_copy", "H = G.copy()\nH.add(1)\nr = G", {"H = G\nH.add(1)\nr = G"}),
    ("missing_copy", "H = copy.deepcopy(G)\nG.add(1)\nr = H", {"H = G\nG.add(1)\nr = H"}),
    ("missing_copy", "r = lib.f(G.copy())\nr = [r, G]", {"r = lib.f(G)\nr = [r, G]"}),
    ("missing_return", "def r():\n    return a + b", {"def r():\n    a + b"}),
    ("missing_module", "r = lib.part.color(a)", {"r = lib.color(a)"}),
    ("missing_statement", "G.add(b)\nG.add(1)\nr = G", {"G.add(1)\nr = G"}),
    ("missing_unpacking", "for k, v in b.items():\n    r = k", {"for k, v in b:\n    r = k"}),
    ("missing_unpacking", "r = {k: v for k, v in enumerate(b)}", {"r = {k: v for k, v in b}"}),
    ("needless_call", "r = G.name", {"r = G.name()"}),
    ("negated_condition", "if not a:\n    r = b", {"if a:\n    r = b"}),
    ("negated_condition", "r = [i for i in b if i]", {"r = [i for i in b if not i]"}),
    ("none_kept", "G.add(1)\nr = G", {"G = G.add(1)\nr = G"}),
    ("off_by_one", "r = list(range(5)), 5", {"r = list(range(4)), 5", "r = list(range(6)), 5"}),
    ("packed_arguments", "G.add(1, 2)\nr = G", {"G.add((1, 2))\nr = G"}),
    ("sorted_in_place", "c = list(b)\nr = sorted(c, key=len)", {"c = list(b)\nr = c.sort(key=len)"}),
    ("stale_name", "r = lib.find_one(a)", {"r = lib.one(a)"}),
    ("swapped_arguments", "r = lib.f(a,  1)", {"r = lib.f(1,  a)"}),
    ("swapped_results", "r, b = lib.f(a)", {"b, r = lib.f(a)"}),
    ("undefined_method", "r = G.in_edges(a)", {f"r = G.{n}(a)" for n in (
        "inedges", "inEdges", "in_edegs")}),
    ("undefined_object", "r = len(a)", {"r = len(a1)", "r = len(A)"}),
    ("unpacked_argument", "r = lib.f(a, [4, 5, 6])", {"r = lib.f(a, 4, 5, 6)"}),
    ("unquoted_string", "r = lib.f(b['color'], 'list')", {"r = lib.f(b[color], 'list')"}),
    ("wrong_attribute", "r = G.nodes", {"r = G.edges"}),
    ("wrong_brackets", "r = G.nodes[1, 2]['x']", {"r = G.nodes(1, 2)['x']"}),
    ("wrong_class", "r = lib.DiGraph()", {"r = lib.Graph()"}),
    ("wrong_constant", "r = lib.f(k=True)", {"r = lib.f(k=False)"}),
    ("wrong_constant", "r = lib.g(k='x')['x']", {"r = lib.g(k=None)['x']"}),
    ("wrong_default", "def r(a, n=False):\n    return n", {"def r(a, n=True):\n    return n"}),
    ("wrong_exception", "try:\n    r = b[0]\nexcept IndexError:\n    raised1 = True",
     {f"try:\n    r = b[0]\nexcept {n}:\n    raised1 = True" for n in ("KeyError", "ValueError")}),
    ("wrong_function", "r = lib.find_one(a)", {"r = lib.find_one_path(a)"}),
    ("wrong_index", "r = a[0]", {"r = a[1]"}),
    ("wrong_index", "r = a[-1]", {"r = a[0]"}),
    ("wrong_index", "r = a['weight'], 'weight'", {"r = a['weights'], 'weight'"}),
    ("wrong_index", "r = a[:2]", {"r = a[:3]"}),
    ("wrong_jump", "for r in a:\n    continue", {"for r in a:\n    break"}),
    ("wrong_keyword", "r = lib.f(a, node_weight=1)", {"r = lib.f(a, weight=1)"}),
    ("wrong_method", "r = G.in_edges(1)", {"r = G.out_edges(1)"}),
    ("wrong_method", "r.append(1)", {"r.add(1)", "r.extend(1)"}),
    ("wrong_operator", "r = a + 1", {"r = a - 1"}),
    ("wrong_operator", "if a and b:\n    r = b", {"if a or b:\n    r = b"}),
    ("wrong_operator", "r = 1\nr += 1", {"r = 1\nr = 1"}),
    ("wrong_string", "r = lib.f('weight', 7), 'weight'", {"r = lib.f('weights', 7), 'weight'"}),
    ("wrong_variable", "c1 = lib.f(7)\nc2 = lib.f(8)\nr = lib.f(c2)", {"c1 = lib.f(7)\nc2 = lib.f(8)\nr = lib.f(c1)"}),
]  # fmt: skip
SETUP = "import lib\n\nG = lib.Graph()\na = 7\nb = []\n"


def drafted(code: str, test: str = "assert r != 'none'\n") -> Draft:
    return Draft(Program(code=SETUP + code + "\n", test=test), LIBRARY)


@pytest.mark.parametrize(("operator", "code", "wanted"), CASES)
def test_operator_makes_its_mistake(operator: str, code: str, wanted: set[str]) -> None:
    """Each operator edits what it is named after, and nothing else of the text."""
    draft = drafted(code)
    made = set()
    for seed in range(12):
        slips = [s for s in draft.slips(random.Random(seed)) if s.operator == operator]
        made |= {applied(draft.program.code, s.edits).removeprefix(SETUP).rstrip() for s in slips if s.statement > 3}
    assert made
    assert made <= wanted


def test_every_operator_has_a_case() -> None:
    """No operator is left untried but the one that takes out an import, which has a test of its own."""
    assert {operator for operator, _, _ in CASES} == set(MISTAKES) - {"missing_import"}


def test_missing_import_is_of_what_is_used() -> None:
    """Only an import that what is looked at needs is forgotten."""
    code = "from lib import f\nfrom lib import find_all\n\nr = f(1)\n"
    slips = list(Draft(Program(code=code, test="assert r\n"), LIBRARY).slips(random.Random(0)))
    [slip] = [s for s in slips if s.operator == "missing_import"]
    assert applied(code, slip.edits) == "from lib import find_all\n\nr = f(1)\n"


def test_nothing_changes_where_no_test_looks() -> None:
    """A statement on which nothing depends that the test names is left alone."""
    draft = drafted("x = lib.f(a, 7)\nr = lib.f(b)")
    assert {s.statement for seed in range(9) for s in draft.slips(random.Random(seed))} <= {0, 3, 5}


@pytest.mark.parametrize(
    ("operator", "code"),
    [
        ("comparison_swap", "r = a == b"),
        ("lazy_result", "r = sorted(lib.f(a))"),
        ("misspelt_keyword", "r = lib.f(other=1)"),
        ("missing_argument", "r = lib.f(7, k=0.5)"),
        ("missing_statement", "G.add(8, 9)\nr = G"),
        ("negated_condition", "r = not a"),
        ("off_by_one", "r = lib.f(8)"),
        ("swapped_arguments", "r = lib.f(8, 9)"),
        ("swapped_arguments", "r = lib.spread(a, b)"),
        ("wrong_class", "r = lib.DiGraph.only()"),
        ("wrong_constant", "r = lib.f(weight='x')['x']"),
        ("wrong_constant", "r = lib.f(k='x')"),
        ("wrong_default", "def r(a, n=1):\n    return n"),
        ("wrong_index", "r = G['x'][7]"),
        ("wrong_keyword", "r = lib.f(a, weight=1)"),
        ("wrong_operator", "r = a + b"),
        ("wrong_variable", "c1 = lib.f(7)\nc2 = lib.f(8)\nr = lib.f(c1, c2)"),
    ],
)
def test_what_could_not_be_told_is_left_alone(operator: str, code: str) -> None:
    """No mistake is made that has several mends, or whose right value stands nowhere, or that nobody makes."""
    assert operator not in {s.operator for seed in range(9) for s in drafted(code).slips(random.Random(seed))}


def test_no_function_is_taken_for_another_where_the_test_asks_for_yes_or_no() -> None:
    """Other functions than the right one would satisfy such a test as well."""
    for test, wanted in (("assert r\n", False), ("assert r == [1, 2, 3]\n", True)):
        slips = drafted("r = lib.find_one(a)", test).slips(random.Random(0))
        assert ("wrong_function" in {s.operator for s in slips}) is wanted


@pytest.mark.parametrize(
    ("code", "operator"),
    [
        ("r = lib.f(a, directed=True)  # all of it", "wrong_constant"),
        ("# all of it\nr = lib.f(a, directed=True)", "wrong_constant"),
        ("r = lib.find_one(a)\n\n# what find_one gives\n\nr = [r]", "wrong_function"),
    ],
)
def test_no_comment_tells_of_a_mistake(code: str, operator: str) -> None:
    """No mistake is made beside a comment, or where one names what is gone."""
    plain = "\n".join(line.partition("#")[0] for line in code.splitlines())
    assert operator in {s.operator for s in drafted(plain).slips(random.Random(0))}
    assert operator not in {s.operator for seed in range(9) for s in drafted(code).slips(random.Random(seed))}


def test_bookkeeping_of_results_is_not_mutated() -> None:
    """The flags and lists that record what happened stay as they are: a bug is in the use, not in the record."""
    kept = (
        "results1 = []\n",
        "    results1.append(",
        ":\n    raised1 = True\nelse:\n    raised1 = False\n",
        "with warnings.catch_warnings(record=True) as warned1:\n    warnings.simplefilter('always')\n",
    )
    code = (
        "import warnings\n"
        "results1 = []\nfor i in a:\n    results1.append(lib.f(i, 1))\n"
        "try:\n    lib.find_one(1)\nexcept ValueError:\n    raised1 = True\nelse:\n    raised1 = False\n"
        "with warnings.catch_warnings(record=True) as warned1:\n    warnings.simplefilter('always')\n    lib.f(2)\n"
    )
    draft = drafted(code, "assert results1 == [3] and raised1 is True and warned1\n")
    made = [applied(draft.program.code, s.edits) for seed in range(20) for s in draft.slips(random.Random(seed))]
    assert len(set(made)) > 8
    assert not [(part, text) for text in made for part in kept if part not in text]


def test_nothing_is_edited_within_an_f_string() -> None:
    """Before Python 3.12 nodes in f-strings don't know where they stand: they are left alone."""
    code = 'r = f"{G} has {lib.find_one(a, 1)} of {b[0]:>3}"'
    made = [applied(SETUP + code, s.edits) for s in drafted(code).slips(random.Random(0)) if s.statement > 1]
    assert all(text == SETUP + code for text in made)
