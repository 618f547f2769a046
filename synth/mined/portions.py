"""Long modules in portions that can be read by themselves: whole definitions below the imports that they need.

The first portion says that the module goes on, the others whose continuation they are, and all which names that they
use stand in another portion; all else in them stands so in the module.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.imports import annotated, names_read, narrowed
from registry.text import lines_of
from registry.trees import parse
from synth.dataflow import flow_all
from synth.source import first_line

LONGEST = 16_000
"""Characters from which on a module is portioned; a longer class or function stands alone."""

SHORT = 400
"""Characters of a constant that is repeated where it is read."""

_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BUILT_IN = frozenset(dir(builtins))
_CODE = re.compile(
    r"#\s*(?:(?:async )?def \w+\(|class \w+[(:]|return\b|@\w+|self\.|(?:import|from) [\w.]+( import .*)?$)"
)
"""A comment that is code, or was."""


@dataclass(frozen=True)
class _Piece:
    """A statement of a module with the comments above it."""

    node: ast.stmt
    text: str
    binds: frozenset[str]
    reads: frozenset[str]
    imports: bool

    @property
    def name(self) -> str:
        """Of a definition its name."""
        return self.node.name if isinstance(self.node, _Definition) else ""

    @property
    def is_constant(self) -> bool:
        """Whether it is a short assignment to names."""
        targets = self.node.targets if isinstance(self.node, ast.Assign) else [getattr(self.node, "target", None)]
        plain = isinstance(self.node, (ast.Assign, ast.AnnAssign)) and all(isinstance(t, ast.Name) for t in targets)
        return plain and len(self.text) <= SHORT and not _is_all(self)


def portions(text: str, path: str) -> list[str]:
    """The portions of a module in its order; the module as it stands where it is short, or no Python.

    Args:
        text: The module's source.
        path: Where its file is, as the portions but the first say.
    """
    if len(text) <= LONGEST:
        return [text]
    try:
        pieces = list(_pieces(text))
    except SyntaxError:
        return [text]
    runs = _runs(pieces)
    if len(runs) < 2:
        return [text]
    first = "".join(p.text for p in runs[0]).rstrip("\n")
    beyond = _elsewhere(pieces, runs[0], runs[0])
    goes_on = f"# {path} goes on" + (f", and defines {', '.join(beyond)}" if beyond else "")
    return [f"{first}\n\n\n{goes_on}\n", *(_continued(pieces, run, path) for run in runs[1:])]


def _pieces(text: str) -> Iterable[_Piece]:
    """The statements; commented-out code below one is its own, as it goes on with it."""
    lines, start = lines_of(text), 0
    body = parse(text).body
    for at, node in enumerate(body):
        end = node.end_lineno or node.lineno
        if first_line(node) > start:
            above = first_line(body[at + 1]) - 1 if at + 1 < len(body) else end
            end += _left_over(lines[end:above])
            flow = flow_all([node])
            imports = any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
            yield _Piece(
                node, "".join(lines[start:end]), frozenset(flow.binds), (flow.reads | annotated(node)) - _BUILT_IN,
                imports and not isinstance(node, _Definition),
            )  # fmt: skip
        start = end


def _left_over(lines: Sequence[str]) -> int:
    """How many lines between two statements go to the end of the last paragraph of comments that is code."""
    found = [at for at, line in enumerate(lines, start=1) if _CODE.match(line)]
    if not found:
        return 0
    return next((at for at in range(found[-1], len(lines)) if not lines[at].strip()), len(lines))


def _runs(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Neighbouring pieces that are no longer than a portion together; constants stay with what comes after them."""
    runs: list[list[_Piece]] = [[]]
    size = 0
    for _, group in itertools.groupby(enumerate(pieces), lambda item: item[1].name or item[0]):  # overloads together
        unit = [piece for _, piece in group]
        length = sum(len(piece.text) for piece in unit)
        if any(p.name for p in runs[-1]) and size + length > LONGEST:
            runs.append([])
            while isinstance(runs[-2][-1].node, ast.Assign) and not runs[-2][-1].reads:
                runs[-1].insert(0, runs[-2].pop())
            size = sum(len(p.text) for p in runs[-1])
        runs[-1] += unit
        size += length
    if len(runs) > 1 and _is_mostly_set_up(runs[0]):
        runs[:2] = [runs[0] + runs[1]]
    for at in reversed(range(1, len(runs))):
        if not any(isinstance(p.node, _Definition) and not p.node.name.startswith("_") for p in runs[at]):
            runs[at - 1 : at + 1] = [runs[at - 1] + runs[at]]  # helpers alone are nothing to read
    return runs


def _is_mostly_set_up(run: Sequence[_Piece]) -> bool:
    """Whether the definitions of a run are shorter than its imports."""
    defined, imported = (sum(len(p.text) for p in run if p.name), sum(len(p.text) for p in run if p.imports))
    return defined < imported


def _continued(pieces: Sequence[_Piece], run: Sequence[_Piece], path: str) -> str:
    """A later run: that it goes on from another one, what it reads of the module's set-up, and what it defines."""
    above = pieces[: pieces.index(run[0])]
    read = _closure(above, run)
    carried = [(p, text) for p in above if _may_be_carried(p, above) and (text := _source(p, read))]
    beyond = _elsewhere(pieces, run, [*run, *(p for p, _ in carried)])
    head = f"# {path}, continued" + (f"; elsewhere it defines {', '.join(beyond)}" if beyond else "")
    imported = "\n".join(text + "\n" * _is_future(p) for p, text in carried if p.imports).strip("\n")
    imported = imported.replace("\n\n\n", "\n\n")
    constants = "\n".join(text.strip("\n") for p, text in carried if not p.imports)
    body = "".join(p.text for p in run).lstrip("\n")
    return "\n\n".join(part for part in (head, imported, constants, "\n" + body) if part)


def _closure(above: Sequence[_Piece], run: Sequence[_Piece]) -> set[str]:
    """The names that a run reads, and those that the set-up of these reads in turn."""
    read = {name for p in run for name in p.reads} | {"*"}
    while True:
        parts = [narrowed(p.text, read.__contains__) for p in above if p.binds & read and _may_be_carried(p, above)]
        more = {name for part in parts if part for name in names_read(ast.parse(part))} - read - _BUILT_IN
        if not more:
            return read
        read |= more


def _may_be_carried(piece: _Piece, above: Sequence[_Piece]) -> bool:
    """Whether a piece is set-up that can be repeated: imports, and short constants that are made of set-up alone."""
    if piece.imports:
        return True
    made = {name for p in above if not p.imports and not p.is_constant for name in p.binds}
    return piece.is_constant and not piece.reads & made


def _elsewhere(pieces: Sequence[_Piece], run: Sequence[_Piece], there: Sequence[_Piece]) -> list[str]:
    """The names of the module that a run reads and that nothing in a portion binds."""
    read, bound = ({name for p in run for name in p.reads}, {name for p in there for name in p.binds})
    return sorted({name for p in pieces if not p.imports for name in p.binds} & read - bound)


def _source(piece: _Piece, read: set[str]) -> str:
    """What a run reads of a statement, without the comments above it, and the blank line that parts it from others."""
    if _is_future(piece):
        read = read | piece.binds
    lines = lines_of(narrowed(piece.text, read.__contains__)) if piece.binds & read else []
    if not lines:
        return ""
    own = next(at for at, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    return ("" if lines[0].strip() else "\n") + "".join(lines[own:]).rstrip("\n")


def _is_all(piece: _Piece) -> bool:
    return "__all__" in piece.binds


def _is_future(piece: _Piece) -> bool:
    return isinstance(piece.node, ast.ImportFrom) and piece.node.module == "__future__"
