"""What the examples of an excerpt show, and the program that does: of these the templates make tasks and answers."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice

from flows.stub.excerpts import Statement, statements

MOST = 3
"""Values of one session that are asked for."""

LONGEST = 100
"""Characters of a value, as it is shown."""

LONG = 40
"""Statements of an excerpt that are looked at."""

ALIASES = {"nx": "networkx", "np": "numpy", "pd": "pandas", "pl": "polars", "plt": "matplotlib.pyplot"}
"""Names that docs use without importing them."""

_TOOLS = ("itertools", "functools", "operator", "collections", "math")
"""Where docs take names from that they don't import, beside the library itself."""

_UNSURE = ("...", "0x", "`", "\\", "array(", "nan")


@dataclass(frozen=True)
class Shown:
    """A session whose values are shown.

    Attributes:
        statements: Its statements, up to the last value.
        values: As Python shows them, in order.
        places: Which statements have them.
    """

    statements: tuple[Statement, ...]
    values: tuple[str, ...]
    places: tuple[int, ...]

    def imports(self, path: str) -> list[str]:
        """The import lines of a program that does the same.

        Args:
            path: Dotted path of what it is about: a name that nobody binds is taken from there.
        """
        found = [ast.unparse(node) for node in self._nodes() if isinstance(node, ast.Import | ast.ImportFrom)]
        if any(line.endswith("import *") for line in found):
            return found
        missing = unbound(self._nodes())
        parts = path.split(".")
        for name in missing:
            if name in ALIASES:
                found.append(f"import {ALIASES[name]} as {name}")
            elif name == parts[0]:
                found.append(f"import {name}")
            elif name in parts:
                found.append(f"from {'.'.join(parts[: parts.index(name)])} import {name}")
            else:
                home = next((module for module in _TOOLS if hasattr(import_module(module), name)), parts[0])
                found.append(f"from {home} import {name}")
        return list(dict.fromkeys(found))

    def body(self, kept: str = "shown") -> list[ast.stmt]:
        """Its statements but imports, with each value appended as text to a list of that name."""
        made: list[ast.stmt] = []
        for place, statement in enumerate(self.statements):
            nodes = [n for n in ast.parse(statement.source).body if not isinstance(n, ast.Import | ast.ImportFrom)]
            if place in self.places:
                (value,) = nodes
                nodes = ast.parse(f"{kept}.append(repr({ast.unparse(value)}))").body
            made.extend(nodes)
        return made

    def program(self, path: str) -> str:
        """A program of its own that does the same, and checks each value: `path` as for `imports`."""
        lines = self._lines(lambda code, n: f"assert repr({code}) == {self.values[n]!r}")
        return "\n".join([*self.imports(path), "", *lines]).strip() + "\n"

    def bound(self, path: str) -> str:
        """A program that binds the values to `result1`, `result2` and so on."""
        lines = self._lines(lambda code, n: f"result{n + 1} = {code}")
        return "\n".join([*self.imports(path), "", *lines]).strip() + "\n"

    @property
    def sources(self) -> tuple[str, ...]:
        """The expressions whose values are shown."""
        return tuple(ast.unparse(ast.parse(self.statements[place].source)) for place in self.places)

    def only(self, *which: int) -> Shown:
        """The same with some of its values, by number; what else has one is left out."""
        kept = [n for n in range(len(self.statements)) if n not in self.places or self.places.index(n) in which]
        kept = kept[: kept.index(self.places[max(which)]) + 1]
        places = tuple(kept.index(self.places[n]) for n in which)
        return Shown(tuple(self.statements[n] for n in kept), tuple(self.values[n] for n in which), places)

    def _lines(self, told: Callable[[str, int], str]) -> list[str]:
        """Its statements but imports; of those with a value what is made of code and number."""
        lines = []
        for place, statement in enumerate(self.statements):
            nodes = [n for n in ast.parse(statement.source).body if not isinstance(n, ast.Import | ast.ImportFrom)]
            text = "\n".join(ast.unparse(node) for node in nodes)
            lines.append(told(text, self.places.index(place)) if place in self.places else text)
        return [line for line in lines if line]

    def _nodes(self) -> list[ast.stmt]:
        return [node for statement in self.statements for node in ast.parse(statement.source).body]


def best(texts: Iterable[str], path: str) -> Shown | None:
    """Of some excerpts the first whose examples show values where they name what a path ends with; else any values.

    Args:
        texts: The excerpts.
        path: Dotted path of what it shall be about.
    """
    runs = [list(_runs(text)) for text in texts]
    for named in (path.rpartition(".")[2], ""):
        for run in runs:
            places = [n for n, each in enumerate(run) if _is_value(each) and named in each.source][:MOST]
            if places:
                values = tuple(run[place].want.rstrip("\n") for place in places)
                return Shown(tuple(run[: places[-1] + 1]), values, tuple(places))
    return None


def matching(old: Shown, new: Shown) -> tuple[Shown, Shown] | None:
    """Of two runs those values that are the same and come of other code; None where there are none."""
    pairs = [
        (a, b)
        for a, value in enumerate(old.values)
        for b, other in enumerate(new.values)
        if value == other and old.sources[a] != new.sources[b]
    ]
    once = dict(reversed(pairs))
    return (old.only(*once), new.only(*once.values())) if once else None


def _runs(text: str) -> Iterator[Statement]:
    """The statements of a text that are there to be run, up to the first that can't be read."""
    for statement in islice(statements(text), LONG):
        if not _is_readable(statement):
            return
        if not statement.want.startswith("Traceback") and "print(" not in statement.source:
            yield statement


def _is_value(statement: Statement) -> bool:
    """Whether what is shown is one line, surely the value's, and of something that has no other way to be shown."""
    want = statement.want.rstrip("\n")
    if not want or "\n" in want or len(want) > LONGEST or not statement.is_expression:
        return False
    return not want.startswith("<") and not any(sign in want for sign in _UNSURE)


def _is_readable(statement: Statement) -> bool:
    try:
        ast.parse(statement.source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def unbound(nodes: Iterable[ast.AST]) -> list[str]:
    """Names that are used and that nobody binds, in order."""
    used: dict[str, None] = {}
    bound = set(dir(builtins))
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used.setdefault(node.id)
            else:
                bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
    return [name for name in used if name not in bound]
