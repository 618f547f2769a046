"""Typed literals: numpy's, pandas' and the standard library's values leave the process and are compared outside."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import decimal
import enum
import warnings
from collections import Counter, OrderedDict, deque
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validators.execution.constants import constant
from validators.execution.names import Names
from validators.execution.rewrite import NotRewritable, Undecided, rewrite
from validators.execution.typed import Member
from validators.execution.values import decode, render
from validators.execution.worker import Unserialisable, encode
from validators.execution.worker import decode as decode_inside

HEADER = """
import collections, datetime, decimal, fractions, math, pathlib, unittest, uuid
import numpy as np
import numpy.testing as npt
import pandas as pd
from numpy.testing import assert_equal, assert_almost_equal
"""


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Colour(enum.Enum):
    RED = 1


STANDARD = [
    datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), datetime.time(1, 2, 3),
    datetime.timedelta(days=-1, microseconds=3), decimal.Decimal("1.50"), decimal.Decimal("Infinity"), Fraction(-1, 3),
    range(1, 9, 2), slice(1, None, 2), ..., OrderedDict([("b", 1), ("a", [2])]), Counter("abca"), deque([1, (2,)]),
    UUID(int=7), Path("a/b"), int, type(None), {datetime.date(2024, 1, 1): Fraction(1, 2)},
]  # fmt: skip


@pytest.mark.parametrize("value", STANDARD, ids=repr)
def test_standard_types_survive(value: Any) -> None:
    """A value of the standard library's common types comes out equal, and of its own type."""
    out = decode(encode(value))
    assert out == value
    assert isinstance(out, type(value)) or isinstance(value, Path)
    assert render(out)


@pytest.mark.parametrize(
    "value",
    [*STANDARD, np.arange(6).reshape(2, 3), np.array(["a", None], dtype=object), np.array(["a", "bc"]), np.float32(0.1),
     np.datetime64("2024-01-02"), np.array([1 + 2j]), np.zeros((0, 3)), np.array(5, dtype=">i2")],
    ids=repr,
)  # fmt: skip
def test_values_cross_between_two_processes(value: Any) -> None:
    """What one process sends, another can make again, with its type."""
    if isinstance(value, type):
        with pytest.raises(Unserialisable):
            decode_inside(encode(value))
        return
    out = decode_inside(encode(value))
    np.testing.assert_equal(out, value)
    assert type(out) is type(value) or isinstance(value, Path)
    assert getattr(out, "shape", None) == getattr(value, "shape", None)


def test_classes_of_the_program_are_data() -> None:
    """A dataclass with its own equality written by `dataclass`, and an Enum, are compared by names and fields."""
    assert decode(encode(Point(1, 2.0))) == decode(encode(Point(1, 2)))
    assert decode(encode(Point(1, 2.0))) != decode(encode(Point(1, 3)))
    assert decode(encode([Colour.RED])) == [Member("Colour", "RED")]

    class Sly(Point):
        def __eq__(self, other: object) -> bool:
            return True

    Looks = type("ndarray", (), {"__module__": "numpy", "dtype": 3})
    for value in (Sly(1, 2), Looks(), np.ma.array([1])):
        with pytest.raises(Unserialisable):
            encode(value)


CLASSES = """
import enum
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple

@dataclass(frozen=True)
class Point:
    "A point."
    x: int
    y: float = 2.0

    def norm(self):
        return self.x

class Colour(enum.Enum):
    RED = 1
    GREEN = 2

class Twice(enum.Enum):
    A = 1
    B = 1

@dataclass
class Sly:
    x: int
    def __eq__(self, other):
        return True

Pair = namedtuple("Pair", "a, b")

class Triple(NamedTuple):
    a: int
    b: int = 5
"""


@pytest.mark.parametrize(
    ("literal", "inside", "held"),
    [
        ("Point(1)", "Point(1, 2.0)", True), ("Point(1, y=3)", "Point(1, 3.0)", True), ("Point(x=1)", "Point(2)", False),
        ("[Colour.RED]", "[Colour.RED]", True), ("Colour.RED", "Colour.GREEN", False), ("Pair(1, 2)", "Pair(1, 2)", True),
        ("Pair(1, b=2)", "(1, 3)", False), ("Triple(1)", "(1, 5)", True), ("{'a': Point(1)}", "{'a': Point(1)}", True),
        ("Twice.A", "Twice.A", None), ("Sly(1)", "Sly(1)", None), ("Point()", "Point(1)", None), ("Colour.BLUE", "Colour.RED", None),
    ],
)  # fmt: skip
def test_classes_of_the_program_are_read_from_syntax(literal: str, inside: str, held: bool | None) -> None:
    """An instance of a plain dataclass or named tuple, and a member of a plain Enum, can be what is expected."""
    space: dict[str, Any] = {"__name__": __name__}
    exec(CLASSES, space)
    try:
        (check,) = rewrite(f"assert f() == {literal}", CLASSES).checks
    except NotRewritable:
        assert held is None
        return
    assert check.holds(decode(encode([eval(inside, space)]))) is held


# what is checked, in a test's own words, with `x` for the program's value
CHECKS = [
    "np.testing.assert_array_equal(x, {})", "npt.assert_allclose(x, {})", "npt.assert_allclose({}, x, rtol=0.1, atol=0.5)",
    "assert_almost_equal(x, {}, decimal=2)", "npt.assert_array_almost_equal(x, {})", "assert_equal(x, {})",
    "assert np.array_equal(x, {})", "assert np.allclose(x, {})", "assert np.allclose({}, x, equal_nan=True)",
    "assert not np.allclose(x, {})", "assert (x == {}).all()", "assert np.all(x == {})", "assert np.isclose(x, {})",
    "assert x == {}", "assert x != {}", "assert x == pytest.approx({})", "npt.assert_array_equal(x, {}, strict=True)",
    "assert x in ({}, 7)", "assert x > {}",
]  # fmt: skip
ACTUAL = [
    np.array([1, 2, 3]), np.array([1.0, 2.0, np.nan]), np.array([[1, 2], [3, 4]], dtype=np.int32), np.array(3.5), np.array([]),
    np.float64(0.3), np.float32(0.3), np.int64(3), np.uint8(3), np.bool_(True), np.array([True, False]), np.complex128(1 + 2j),
    np.array(["a", "bc"]), np.array([1, "a", None], dtype=object), np.array([1.0, np.inf], dtype=np.float32), [1, 2, 3],
    [[1.0, 2.0], [3.0, 4.0]], 3, 0.3, np.nan, 1e-9, (1.0000001, 2), np.float64(-0.0), np.array([1 + 1j, 2]), "a", None,
    np.array([2**60, 3]), np.zeros((2, 2)), {"a": np.float64(1.0)},
]  # fmt: skip
LITERALS = [
    "np.array([1, 2, 3])", "[1, 2, 3]", "np.array([1.0, 2.0, np.nan])", "[[1, 2], [3, 4]]", "3", "0.3", "3.5", "True", "[True, False]",
    "np.float32(0.3)", "np.zeros((2, 2))", "np.array(['a', 'bc'])", "np.arange(1, 4)", "np.ones(3, dtype=int)", "np.nan", "-0.0", "0.0",
    "np.array([1, np.inf], dtype='float32')", "1 + 2j", "np.array([1 + 1j, 2])", "[]", "np.eye(2)", "np.full(2, 3)", "'a'", "None",
    "np.array([1, 2, 3], dtype=np.int8)", "np.linspace(0, 1, 3)", "{'a': 1.0}", "[2**60, 3]", "np.int64(3)",
]  # fmt: skip


def _truly(check: str, value: Any) -> bool:
    """What the library itself says, in this process."""
    space: dict[str, Any] = {"x": value, "pytest": pytest}
    exec(HEADER, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(check, space)
        except Exception:
            return False
    return True


def _outside(check: str, value: Any) -> bool | None:
    """What is decided outside; None where nothing is."""
    try:
        made = rewrite(check, HEADER + "import pytest\n")
        values = decode(encode([value]))
        return all(c.holds(values) for c in made.checks)
    except (Undecided, NotRewritable):
        return None
    except (TypeError, ValueError, ArithmeticError, LookupError):
        return False


@pytest.mark.parametrize("check", CHECKS)
def test_arrays_are_compared_as_numpy_does(check: str) -> None:
    """Every verdict that is reached outside is numpy's own, and of those that hold few are left undecided."""
    decided = 0
    for value in ACTUAL:
        for literal in LITERALS:
            text = check.format(literal)
            found = _outside(text, value)
            assert found in (None, _truly(text, value)), (text, value)
            decided += bool(found)
    assert decided >= 5


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-5, 5) | st.sampled_from([0.1, 0.3, np.nan, np.inf, 1e-9]), min_size=1, max_size=4), st.data()
)
def test_random_arrays_are_compared_as_numpy_does(items: list[float], data: st.DataObject) -> None:
    """On arrays of floats nothing is undecided, and everything as numpy says."""
    other = [data.draw(st.sampled_from([i, i + 1e-8, i * 1.00001, i + 0.2])) for i in items]
    literal = repr(other).replace("nan", "math.nan").replace("inf", "math.inf")
    check = data.draw(st.sampled_from(CHECKS[:12])).format(f"np.array({literal})")
    assert _outside(check, np.array(items)) is _truly(check, np.array(items))


FRAME_CHECKS = [
    "pd.testing.assert_frame_equal(x, {})", "pd.testing.assert_series_equal(x, {})", "pd.testing.assert_index_equal(x, {})",
    "assert x.equals({})", "pd.testing.assert_frame_equal(x, {}, check_dtype=False)",
    "pd.testing.assert_series_equal({}, x, check_names=False)",
]  # fmt: skip
FRAMES = [
    "pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})", "pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', 'y']})",
    "pd.DataFrame({'a': [1, 3], 'b': ['x', 'y']})", "pd.DataFrame([[1, 'x'], [2, 'y']], columns=['a', 'b'])",
    "pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}, index=['p', 'q'])", "pd.DataFrame({'a': [1.0, np.nan]})",
    "pd.DataFrame({'a': [1.0, None]})", "pd.DataFrame(np.zeros((2, 2)))", "pd.DataFrame({'a': [1.0000001, 2.0]})",
    "pd.Series([1, 2, 3])", "pd.Series([1, 2, 3], name='n')", "pd.Series([1, 2, 3], dtype=float)", "pd.Series({'a': 1, 'b': 2})",
    "pd.Series([1.0, 2.0, 3.0000001])", "pd.Series([1, 2, 3], index=[0, 1, 2])", "pd.Series([True, False])", "pd.Series(['a', 'b'])",
    "pd.Index([1, 2, 3])", "pd.Index(['a', 'b'])", "pd.RangeIndex(3)", "pd.Index([0, 1, 2], name='n')", "pd.Index([0, 1, 2])",
    "pd.Series([1, 2], dtype='int32')", "pd.Series([1.5, 2.5])",
]  # fmt: skip


def test_frames_are_compared_as_pandas_does() -> None:
    """Every verdict about frames, series and indexes that is reached outside is pandas' own, and most are reached."""
    decided = held = 0
    for value in FRAMES:
        made = eval(value, {"pd": pd, "np": np})
        for literal in FRAMES:
            for check in FRAME_CHECKS:
                text = check.format(literal)
                if check.startswith("assert x.eq") and not hasattr(made, "equals"):
                    continue
                found, truth = _outside(text, made), _truly(text, made)
                assert found in (None, truth), (text, value)
                decided += found is not None
                held += bool(found)
    assert decided > 2500
    assert held > 80


def test_scalars_of_pandas_are_standard_ones() -> None:
    """Points in time in whole microseconds are datetimes; NaT and NA are themselves and decide nothing."""
    assert decode(encode(pd.Timestamp("2024-01-02 03:04"))) == datetime.datetime(2024, 1, 2, 3, 4)
    assert decode(encode(pd.Timedelta(days=1, seconds=2))) == datetime.timedelta(1, 2)
    assert _outside("assert x is pd.NaT", pd.NaT)
    assert not _outside("assert x is pd.NaT", pd.NA)
    assert _outside("assert x == 1", pd.NA) is None
    with pytest.raises(Unserialisable):
        encode(pd.Timestamp(1))


@pytest.mark.parametrize(
    "text",
    [
        "datetime.date(2024, 2, 29)", "decimal.Decimal('1.5')", "fractions.Fraction(1, 3)", "range(1, 5)", "slice(1, 2)", "...",
        "collections.OrderedDict([(1, 2)])", "collections.Counter('aab')", "collections.deque([1, 2])", "uuid.UUID(int=7)",
        "pathlib.Path('a/b')", "pd.Timestamp('2024-01-02')", "pd.Timedelta(days=2)", "datetime.timedelta(hours=1)", "{1} | {2}",
        "[i * i for i in range(4)]", "{k: [v] for k, v in [(1, 2)]}", "int", "np.dtype('float64')", "f'a{1}'", "datetime.time(3)",
        "collections.defaultdict(list, {1: [2]})", "datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)",
    ],
)  # fmt: skip
def test_constructors_are_read_from_syntax(text: str) -> None:
    """What a test writes as a constructor over literals is equal to the value that it makes."""
    if text.startswith("uuid"):
        text = "uuid.UUID('00000000-0000-0000-0000-000000000007')"
    space: dict[str, Any] = {}
    exec(HEADER, space)
    wanted = eval(text, space)
    found = constant(ast.parse(text, mode="eval").body, {}, Names(HEADER))
    assert found == decode(encode(wanted))


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("import evil as np", "assert f() == np.array([1])[0]"),
        ("import numpy as np\nnp = evil", "assert np.allclose(f(), [1])"),
        ("from numpy import zeros as array", "assert f() == array(3)"),
        ("from numpy import allclose as array_equal", "assert array_equal(f(), [1])"),
        ("def sorted(x): return x", "assert f() == sorted([2, 1])"),
    ],
)
def test_the_code_does_not_choose_the_meaning(code: str, test: str) -> None:
    """A name that the code rebinds, or imports under another name, stands for no constructor and no comparison."""
    try:
        made = rewrite(test, code)
    except Exception:
        return
    assert all(c.guessable for c in made.checks)
