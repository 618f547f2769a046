"""What a test's author could have written as a literal: evaluated on the host, from the syntax alone."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from validators.execution.arrays import NUMPY, NUMPY_NAMES
from validators.execution.declared import instance, member
from validators.execution.frames import PANDAS, PANDAS_NAMES
from validators.execution.names import Names
from validators.execution.typed import Instance, Member, Opaque, Scalar, Undecided
from validators.execution.values import CLASSES


def constant(node: ast.expr, names: Mapping[str, Any] | None = None, paths: Names | None = None) -> Any:
    """The value of a literal, or of pure arithmetic and a few pure functions and constructors over literals.

    Args:
        node: The expression.
        names: Names that stand for literals.
        paths: What the other names stand for; without it, for themselves.

    Raises:
        ValueError: It is something else, or too large.
    """
    return _Constant(names or {}, paths or Names()).value(node)


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_, ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "set": set, "frozenset": frozenset, "list": list, "tuple": tuple, "dict": dict, "sorted": sorted, "range": range,
    "len": len, "sum": sum, "min": min, "max": max, "abs": abs, "float": float, "int": int, "str": str, "round": round,
    "bytes": bytes, "complex": complex, "slice": slice, "math.sqrt": math.sqrt, "math.log": math.log,
    "math.exp": math.exp,
    "datetime.date": date, "datetime.datetime": datetime, "datetime.time": time, "datetime.timedelta": timedelta,
    "datetime.timezone": timezone, "decimal.Decimal": Decimal, "fractions.Fraction": Fraction, "uuid.UUID": UUID,
    "pathlib.Path": PurePosixPath, "pathlib.PurePath": PurePosixPath, "pathlib.PurePosixPath": PurePosixPath,
    "collections.OrderedDict": OrderedDict, "collections.Counter": Counter, "collections.deque": deque,
    "collections.defaultdict": lambda _, *items: dict(*items), "re.escape": re.escape,
    "pandas.Timedelta": lambda **parts: timedelta(**parts), "pandas.Timestamp": lambda *parts: _timestamp(*parts),
    **{f"numpy.{name}": function for name, function in NUMPY.items()},
    **{f"pandas.{name}": function for name, function in PANDAS.items()},
}  # fmt: skip
KEYWORDS = {n for n in FUNCTIONS if n.partition(".")[0] in ("datetime", "numpy", "pandas")} | {"dict", "sorted"}
"""The functions that may be called with keywords."""

NAMES: dict[str, Any] = {
    "math.inf": math.inf, "math.pi": math.pi, "math.e": math.e, "math.nan": math.nan, "datetime.timezone.utc": UTC,
    "datetime.UTC": UTC, **{c.__name__: c for c in CLASSES},
    **{f"numpy.{name}": value for name, value in NUMPY_NAMES.items()},
    **{f"pandas.{name}": value for name, value in PANDAS_NAMES.items()},
}  # fmt: skip
_PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...))
_LARGEST = 10000
_LOOKED_AT = 200000
"""Values within values: more would keep the supervisor busy with comparing them and writing them down."""


class _Constant:
    """Evaluates what consists of literals only, with bounds on size."""

    def __init__(self, names: Mapping[str, Any], paths: Names) -> None:
        self.names = dict(names)
        self.paths = paths
        self.budget = 20000
        self.looked_at = 0

    def value(self, node: ast.expr) -> Any:
        try:
            return self._value(node)
        except Undecided as error:
            raise ValueError(f"no literal here: {error}") from error

    def _value(self, node: ast.expr) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise ValueError("too large")
        if isinstance(node, ast.Constant) and isinstance(node.value, _PLAIN):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
            return self._guard(kind, [self._value(n) for n in node.elts])
        if isinstance(node, ast.Dict):
            pairs = [(self._value(k), self._value(v)) for k, v in zip(node.keys, node.values, strict=True) if k]
            if len(pairs) != len(node.keys):
                raise ValueError("it unpacks")
            return self._guard(dict, pairs)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return self._guard(
                operator.neg if isinstance(node.op, ast.USub) else operator.pos, self._value(node.operand)
            )
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._formatted(part) for part in node.values)
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            return self._guard(operator.getitem, self._value(node.value), self._value(node.slice))
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
            return self._comprehension(node)
        if isinstance(node, ast.Name) and node.id in self.names:
            return self.names[node.id]
        name = self.paths.path(node)
        if name in NAMES:
            return NAMES[name]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            declared = self.paths.declared(node.value.id)
            if declared is not None:
                return member(declared, node.attr, self._plainly)
        raise ValueError("no literal")

    def _formatted(self, node: ast.expr) -> str:
        if not isinstance(node, ast.FormattedValue):
            return str(self._value(node))
        found = self._value(node.value)
        if node.format_spec is not None or node.conversion not in (-1, 114) or type(found) not in (str, int):
            raise ValueError("no literal")
        return repr(found) if node.conversion == 114 else str(found)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> Any:
        if len(node.generators) != 1 or node.generators[0].ifs or node.generators[0].is_async:
            raise ValueError("no literal")
        generator, found, kept = node.generators[0], [], dict(self.names)
        items = self._value(generator.iter)
        if not isinstance(items, (list, tuple, range, dict, str)) or len(items) > _LARGEST:
            raise ValueError("no literal")
        for item in items:
            self.names.update(bindings(generator.target, item))
            if isinstance(node, ast.DictComp):
                found.append((self._value(node.key), self._value(node.value)))
            else:
                found.append(self._value(node.elt))
        self.names = kept
        return self._guard({ast.ListComp: list, ast.SetComp: set, ast.DictComp: dict}[type(node)], found)

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self._value(node.left), self._value(node.right)
        if isinstance(node.op, (ast.Pow, ast.LShift)) and not (_small(left, 1000) and _small(right, 100)):
            raise ValueError("too large")
        if isinstance(node.op, ast.Mult) and any(
            isinstance(a, int) and not isinstance(b, (int, float, complex)) and abs(a) * _length(b) > _LARGEST
            for a, b in ((left, right), (right, left))
        ):
            raise ValueError("too large")
        if isinstance(node.op, ast.Mod) and not isinstance(left, (int, float)):
            raise ValueError("no arithmetic")
        if isinstance(left, _FOREIGN) or isinstance(right, _FOREIGN):
            raise ValueError("no arithmetic of Python's")
        return self._guard(ARITHMETIC[type(node.op)], left, right)

    def _plainly(self, node: ast.expr) -> Any:
        """The value of a literal in the program's own code, where the test's names mean nothing."""
        return constant(node, {}, self.paths)

    def _call(self, node: ast.Call) -> Any:
        name = self.paths.path(node.func)
        function = FUNCTIONS.get(name)
        declared = self.paths.declared(node.func.id) if not function and isinstance(node.func, ast.Name) else None
        if declared is not None and all(k.arg for k in node.keywords):
            named = {str(k.arg): self._value(k.value) for k in node.keywords}
            return instance(declared, [self._value(a) for a in node.args], named, self._plainly)
        if function is None or (node.keywords and name not in KEYWORDS):
            raise ValueError("no literal")
        arguments = [self._value(a) for a in node.args]
        options = {k.arg or "": self._value(k.value) for k in node.keywords}
        if name in _BUILTINS and any(isinstance(a, _FOREIGN) for a in arguments):
            raise ValueError("no literal")
        if name == "str" and not all(isinstance(a, (int, float, str, Decimal, Fraction, date)) for a in arguments):
            raise ValueError("no literal")
        if name in ("list", "tuple") and any(isinstance(a, (set, frozenset)) for a in arguments):
            raise ValueError("in no order")
        if function is range and any(type(a) is not int or abs(a) > _LARGEST for a in arguments):
            raise ValueError("too large")
        if function in (bytes, Decimal, list, tuple, set, frozenset, sorted) and any(
            (isinstance(a, int) and abs(a) > _LARGEST) or (isinstance(a, str) and len(a) > _LARGEST) for a in arguments
        ):
            raise ValueError("too large")
        return self._guard(function, *arguments, **options)

    def _guard(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return self._bounded(function(*arguments, **options))
        except (TypeError, AttributeError, ArithmeticError, LookupError, RecursionError) as error:
            raise ValueError(f"no literal: {error}") from error

    def _bounded(self, found: Any) -> Any:
        """A value that isn't too large, with all that it consists of: `[[0] * 9999] * 9999` is."""
        waiting = [found]
        while waiting:
            each = waiting.pop()
            self.looked_at += 1
            if isinstance(each, (str, bytes)):
                self.looked_at += len(each) >> 6
            elif isinstance(each, (list, tuple, set, frozenset, dict)):
                inner = [*each, *each.values()] if isinstance(each, dict) else each
                if self.looked_at + len(inner) <= _LOOKED_AT:
                    waiting.extend(inner)
                else:
                    self.looked_at = _LOOKED_AT + 1
            if self.looked_at > _LOOKED_AT:
                raise ValueError("too large")
        return found


def _small(value: Any, bound: int) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= bound


def _timestamp(*parts: Any) -> datetime:
    """A Timestamp in whole microseconds is equal to what a datetime is equal to."""
    if len(parts) == 1 and isinstance(parts[0], str) and re.fullmatch(_ISO, parts[0]):
        return datetime.fromisoformat(parts[0])
    if len(parts) >= 3 and all(type(p) is int for p in parts):
        return datetime(*parts)
    raise Undecided("Such a time isn't read here")


_ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{6})?)?)?"
_FOREIGN = (Scalar, Opaque, Member, Instance)
_BUILTINS = {n for n in FUNCTIONS if "." not in n} - {"set", "frozenset", "list", "tuple", "dict", "len"}


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes, list, tuple)) else 1


def bindings(target: ast.expr, item: Any) -> Iterator[tuple[str, Any]]:
    """The names that a loop's target binds to an item.

    Raises:
        ValueError: It is another kind of target, or of another length.
    """
    if isinstance(target, ast.Name):
        yield target.id, item
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(item, (tuple, list)):
        if len(target.elts) != len(item):
            raise ValueError("it doesn't unpack")
        for part, value in zip(target.elts, item, strict=True):
            yield from bindings(part, value)
    else:
        raise ValueError("no literal")
