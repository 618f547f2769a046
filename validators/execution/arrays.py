"""numpy's constructors as a test writes them, from the syntax alone: `np.array([[1, 2]], dtype=np.int32)`."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from validators.execution.typed import NUMBERS, SCALARS, Array, Dtype, Moment, Scalar, Undecided, dtype_of, plain

_LARGEST = 20000


def as_array(value: Any) -> Array:
    """As `numpy.asarray` for an array, a number, a text, and lists or tuples of such with one shape.

    Raises:
        Undecided: numpy would make something else of it, or it depends on the release.
    """
    if isinstance(value, Array):
        return value
    if isinstance(value, Scalar):
        return Array(value.dtype, (), (value.value,))
    if isinstance(value, (list, tuple)):
        return _stacked([as_array(v) for v in value])
    for kind, dtype in ((bool, "b1"), (int, "i8"), (float, "f8"), (complex, "c16")):
        if type(value) is kind:
            if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
                raise Undecided("An integer doesn't fit numpy's")
            return Array(dtype, (), (value,))
    if type(value) in (str, bytes):
        return Array(f"{'U' if isinstance(value, str) else 'S'}{len(value)}", (), (value,))
    if value is None:
        return Array("O", (), (None,))
    raise Undecided(f"An array of a {type(value).__name__} isn't made here")


def _stacked(parts: Sequence[Array]) -> Array:
    if not parts:
        return Array("f8", (0,), ())
    if len({p.shape for p in parts}) > 1:
        raise Undecided("A ragged list is no array")
    dtype = _common([p.dtype for p in parts])
    items = tuple(item for p in parts for item in cast(p, dtype).items)
    return Array(dtype, (len(parts), *parts[0].shape), items)


def _common(dtypes: Sequence[str]) -> str:
    found = set(dtypes)
    if len(found) == 1:
        return dtypes[0]
    for order in (("b1", "i8", "f8", "c16"), ("f4", "f8"), ("f2", "f4", "f8")):
        if found <= set(order):
            return max(found, key=order.index)
    if all(d[0] == dtypes[0][0] and d[0] in "US" for d in found):
        return max(found, key=lambda d: int(d[1:]))
    raise Undecided("An array of several kinds isn't made here")


def cast(array: Array, dtype: str) -> Array:
    """The array under another type, where every release casts alike."""
    if array.dtype == dtype:
        return array
    if dtype == "O" and array.kind in "biufcUO":
        return Array("O", array.shape, array.items)
    if dtype in ("U", "S") and array.kind == dtype:
        return array
    if array.kind in "US" and dtype[0] == array.kind and int(dtype[1:] or 0) >= int(array.dtype[1:]):
        return Array(dtype, array.shape, array.items)
    if array.kind not in "biufc" or dtype not in NUMBERS:
        raise Undecided(f"{array.dtype} isn't cast to {dtype} here")
    return Array(dtype, array.shape, tuple(_cast(i, dtype) for i in array.items))


def _cast(item: Any, dtype: str) -> Any:
    kind = dtype[0]
    if kind == "c":
        if dtype == "c16":
            return complex(item)
    elif isinstance(item, complex):
        raise Undecided("A complex number isn't cast here")
    elif kind == "f":
        return as_float(float(item), dtype)
    elif kind == "b":
        return bool(item)
    elif not isinstance(item, float) or (item.is_integer() and math.isfinite(item)):
        bits, number = 8 * int(dtype[1:]), int(item)
        low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if kind == "i" else (0, 1 << bits)
        if low <= number < high:
            return number
    raise Undecided(f"{item!r} isn't cast to {dtype} here")


def as_float(value: float, dtype: str) -> float:
    """The value, rounded to a narrower type."""
    code = NUMBERS[dtype]
    try:
        found: float = struct.unpack(code, struct.pack(code, value))[0]
    except OverflowError as error:
        raise Undecided("A number doesn't fit its type") from error
    return found


# ------------------------------------------------------------------------------------------------ constructors


def _array(value: Any, dtype: Any = None, *, copy: Any = None) -> Array:
    made = as_array(value)
    return made if dtype is None else cast(made, dtype_of(dtype))


def _filled(item: Any, default: Any) -> Callable[..., Array]:
    def make(shape: Any, dtype: Any = default) -> Array:
        return cast(_full_of(shape, item), dtype_of(dtype))

    return make


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    made = _full_of(shape, plain(fill_value))
    return made if dtype is None else cast(made, dtype_of(dtype))


def _full_of(shape: Any, item: Any) -> Array:
    sizes = tuple(map(_size, shape if isinstance(shape, (tuple, list)) else (shape,)))
    if math.prod(sizes) > _LARGEST:
        raise Undecided("A large array")
    return Array(as_array(item).dtype, sizes, (item,) * math.prod(sizes))


def _size(value: Any) -> int:
    value = plain(value)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise Undecided("A size is no number")
    return value


def _eye(rows: Any, columns: Any = None, k: Any = 0, dtype: Any = float) -> Array:
    n, m = _size(rows), _size(rows if columns is None else columns)
    if n * m > _LARGEST or type(k) is not int:
        raise Undecided("A large array")
    return cast(Array("i8", (n, m), tuple(int(j - i == k) for i in range(n) for j in range(m))), dtype_of(dtype))


def _arange(*bounds: Any, dtype: Any = None) -> Array:
    if any(type(b) is not int or abs(b) > _LARGEST for b in bounds):
        raise Undecided("Only whole numbers are counted here")
    items = tuple(range(*bounds))
    made = Array("i8", (len(items),), items)
    return made if dtype is None else cast(made, dtype_of(dtype))


def _linspace(start: Any, stop: Any, num: Any = 50) -> Array:
    count, first, last = _size(num), float(start), float(stop)
    step = (last - first) / (count - 1) if count > 1 else math.nan
    if count < 2 or step == 0 or not math.isfinite(step):
        raise Undecided("Such a space isn't made here")
    return Array("f8", (count,), (*(i * step + first for i in range(count - 1)), last))


def _scalar(dtype: str) -> Callable[..., Scalar]:
    def make(value: Any = 0) -> Scalar:
        (item,) = cast(as_array(value), dtype).items
        return Scalar(dtype, item)

    return make


def _datetime64(text: Any, unit: Any = "D") -> Moment:
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", text) or unit != "D":
        raise Undecided("Only days are read here")
    return Moment("M8[D]", date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal())


_SCALARS = {**SCALARS, "intp": "i8", "int_": "i8", "float_": "f8", "double": "f8", "single": "f4"}

NUMPY_NAMES: dict[str, Any] = {
    "nan": math.nan, "NaN": math.nan, "NAN": math.nan, "inf": math.inf, "Inf": math.inf, "pi": math.pi, "e": math.e,
    "True_": Scalar("b1", True), "False_": Scalar("b1", False), "newaxis": None,
    **{name: Dtype(dtype) for name, dtype in _SCALARS.items()}, "object_": Dtype("O"), "str_": Dtype("U"),
}  # fmt: skip
"""numpy's constants and types, by their names in numpy."""

NUMPY: dict[str, Callable[..., Any]] = {
    "array": _array, "asarray": _array, "zeros": _filled(0, float), "ones": _filled(1, float), "full": _full,
    "eye": _eye,
    "identity": lambda n, dtype=float: _eye(n, dtype=dtype), "arange": _arange, "linspace": _linspace,
    "dtype": lambda given: Dtype(dtype_of(given)), "datetime64": _datetime64,
    **{name: _scalar(dtype) for name, dtype in _SCALARS.items()},
    "sqrt": lambda v: Scalar("f8", math.sqrt(v)),
}  # fmt: skip
"""numpy's functions over literals that are literals themselves, by their names in numpy."""
