"""What an example claims to show: the library's symbols that its code calls, and which of them it is about."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from registry.names import SymbolIndex, dotted_name, imports_of, tree_of
from synth.dataflow import changes_its_object

MOST_LITERALS = 60
"""Literals of a test that somebody wrote."""

_FEW = 4
"""Symbols that fewer examples call are equally rare."""


def called(code: str, index: SymbolIndex) -> tuple[str, ...]:
    """Canonical paths that `code` calls: named through imports, then methods of objects it makes by a constructor."""
    static = index.called(code)
    return tuple(dict.fromkeys([*static, *_methods(code, index)]))


def _methods(code: str, index: SymbolIndex) -> list[str]:
    """Methods called on names that were bound to a class's instance."""
    try:
        tree = tree_of(code)
    except SyntaxError:
        return []
    imports = imports_of(code, index.roots)
    types: dict[str, str] = {}
    read: list[ast.Attribute] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            read.append(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            dotted = dotted_name(node.value.func)
            path = _resolve(dotted, imports, index) if dotted else None
            for target in node.targets:
                if isinstance(target, ast.Name) and path is not None and index.by_path[path].kind == "class":
                    types.setdefault(target.id, path)
    found: dict[str, None] = {}
    for attribute in read:
        if isinstance(attribute.value, ast.Name) and attribute.value.id in types:
            path = _member(types[attribute.value.id], attribute.attr, index)
            if path is not None and path in index.by_path:
                found.setdefault(path)
    return list(found)


def _member(cls: str, name: str, index: SymbolIndex) -> str | None:
    """Path of a class's member, or of its base's: a class is taken for one of another whose name its own ends with."""
    path = index.canonical(f"{cls}.{name}")
    if path is not None:
        return path
    last = cls.rpartition(".")[2]
    bases = [base for base in _classes(index) if base != cls and last.endswith(base.rpartition(".")[2])]
    for base in sorted(bases, key=lambda base: (-len(base.rpartition(".")[2]), base)):
        if base.partition(".")[0] == cls.partition(".")[0] and (path := index.canonical(f"{base}.{name}")) is not None:
            return path
    return None


@lru_cache(maxsize=4)
def _classes(index: SymbolIndex) -> tuple[str, ...]:
    """The public classes of a release."""
    return tuple(sorted(path for path, symbol in index.by_path.items() if symbol.kind == "class"))


def _resolve(dotted: str, imports: Mapping[str, str], index: SymbolIndex) -> str | None:
    head, dot, rest = dotted.partition(".")
    if head not in imports:
        return None
    path = index.canonical(imports[head] + dot + rest)
    return path if path in index.by_path else None


def by_relevance(
    symbols: Sequence[str], index: SymbolIndex, names: Iterable[str], uses: Counter[str]
) -> tuple[str, ...]:
    """`symbols` with the one that an example is about first.

    That is the one whose name the example's own names hold whole; else the one that shares most words with them, or
    stands in the module that the example's file is named after; else the rarest. A class is outranked by a function
    that the names tell of as much: a graph is built in order to ask something of it.

    Uses count by their order of magnitude only: an example that comes or goes elsewhere hardly ever changes what
    another one is about, so that neither its stub nor its task is made anew.

    Args:
        symbols: Canonical paths, in order of appearance.
        index: The release's symbols.
        names: The example's own names, the most telling first (the test's, its class's, its file's).
        uses: How many examples call each symbol.
    """
    names = list(names)
    words = frozenset(word for n in names for word in _words(n))
    order = {path: place for place, path in enumerate(symbols)}

    def rank(path: str) -> tuple[int, int, int, int, int, str]:
        owner, _, name = path.rpartition(".")
        last, rarity = _plain(name), (uses[path] // _FEW).bit_length()
        kind = index.by_path[path].kind
        if _is_exception(path, kind):
            return (3, 0, 0, rarity, -order[path], path)
        home = _is_home(owner, names)
        builds = kind in ("class", "attribute") or name.startswith("add_")
        whole = next((place for place, text in enumerate(names) if _tells(text, name)), None)
        if whole is not None and (home or not builds):
            return (0, not home, rarity, whole, -len(last), path)
        shared = len(_words(name) & words)
        if home:
            return (1, builds, -shared, rarity, -order[path], path)
        if shared and not builds:
            return (1, 2, -shared, rarity, -order[path], path)
        if whole is not None:
            return (1, 3, rarity, whole, -len(last), path)
        return (2, builds, -shared, rarity, -order[path], path)

    if not symbols:
        return ()
    main = min(symbols, key=rank)
    return (main, *(s for s in symbols if s != main))


def is_told(path: str, names: Sequence[str], uses: Counter[str], examples: int) -> bool:
    """Whether an example's names tell of a symbol, or it is one of the few examples that call it.

    What every other example calls as well (a graph's generator) and no name tells of is not what it is about.

    Args:
        path: Canonical path of the symbol.
        names: The example's own names, its file's last.
        uses: How many examples call each symbol.
        examples: How many there are.
    """
    owner, _, name = path.rpartition(".")
    if uses[path] <= max(_MANY, examples // 100) or _is_home(owner, names):
        return True
    words = frozenset(word for text in names for word in _words(text))
    return bool(_words(name) & words) or any(_tells(text, name) for text in names)


_MANY = 40
"""Examples up to which a symbol is no hub."""


def _is_home(owner: str, names: Sequence[str]) -> bool:
    """Whether a file (the last name) is named after a symbol's module or class."""
    if not names or len(last := owner.rpartition(".")[2]) < 3:
        return False
    file = _spaced(names[-1]).removeprefix("test_")
    return f"{file}_".startswith(f"{_spaced(last)}_") or file.split("_")[0] == _plain(last)


def _is_exception(path: str, kind: str) -> bool:
    """Whether a symbol is there to be caught, as far as its path tells."""
    owner, _, name = path.rpartition(".")
    return kind == "class" and (name.endswith(("Error", "Exception", "Warning")) or "exception" in owner)


def _tells(text: str, name: str) -> bool:
    """Whether a name holds another: word for word, or run together where it is long enough to be no accident."""
    plain = _plain(name)
    if len(plain) < 3:
        return False
    return f"_{_spaced(name)}_" in f"_{_spaced(text)}_" or (len(plain) > _RUN_TOGETHER and plain in _plain(text))


_RUN_TOGETHER = 8


def _spaced(name: str) -> str:
    """`TestEdgeView.test_x` -> `test_edge_view_test_x`."""
    return "_".join(word.lower() for word in _WORD.findall(name))


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def _words(name: str) -> frozenset[str]:
    """The words of a name in any style, without what every test is called."""
    return frozenset(word.lower() for word in _WORD.findall(name) if len(word) > 2) - {
        "test",
        "tests",
        "graph",
        "get",
        "set",
    }


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("test_").removeprefix("test"))


_FLAG = re.compile(r"(raised|warned|caught)\d*")
_RESULT = re.compile(r"(results?|printed)\d*")


def is_flag(name: str) -> bool:
    """Whether miners name so what says whether, and with what words, a call raised or warned."""
    return _FLAG.fullmatch(name) is not None


def is_result(name: str) -> bool:
    """Whether miners name so a call's value or output, by its place alone."""
    return _RESULT.fullmatch(name) is not None


def is_record(name: str) -> bool:
    """Whether miners name so what a test looks at."""
    return is_flag(name) or is_result(name)


def checks_of(test: str) -> list[ast.stmt]:
    """The checks on a test's top level: assert statements, and calls of `assert_…` functions."""
    return [s for s in ast.parse(test).body if isinstance(s, ast.Assert) or _is_assertion(s)]


def tells_values(test: str) -> bool:
    """Whether a test compares values: one that only asks for yes or no seldom notices another number."""
    nodes = list(ast.walk(ast.parse(test)))
    compared = [n for check in nodes if isinstance(check, ast.Assert) for n in ast.walk(check.test)]
    values = [value for node in compared if isinstance(node, ast.Compare) for value in node.comparators]
    return any(not (isinstance(v, ast.Constant) and isinstance(v.value, bool)) for v in values) or any(
        _is_assertion(node) for node in nodes
    )


def values_told(test: str) -> int:
    """How much a test tells: the numbers and the words of texts that its checks hold; one value decides little.

    An error's message (`"not connected" in raised`) tells of no value.
    """
    checks = [node for node in ast.walk(ast.parse(test)) if isinstance(node, (ast.Assert, ast.Expr))]
    compared = [n for check in checks for n in ast.walk(check) if isinstance(n, ast.Compare)]
    messages = {id(n.left) for n in compared if isinstance(n.ops[0], ast.In)}
    held = [
        n.value for check in checks for n in ast.walk(check) if isinstance(n, ast.Constant) and id(n) not in messages
    ]
    words = [len(re.findall(r"\w+", value)) if isinstance(value, str) else 1 for value in held if _is_value(value)]
    return sum(words)


def has_idle_call(code: str) -> bool:
    """Whether a method is called for nothing here and for its value there: `s.shift(1)` before `r = s.shift(2)`.

    Such a line only showed a value to who read the docs; whoever is to find a mistake takes it for one.
    """
    body = ast.parse(code).body
    alone = [s.value.func for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    idle = {f.attr for f in alone if isinstance(f, ast.Attribute) and not changes_its_object(f)}
    kept = (n for s in body if not isinstance(s, ast.Expr) for n in ast.walk(s) if isinstance(n, ast.Call))
    return any(isinstance(n.func, ast.Attribute) and n.func.attr in idle for n in kept)


def is_endless(test: str) -> bool:
    """Whether a test has more literals than anybody writes down: no mistake is asked for by such a list."""
    return sum(isinstance(node, ast.Constant) for node in ast.walk(ast.parse(test))) > MOST_LITERALS


def _is_value(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _is_assertion(node: ast.AST) -> bool:
    """`assert_frame_equal(a, b)`, through whatever module it is called."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    name = dotted_name(node.value.func) or ""
    return name.rpartition(".")[2].startswith("assert") and len(node.value.args) > 1
