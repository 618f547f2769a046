"""Wrong calls that look right: mutants of a call's arguments and name, and API names that do not exist."""

from __future__ import annotations

import difflib
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import libcst as cst

from registry.names import SymbolIndex
from registry.records import Symbol
from synth.migrated.arguments import (
    POSITIONAL,
    code_of,
    expression_of,
    is_plain,
    keyword_of,
    keyworded,
    with_arguments,
    without_receiver,
)
from synth.migrated.names import invented_names, mixed_up, other_keywords
from synth.vocabulary import confusable

_VALUES = {"weight": '"weight"', "seed": "42", "random_state": "42"}
"""What some parameters without a telling default are given."""


@dataclass(frozen=True)
class Wrong:
    """A wrong call.

    Attributes:
        kind: What is wrong with it.
        function: What is called, as written.
        call: The call; its function is replaced by `function`.
    """

    kind: str
    function: str
    call: cst.Call

    @property
    def text(self) -> str:
        """The call as written."""
        function = expression_of(self.function)
        assert function is not None
        return code_of(self.call.with_changes(func=function))


class Mutator:
    """Makes wrong calls of a release's functions.

    Args:
        index: Symbols of the release that the right calls are of.
        known: Symbols of other releases: invented names exist in none.
    """

    def __init__(self, index: SymbolIndex, *known: SymbolIndex) -> None:
        self.index = index
        self.known = (index, *known)
        self._siblings: dict[str, list[Symbol]] = {}
        self._keywords: set[str] = set()
        for symbol in index.by_path.values():
            if symbol.kind in ("function", "class", "method"):
                self._siblings.setdefault(symbol.path.rpartition(".")[0], []).append(symbol)
                self._keywords.update(n for n in parameters_of(symbol) if n.isidentifier())

    def mutants(self, path: str, function: str, call: cst.Call, rng: random.Random) -> Iterator[Wrong]:
        """Wrong calls of the symbol at `path`, in an order that `rng` decides; kinds differ."""
        symbol = self.index.by_path[path]
        makers = [
            ("wrong-keyword", self._wrong_keyword),
            ("invented-keyword", self._invented_keyword),
            ("missing-argument", self._missing),
            ("swapped-arguments", self._swapped),
            ("wrong-place", self._misplaced),
        ]
        rng.shuffle(makers)
        for kind, make in makers:
            wrong = make(symbol, call, rng)
            if wrong is not None:
                yield Wrong(kind, function, wrong)
        near = mixed_up(function.rpartition(".")[2], self._beside(symbol))
        if near:
            yield Wrong("wrong-function", _renamed(function, rng.choice(near)), call)
        outer = self._outer(function, path)
        if outer is not None:
            yield Wrong("wrong-module", outer, call)

    def invented(self, path: str, function: str, call: cst.Call, rng: random.Random) -> Wrong | None:
        """A call of a name that does not exist but reads as if it did."""
        names = invented_names(function.rpartition(".")[2], self._beside(self.index.by_path[path]))
        options = [n for n in names if not self._exists(path.rpartition(".")[0], n)]
        if not options:
            return None
        return Wrong("invented", _renamed(function, rng.choice(options)), call)

    def _beside(self, symbol: Symbol) -> list[str]:
        """Names of what is of a symbol's kind and stands beside it."""
        others = self._siblings.get(symbol.path.rpartition(".")[0], ())
        return sorted(
            s.path.rpartition(".")[2]
            for s in others
            if s.path != symbol.path and s.kind == symbol.kind and not s.deprecated
        )

    def _outer(self, function: str, path: str) -> str | None:
        """The name without its module (`nx.centroid` of `nx.tree.centroid`), where the package has none of it."""
        parts = function.split(".")
        root = path.partition(".")[0]
        if self.index.by_path[path].kind == "method" or len(parts) != 3:
            return None
        taken = any(index.canonical(f"{root}.{parts[-1]}") is not None for index in self.known)
        return None if taken else f"{parts[0]}.{parts[-1]}"

    def _exists(self, owner: str, name: str) -> bool:
        root = owner.partition(".")[0]
        return any(index.canonical(f"{base}.{name}") is not None for index in self.known for base in (owner, root))

    def _wrong_keyword(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """An argument by the keyword that it has elsewhere; one given by position too, if it isn't the first."""
        own, positional = parameters_of(symbol), _positional(symbol)
        if not is_plain(call) or any("variadic" in k for k in _kinds(symbol).values()):
            return None
        options = []
        for at, argument in enumerate(call.args):
            name = keyword_of(argument) or (positional[at] if 0 < at < len(positional) else "")
            if keyword_of(argument) or all(keyword_of(a) for a in call.args[at + 1 :]):
                known = self._keywords if keyword_of(argument) else ()
                options += [(at, other) for other in other_keywords(name, known, own)]
        if not options:
            return None
        at, other = rng.choice(options)
        return with_arguments(call, [keyworded(other, a.value) if i == at else a for i, a in enumerate(call.args)])

    def _invented_keyword(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """An option that a function alike has, and this one has not."""
        own = {*parameters_of(symbol), *(keyword_of(a) for a in call.args)}
        if not is_plain(call) or any("variadic" in k for k in _kinds(symbol).values()):
            return None
        last = symbol.path.rpartition(".")[2]
        near: set[tuple[str, str]] = set()
        for other in self._siblings.get(symbol.path.rpartition(".")[0], []):
            name = other.path.rpartition(".")[2]
            if other.kind == symbol.kind and name != last and _related(name, last):
                near |= {(n, v) for n, d in _defaults(other).items() if n not in own and (v := _value(n, d))}
        if not near:
            return None
        name, value = rng.choice(sorted(near))
        return with_arguments(call, [*call.args, keyworded(name, cst.parse_expression(value))])

    def _missing(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """Without the last of the needed arguments, where that is a number or a text and not the first."""
        required = [p for p in _positional(symbol) if p not in _defaults(symbol)]
        plain = [i for i, a in enumerate(call.args) if keyword_of(a) is None and not a.star]
        if len(plain) < 2 or len(plain) > len(required) or not _sort(call.args[plain[-1]].value):
            return None
        return with_arguments(call, [a for i, a in enumerate(call.args) if i != plain[-1]])

    def _swapped(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """Two neighbours in each other's place, both numbers or both texts."""
        if not is_plain(call):
            return None
        plain = [a for a in call.args if keyword_of(a) is None]
        for at, (one, two) in enumerate(itertools.pairwise(plain)):
            if _sort(one.value) and _sort(one.value) == _sort(two.value) and code_of(one.value) != code_of(two.value):
                rest = call.args[at + 2 :]
                return with_arguments(call, [*call.args[:at], cst.Arg(two.value), cst.Arg(one.value), *rest])
        return None

    def _misplaced(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """A keyword's argument given by position, where it lands on another parameter or on none."""
        if not is_plain(call) or any("variadic positional" in k for k in _kinds(symbol).values()):
            return None
        positional = _positional(symbol)
        plain = sum(1 for a in call.args if keyword_of(a) is None)
        if not plain or plain == len(call.args):
            return None
        name = keyword_of(call.args[plain]) or ""
        if name in positional and positional.index(name) == plain:
            return None
        return with_arguments(call, [cst.Arg(a.value) if i == plain else a for i, a in enumerate(call.args)])


def parameters_of(symbol: Symbol) -> tuple[str, ...]:
    """Names of a symbol's parameters."""
    return tuple(str(p["name"]) for p in symbol.parameters if isinstance(p, Mapping))


def _positional(symbol: Symbol) -> tuple[str, ...]:
    return without_receiver(
        [str(p["name"]) for p in symbol.parameters if isinstance(p, Mapping) and p["kind"] in POSITIONAL]
    )


def _kinds(symbol: Symbol) -> dict[str, str]:
    return {str(p["name"]): str(p["kind"]) for p in symbol.parameters if isinstance(p, Mapping)}


def _defaults(symbol: Symbol) -> dict[str, str]:
    return {
        str(p["name"]): str(p["default"])
        for p in symbol.parameters
        if isinstance(p, Mapping) and p.get("default") is not None and "variadic" not in str(p["kind"])
    }


def _sort(value: cst.BaseExpression) -> str:
    """`number` or `text` of a literal, else nothing."""
    if isinstance(value, (cst.Integer, cst.Float)):
        return "number"
    return "text" if isinstance(value, cst.SimpleString) else ""


def _value(name: str, default: str) -> str | None:
    """What a parameter with that default is given by who wants it: a flag is turned over, few others are sure."""
    if default in ("True", "False"):
        return str(default == "False")
    return _VALUES.get(name)


def _related(one: str, other: str) -> bool:
    """Whether two functions share the most of their names."""
    return confusable(one, other) or difflib.SequenceMatcher(None, one, other).ratio() >= 0.7


def _renamed(function: str, name: str) -> str:
    head, dot, _ = function.rpartition(".")
    return head + dot + name
