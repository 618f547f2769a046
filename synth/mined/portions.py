"""Long modules in portions that can be read by themselves: whole definitions below the imports that they need.

A portion but the first says whose continuation it is; all else in it stands so in the module.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.text import lines_of
from synth.dataflow import flow_all
from synth.source import first_line

LONGEST = 16_000
"""Characters from which on a module is portioned; a longer class or function stands alone."""

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
    first = "".join(p.text for p in runs[0])
    return [first, *(_continued(pieces, run, path) for run in runs[1:])]


def _pieces(text: str) -> Iterable[_Piece]:
    """The statements; commented-out code below one is its own, as it goes on with it."""
    lines, start = lines_of(text), 0
    body = ast.parse(text).body
    for at, node in enumerate(body):
        end = node.end_lineno or node.lineno
        if first_line(node) > start:
            above = first_line(body[at + 1]) - 1 if at + 1 < len(body) else end
            end += _left_over(lines[end:above])
            flow = flow_all([node])
            imports = any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
            yield _Piece(
                node, "".join(lines[start:end]), frozenset(flow.binds), frozenset(flow.reads) - _BUILT_IN,
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
    for piece in pieces:
        defined = any(isinstance(p.node, _Definition) for p in runs[-1])
        if defined and size + len(piece.text) > LONGEST:
            runs.append([])
            while isinstance(runs[-2][-1].node, ast.Assign) and not runs[-2][-1].reads:
                runs[-1].insert(0, runs[-2].pop())
            size = sum(len(p.text) for p in runs[-1])
        runs[-1].append(piece)
        size += len(piece.text)
    for at in reversed(range(1, len(runs))):
        if not any(isinstance(p.node, _Definition) and not p.node.name.startswith("_") for p in runs[at]):
            runs[at - 1 : at + 1] = [runs[at - 1] + runs[at]]  # helpers alone are nothing to read
    return runs


def _continued(pieces: Sequence[_Piece], run: Sequence[_Piece], path: str) -> str:
    """A later run: that it goes on from another one, those imports of the module that it reads, and what it defines."""
    read = frozenset(name for p in run for name in p.reads) | {"*"}
    above = pieces[: pieces.index(run[0])]
    imported = [_source(p) for p in above if p.imports and (p.binds & read or _is_future(p))]
    body = "".join(p.text for p in run).lstrip("\n")
    parts = [f"# {path}, continued", "\n".join(imported).lstrip("\n"), "\n" + body]
    return "\n\n".join(part for part in parts if part)


def _source(piece: _Piece) -> str:
    """An import without the comments above it, and the blank line that parts it from others."""
    lines = lines_of(piece.text)
    own = next(at for at, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    return ("" if lines[0].strip() else "\n") + "".join(lines[own:]).rstrip("\n")


def _is_future(piece: _Piece) -> bool:
    return isinstance(piece.node, ast.ImportFrom) and piece.node.module == "__future__"
