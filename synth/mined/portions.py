"""Long modules in portions that can be read by themselves: whole definitions with the imports that they need.

What a portion uses of another one it imports from the module, as any other file would.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.text import lines_of
from synth.dataflow import flow_all
from synth.source import first_line

LONGEST = 16_000
"""Characters from which on a module is portioned; a longer class or function stands alone."""

_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BUILT_IN = frozenset(dir(builtins))


@dataclass(frozen=True)
class _Piece:
    """A statement of a module with the comments above it."""

    node: ast.stmt
    text: str
    binds: frozenset[str]
    reads: frozenset[str]
    imports: bool


def portions(text: str, module: str) -> list[str]:
    """The portions of a module in its order; the module as it stands where it is short, or no Python.

    Args:
        text: The module's source.
        module: Its dotted name.
    """
    if len(text) <= LONGEST:
        return [text]
    try:
        pieces = list(_pieces(text))
    except SyntaxError:
        return [text]
    head = [p for p in pieces if p.imports]
    runs = _runs([p for p in pieces if not p.imports and not _is_listing(p)])
    if len(runs) < 2 or any("*" in p.binds for p in head):
        return [text]
    bound = frozenset(name for run in runs for p in run for name in p.binds)
    return [_portion(head, run, bound, module) for run in runs]


def _pieces(text: str) -> Iterable[_Piece]:
    lines, start = lines_of(text), 0
    for node in ast.parse(text).body:
        end = node.end_lineno or node.lineno
        if first_line(node) > start:
            flow = flow_all([node])
            imports = any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(node))
            yield _Piece(
                node, "".join(lines[start:end]), frozenset(flow.binds), frozenset(flow.reads) - _BUILT_IN,
                imports and not isinstance(node, _Definition),
            )  # fmt: skip
        start = end


def _is_listing(piece: _Piece) -> bool:
    return "__all__" in piece.binds


def _runs(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Neighbouring pieces that are no longer than a portion together; constants stay with what comes after them."""
    runs: list[list[_Piece]] = [[]]
    size = 0
    for piece in pieces:
        defined = any(isinstance(p.node, _Definition) for p in runs[-1])
        if defined and size + len(piece.text) > LONGEST:
            runs.append([])
            size = 0
        runs[-1].append(piece)
        size += len(piece.text)
    for at in reversed(range(1, len(runs))):
        if not any(isinstance(p.node, _Definition) and not p.node.name.startswith("_") for p in runs[at]):
            runs[at - 1 : at + 1] = [runs[at - 1] + runs[at]]  # helpers alone are nothing to read
    return runs


def _portion(head: Sequence[_Piece], run: Sequence[_Piece], bound: frozenset[str], module: str) -> str:
    """The imports that a run of definitions needs, then the run; the module's docstring stays in front."""
    doc = [p for p in run[:1] if isinstance(p.node, ast.Expr)]
    rest = run[len(doc) :]
    read = frozenset(name for p in rest for name in p.reads)
    imported = [line for p in head if (line := _needed(p, read))]
    if elsewhere := sorted(read & bound - {name for p in rest for name in p.binds}):
        line = f"from {module} import {', '.join(elsewhere)}\n"
        over = f"from {module} import (\n" + "".join(f"    {name},\n" for name in elsewhere) + ")\n"
        imported.append(line if len(line) <= 88 else over)
    body = "".join(p.text for p in rest).lstrip("\n")
    top = "".join(imported).strip("\n")
    parts = ["".join(p.text for p in doc).strip("\n"), top]
    shown = "\n\n".join(part for part in parts if part)
    return f"{shown}\n\n\n{body}" if shown else body


def _needed(piece: _Piece, read: frozenset[str]) -> str:
    """An import as far as it is needed; from the future always."""
    node = piece.node
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return piece.text
    if not piece.binds & read:
        return ""
    if isinstance(node, (ast.Import, ast.ImportFrom)) and not piece.binds <= read:
        kept = [a for a in node.names if (a.asname or a.name).partition(".")[0] in read]
        less = ast.ImportFrom(node.module, kept, node.level) if isinstance(node, ast.ImportFrom) else ast.Import(kept)
        return ast.unparse(less) + "\n"
    return piece.text
