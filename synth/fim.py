"""`fim` rows: gaps in programs that passed: a statement on one line, neighbouring statements, all a call's arguments.

The whole is a program's code with its test below, so that what is missing follows from what the test asks for. A part
of the rows has with it what other files say of the names in the gap (`context`: paths and signatures).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from registry.records import Example
from registry.text import lines_of, placed_nodes
from synth.claims import tells_values
from synth.context import Definitions
from synth.material import Piece, derived, draw, joined_licences
from synth.source import Source

GENERATOR, VERSION = "fim", "3"
SHORTEST, LONGEST = 6, 600
"""Characters of a gap."""
GUESSED = 20
"""Characters of plain data that can be guessed from what is around it; longer data alone is no gap."""
ORDERS = ("psm", "spm")
"""Prefix, suffix, middle; or suffix first."""

_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Assert, ast.Delete)
_COMPUTES = (ast.Call, ast.BinOp, ast.Compare, ast.comprehension)
_NAMES = (ast.Name,)


@dataclass(frozen=True)
class Gap:
    """A place to be filled in.

    Attributes:
        operator: line, block or arguments.
        start: Its first character.
        end: The one behind its last.
    """

    operator: str
    start: int
    end: int


def mine(piece: Piece, definitions: Definitions, *, seed: int = 0) -> Iterator[Example]:
    """A gap in a proven program; none where it has no place for one, or its test asks for no values.

    Args:
        piece: The example with its program.
        definitions: What the library's files say of names.
        seed: Seed of the draws.
    """
    gap = drawn_gap(piece.program.code, seed) if tells_values(piece.program.test) else None
    if gap is not None:
        yield _row(piece, gap, definitions, seed)


def whole_of(code: str, test: str) -> str:
    """A program as one file: its code with its test below."""
    return f"{code.rstrip()}\n\n{test}"


def drawn_gap(code: str, seed: int = 0) -> Gap | None:
    """One of the gaps of a program: its sort is drawn first, then the place; None where there is none."""
    by_operator: dict[str, list[Gap]] = {}
    for gap in gaps(code):
        by_operator.setdefault(gap.operator, []).append(gap)
    if not by_operator:
        return None
    operator = min(by_operator, key=lambda name: draw(seed, name, code))
    return min(by_operator[operator], key=lambda gap: draw(seed, gap.start, gap.end, code))


def gaps(code: str) -> Iterator[Gap]:
    """All gaps of a program; imports and definitions with decorators stay as they are."""
    source = Source(code)
    for node in placed_nodes(source.tree):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield from _of_block(source, block, top=isinstance(node, ast.Module))
        if isinstance(node, ast.Call) and (given := [*node.args, *node.keywords]):
            spans = source.arguments(node)
            yield from _if_fit(source, "arguments", given, _NAMES, (spans[0][0], spans[-1][1]))


def _of_block(source: Source, block: list[ast.stmt], top: bool) -> Iterator[Gap]:
    worth = [
        s for s in block if not isinstance(s, (ast.Import, ast.ImportFrom)) and not getattr(s, "decorator_list", ())
    ]
    for statement in worth:
        if isinstance(statement, _SIMPLE):
            yield from _if_fit(source, "line", [statement], _COMPUTES, source.span(statement))
    if top:  # a few statements one behind another, but not all of them
        for size in (2, 3):
            for at in range(len(worth) - size + 1):
                run = worth[at : at + size]
                if size < len(worth) and block.index(run[-1]) - block.index(run[0]) == size - 1:
                    yield from _if_fit(source, "block", run, _COMPUTES, _reach(source, run))
    elif len(worth) == len(block) and worth:
        yield from _if_fit(source, "block", block, _COMPUTES, _reach(source, block))


def _reach(source: Source, run: Sequence[ast.stmt]) -> tuple[int, int]:
    return source.span(run[0])[0], source.span(run[-1])[1]


def _if_fit(
    source: Source, operator: str, run: Sequence[ast.AST], wanted: tuple[type[ast.AST], ...], span: tuple[int, int]
) -> Iterator[Gap]:
    """The gap of neighbouring nodes, where it is neither too short nor too long, and can be told from the rest."""
    start, end = span
    text = source.text[start:end]
    told = any(isinstance(inner, wanted) for node in run for inner in ast.walk(node))
    told = told or (operator == "arguments" and len(text) <= GUESSED)
    if SHORTEST <= len(text) <= LONGEST and told and (operator != "line" or len(lines_of(text)) == 1):
        yield Gap(operator, start, end)


def _row(piece: Piece, gap: Gap, definitions: Definitions, seed: int) -> Example:
    code = piece.program.code
    whole = whole_of(code, piece.program.test)
    lines = whole[whole.rfind("\n", 0, gap.start) + 1 : gap.end]
    shown = definitions.named_in(lines, piece.example.symbols) if draw(seed, "context", code) < "8" else []
    parts = {
        "programs": {"whole": piece.program.id},
        "prefix": whole[: gap.start],
        "middle": whole[gap.start : gap.end],
        "suffix": whole[gap.end :],
        "order": ORDERS[draw(seed, "order", code) < "8"],
        "context": [{"path": page.path, "text": head} for page, head in shown],
    }
    row = derived(piece.example, "fim", parts, (GENERATOR, VERSION), operator=gap.operator, seed=seed)
    licences = joined_licences([row.licence, *(page.licence for page, _ in shown)])
    return replace(row, licence=licences, parents=(*row.parents, *dict.fromkeys(page.id for page, _ in shown)))
