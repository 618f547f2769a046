"""pandas' constructors as a test writes them, and pandas' comparisons, both without pandas.

A comparison holds where everything is the same, types and names included; it fails where a shape, a label, a name, a
type or a value plainly differs. Everything between (a type that depends on the release, a value near the edge of the
tolerance) is `Undecided`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from validators.execution.arrays import as_array, cast
from validators.execution.typed import (
    Array,
    Column,
    Frame,
    Index,
    Null,
    Series,
    Undecided,
    dtype_of,
    plain,
)

_TEXT = "text"
"""The type of a column of texts: `object` before pandas 3, `str` from then on."""

_WIDE = {"b1": "bool", "i8": "int64", "f8": "float64", "c16": "complex128"}


def column(values: Any, dtype: Any = None) -> Column:
    """Values under the type that pandas gives them."""
    if isinstance(values, (Series, Index)):
        made = values.column
    elif isinstance(values, Array):
        if len(values.shape) != 1 or values.kind not in "biufc":
            raise Undecided("Such an array is no column here")
        made = Column(_long(values.dtype), values.items)
    elif isinstance(values, (list, tuple, range)):
        made = _inferred([plain(v) for v in values])
    else:
        raise Undecided(f"A {type(values).__name__} is no column here")
    return made if dtype is None else _retyped(made, dtype)


def _inferred(items: Sequence[Any]) -> Column:
    kinds = {type(i) for i in items}
    if not items:
        return Column("object", ())
    if kinds == {str}:
        return Column(_TEXT, tuple(items))
    if kinds == {bool}:
        return Column("bool", tuple(items))
    if kinds <= {int, float}:
        made = as_array(list(items))
        return Column(_WIDE[made.dtype], made.items)
    if kinds == {float, type(None)}:
        return Column("float64", tuple(math.nan if i is None else i for i in items))
    raise Undecided("The type of a column isn't known here")


def _retyped(made: Column, dtype: Any) -> Column:
    if dtype is object or dtype == "object":
        return Column("object", made.items)
    if made.dtype not in _WIDE.values():
        raise Undecided("A column isn't cast here")
    short = next(k for k, v in _WIDE.items() if v == made.dtype)
    changed = cast(Array(short, (len(made.items),), made.items), dtype_of(dtype))
    return Column(_long(changed.dtype), changed.items)


def _long(short: str) -> str:
    name = "bool" if short == "b1" else {"i": "int", "u": "uint", "f": "float", "c": "complex"}.get(short[0])
    if name is None:
        raise Undecided(f"{short} isn't a column's type here")
    return name if short == "b1" else f"{name}{8 * int(short[1:])}"


# ------------------------------------------------------------------------------------------------ constructors


def make_index(data: Any, dtype: Any = None, name: Any = None) -> Index:
    """`pandas.Index`."""
    if isinstance(data, Index):
        return Index(data.kind, column(data, dtype), data.name if name is None else name)
    if isinstance(data, range):
        return Index("RangeIndex", Column("int64", tuple(data)), name)
    return Index("Index", column(data, dtype), name)


def _range_index(*bounds: Any, name: Any = None) -> Index:
    if any(type(b) is not int or abs(b) > 20000 for b in bounds):
        raise Undecided("Such a RangeIndex isn't made here")
    return make_index(range(*bounds), name=name)


def make_series(data: Any, index: Any = None, dtype: Any = None, name: Any = None) -> Series:
    """`pandas.Series`."""
    if isinstance(data, Mapping) and index is None and data:
        data, index = list(data.values()), list(data)
    if isinstance(data, (int, float, str)) and index is not None:
        data = [data] * len(make_index(index).column.items)
    if isinstance(data, Series):
        raise Undecided("A Series of a Series isn't made here")
    made = column(data, dtype)
    found = make_index(range(len(made.items)) if index is None else index)
    if len(found.column.items) != len(made.items):
        raise Undecided("Lengths differ")
    return Series(found, made, name)


def make_frame(data: Any, index: Any = None, columns: Any = None, dtype: Any = None) -> Frame:
    """`pandas.DataFrame`, of a dictionary of columns or of a list of rows."""
    if isinstance(data, Mapping) and columns is None and data:
        labels, parts = list(data), list(data.values())
        if any(not isinstance(p, (list, tuple, Array, range)) for p in parts):
            raise Undecided("Such a DataFrame isn't made here")
        label_index = make_index(labels)
    else:
        label_index, parts = _from_rows(data, columns)
    made = tuple(column(p, dtype) for p in parts)
    rows = {len(c.items) for c in made}
    if len(rows) != 1:
        raise Undecided("Lengths differ")
    found = make_index(range(*rows) if index is None else index)
    if {len(found.column.items)} != rows:
        raise Undecided("Lengths differ")
    return Frame(found, label_index, made)


def _from_rows(data: Any, columns: Any) -> tuple[Index, list[Any]]:
    if isinstance(data, Array) and len(data.shape) == 2:
        width = data.shape[1]
        parts: list[Any] = [Array(data.dtype, (data.shape[0],), data.items[i::width]) for i in range(width)]
    elif isinstance(data, list) and data and all(isinstance(r, (list, tuple)) and len(r) == len(data[0]) for r in data):
        parts = [list(c) for c in zip(*data, strict=True)]
    else:
        raise Undecided("Such a DataFrame isn't made here")
    found = make_index(range(len(parts)) if columns is None else columns)
    if len(found.column.items) != len(parts) or not parts:
        raise Undecided("Lengths differ")
    return found, parts


PANDAS_NAMES: dict[str, Any] = {"NA": Null("NA"), "NaT": Null("NaT")}
"""pandas' constants, by their names in pandas."""

PANDAS: dict[str, Callable[..., Any]] = {
    "DataFrame": make_frame, "Series": make_series, "Index": make_index, "RangeIndex": _range_index,
}  # fmt: skip
"""pandas' constructors, by their names in pandas."""


# ------------------------------------------------------------------------------------------------- comparisons


def frame_equal(left: Any, right: Any, check_dtype: Any = True, check_names: Any = True, **close: Any) -> bool:
    """`pandas.testing.assert_frame_equal`."""
    if not isinstance(left, Frame) or not isinstance(right, Frame):
        return False
    release = max(left.release, right.release)
    if len(left.columns) != len(right.columns):
        return False
    return (
        _index(left.index, right.index, release, check_names, close)
        and _index(left.labels, right.labels, release, check_names, close)
        and all(_column(a, b, release, check_dtype, close) for a, b in zip(left.columns, right.columns, strict=True))
    )


def series_equal(left: Any, right: Any, check_dtype: Any = True, check_names: Any = True, **close: Any) -> bool:
    """`pandas.testing.assert_series_equal`."""
    if not isinstance(left, Series) or not isinstance(right, Series):
        return False
    release = max(left.release, right.release)
    return (
        _index(left.index, right.index, release, check_names, close)
        and _column(left.column, right.column, release, check_dtype, close)
        and (not check_names or _names(left.name, right.name))
    )


def index_equal(left: Any, right: Any, check_names: Any = True, **close: Any) -> bool:
    """`pandas.testing.assert_index_equal`."""
    if not isinstance(left, Index) or not isinstance(right, Index):
        return False
    return _index(left, right, max(left.release, right.release), check_names, close)


def equals(left: Any, right: Any) -> bool:
    """`left.equals(right)`, of two frames, series or indexes: names don't count, types of indexes may differ."""
    for kind, compare in ((Frame, frame_equal), (Series, series_equal), (Index, index_equal)):
        if isinstance(left, kind) and isinstance(right, kind):
            if compare(left, right, check_names=False, rtol=0.0, atol=0.0):
                return True
            if _sizes(left) != _sizes(right):
                return False
            raise Undecided("What `equals` makes of different types isn't decided here")
    raise Undecided("Different things are compared")


def _sizes(value: Frame | Series | Index) -> list[int]:
    if isinstance(value, Frame):
        return [len(c.items) for c in value.columns]
    return [len(value.column.items)]


def _names(left: Any, right: Any) -> bool:
    return bool(left == right)


def _index(left: Index, right: Index, release: int, names: Any, close: Mapping[str, Any]) -> bool:
    ranges = [i.kind == "RangeIndex" for i in (left, right)]
    if left.kind != right.kind and not any(ranges):
        raise Undecided("Different kinds of Index are compared")
    if names and not _names(left.name, right.name):
        return False
    return _column(left.column, right.column, release, True, close)


def _column(left: Column, right: Column, release: int, check_dtype: Any, close: Mapping[str, Any]) -> bool:
    if len(left.items) != len(right.items):
        return False
    types = [_settled(c.dtype, release) for c in (left, right)]
    if types[0] != types[1] and (check_dtype or "object" in types or "str" in types):
        if not left.items or not check_dtype:
            raise Undecided("Types that depend on the release are compared")
        return False
    answers = [_item(a, b, close) for a, b in zip(left.items, right.items, strict=True)]
    return all(answers)


def _settled(dtype: str, release: int) -> str:
    if dtype != _TEXT:
        return dtype
    if not release:
        raise Undecided("The type of a text isn't known")
    return "str" if release >= 3 else "object"


def _item(a: Any, b: Any, close: Mapping[str, Any]) -> bool:
    a, b = plain(a), plain(b)
    missing = [isinstance(v, Null) or v is None or (isinstance(v, float) and math.isnan(v)) for v in (a, b)]
    if any(missing):
        if all(missing) and type(a) is not type(b):
            raise Undecided("Different missing values are compared")
        return all(missing)
    if type(a) is type(b) and a == b:
        return True
    numbers = (bool, int, float)
    if isinstance(a, numbers) and isinstance(b, numbers):
        if a == b:
            return True
        rtol, atol = float(close.get("rtol", 1e-5)), float(close.get("atol", 1e-8))
        if close.get("check_exact") or math.isinf(a) or math.isinf(b):
            return False
        distance, limit = abs(a - b), atol + rtol * max(abs(a), abs(b))
        if isinstance(a, float) and isinstance(b, float) and distance < limit / 4:
            return True
        if distance > 4 * limit:
            return False
        raise Undecided("Values near the edge of the tolerance are compared")
    if isinstance(a, str) and isinstance(b, str):
        return False
    raise Undecided("Different types of values are compared")
