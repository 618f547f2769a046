"""The names that mistakes are made with: a release's own, those it had before, and plausible ones that don't exist."""

from __future__ import annotations

import ast
import difflib
import random
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache

from registry.names import SymbolIndex, dotted_name, imported_names
from registry.records import Change, Symbol
from synth.habits import THINGS, kin_of, names_by_habit

_VERBS = frozenset({
    "add", "all", "build", "calculate", "cast", "check", "compute", "convert", "count", "create", "del", "draw", "drop",
    "fill", "filter", "find", "from", "generate", "get", "group", "has", "is", "iter", "join", "make", "number",
    "parse", "read", "relabel", "remove", "replace", "select", "set", "sort", "strip", "to", "with", "write",
})  # fmt: skip
"""First words of names that say what a function does: nobody takes one for another."""

_FORMATS = frozenset({"from", "generate", "parse", "read", "to", "write"})
"""Verbs behind which stands a format: each is a thing of its own."""

_EMPTY = _VERBS - {"number", "count"} | {"and", "by", "dtype", "graph", "in", "of", "on"}
"""Words that many names share that have nothing else in common."""

_SORTS = frozenset({"array", "dtype", "index", "matcher", "namespace", "view"})
"""Last words of classes' names that tell them from nothing beside them: `IntervalIndex` is no `CategoricalIndex`."""

_EVERYWHERE = frozenset(name for kind in (list, dict, set, str, bytes, int, float, object) for name in dir(kind))
"""Methods and attributes of built-in objects: no name of these is an invented one."""


POSITIONAL = ("positional-only", "positional or keyword")
"""Kinds of parameters that can be given by position."""


class Library:
    """A release's names, and what they were called before.

    Args:
        index: The release's symbols.
        changes: Changes to this release; renamed and moved symbols give stale names.
        old: Symbols of the release before.
    """

    def __init__(self, index: SymbolIndex, changes: Iterable[Change] = (), old: SymbolIndex | None = None) -> None:
        self.index = index
        self.stale: dict[str, str] = {}
        self._others: dict[tuple[str, str], list[str]] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)):
            new = index.canonical(change.replacement) if change.replacement else None
            if new is not None and old is not None and change.kind in ("renamed", "moved", "removed"):
                former = old.public(change.symbol)
                was = old.by_path.get(old.canonical(change.symbol) or "")
                if (
                    was is not None
                    and was.kind == "function"
                    and index.canonical(former) is None
                    and index.by_path[new].kind == "function"
                ):
                    self.stale.setdefault(new, former)

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """Owner (module or class, canonical) -> names of its public functions or methods."""
        found: dict[str, list[str]] = {}
        for path, symbol in sorted(self.index.by_path.items()):
            if symbol.kind in ("function", "method"):
                owner, _, name = path.rpartition(".")
                if not name.startswith("_"):
                    found.setdefault(owner, []).append(name)
        return found

    @cached_property
    def _beside(self) -> Mapping[tuple[str, str], set[str]]:
        """(kind, name) of a member -> names of members of that kind that most of its classes have too."""
        owners: dict[tuple[str, str], set[str]] = {}
        for path, symbol in self.index.by_path.items():
            owner, _, name = path.rpartition(".")
            if symbol.kind in ("method", "attribute") and not name.startswith("_"):
                owners.setdefault((owner, symbol.kind), set()).add(name)
        found: dict[tuple[str, str], Counter[str]] = {}
        for (_, kind), names in owners.items():
            for name in names:
                found.setdefault((kind, name), Counter()).update(names)
        return {key: {n for n, c in beside.items() if 2 * c >= beside[key[1]]} for key, beside in found.items()}

    @cached_property
    def names(self) -> frozenset[str]:
        """The last part of every path of the release, and what all objects have."""
        return frozenset(path.rpartition(".")[2] for path in self.index.by_path) | _EVERYWHERE

    @cached_property
    def kin(self) -> Mapping[str, Collection[str]]:
        """What the names of its functions and methods end with, and what else they speak of."""
        symbols = self.index.by_path.values()
        return kin_of(s.path.rpartition(".")[2] for s in symbols if s.kind in ("function", "method"))

    @cached_property
    def keywords(self) -> frozenset[str]:
        """Names of all parameters of the release."""
        return frozenset(name for symbol in self.index.by_path.values() for name in defaults(symbol))

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes that the package or its modules offer, sorted."""
        names = {p.rpartition(".")[2] for p, s in self.index.by_path.items() if s.kind == "class"}
        return sorted(n for n in names if n[:1].isupper() and self._reachable(n))

    def _reachable(self, name: str) -> bool:
        return any(self.index.canonical(f"{root}.{name}") is not None for root in self.index.roots)

    def beside(self, name: str, kind: str) -> list[str]:
        """Other methods or attributes (`kind`) of the classes that have one of this name that it is mixed up with."""
        if (kind, name) not in self._others:
            found = sorted(n for n in self._beside.get((kind, name), ()) if confusable(name, n))
            self._others[kind, name] = [n for n in found if plural_of(name, n) or self._as_wide(name, n)]
        return self._others[kind, name]

    def _as_wide(self, one: str, other: str) -> bool:
        """Whether methods of two names are called alike somewhere: with as many arguments, and like options."""
        pairs = [(a, b) for a in self.methods.get(one, ()) for b in self.methods.get(other, ())]
        return not pairs or any(_called_alike(a, b) for a, b in pairs)

    @cached_property
    def methods(self) -> Mapping[str, list[Symbol]]:
        """Name -> the methods of this name, of all classes."""
        found: dict[str, list[Symbol]] = {}
        for _, symbol in sorted(self.index.by_path.items()):
            if symbol.kind == "method":
                found.setdefault(symbol.path.rpartition(".")[2], []).append(symbol)
        return found

    @cached_property
    def is_functional(self) -> bool:
        """Whether it is used through functions that take its objects, rather than through methods of these.

        Functions are counted against methods: most of what a package itself offers are functions in pandas too, yet
        what is done to a frame are its methods.
        """
        kinds = Counter(symbol.kind for symbol in self.index.by_path.values())
        return kinds["function"] > kinds["method"]

    @cached_property
    def of_objects(self) -> frozenset[str]:
        """Names of methods and attributes of the release's classes, and of what all objects have."""
        symbols = self.index.by_path.values()
        return _EVERYWHERE | {s.path.rpartition(".")[2] for s in symbols if s.kind in ("method", "attribute")}


class Words:
    """A library's names as one program can write them.

    Args:
        library: The library.
        tree: The program; its imports say what its names mean.
    """

    def __init__(self, library: Library, tree: ast.AST) -> None:
        self.library = library
        self.imported = imported_names(tree, library.index.roots)

    def _full(self, name: str) -> str:
        head, dot, rest = name.partition(".")
        return self.imported.get(head, head) + dot + rest

    def symbol(self, name: str) -> Symbol | None:
        """What a dotted name as written means."""
        if name.partition(".")[0] not in self.imported:
            return None
        path = self.library.index.canonical(self._full(name))
        return None if path is None else self.library.index.by_path.get(path)

    def has(self, name: str) -> bool:
        """Whether the release has what a dotted name as written would mean."""
        return self.library.index.canonical(self._full(name)) is not None

    def siblings(self, name: str) -> list[str]:
        """Of a class or function as written (`nx.in_edges`): those beside it that it is mixed up with.

        Functions are of the same module, and begin with the same parameters.
        """
        found = self.symbol(name)
        owner = name.rpartition(".")[0]
        if found is None:
            return []
        module, _, last = found.path.rpartition(".")
        if found.kind == "class":
            near = (n for n in self.library.classes if confusable(name.rpartition(".")[2], n))
            others = [n for n in near if self._of_kind(found.path, self.symbol(f"{owner}.{n}"))]
        else:
            by_path, own = self.library.index.by_path, required(found)
            names = (n for n in self.library.members.get(module, ()) if confusable(last, n))
            others = [n for n in names if required(by_path[f"{module}.{n}"]) == own]
        return [n for n in others if self.has(f"{owner}.{n}")][:3]

    @staticmethod
    def _of_kind(path: str, other: Symbol | None) -> bool:
        """Whether a class is defined where another is, in its module or the one beside: both are things of one kind."""
        return other is not None and other.path.split(".")[:-2] == path.split(".")[:-2]

    def invented(self, name: str, rng: random.Random) -> str | None:
        """Of a dotted name as written: a name that exists nowhere; None where none reads as if it did."""
        owner, _, last = self._full(name).rpartition(".")
        choices = [
            n for n in inventions(last, self.library.kin) if self.library.index.canonical(f"{owner}.{n}") is None
        ]
        return rng.choice(choices) if choices and not last[:1].isupper() else None

    def module(self) -> str | None:
        """What the library is called by here (`nx`), where it is imported whole."""
        roots = self.library.index.roots
        return next((alias for alias, target in sorted(self.imported.items()) if target in roots), None)

    def unknown(self, name: str, rng: random.Random) -> str | None:
        """Of a method's name: one that no object has."""
        choices = [n for n in inventions(name, self.library.kin) if n not in self.library.names]
        return rng.choice(choices) if choices else None

    def stale(self, name: str) -> str | None:
        """Of a dotted name as written: what it was called before."""
        found = self.symbol(name)
        former = self.library.stale.get(found.path) if found is not None else None
        if former is None:
            return None
        root = former.partition(".")[0]
        alias = next((a for a, target in sorted(self.imported.items()) if target == root), None)
        return None if alias is None else alias + former[len(root) :]

    def parameters(self, name: str) -> Mapping[str, str | None]:
        """Of a dotted name as written: names of its parameters and their defaults; of a method no receiver."""
        found = self.symbol(name)
        return defaults(found) if found is not None else {}

    def called(self, call: ast.Call) -> list[Symbol]:
        """What a call may mean: the function or class that it names, else the methods of its name."""
        found = self.symbol(dotted_name(call.func) or "")
        if found is not None:
            return [found]
        return self.library.methods.get(call.func.attr, []) if isinstance(call.func, ast.Attribute) else []


def defaults(symbol: Symbol) -> dict[str, str | None]:
    """Names of a function's parameters, but receivers and variadic ones, with their defaults."""
    return {
        str(p["name"]): None if p.get("default") is None else str(p["default"])
        for p in symbol.parameters
        if isinstance(p, Mapping) and "variadic" not in str(p["kind"]) and p["name"] not in ("self", "cls")
    }


def fits(symbol: Symbol, given: int, keywords: Collection[str]) -> bool:
    """Whether a function can be called so: with so many arguments by position, these keywords, and none missing."""
    kinds = {str(p["name"]): str(p["kind"]) for p in symbol.parameters if isinstance(p, Mapping)}
    positional = [n for n, kind in kinds.items() if kind in POSITIONAL and n not in ("self", "cls")]
    if given > len(positional) and "variadic positional" not in kinds.values():
        return False
    if not {*keywords} <= {*kinds} - {*positional[:given]} and "variadic keyword" not in kinds.values():
        return False
    return {*required(symbol)} <= {*positional[:given], *keywords}


def required(symbol: Symbol) -> list[str]:
    """Names of the parameters that a function can't do without."""
    return [name for name, default in defaults(symbol).items() if default is None]


OPTIONS = 4
"""So many options that another function has none of make a function another sort of thing."""


def _called_alike(one: Symbol, other: Symbol) -> bool:
    a, b = defaults(one).keys(), defaults(other).keys()
    return len(required(one)) == len(required(other)) and (bool(a & b) or len(a ^ b) < OPTIONS)


@lru_cache(maxsize=1 << 16)
def confusable(one: str, other: str) -> bool:
    """Whether people mix two names up: the same words in another order or number, one more, or one another.

    Never where a verb or a format is another one, or where they share no more than a verb (`has_edge`, `has_node`) or a
    sort of thing (`star_graph`, `path_graph`), or read too differently (`onion_layers`, `bfs_layers`).
    """
    a, b = _singular(one), _singular(other)
    if one.islower() and a[-1] == b[-1] in THINGS:
        return sorted(a) == sorted(b) and one != other
    likeness = difflib.SequenceMatcher(None, one, other).ratio()
    if one == other or (len(a) == len(b) == 1 and a != b):
        two = one.endswith("s") and other.endswith("s") and len(one) == len(other) > 4 and likeness >= 0.6
        return one != other and (two or (one[-5:] == other[-5:] and likeness >= 0.6))
    if sorted(a) == sorted(b):
        return True
    only_one, only_other = [w for w in a if w not in b], [w for w in b if w not in a]
    shared = {*a} & {*b} - (_EMPTY if one.islower() else frozenset())
    least = 0.7 if one.islower() else 0.6
    if "not" in {*only_one, *only_other} or shared <= _SORTS:
        return False
    if not shared or (a[0] in _FORMATS and a[0] == b[0]) or _VERBS - {"from", "all"} & {*only_one, *only_other}:
        return False
    if only_one and only_other:
        return len(only_one) == len(only_other) == 1 and len(a) == len(b) and a[-1] == b[-1] and likeness >= least
    return abs(len(a) - len(b)) <= 1 and likeness >= 0.6


def _singular(name: str) -> list[str]:
    """The words of a name, without a plural's ending."""
    words = [w.lower() for w in re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", name)]
    return [w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words]


def plural_of(one: str, other: str) -> bool:
    """Whether two names say the same of one thing and of many: `add_edge`, `add_edges_from`."""
    return set(_singular(one)) ^ set(_singular(other)) <= {"from"}


def inventions(name: str, kin: Mapping[str, Collection[str]]) -> list[str]:
    """Names that a name is taken to be: by habit, its words turned round or run together, a slip of the keys.

    Args:
        name: The name; a private one is never misremembered.
        kin: See `synth.habits.kin_of`.
    """
    words = name.split("_")
    if name.startswith("_"):
        return []
    made = [*names_by_habit(name, kin), *mistyped(name)]
    if len(words) == 2:
        made += ["".join(words), words[0] + words[1].capitalize()]
        if not {*words} & {*_VERBS, "by", "graph", "in", "of", "on"}:
            made.append("_".join(reversed(words)))
    return sorted({n for n in made if n.isidentifier() and n != name and len(n) > 3})


def mistyped(name: str) -> list[str]:
    """A name with two letters of its longest word in each other's place (`shortset_path`); none where that is short."""
    long = max(name.split("_"), key=len)
    middle = len(long) // 2
    if len(long) < 5 or long[middle] == long[middle + 1] or not name.islower():
        return []
    return [name.replace(long, long[:middle] + long[middle + 1] + long[middle] + long[middle + 2 :], 1)]
