"""Wrong calls that look right: mutants of a call's arguments and name, and API names that do not exist."""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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

VERBS = ("get", "find", "compute", "all", "is", "make", "build", "to")
"""What invented names may begin with."""


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
        self._near: dict[str, list[str]] = {}
        self._alike: dict[str, list[str]] = {}
        names: Counter[str] = Counter()
        for symbol in index.by_path.values():
            if symbol.kind in ("function", "class", "method"):
                self._siblings.setdefault(symbol.path.rpartition(".")[0], []).append(symbol)
                names.update(parameters_of(symbol))
        self._keywords = [
            name for name, _ in sorted(names.items(), key=lambda kv: (-kv[1], kv[0])) if name.isidentifier()
        ]

    def mutants(self, path: str, function: str, call: cst.Call, rng: random.Random) -> Iterator[Wrong]:
        """Wrong calls of the symbol at `path`, in an order that `rng` decides; kinds differ."""
        symbol = self.index.by_path[path]
        makers = [
            ("wrong-keyword", self._wrong_keyword),
            ("invented-keyword", self._invented_keyword),
            ("missing-argument", self._missing),
            ("swapped-arguments", self._swapped),
            ("extra-argument", self._extra),
        ]
        rng.shuffle(makers)
        for kind, make in makers:
            wrong = make(symbol, call, rng)
            if wrong is not None:
                yield Wrong(kind, function, wrong)
        sibling = self._sibling(symbol, call, rng)
        if sibling is not None:
            yield Wrong("wrong-function", _renamed(function, sibling), call)

    def invented(self, path: str, function: str, call: cst.Call, rng: random.Random) -> Wrong | None:
        """A call of a name that does not exist, recombined from parts of real names."""
        owner, _, name = path.rpartition(".")
        pool = sorted({s.path.rpartition(".")[2] for s in self._siblings.get(owner, ())} - {name})
        options = sorted({n for n in _recombined(name, pool) if not self._exists(owner, function, n)})
        if not options:
            return None
        return Wrong("invented", _renamed(function, rng.choice(options)), call)

    def _exists(self, owner: str, function: str, name: str) -> bool:
        root = owner.partition(".")[0]
        return any(index.canonical(f"{base}.{name}") is not None for index in self.known for base in (owner, root))

    def _wrong_keyword(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        own = parameters_of(symbol)
        given = [i for i, a in enumerate(call.args) if keyword_of(a)]
        if not given:
            return None
        at = rng.choice(given)
        name = keyword_of(call.args[at]) or ""
        near = [k for k in self._close(name) if k not in own][:3] or [k for k in self._keywords if k not in own][:5]
        changed = [keyworded(rng.choice(near), a.value) if i == at else a for i, a in enumerate(call.args)]
        return with_arguments(call, changed)

    def _close(self, name: str) -> list[str]:
        """The keywords of all functions that are most like one, the most alike first."""
        if name not in self._near:
            self._near[name] = difflib.get_close_matches(name, self._keywords, n=len(self._keywords) or 1, cutoff=0.5)
        return self._near[name]

    def _invented_keyword(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        own = {*parameters_of(symbol), *(keyword_of(a) for a in call.args)}
        siblings = self._siblings.get(symbol.path.rpartition(".")[0], [])
        near = sorted({(n, d) for s in siblings for n, d in _defaults(s).items() if n not in own and n[0] != "_"})
        if not near:
            near = sorted(
                {(n, d) for s in self._common() for n, d in _defaults(s).items() if n not in own and n[0] != "_"}
            )
        if not near:
            return None
        name, default = rng.choice(near)
        return with_arguments(call, [*call.args, keyworded(name, cst.parse_expression(_flipped(default)))])

    def _common(self) -> list[Symbol]:
        return [s for p in sorted(self._siblings)[:40] for s in self._siblings[p]]

    def _missing(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        required = sum(1 for p in _positional(symbol) if p not in _defaults(symbol))
        plain = [i for i, a in enumerate(call.args) if keyword_of(a) is None and not a.star]
        if not plain or len(plain) > max(required, 1):
            return None
        return with_arguments(call, [a for i, a in enumerate(call.args) if i != plain[-1]])

    def _swapped(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        if not is_plain(call) or len(call.args) < 2 or any(keyword_of(a) for a in call.args[:2]):
            return None
        first, second = call.args[0], call.args[1]
        if code_of(first.value) == code_of(second.value):
            return None
        return with_arguments(call, [cst.Arg(second.value), cst.Arg(first.value), *call.args[2:]])

    def _extra(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> cst.Call | None:
        """An argument that goes by keyword only given by position, or one more than there are parameters."""
        if not is_plain(call) or any("variadic positional" in k for k in _kinds(symbol).values()):
            return None
        positional, keyed = _positional(symbol), [i for i, a in enumerate(call.args) if keyword_of(a)]
        plain = len(call.args) - len(keyed)
        for at in keyed:
            name = keyword_of(call.args[at]) or ""
            if at == plain and (name not in positional or positional.index(name) != plain):
                changed = [cst.Arg(a.value) if i == at else a for i, a in enumerate(call.args)]
                return with_arguments(call, changed)
        if keyed or plain < len(positional):
            return None
        return with_arguments(call, [*call.args, cst.Arg(cst.Name(rng.choice(("True", "None", "False"))))])

    def _sibling(self, symbol: Symbol, call: cst.Call, rng: random.Random) -> str | None:
        if symbol.path not in self._alike:
            self._alike[symbol.path] = self._likest(symbol)
        near = self._alike[symbol.path]
        return rng.choice(near) if near else None

    def _likest(self, symbol: Symbol) -> list[str]:
        owner, _, name = symbol.path.rpartition(".")
        others = sorted(
            s.path.rpartition(".")[2]
            for s in self._siblings.get(owner, ())
            if s.path != symbol.path and s.kind == symbol.kind and not s.deprecated
        )
        return difflib.get_close_matches(name, others, n=3, cutoff=0.3) or others[:3]


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


def _flipped(default: str) -> str:
    """A plausible value for a parameter with that default."""
    if default in ("True", "False"):
        return str(default == "False")
    try:
        cst.parse_expression(default)
    except cst.ParserSyntaxError:
        return "True"
    simple = default.replace(".", "").replace("-", "").strip("'\"").isalnum()
    return default if simple and default != "None" else "True"


def _renamed(function: str, name: str) -> str:
    head, dot, _ = function.rpartition(".")
    return head + dot + name


def _recombined(name: str, pool: Sequence[str]) -> Iterator[str]:
    """Names made of the parts of `name` and of its siblings."""
    parts = name.split("_")
    for other in pool:
        theirs = other.split("_")
        if len(parts) > 1 and theirs[-1] != parts[-1]:
            yield "_".join([*parts[:-1], theirs[-1]])
        if len(parts) > 1 and theirs[0] != parts[0]:
            yield "_".join([theirs[0], *parts[1:]])
    rest = parts[1:] if parts[0] in VERBS and len(parts) > 1 else parts
    for verb in VERBS:
        if parts[0] != verb:
            yield "_".join([verb, *rest])
    if len(parts) > 2:
        yield "_".join(parts[:-1])
        yield "_".join(parts[1:])
    if len(parts) > 1:
        yield "_".join([*parts[1:], parts[0]])
