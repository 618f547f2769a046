"""`fim` rows: gaps in programs that passed: lines, neighbouring statements, expressions, all a call's arguments.

The whole is a program's code with its test below. A gap has to follow from what stands around it
(`synth.edited.decided`), and something has to be missing without it: where the program with the gap left empty parses,
the row has it, and it must fail. Where the rest doesn't name a function of the library that the gap calls, the
row has with it what other files say of it (`context`: paths and signatures), and so do half of the others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from registry.gaps import emptied
from registry.records import Example, Page, Program
from registry.text import lines_of, placed_nodes
from synth.claims import has_idle_call, tells_values
from synth.edited.context import Definitions
from synth.edited.decided import Whole
from synth.material import Piece, derived, draw, joined_licences
from synth.source import Source

GENERATOR, VERSION = "fim", "7"
SHORTEST, LONGEST = 4, 300
"""Characters of a gap."""
LARGEST = 4_000
"""Characters of a program."""
ORDERS = ("psm", "spm")
"""Prefix, suffix, middle; or suffix first."""

_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)


@dataclass(frozen=True)
class Gap:
    """A place to be filled in.

    Attributes:
        operator: line, block, expression or arguments.
        start: Its first character.
        end: The one behind its last.
        nodes: What stands there.
    """

    operator: str
    start: int
    end: int
    nodes: tuple[ast.AST, ...]


def mine(piece: Piece, definitions: Definitions, *, seed: int = 0) -> Iterator[Program | Example]:
    """A gap in a proven program, behind the program with it left empty where that parses.

    There is none where the program has no place for one, or its test asks for no values.

    Args:
        piece: The example with its program.
        definitions: What the library's files say of names.
        seed: Seed of the draws.
    """
    whole = Whole(piece.program.code, piece.program.test)
    if len(whole.code) > LARGEST or not tells_values(whole.test) or whole.is_private or has_idle_call(whole.code):
        return
    shown = {gap: _shown(piece, gap, definitions) for gap in gaps(whole.source)}
    gap = drawn_gap([gap for gap, pages in shown.items() if _is_decided(whole, gap, pages)], piece, seed)
    if gap is not None:
        is_bare = _is_decided(whole, gap, []) and draw(seed, "context", whole.code) >= "8"
        empty = emptied(whole.code, gap.start, gap.end)
        if empty is not None:
            yield replace(piece.program, code=empty)
        yield _row(piece, gap, [] if is_bare else shown[gap], seed, empty)


def _is_decided(whole: Whole, gap: Gap, shown: Sequence[tuple[Page, str]]) -> bool:
    return whole.decides(gap.nodes, (gap.start, gap.end), "".join(head for _, head in shown))


def _shown(piece: Piece, gap: Gap, definitions: Definitions) -> list[tuple[Page, str]]:
    """What other files say of the names in a gap."""
    return definitions.named_in(piece.program.code[gap.start : gap.end], piece.example.symbols)


def whole_of(code: str, test: str) -> str:
    """A program as one file: its code with its test below."""
    return f"{code.rstrip()}\n\n{test}"


def drawn_gap(found: Sequence[Gap], piece: Piece, seed: int = 0) -> Gap | None:
    """One of the gaps of a program: its sort is drawn first, then the place; those with its subject come first."""
    code = piece.program.code
    subject = piece.example.symbols[0].rpartition(".")[2] if piece.example.symbols else ""
    lines = {gap: code[code.rfind("\n", 0, gap.start) + 1 : gap.end] for gap in found}
    telling = [gap for gap in found if subject and subject in lines[gap]]
    by_operator: dict[str, list[Gap]] = {}
    for gap in telling or found:
        by_operator.setdefault(gap.operator, []).append(gap)
    if not by_operator:
        return None
    operator = min(by_operator, key=lambda name: draw(seed, name, code))
    return min(by_operator[operator], key=lambda gap: draw(seed, gap.start, gap.end, code))


def gaps(source: Source) -> Iterator[Gap]:
    """All gaps of a program; imports and definitions with decorators stay as they are."""
    for node in placed_nodes(source.tree):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield from _of_block(source, block, top=isinstance(node, ast.Module))
        for expression in _expressions(node):
            yield from _if_fit(source, "expression", [expression], source.span(expression))
        if isinstance(node, ast.Call) and len(given := [*node.args, *node.keywords]) > 1:
            spans = source.arguments(node)
            yield from _if_fit(source, "arguments", given, (spans[0][0], spans[-1][1]))


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that end a line or its head: what is bound or returned, a condition, what a loop goes through."""
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)) and node.value is not None:
        yield node.value
    elif isinstance(node, (ast.If, ast.While)):
        yield node.test
    elif isinstance(node, ast.For):
        yield node.iter


def _of_block(source: Source, block: list[ast.stmt], top: bool) -> Iterator[Gap]:
    worth = [
        s for s in block if not isinstance(s, (ast.Import, ast.ImportFrom)) and not getattr(s, "decorator_list", ())
    ]
    for statement in worth:
        if isinstance(statement, _SIMPLE):
            yield from _if_fit(source, "line", [statement], source.span(statement))
    if top:  # a few statements one behind another, but not all of them
        for size in (2, 3):
            for at in range(len(worth) - size + 1):
                run = worth[at : at + size]
                if size < len(worth) and block.index(run[-1]) - block.index(run[0]) == size - 1:
                    yield from _if_fit(source, "block", run, _reach(source, run))
    elif len(worth) == len(block) and worth:
        yield from _if_fit(source, "block", block, _reach(source, block))


def _reach(source: Source, run: Sequence[ast.stmt]) -> tuple[int, int]:
    return source.span(run[0])[0], source.span(run[-1])[1]


def _if_fit(source: Source, operator: str, run: Sequence[ast.AST], span: tuple[int, int]) -> Iterator[Gap]:
    """The gap of neighbouring nodes, where it is neither too short nor too long."""
    start, end = span
    text = source.text[start:end]
    if SHORTEST <= len(text) <= LONGEST and (operator == "block" or len(lines_of(text)) == 1):
        yield Gap(operator, start, end, tuple(run))


def _row(piece: Piece, gap: Gap, shown: Sequence[tuple[Page, str]], seed: int, empty: str | None) -> Example:
    code = piece.program.code
    whole = whole_of(code, piece.program.test)
    parts = {
        "programs": {"whole": piece.program.id} | ({"empty": replace(piece.program, code=empty).id} if empty else {}),
        "prefix": whole[: gap.start],
        "middle": whole[gap.start : gap.end],
        "suffix": whole[gap.end :],
        "order": ORDERS[draw(seed, "order", code) < "8"],
        "context": [{"path": page.path, "text": head} for page, head in shown],
    }
    row = derived(piece.example, "fim", parts, (GENERATOR, VERSION), operator=gap.operator, seed=seed)
    licences = joined_licences([row.licence, *(page.licence for page, _ in shown)])
    return replace(row, licence=licences, parents=(*row.parents, *dict.fromkeys(page.id for page, _ in shown)))
