"""Literals out of a program: coded by the worker, decoded and written down outside."""

from __future__ import annotations

import collections
import enum
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators.execution.values import approximately, decode, render
from validators.execution.worker import Unserialisable, encode

_HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_VALUES = st.recursive(
    _HASHABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_HASHABLE, inner, max_size=4) | st.sets(_HASHABLE, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(_VALUES)
def test_literals_survive_with_their_types(value: Any) -> None:
    """A literal comes out as it went in, type by type."""
    out = decode(encode(value))
    assert out == value
    assert _types(out) == _types(value)
    assert render(out) == render(value)


def _types(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value), [_types(v) for v in value]
    if isinstance(value, dict):
        return type(value), [(_types(k), _types(v)) for k, v in value.items()]
    return type(value)


def test_nan_and_signed_zero_survive() -> None:
    """Floats are sent bit by bit."""
    assert math.isnan(decode(encode(math.nan)))
    assert math.copysign(1, decode(encode(-0.0))) == -1


def test_subclasses_count_where_they_compare_as_their_base() -> None:
    """Standard subclasses are data; one with an `__eq__` of its own is not."""
    point = collections.namedtuple("point", "x y")
    assert decode(encode(point(1, 2))) == (1, 2)
    assert decode(encode(collections.defaultdict(list, {1: [2]}))) == {1: [2]}
    assert decode(encode(collections.OrderedDict({1: 2}))) == {1: 2}
    assert decode(encode(enum.IntEnum("Colour", "RED").RED)) == 1

    class Anything(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    with pytest.raises(Unserialisable):
        encode(Anything(3))


@pytest.mark.parametrize(
    "value", [object(), iter([]), 1 << 20000, set(range(30000)), [[0] * 1000] * 1000, print], ids=type
)
def test_what_is_no_literal_is_refused(value: Any) -> None:
    """Objects and outsized values are not sent."""
    with pytest.raises(Unserialisable):
        encode(value)
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    with pytest.raises(Unserialisable):
        encode(nested)


@pytest.mark.parametrize(
    "frame",
    [1.5, {}, [], ["x", 1], ["l"], ["l", 3], ["s", [["l", []]]], ["f", "zz"], ["b", 3], ["d", [[1]]], ["d", [3]], ["c", 1, 2],
     ["s", [[] for _ in range(3)]], ["z", list(range(30000))], [["l", []]]],
)  # fmt: skip
def test_garbage_is_refused(frame: Any) -> None:
    """What is no tagged literal is a ValueError, nothing else."""
    with pytest.raises(ValueError):
        decode(frame)


def test_rendering_is_stable_and_bounded() -> None:
    """Sets are in order, surrogates and long texts are no problem."""
    assert render({"b", "a", "c"}) == "{'a', 'b', 'c'}"
    assert render({1: frozenset({3, 2}), (): set()}) == "{1: frozenset({2, 3}), (): set()}"
    assert "\\udc80" in render("\udc80")
    assert len(render("x" * 100000)) < 2200
    assert render(["x" * 5000, 1]) != render(["x" * 5000, 2])


def test_an_objects_address_is_no_part_of_what_is_written() -> None:
    """What a default `__repr__` says is the same in each run; a number in hexadecimal stays."""
    texts = [f"made by <function f at 0x7f40a92cc{n}80>" for n in (1, 2)]
    assert render(texts[0]) == render(texts[1]) == "'made by <function f at 0x...>'"
    assert render("mask 0xdeadbeef") == "'mask 0xdeadbeef'"


@pytest.mark.parametrize(
    "actual", [0.3, 0.3000001, 0.31, 1, "a", None, math.inf, [0.3], (0.3,), [0.3, 1], {"a": 0.3}, True]
)
@pytest.mark.parametrize("expected", [0.3, 0.0, math.inf, [0.3], [0.3, 1.0], {"a": 0.3}, {"b": 0.3}, 1])
@pytest.mark.parametrize("options", [{}, {"rel": 0.1}, {"abs": 0.02}, {"rel": 1e-9, "abs": 1e-3}])
def test_approximately_agrees_with_pytest(actual: Any, expected: Any, options: dict[str, float]) -> None:
    """The comparison outside is pytest's own."""
    theirs = bool(actual == pytest.approx(expected, **options))
    assert approximately(actual, expected, options.get("rel"), options.get("abs")) is theirs
