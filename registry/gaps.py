"""Gaps in programs: the blocks that they may begin and end in, and the program that is left where one stays empty."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from registry.text import Text, placed_nodes
from registry.trees import parsed


def emptied(code: str, start: int, end: int) -> str | None:
    """A program with a gap left empty: with `pass` for statements, `f()` for arguments, `return` for what it returns.

    None where that doesn't parse: nothing has to run to know that the gap can't stay empty.

    Args:
        code: The program.
        start: The first character of the gap.
        end: The one behind its last.
    """
    tree = parsed(code)
    is_block = tree is not None and bounded(blocks(Text(code), tree), start, end)
    left = f"{code[:start]}{'pass' if is_block else ''}{code[end:]}"
    return left if parsed(left) is not None else None


def blocks(source: Text, tree: ast.Module) -> Iterator[list[tuple[int, int]]]:
    """The spans of the statements of each block."""
    for node in placed_nodes(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block:
                yield [source.span(statement) for statement in block]


def bounded(runs: Iterable[list[tuple[int, int]]], start: int, end: int) -> bool:
    """Whether one of the neighbours of a run begins and one ends here."""
    return any(start in (a for a, _ in run) and end in (b for _, b in run) for run in runs)
