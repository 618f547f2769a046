"""numpy's and pandas' comparisons of a program's value with a literal, made outside without either library.

Each answers as the library does in every release, or raises `Undecided`: where releases differ, near the edge of a
tolerance whose arithmetic isn't Python's, and where nothing at all is compared (an empty array against a number).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from validators.execution.arrays import as_array
from validators.execution.typed import Array, Moment, Scalar, Undecided, plain

Same = Callable[[Scalar, Scalar], bool]


def array_equal(actual: Any, expected: Any, *, strict: Any = False) -> bool:
    """`numpy.testing.assert_array_equal`."""
    return _matches(actual, expected, _equal, nan=True, scalars=not strict, dtypes=bool(strict))


def arrays_equal(actual: Any, expected: Any, *, equal_nan: Any = False) -> bool:
    """`numpy.array_equal`."""
    return _matches(actual, expected, _equal, nan=bool(equal_nan), scalars=False)


def all_equal(actual: Any, expected: Any) -> bool:
    """`(actual == expected).all()`, where both have one shape or the literal is a number."""
    if not isinstance(actual, (Array, Scalar)):
        raise Undecided("`==` gives no array")
    left, right = as_array(actual), as_array(expected)
    if left.shape != right.shape and right.shape != ():
        raise Undecided("Arrays of different shapes are compared")
    if left.kind in "biufc" and left.items and type(expected) in (bool, int, float, complex):
        return all(Scalar(left.dtype, item) == expected for item in left.items)
    return _matches(left, right, _equal, nan=False, scalars=True)


def allclose(actual: Any, expected: Any, rtol: Any = 1e-7, atol: Any = 0, equal_nan: Any = True) -> bool:
    """`numpy.testing.assert_allclose`."""
    return _matches(actual, expected, _closer(rtol, atol), nan=bool(equal_nan), scalars=True)


def close(actual: Any, expected: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> bool:
    """`numpy.allclose`, and `numpy.isclose` of two numbers."""
    left, right = as_array(actual), as_array(expected)
    if left.shape != right.shape and () not in (left.shape, right.shape):
        raise Undecided("Arrays of different shapes are compared")
    return _matches(left, right, _closer(rtol, atol), nan=bool(equal_nan), scalars=True)


def is_close(actual: Any, expected: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> bool:
    """`numpy.isclose`, where it is a truth: of two numbers."""
    if as_array(actual).shape or as_array(expected).shape:
        raise Undecided("An array is no truth")
    return close(actual, expected, rtol, atol, equal_nan)


def almost_equal(actual: Any, expected: Any, decimal: Any = 7) -> bool:
    """`numpy.testing.assert_almost_equal`."""
    if isinstance(actual, dict) or isinstance(expected, dict):
        raise Undecided("A dictionary is compared with numbers")
    return array_almost_equal(actual, expected, decimal)


def array_almost_equal(actual: Any, expected: Any, decimal: Any = 6) -> bool:
    """`numpy.testing.assert_array_almost_equal`."""
    limit = 1.5 * 10.0 ** (-plain(decimal))

    def near(a: Scalar, b: Scalar) -> bool:
        return _within(a, b, limit, strict=True)

    return _matches(actual, expected, near, nan=True, scalars=True)


def equal(actual: Any, expected: Any, *, strict: Any = False) -> bool:
    """`numpy.testing.assert_equal`."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict) or len(actual) != len(expected):
            return False
        return all(k in actual and equal(actual[k], v) for k, v in expected.items())
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(actual) == len(expected) and all(equal(a, e) for a, e in zip(actual, expected, strict=True))
    if isinstance(actual, Array) or isinstance(expected, Array):
        return array_equal(actual, expected, strict=strict)
    left, right = plain(actual), plain(expected)
    if isinstance(left, complex) or isinstance(right, complex):
        raise Undecided("Complex numbers are compared by their parts")
    numbers = (bool, int, float)
    if isinstance(left, numbers) and isinstance(right, numbers):
        if math.isnan(left) and math.isnan(right):
            return True
        if left == 0 and right == 0:
            return math.copysign(1, left) == math.copysign(1, right)
        return bool(actual == expected)
    simple = (*numbers, str, bytes)
    if isinstance(left, simple) != isinstance(right, simple) and not isinstance(actual, Moment):
        return False
    return bool(actual == expected)


# --------------------------------------------------------------------------------------------------- element by element


def _matches(actual: Any, expected: Any, same: Same, *, nan: bool, scalars: bool, dtypes: bool = False) -> bool:
    left, right = as_array(actual), as_array(expected)
    if left.shape != right.shape:
        if not scalars or () not in (left.shape, right.shape):
            return False
        if not left.items or not right.items:
            raise Undecided("Nothing is compared")
    if dtypes and left.dtype != right.dtype:
        return False
    count = max(len(left.items), len(right.items))
    pairs = zip(_repeated(left, count), _repeated(right, count), strict=True)
    # All of them, so that one that is undecided is told whatever comes before it.
    answers = [_element(a, b, left.dtype, right.dtype, same, nan) for a, b in pairs]
    return all(answers)


def _repeated(array: Array, count: int) -> tuple[Any, ...]:
    return array.items if len(array.items) == count else array.items * count


def _element(a: Any, b: Any, left: str, right: str, same: Same, nan: bool) -> bool:
    if left[0] in "biufc" and right[0] in "biufc":
        odd = [_is_nan(a), _is_nan(b)]
        if any(odd):
            return nan and all(odd)
        return same(Scalar(left, a), Scalar(right, b))
    if same is not _equal:
        raise Undecided("What is near isn't a number")
    if left[0] in "Mm" or right[0] in "Mm":
        if left != right:
            raise Undecided("Times in other units aren't compared here")
        return (nan and a is b) if a is None or b is None else bool(a == b)
    if left[0] == right[0] and left[0] in "US":
        return bool(a.rstrip("\0" if left[0] == "U" else b"\0") == b)
    if "O" in (left[0], right[0]):
        if _is_nan(a) or _is_nan(b):
            raise Undecided("NaN in an array of objects is equal in some releases")
        return bool(a == b)
    raise Undecided("Arrays of different kinds are compared")


def _is_nan(value: Any) -> bool:
    if isinstance(value, complex):
        return math.isnan(value.real) or math.isnan(value.imag)
    return isinstance(value, float) and math.isnan(value)


def _equal(a: Scalar, b: Scalar) -> bool:
    return a == b


def _closer(rtol: Any, atol: Any) -> Same:
    rtol, atol = float(plain(rtol)), float(plain(atol))
    if not (math.isfinite(rtol) and math.isfinite(atol)):
        raise Undecided("A tolerance isn't finite")

    def near(a: Scalar, b: Scalar) -> bool:
        return _within(a, b, atol + rtol * abs(b.value), strict=False)

    return near


_EPSILON = {"f2": 1e-3, "f4": 2e-7, "c8": 2e-7}


def _within(a: Scalar, b: Scalar, limit: float, *, strict: bool) -> bool:
    """Whether `abs(a - b) <= limit`, unless the rounding of a narrow type, or of a complex one, could tip it."""
    x, y = a.value, b.value
    if any(isinstance(v, complex) and not (math.isfinite(v.real) and math.isfinite(v.imag)) for v in (x, y)):
        raise Undecided("Complex infinities are compared")
    if not isinstance(x, complex) and not isinstance(y, complex) and (math.isinf(x) or math.isinf(y)):
        return bool(x == y)
    if a.dtype == b.dtype == "b1":
        raise Undecided("The difference of two truths is an error in some releases")
    found = abs(x - y)
    exact = all(s.dtype in ("f8", "b1") or (isinstance(s.value, int) and abs(s.value) <= 1 << 53) for s in (a, b))
    if not exact or a.dtype[0] == b.dtype[0] == "b" or "u" in (a.dtype[0], b.dtype[0]):
        slack = max(_EPSILON.get(a.dtype, 1e-15), _EPSILON.get(b.dtype, 1e-15)) * (abs(x) + abs(y)) + 1e-300
        if a.dtype[0] in "bu" or b.dtype[0] in "bu" or abs(found - limit) <= slack:
            if a == b:
                return True
            raise Undecided("The types' own arithmetic decides whether these are near")
    return found < limit if strict else found <= limit
