"""Wrong calls that people write: each kind rests on something in the library, or in how others name the same thing."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import libcst as cst

from registry.names import SymbolIndex
from registry.records import Symbol
from synth.habits import SISTERS, names_by_habit, other_keywords
from synth.migrated.arguments import (
    code_of,
    expression_of,
    is_plain,
    keyword_of,
    keyworded,
    with_arguments,
    without_receiver,
)
from synth.vocabulary import POSITIONAL, Library, confusable, defaults, fits

ENOUGH = 2
"""So many other mistakes at one place are enough, as the one that can be made at nearly every place goes."""

RECEIVER = 0.5
"""How often that is made where there are enough: a function called as a method, or the other way round."""


NEAR = 4
"""From so many places on nobody takes an argument for the next one."""


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


@dataclass(frozen=True)
class Written:
    """A right call in its program.

    Attributes:
        path: Canonical path of what is called.
        function: What is called, as written.
        call: The call.
        objects: Variables that hold what a call of the library gave.
        module: What the library is called by in the program (`nx`); None where it isn't imported whole.
    """

    path: str
    function: str
    call: cst.Call
    objects: Collection[str] = ()
    module: str | None = None


class Mutator:
    """Makes wrong calls of a release's functions.

    Args:
        index: Symbols of the release that the right calls are of.
        known: Symbols of other releases: invented names exist in none.
    """

    def __init__(self, index: SymbolIndex, *known: SymbolIndex) -> None:
        self.index = index
        self.known = (index, *known)
        self.library = Library(index)
        self._siblings: dict[str, list[Symbol]] = {}
        for symbol in index.by_path.values():
            if symbol.kind in ("function", "class", "method"):
                self._siblings.setdefault(symbol.path.rpartition(".")[0], []).append(symbol)

    def mutants(self, right: Written, rng: random.Random) -> Iterator[Wrong]:
        """Wrong calls of distinct kinds, in an order that `rng` decides."""
        makers = [
            ("wrong-module", self._outer(right)),
            ("wrong-function", self._sibling(right, rng)),
            ("wrong-keyword", self._wrong_keyword(right, rng)),
            ("wrong-place", self._misplaced(right)),
            ("invented", self._invented(right, rng)),
        ]
        rng.shuffle(makers)
        made = [(kind, wrong) for kind, found in makers for wrong in itertools.islice(found, 1)]
        if len(made) < ENOUGH or rng.random() < RECEIVER:
            received = [("wrong-receiver", wrong) for wrong in itertools.islice(self._received(right), 1)]
            at = rng.randint(0, len(made))
            made[at:at] = received
        for kind, (function, call) in made:
            yield Wrong(kind, function, call)

    def _outer(self, right: Written) -> Iterator[tuple[str, cst.Call]]:
        """The name without its module (`nx.centroid` of `nx.tree.centroid`), where the package has none of it."""
        parts = right.function.split(".")
        taken = self._exists(right.path.partition(".")[0], parts[-1])
        if self.index.by_path[right.path].kind != "method" and len(parts) > 2 and not taken:
            yield f"{parts[0]}.{parts[-1]}", right.call

    def _received(self, right: Written) -> Iterator[tuple[str, cst.Call]]:
        """A function as a method of its first argument (`G.shortest_path(0)`), a method as a function (`nx.degree_of`).

        The latter only where functions are what a library has most of: nobody writes `pd.tolist(array)`.
        """
        owner, _, last = right.function.rpartition(".")
        arguments, root = right.call.args, right.path.partition(".")[0]
        if self.index.by_path[right.path].kind == "method":
            whole = right.module is not None and self.library.is_functional
            if whole and owner in right.objects and not self._exists(root, last):
                given = cst.Arg(cst.Name(owner))
                yield f"{right.module}.{last}", with_arguments(right.call, [given, *arguments])
        elif arguments and owner and last.islower() and last not in self.library.of_objects:
            first = arguments[0]
            if isinstance(first.value, cst.Name) and first.value.value in right.objects and not first.star:
                bare = cst.SimpleWhitespace("") if len(arguments) == 1 else right.call.whitespace_before_args
                call = right.call.with_changes(whitespace_before_args=bare)
                last_one = with_arguments(call, arguments[1:]) if arguments[1:] else call.with_changes(args=[])
                yield f"{first.value.value}.{last}", last_one

    def siblings(self, path: str, call: cst.Call) -> list[str]:
        """Names of what stands beside a function that it is taken for, and that takes a call's arguments."""
        symbol, last = self.index.by_path[path], path.rpartition(".")[2]
        near = {
            name
            for other in self._siblings.get(path.rpartition(".")[0], ())
            if other.kind == symbol.kind and not other.deprecated and takes(other, call)
            if not (name := other.path.rpartition(".")[2]).startswith("_")
            and not name.endswith("_")
            and (confusable(last, name) or any({last, name} == {*pair} for pair in SISTERS))
        }
        return sorted(near) if is_plain(call) else []

    def _sibling(self, right: Written, rng: random.Random) -> Iterator[tuple[str, cst.Call]]:
        """A function beside it that it is taken for."""
        near = self.siblings(right.path, right.call)
        if near:
            yield _renamed(right.function, rng.choice(near)), right.call

    def _invented(self, right: Written, rng: random.Random) -> Iterator[tuple[str, cst.Call]]:
        """A name that exists nowhere in the library and yet has its reasons."""
        last = right.function.rpartition(".")[2]
        owners = right.path.rpartition(".")[0], right.path.partition(".")[0]
        names = names_by_habit(last, self.library.kin)
        options = [name for name in names if not any(self._exists(owner, name) for owner in owners)]
        if options:
            yield _renamed(right.function, rng.choice(options)), right.call

    def _exists(self, owner: str, name: str) -> bool:
        return any(index.canonical(f"{owner}.{name}") is not None for index in self.known)

    def _wrong_keyword(self, right: Written, rng: random.Random) -> Iterator[tuple[str, cst.Call]]:
        """An argument by the keyword that it has elsewhere; none that only says what holds anyway."""
        symbol, call = self.index.by_path[right.path], right.call
        own, standard = parameters_of(symbol), defaults(symbol)
        if not is_plain(call) or any("variadic" in k for k in _kinds(symbol).values()):
            return
        options = []
        for at, argument in enumerate(call.args):
            name = keyword_of(argument)
            if name is not None and standard.get(name) != code_of(argument.value):
                options += [(at, other) for other in other_keywords(name, self.library.keywords, own)]
        if options:
            at, other = rng.choice(options)
            made = [keyworded(other, a.value) if i == at else a for i, a in enumerate(call.args)]
            yield right.function, with_arguments(call, made)

    def _misplaced(self, right: Written) -> Iterator[tuple[str, cst.Call]]:
        """A keyword's argument given by position, where it lands on another parameter or on none."""
        symbol, call = self.index.by_path[right.path], right.call
        positional = _positional(symbol)
        plain = sum(1 for a in call.args if keyword_of(a) is None)
        if not is_plain(call) or "variadic positional" in _kinds(symbol).values() or not 0 < plain < len(call.args):
            return
        name, order = keyword_of(call.args[plain]) or "", without_receiver(parameters_of(symbol))
        value = call.args[plain].value
        there = name in positional and positional.index(name) == plain
        near = name in order and order.index(name) - plain < NEAR
        if near and not there and defaults(symbol).get(name) != code_of(value):
            made = [cst.Arg(a.value) if i == plain else a for i, a in enumerate(call.args)]
            yield right.function, with_arguments(call, made)


def takes(symbol: Symbol, call: cst.Call) -> bool:
    """Whether a function can be called with a call's arguments."""
    keywords = [k for a in call.args if (k := keyword_of(a))]
    return fits(symbol, len(call.args) - len(keywords), keywords)


def parameters_of(symbol: Symbol) -> tuple[str, ...]:
    """Names of a symbol's parameters."""
    return tuple(str(p["name"]) for p in symbol.parameters if isinstance(p, Mapping))


def _positional(symbol: Symbol) -> tuple[str, ...]:
    return without_receiver(
        [str(p["name"]) for p in symbol.parameters if isinstance(p, Mapping) and p["kind"] in POSITIONAL]
    )


def _kinds(symbol: Symbol) -> dict[str, str]:
    return {str(p["name"]): str(p["kind"]) for p in symbol.parameters if isinstance(p, Mapping)}


def _renamed(function: str, name: str) -> str:
    head, dot, _ = function.rpartition(".")
    return head + dot + name
