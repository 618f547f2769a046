"""Literals as they come out of a program: decoding the worker's tagged JSON, comparing, and writing them down."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_RENDERED = 2000
"""Characters of a value kept as evidence; of a longer one its beginning and its hash."""

_KEYS = 20000
"""As the worker's."""

_COLLIDING = 100
"""Keys of one hash."""


def decode(tagged: Any) -> Any:
    """A Python literal from the worker's tagged JSON.

    Raises:
        ValueError: It is no such thing.
    """
    if tagged is None or isinstance(tagged, (bool, int, str)):
        return tagged
    if not isinstance(tagged, list) or not tagged or not isinstance(tagged[0], str):
        raise ValueError("not a tagged literal")
    tag, *rest = tagged
    if tag in ("s", "z", "d") and rest and isinstance(rest[0], list) and len(rest[0]) > _KEYS:
        raise ValueError("too many keys")
    try:
        return _DECODERS[tag](*rest)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a tagged literal: {type(error).__name__}") from error


_DECODERS: dict[str, Any] = {
    "f": float.fromhex,
    "b": bytes.fromhex,
    "c": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "l": lambda items: [decode(i) for i in items],
    "t": lambda items: tuple(decode(i) for i in items),
    "s": lambda items: set(_keys(items)),
    "z": lambda items: frozenset(_keys(items)),
    "d": lambda items: dict(zip(_keys(k for k, _ in items), [decode(v) for _, v in items], strict=True)),
}


def _keys(items: Iterable[Any]) -> list[Any]:
    """Keys of a set or dict, unless so many have one hash that putting them in would take minutes."""
    keys = [decode(i) for i in items]
    if len(keys) > _COLLIDING and max(Counter(map(hash, keys)).values()) > _COLLIDING:
        raise ValueError("colliding keys")
    return keys


def render(value: Any) -> str:
    """A literal as Python text that is the same everywhere: sets in order, long ones cut, with a hash."""
    text = _text(value).encode("utf-8", "backslashreplace").decode()
    if len(text) <= _RENDERED:
        return text
    return f"{text[:_RENDERED]}… sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _text(value: Any) -> str:
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def _is_odd(value: Any) -> bool:
    parts = (value.real, value.imag)
    return any(math.isnan(p) or math.isinf(p) for p in parts)
