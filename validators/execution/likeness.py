"""Whether two values, or two texts, of a program at two releases are the same, and by which rules.

A rule forgives one kind of difference. `alike` says which of those in force are needed for two to count as the same:

* `address`: where objects stood in memory, `<f at 0x7f12ab34cd56>`, in texts
* `timing`: durations, dates and times of day in texts; in force only where asked for (in values they may be the point)
* `numpy-repr`: how NumPy 2 writes its scalars, `np.float64(1.0)` for `1.0`, `np.True_` for `True`
* `numpy-core`: `numpy._core` for `numpy.core` in names
* `pandas-str`: `dtype: str` for `dtype: object` (pandas 3)
* `whitespace`: runs of white space, and those beside brackets, in texts
* `float`: numbers nearer than 1e-9 of their size, or than 1e-12, also within texts
* `number-kind`: `1` for `1.0` (not for `True`)
* `nan`: NaN for NaN
* `dict-order`: the order of a dict's keys
* `list-order`: the order of a list's or tuple's elements; in force only where asked for
* `container`: a tuple for a list, a frozenset for a set; in force only where asked for
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection
from typing import Any

from validators.execution.values import without_addresses

_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)? ?(?:ns|µs|us|ms|s|sec|secs|seconds?|minutes?|hours?)\b")
_CLOCK = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d?:\d\d:\d\d(?:\.\d+)?"
)
_SCALAR = re.compile(
    r"\bn(?:um)?py?\.(?:float|int|uint|longdouble|complex|clongdouble|bool|str|bytes|longlong|ulonglong)_?\d*_?\("
)
_NUMBER = re.compile(r"[-+]?(?<![\w.])\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w.])")

TEXT_RULES: dict[str, Callable[[str], str]] = {
    "address": without_addresses,
    "timing": lambda text: _CLOCK.sub("time", _DURATION.sub("duration", text)),
    "numpy-repr": lambda text: _without_numpy(text),
    "numpy-core": lambda text: text.replace("numpy._core", "numpy.core"),
    "pandas-str": lambda text: re.sub(r"\b(dtype: |dtype=|dtype\()'?(?:object|str)\b'?", r"\1object", text),
    "whitespace": lambda text: re.sub(r"(?<=[\[({]) | (?=[\])}])", "", re.sub(r"\s+", " ", text).strip()),
}
VALUE_RULES = ("float", "number-kind", "nan", "dict-order")
DEFAULT = (*(name for name in TEXT_RULES if name != "timing"), *VALUE_RULES)
"""In force unless others are named."""

RULES = (*DEFAULT, "timing", "list-order", "container")
"""All there are."""


def alike(old: Any, new: Any, rules: Collection[str] = DEFAULT) -> tuple[str, ...] | None:
    """The rules needed for two literals to be the same, none where they are; None where those in force don't do."""
    if not _same(old, new, frozenset(rules)):
        return None
    needed = [rule for rule in RULES if rule in rules]
    for rule in tuple(needed):
        fewer = [r for r in needed if r != rule]
        if _same(old, new, frozenset(fewer)):
            needed = fewer
    return tuple(needed)


def read(text: str) -> Any:
    """The literal that `text` writes, else the text: what a verdict's `values` hold."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return Written(text)


class Written(str):
    """What was written down of a value that is no literal: not the same as a string of these characters."""

    __slots__ = ()


def _same(old: Any, new: Any, rules: frozenset[str]) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return type(old) is type(new) and _same_text(old, new, rules)
    if isinstance(old, Written) or isinstance(new, Written):
        # A NumPy scalar came as a literal at one release only, or as text.
        return "numpy-repr" in rules and _same_text(_written(old), _written(new), rules)
    if _is_number(old) and _is_number(new):
        return _same_number(old, new, rules)
    if type(old) is not type(new) and not ("container" in rules and _kin(old, new)):
        return False
    if isinstance(old, (list, tuple)):
        return _same_sequence(list(old), list(new), rules)
    if isinstance(old, dict):
        return _same_dict(old, new, rules)
    if isinstance(old, (set, frozenset)):
        return bool(old == new) or _same_sequence(sorted(old, key=repr), sorted(new, key=repr), rules)
    return bool(old == new)


def _written(value: Any) -> str:
    return value if isinstance(value, Written) else repr(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def _kin(old: Any, new: Any) -> bool:
    return any(isinstance(old, kinds) and isinstance(new, kinds) for kinds in ((list, tuple), (set, frozenset)))


def _same_number(old: Any, new: Any, rules: frozenset[str]) -> bool:
    if type(old) is not type(new) and "number-kind" not in rules:
        return False
    if old == new:
        return True
    if old != old and new != new:  # NaN alone isn't itself
        return "nan" in rules
    return "float" in rules and not (type(old) is int and type(new) is int) and _near(old, new)


def _near(old: Any, new: Any) -> bool:
    if isinstance(old, complex) or isinstance(new, complex):
        return _near(complex(old).real, complex(new).real) and _near(complex(old).imag, complex(new).imag)
    try:
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)
    except OverflowError:
        return False


def _same_sequence(old: list[Any], new: list[Any], rules: frozenset[str]) -> bool:
    if len(old) != len(new):
        return False
    if all(_same(a, b, rules) for a, b in zip(old, new, strict=True)):
        return True
    if "list-order" not in rules:
        return False
    pairs = zip(sorted(old, key=repr), sorted(new, key=repr), strict=True)
    return all(_same(a, b, rules) for a, b in pairs)


def _same_dict(old: dict[Any, Any], new: dict[Any, Any], rules: frozenset[str]) -> bool:
    if "dict-order" not in rules:
        return _same_sequence([list(i) for i in old.items()], [list(i) for i in new.items()], rules - {"list-order"})
    if old.keys() == new.keys():
        return all(_same(value, new[key], rules) for key, value in old.items())
    pairs = [sorted(([k, v] for k, v in side.items()), key=repr) for side in (old, new)]
    return _same_sequence(pairs[0], pairs[1], rules)


def _same_text(old: str, new: str, rules: frozenset[str]) -> bool:
    for name, rule in TEXT_RULES.items():
        if name in rules:
            old, new = rule(old), rule(new)
    if old == new or "float" not in rules:
        return old == new
    numbers = [_NUMBER.findall(text) for text in (old, new)]
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new) or len(numbers[0]) != len(numbers[1]):
        return False
    return all(_same_number(float(a), float(b), rules) for a, b in zip(*numbers, strict=True) if a != b)


def _without_numpy(text: str) -> str:
    """`np.float64(1.0)` -> `1.0`, `np.True_` -> `True`, brackets within counted."""
    text = re.sub(r"\bnp\.(True|False)_", r"\1", text)
    while (found := _SCALAR.search(text)) is not None:
        depth, end = 1, found.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inner = text[found.end() : end - 1 if not depth else end]
        text = text[: found.start()] + inner + text[end:]
    return text
