"""Values of numpy's and pandas' types, and of classes, as plain data: what they are compared as outside the wall.

Nothing here imports numpy or pandas. Where Python's own operators would need them (`==` of two arrays is no truth), the
operators raise `Undecided`: such a check is proven weakly. The rules by which arrays and frames are compared are in
`comparing`.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


class Undecided(Exception):  # noqa: N818 - a property of the values, not an error
    """The values can't decide a check: the proof is weak."""


ITEMS = 200000
"""Values within one, as the worker's: comparing more would keep the supervisor busy."""


class Opaque:
    """A value on which Python's operators decide nothing here."""

    def _undecided(self, *_: Any) -> Any:
        raise Undecided(f"Python's operators decide nothing about a {type(self).__name__} here")

    __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _undecided
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _undecided
    __sub__ = __rsub__ = __abs__ = __float__ = __int__ = __index__ = _undecided


NUMBERS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f2": "e",
    "f4": "f", "f8": "d", "c8": "f", "c16": "d",
}  # fmt: skip
"""numpy's numeric types, and `struct`'s codes for (the parts of) them."""

_NARROW = {"f2": "e", "f4": "f", "c8": "f"}
_PLAIN = (bool, int, float, complex)


@dataclass(frozen=True, eq=False, repr=False)
class Scalar:
    """A numpy number. It compares as numpy's do in every release; where releases differ it is `Undecided`."""

    dtype: str
    value: Any

    def _compare(self, name: str, other: Any) -> bool:
        function = getattr(operator, name)
        if other is None or isinstance(other, (str, bytes)):
            if name in ("eq", "ne"):
                return name == "ne"
            raise TypeError("Numbers and texts have no order")
        if not isinstance(other, (Scalar, *_PLAIN)):
            raise Undecided(f"A numpy number is compared with a {type(other).__name__}")
        if name not in ("eq", "ne") and any(isinstance(plain(v), complex) for v in (self, other)):
            raise Undecided("Complex numbers have an order in some releases of numpy")
        answers = {bool(function(a, b)) for a, b in _readings(self, other)}
        if len(answers) > 1:
            raise Undecided("numpy's releases differ about this comparison")
        return answers.pop()

    def __eq__(self, other: object) -> bool:
        return self._compare("eq", other)

    def __ne__(self, other: object) -> bool:
        return self._compare("ne", other)

    def __lt__(self, other: Any) -> bool:
        return self._compare("lt", other)

    def __le__(self, other: Any) -> bool:
        return self._compare("le", other)

    def __gt__(self, other: Any) -> bool:
        return self._compare("gt", other)

    def __ge__(self, other: Any) -> bool:
        return self._compare("ge", other)

    def __hash__(self) -> int:
        if isinstance(self.value, complex):
            raise Undecided("Complex keys can be made to collide, which would keep the supervisor busy")
        return hash(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __sub__(self, other: Any) -> Any:
        return self._difference(self.value, other)

    def __rsub__(self, other: Any) -> Any:
        return self._difference(other, self.value)

    def _difference(self, left: Any, right: Any) -> Any:
        left, right = plain(left), plain(right)
        if self.dtype not in ("f8", "i8", "c16") or not isinstance(left, _PLAIN) or not isinstance(right, _PLAIN):
            raise Undecided("numpy's arithmetic isn't Python's here")
        found = left - right
        if isinstance(found, int) and abs(found) >= 1 << 63:
            raise Undecided("numpy's integers overflow here")
        return found

    def __repr__(self) -> str:
        return repr(self.value)


def plain(value: Any) -> Any:
    """A numpy number as Python's; anything else as it is."""
    return value.value if isinstance(value, Scalar) else value


def _readings(left: Scalar, right: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of numbers as which numpy's releases may compare these two."""
    a, b = left.value, plain(right)
    yield a, b
    types = {left.dtype, right.dtype if isinstance(right, Scalar) else None}
    whole = isinstance(a, int) and isinstance(b, int)
    if (whole and "u8" in types) or whole != (isinstance(a, int) or isinstance(b, int)):
        with suppress(OverflowError):
            yield (a, b) if isinstance(a, complex) or isinstance(b, complex) else (float(a), float(b))
    if None in types:
        for code in (_NARROW[t] for t in types if t in _NARROW):
            yield _rounded(a, code), _rounded(b, code)


def _rounded(value: Any, code: str) -> Any:
    if isinstance(value, complex):
        return complex(_rounded(value.real, code), _rounded(value.imag, code))
    try:
        return struct.unpack(code, struct.pack(code, float(value)))[0]
    except OverflowError:
        return math.inf if value > 0 else -math.inf


@dataclass(frozen=True, eq=False)
class Array(Opaque):
    """A numpy array.

    Attributes:
        dtype: numpy's name without byte order: `f8`, `b1`, `U3`, `O`, `M8[ns]`.
        shape: Its shape.
        items: Its elements in C order, as Python's values; dates as whole units, None where not a time.
    """

    dtype: str
    shape: tuple[int, ...]
    items: tuple[Any, ...]

    @property
    def kind(self) -> str:
        """The one letter for the kind of its type."""
        return self.dtype[0]


SCALARS = {
    "bool_": "b1", "bool": "b1", "int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "uint8": "u1",
    "uint16": "u2", "uint32": "u4", "uint64": "u8", "float16": "f2", "float32": "f4", "float64": "f8",
    "complex64": "c8", "complex128": "c16",
}  # fmt: skip
"""numpy's numeric types by their names in numpy."""

DTYPES = {**SCALARS, "object": "O", "int": "i8", "float": "f8", "complex": "c16", "str": "U", "bytes": "S"}
"""numpy's types by the names in which they are asked for."""


def dtype_of(given: Any) -> str:
    """The short name of a type given as `"float64"`, `float`, `np.float64` or `np.dtype("f8")`.

    Raises:
        Undecided: It is another way to name a type.
    """
    if isinstance(given, Dtype):
        return given.name
    name = given.__name__ if isinstance(given, type) else given
    if not isinstance(name, str):
        raise Undecided("A type has an unknown name")
    short = name.lstrip("<=|")
    if name in DTYPES:
        return DTYPES[name]
    if short in NUMBERS or short == "O":
        return short
    raise Undecided(f"The type {name[:40]!r} is unknown here")


@dataclass(frozen=True, eq=False)
class Dtype(Opaque):
    """A numpy type; equal to whatever names it."""

    name: str

    def __eq__(self, other: object) -> bool:
        return self.name == dtype_of(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


@dataclass(frozen=True, eq=False)
class Moment(Opaque):
    """A `numpy.datetime64` or `timedelta64`; comparable with its like, in one unit."""

    dtype: str
    ticks: int | None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moment) or other.dtype != self.dtype:
            raise Undecided("Times in other units aren't compared here")
        return self.ticks is not None and self.ticks == other.ticks

    def __ne__(self, other: object) -> bool:
        return not self == other


@dataclass(frozen=True, eq=False)
class Null(Opaque):
    """`pandas.NA` or `pandas.NaT`."""

    name: str


@dataclass(frozen=True, eq=False)
class Column(Opaque):
    """Values under one of pandas' types."""

    dtype: str
    items: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Index(Opaque):
    """A pandas Index: the name of its class, its values, its name."""

    kind: str
    column: Column
    name: Any = None
    release: int = field(default=0, repr=False)


@dataclass(frozen=True, eq=False)
class Series(Opaque):
    """A pandas Series; `release` is the first number of pandas' version, 0 where it isn't known."""

    index: Index
    column: Column
    name: Any = None
    release: int = field(default=0, repr=False)


@dataclass(frozen=True, eq=False)
class Frame(Opaque):
    """A pandas DataFrame."""

    index: Index
    labels: Index
    columns: tuple[Column, ...]
    release: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Member:
    """A member of an Enum, by the names of its class and itself."""

    kind: str
    name: str

    def __repr__(self) -> str:
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True)
class Instance:
    """An instance of a dataclass: equal to one of the same class with equal fields."""

    kind: str
    fields: tuple[tuple[str, Any], ...]

    def __hash__(self) -> int:
        raise Undecided("Such keys can be made to collide, which would keep the supervisor busy")

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(f'{k}={v!r}' for k, v in self.fields)})"


# ------------------------------------------------------------------------------------------------ from the wire


def array_from(dtype: str, shape: list[int], data: Any, decode: Callable[[Any], Any]) -> Array:
    """An array as the worker sends it: numbers as bytes in hex, everything else as literals."""
    if not isinstance(dtype, str) or any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
        raise ValueError("no array")
    if isinstance(data, str):
        items = _unpacked(dtype, bytes.fromhex(data))
    elif dtype[0] in "USO":
        items = tuple(decode(i) for i in data)
    else:
        raise ValueError("no array")
    if math.prod(shape) != len(items) or len(items) > ITEMS:
        raise ValueError("an array of another shape, or too large")
    return Array(dtype, tuple(shape), items)


def _unpacked(dtype: str, data: bytes) -> tuple[Any, ...]:
    code = "q" if dtype[:2] in ("M8", "m8") else NUMBERS[dtype]
    count, rest = divmod(len(data), struct.calcsize(code))
    if rest:
        raise ValueError("no array")
    items = struct.unpack(f"<{count}{code}", data)
    if dtype[0] == "c":
        return tuple(complex(a, b) for a, b in zip(items[::2], items[1::2], strict=True))
    if code == "q" and dtype[0] in "Mm":
        return tuple(None if i == -(1 << 63) else i for i in items)
    return items


def scalar_from(dtype: str, value: Any) -> Scalar | Moment:
    """A numpy number, or point in time, as the worker sends it."""
    if dtype[:2] in ("M8", "m8"):
        if type(value) is not int:
            raise ValueError("no time")
        return Moment(dtype, None if value == -(1 << 63) else value)
    if dtype not in NUMBERS or type(value) not in _PLAIN or (type(value) is int and value.bit_length() > 64):
        raise ValueError("no number")
    return Scalar(dtype, value)
