"""Mutation operators make one small mistake each, the same ones for the same seed."""

from __future__ import annotations

import ast
import random

import libcst as cst
import pytest

from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.bugs import Library, mutate
from synth.operators import OPERATORS, Scope
from tests.synth.conftest import RELEASE, parted, symbol

CASES = [
    ("comparison_swap", "x = a < b", {"x = a <= b"}),
    ("comparison_swap", "x = a in b", {"x = a not in b"}),
    ("negated_condition", "if not a:\n    b()", {"if a:\n    b()"}),
    ("negated_condition", "x = [i for i in y if i > 1]", {"x = [i for i in y if not (i > 1)]"}),
    ("wrong_operator", "x = a + b", {"x = a - b"}),
    ("wrong_operator", "n += 1", {"n -= 1"}),
    ("off_by_one", "lib.f(0)", {"lib.f(1)"}),
    ("wrong_index", "x = y[0]", {"x = y[1]"}),
    ("wrong_index", "x = y['weight']", {"x = y['weights']"}),
    ("misspelt_keyword", "lib.f(weight=1)", {"lib.f(weights=1)", "lib.f(wei=1)"}),
    ("swapped_arguments", "lib.f(a, 1)", {"lib.f(1, a)"}),
    ("missing_argument", "lib.f(a, k=1)", {"lib.f(a)", "lib.f(k=1)"}),
    ("wrong_function", "lib.find_one(a)", {"lib.find_all(a)"}),
    ("wrong_function", "G.add(1)", {"G.remove(1)"}),
    ("invented_name", "lib.find_one(a)", {"lib.get_one(a)"}),
    ("stale_name", "lib.find_one(a)", {"lib.one(a)"}),
    ("missing_call", "x = G.size()", {"x = G.size"}),
    ("needless_call", "x = G.name", {"x = G.name()"}),
    ("wrong_variable", "lib.f(a)", {"lib.f(b)"}),
    ("missing_statement", "if a:\n    G.add(1)\n    b = 2", {"if a:\n    b = 2"}),
    ("wrong_constant", "lib.f(k=True)", {"lib.f(k=False)"}),
    ("wrong_literal", "lib.f([1, 2])", {"lib.f([1])"}),
]


@pytest.mark.parametrize(("operator", "code", "wanted"), CASES)
def test_operator_makes_its_mistake(operator: str, code: str, wanted: set[str]) -> None:
    """Each operator rewrites one node, as its name says."""
    scope = Scope(
        siblings=lambda name: ["find_all"],
        invented=lambda name, rng: "get_one",
        stale=lambda name: "lib.one",
        methods=lambda name: ["remove"],
        library=frozenset({"lib"}),
        variables=("a", "b"),
        rng=random.Random(0),
    )
    module = cst.parse_module(code)
    made: set[str] = set()
    stack: list[cst.CSTNode] = [module]
    while stack:
        node = stack.pop()
        stack += node.children
        for replacement in OPERATORS[operator][0](node, scope):
            if isinstance(replacement, cst.RemovalSentinel):
                changed = module.deep_remove(node)
            else:
                changed = module.deep_replace(node, replacement)
            assert isinstance(changed, cst.Module)
            made.add(changed.code.strip())
    assert made
    assert made <= wanted


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


def test_bugs_differ_from_their_fix_and_from_each_other() -> None:
    """Every bug parses, is another program, made by another operator, and carries its source's root and licence."""
    examples, programs = parted(mutate(SOURCE, {FIXED.id: FIXED}, INDEX, limit=6))
    assert len(examples) == 6
    assert len({e.operator for e in examples}) == 6
    buggy = {ast.dump(ast.parse(programs[e.parts["programs"]["buggy"]].code)) for e in examples}  # type: ignore[call-overload]
    assert len(buggy | {ast.dump(ast.parse(CODE))}) == 7
    for example in examples:
        assert example.parts["programs"]["fixed"] == FIXED.id  # type: ignore[call-overload]
        assert (example.root, example.licence, example.parents) == ("root", "MIT", (SOURCE.id,))
        assert example.bug_kind == OPERATORS[example.operator or ""][1]


def test_bugs_are_the_same_for_the_same_seed() -> None:
    """A seed gives the same bugs again; another seed gives others."""
    first, again, other = ([r.id for r in mutate(SOURCE, {FIXED.id: FIXED}, INDEX, seed=s)] for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_stale_names_come_from_changes() -> None:
    """A symbol that was renamed is mistaken for what it was called before."""
    change = Change(old="o" * 64, new=RELEASE, symbol="lib.one", kind="renamed", replacement="lib.find_one")
    library = Library(INDEX, [change], SymbolIndex([symbol("lib.one")]))
    examples, programs = parted(mutate(SOURCE, {FIXED.id: FIXED}, library, limit=20))
    [stale] = [e for e in examples if e.operator == "stale_name"]
    assert "lib.one(G, 0, weight=None)" in programs[stale.parts["programs"]["buggy"]].code  # type: ignore[call-overload]


def test_bookkeeping_of_results_is_not_mutated() -> None:
    """The flags that record what happened stay as they are: a bug is in the use, not in the record."""
    code = (
        "import lib\n\ntry:\n    lib.find_one(1)\nexcept ValueError:\n    raised1 = True\nelse:\n    raised1 = False\n"
    )
    fixed = Program(code=code, test="assert raised1 is True\n")
    source = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": fixed.id}}, file="f",
        root="r", generator="g", generator_version="1",
    )  # fmt: skip
    _, programs = parted(mutate(source, {fixed.id: fixed}, INDEX, limit=20))
    assert programs
    for program in programs.values():
        assert program.code.endswith("except ValueError:\n    raised1 = True\nelse:\n    raised1 = False\n")
