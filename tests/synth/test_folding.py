"""Values that are known without running anything."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.folding import LIMIT, NotConstantError, fold, is_literal, literal, reads_as_literal

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_literal_reads_back(value: object) -> None:
    """Source of a value folds to an equal value of the same type."""
    again = fold(ast.parse(literal(value), mode="eval").body)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("sorted(map(sorted, [[2, 1], [0]]))", [[0], [1, 2]]),
        ("{i: i * 2 for i in range(3) if i > 0}", {1: 2, 2: 4}),
        ("set(map(frozenset, [[1], [2]]))", {frozenset({1}), frozenset({2})}),
        ("dict(zip('ab', [1, 2]))", {"a": 1, "b": 2}),
        ("[*range(2), -1]", [0, 1, -1]),
        ("{**{1: 2}, 3: 4}", {1: 2, 3: 4}),
        ("float('inf')", float("inf")),
        ("[(k, v) for k, v in {1: 2}.items()]", [(1, 2)]),
        ("dedent('  a').strip()", "a"),
        ("math.ceil(2.5)", 3),
        ("dict.fromkeys(range(2), 0)", {0: 0, 1: 0}),
    ],
)
def test_pure_builtins_over_literals_are_known(source: str, value: object) -> None:
    """Builtins without side effects are worked out."""
    assert fold(ast.parse(source, mode="eval").body) == value


@pytest.mark.parametrize(
    "source",
    ["f(1)", "x", "open('a')", "[1].append(2)", "2 ** 9999999", "'a' * 10**9", f"range({LIMIT + 1})", "[0] * 10**9",
     "__import__('os')", "().__class__", "1 / 0"],
)  # fmt: skip
def test_anything_else_is_unknown(source: str) -> None:
    """Calls of other things, large values and failures are refused, never run."""
    with pytest.raises(NotConstantError):
        fold(ast.parse(source, mode="eval").body)


def test_sets_are_written_in_one_order() -> None:
    """The source of a set doesn't depend on the process's hash seed."""
    assert literal({"b", "a", "c"}) == "{'a', 'b', 'c'}"
    assert literal(set()) == "set()"
    assert literal(frozenset({2, 1})) == "frozenset({1, 2})"


def test_literal_as_it_stands() -> None:
    """Only what `ast.literal_eval` reads, calls excepted, is a literal as it stands."""
    assert is_literal(ast.parse("{1: [2, (3,)]}", mode="eval").body)
    assert not is_literal(ast.parse("set()", mode="eval").body)
    assert not is_literal(ast.parse("[x]", mode="eval").body)


@pytest.mark.parametrize(
    ("text", "wanted"), [("[1, 'a']", True), ("-1", True), ("set()", False), ("x", False), ("1 of", False), ("", False)]
)
def test_texts_of_literals(text: str, wanted: bool) -> None:
    """A text is a literal's where all of it is one."""
    assert reads_as_literal(text) is wanted
