"""Literals as they come out of a program: decoding the worker's tagged JSON, comparing, and writing them down."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from validators.execution.typed import (
    ITEMS,
    Array,
    Column,
    Dtype,
    Frame,
    Index,
    Instance,
    Member,
    Null,
    Scalar,
    Series,
    Undecided,
    array_from,
    plain,
    scalar_from,
)

_RENDERED = 2000
"""Characters of a value kept as evidence; of a longer one its beginning and its hash."""

_KEYS = 20000
"""As the worker's."""

_DEPTH = 240
"""Of lists in lists: four for each level of the worker's."""

_COLLIDING = 100
"""Keys of one hash."""


def decode(tagged: Any) -> Any:
    """A Python literal from the worker's tagged JSON.

    Raises:
        ValueError: It is no such thing.
        Undecided: It is, but can't be held here.
    """
    level = [tagged]
    for _ in range(_DEPTH):
        level = [inner for outer in level if isinstance(outer, list) for inner in outer]
        if not level:
            return _decode(tagged)
    raise ValueError("too deep")


def _decode(tagged: Any) -> Any:
    if tagged is None or isinstance(tagged, (bool, int, str)):
        return tagged
    if not isinstance(tagged, list) or not tagged or not isinstance(tagged[0], str):
        raise ValueError("not a tagged literal")
    tag, *rest = tagged
    if tag in _KEYED and rest and isinstance(rest[0], list) and len(rest[0]) > _KEYS:
        raise ValueError("too many keys")
    try:
        return _DECODERS[tag](*rest)
    except Undecided:
        raise
    except Exception as error:  # whatever a value made to do harm leads to
        raise ValueError(f"not a tagged literal: {type(error).__name__}") from error


def _whole(number: Any) -> int:
    if type(number) is not int:
        raise ValueError("no whole number")
    return number


def _zone(offset: Any) -> timezone | None:
    return None if offset is None else timezone(timedelta(seconds=float.fromhex(offset)))


def _named(text: Any) -> str:
    if not isinstance(text, str) or len(text) > 300:
        raise ValueError("no name")
    return text


def _column(dtype: Any, items: Any) -> Column:
    return Column(_named(dtype), tuple(_decode(i) for i in items))


def _index(kind: Any, column: Any, name: Any, release: Any = 0) -> Index:
    return Index(_named(kind), _column(*column), _decode(name), _whole(release))


def _frame(release: Any, index: Any, labels: Any, columns: Any) -> Frame:
    made = Frame(_index(*index), _index(*labels), tuple(_column(*c) for c in columns), _whole(release))
    if len(made.labels.column.items) != len(columns) or any(
        len(c.items) != len(made.index.column.items) for c in made.columns
    ):
        raise ValueError("no frame")
    return made


def _series(release: Any, index: Any, column: Any, name: Any) -> Series:
    made = Series(_index(*index), _column(*column), _decode(name), _whole(release))
    if len(made.index.column.items) != len(made.column.items):
        raise ValueError("no series")
    return made


def _decimal(text: Any) -> Decimal:
    if not isinstance(text, str) or len(text) > 4000:
        raise ValueError("no Decimal")
    made = Decimal(text)
    exponent = made.as_tuple().exponent
    if made.is_snan() or (isinstance(exponent, int) and abs(exponent) > 4000):
        raise ValueError("no Decimal")
    return made


def _range(*parts: int) -> range:
    made = range(*parts)
    if made[ITEMS:]:  # to look for what is no whole number goes through all of them
        raise Undecided("A range is too long")
    return made


def _fraction(numerator: Any, denominator: Any) -> Fraction:
    return Fraction(_whole(numerator), _whole(denominator))


CLASSES: tuple[type, ...] = (
    bool, int, str, float, bytes, complex, dict, list, tuple, set, frozenset, object, type(None), type, bytearray,
)  # fmt: skip
"""The built-in classes that are literals, as the worker's."""

_CLASSES = {t.__name__: t for t in CLASSES}
_KEYED = ("s", "z", "d", "@OrderedDict", "@Counter")
_DECODERS: dict[str, Callable[..., Any]] = {
    "f": float.fromhex,
    "b": bytes.fromhex,
    "c": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "l": lambda items: [_decode(i) for i in items],
    "t": lambda items: tuple(_decode(i) for i in items),
    "s": lambda items: set(_keys(items)),
    "z": lambda items: frozenset(_keys(items)),
    "d": lambda items: dict(_pairs(items)),
    "@date": date,
    "@datetime": lambda *parts: datetime(*parts[:-1]).replace(tzinfo=_zone(parts[-1])),
    "@time": lambda *parts: time(*parts[:-1]).replace(tzinfo=_zone(parts[-1])),
    "@timedelta": lambda days, seconds, micro: timedelta(_whole(days), _whole(seconds), _whole(micro)),
    "@Decimal": _decimal,
    "@Fraction": _fraction,
    "@range": lambda *parts: _range(*map(_whole, parts)),
    "@slice": lambda *parts: slice(*map(_decode, parts)),
    "@Ellipsis": lambda: ...,
    "@OrderedDict": lambda items: OrderedDict(_pairs(items)),
    "@Counter": lambda items: Counter(dict(_pairs(items))),
    "@deque": lambda items: deque(_decode(i) for i in items),
    "@UUID": lambda text: UUID(hex=text),
    "@Path": PurePosixPath,
    "@type": lambda name: _CLASSES[name],
    "@Member": lambda kind, name: Member(_named(kind), _named(name)),
    "@Instance": lambda kind, fields: Instance(_named(kind), tuple((_named(k), _decode(v)) for k, v in fields)),
    "@array": lambda dtype, shape, data: array_from(dtype, shape, data, _decode),
    "@scalar": lambda dtype, value: scalar_from(dtype, _decode(value)),
    "@dtype": lambda name: Dtype(_named(name)),
    "@Null": lambda name: Null(_named(name)),
    "@Index": lambda release, kind, column, name: _index(kind, column, name, release),
    "@Series": _series,
    "@Frame": _frame,
}


def _keys(items: Iterable[Any]) -> list[Any]:
    """Keys of a set or dict, unless so many have one hash that putting them in would take minutes."""
    keys = [_decode(i) for i in items]
    if len(keys) > _COLLIDING and max(Counter(map(hash, keys)).values()) > _COLLIDING:
        raise ValueError("colliding keys")
    return keys


def _pairs(items: Any) -> Iterable[tuple[Any, Any]]:
    return zip(_keys(k for k, _ in items), [_decode(v) for _, v in items], strict=True)


_ADDRESS = re.compile(r"(?<= at )0x[0-9a-fA-F]{4,}")


def without_addresses(text: str) -> str:
    """A text without where objects that have no `__repr__` of their own stood in memory: elsewhere in each run."""
    return _ADDRESS.sub("0x...", text)


def render(value: Any) -> str:
    """A literal as Python text that is the same everywhere: sets in order, no addresses, long ones cut, with a hash."""
    text = without_addresses(_text(value).encode("utf-8", "backslashreplace").decode())
    if len(text) <= _RENDERED:
        return text
    return f"{text[:_RENDERED]}… sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _text(value: Any) -> str:
    if isinstance(value, Array):
        return f"array({_text(list(value.items))}, shape={value.shape}, dtype={value.dtype})"
    if isinstance(value, (set, frozenset)):
        inner = ", ".join(sorted(_text(v) for v in value))
        if isinstance(value, frozenset):
            return f"frozenset({{{inner}}})" if value else "frozenset()"
        return f"{{{inner}}}" if value else "set()"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(_text(v) for v in value) + (",)" if len(value) == 1 else ")")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 10000:
        return hex(value)
    return repr(value)


def approximately(actual: Any, expected: Any, rel: float | None = None, abs_: float | None = None) -> bool:
    """`actual == pytest.approx(expected, rel, abs)`, by pytest's documented rules."""
    if isinstance(actual, Scalar) and actual.dtype in ("f2", "f4", "c8"):
        raise Undecided("Narrow floats are near in some releases of numpy and not in others")
    actual, expected = plain(actual), plain(expected)
    if isinstance(actual, Array) or isinstance(expected, Array):
        return _approximate_array(actual, expected, rel, abs_)
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping) or set(actual) != set(expected):
            return False
        return all(approximately(actual[k], v, rel, abs_) for k, v in expected.items())
    if isinstance(expected, Sequence) and not isinstance(expected, (str, bytes)):
        if not isinstance(actual, Sequence) or isinstance(actual, (str, bytes)) or len(actual) != len(expected):
            return False
        return all(approximately(a, e, rel, abs_) for a, e in zip(actual, expected, strict=True))
    if not _is_number(actual) or not _is_number(expected) or actual == expected:
        return bool(actual == expected)
    if _is_odd(actual) or _is_odd(expected):
        return False
    absolute = 1e-12 if abs_ is None else abs_
    if rel is None and abs_ is not None:
        return bool(abs(actual - expected) <= absolute)
    return bool(abs(actual - expected) <= max((1e-6 if rel is None else rel) * abs(expected), absolute))


def _approximate_array(actual: Any, expected: Any, rel: float | None, abs_: float | None) -> bool:
    if not isinstance(actual, Array) or not actual.items or actual.dtype not in ("f8", "i8", "c16"):
        raise Undecided("What is near an array isn't decided here")
    if isinstance(expected, Array) and expected.shape == actual.shape:
        wanted: Sequence[Any] = expected.items
    elif isinstance(expected, (list, tuple)) and actual.shape == (len(expected),):
        wanted = expected
    elif _is_number(expected):
        wanted = [expected] * len(actual.items)
    else:
        raise Undecided("What is near an array of another shape isn't decided here")
    return all(approximately(a, e, rel, abs_) for a, e in zip(actual.items, wanted, strict=True))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def _is_odd(value: Any) -> bool:
    parts = (value.real, value.imag)
    return any(math.isnan(p) or math.isinf(p) for p in parts)
