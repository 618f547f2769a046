"""What tasks made of a program may touch: gaps at the boundaries of syntax nodes, single tokens, edits within a scope.

All of it is decided by texts and syntax, nothing is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from registry.gaps import blocks, bounded
from registry.text import Text, lines_of, placed_nodes
from registry.trees import parsed

_WORD = re.compile(r"\w")


def gap_fault(code: str, test: str, prefix: str, middle: str, suffix: str) -> str:
    """Why a text is no gap in a program, empty where it is: it has to begin and end where syntax nodes do.

    Args:
        code: The program's code: the gap is in it.
        test: Its test, which stands below it.
        prefix: What stands before the gap.
        middle: What is to be filled in.
        suffix: What stands behind it.
    """
    if prefix + middle + suffix != f"{code.rstrip()}\n\n{test}":
        return "Prefix, middle and suffix don't make the program"
    if not middle.strip():
        return "There is nothing to fill in"
    source, tree = Text(code), parsed(code)
    if tree is None:
        return "The program doesn't parse"
    start, end = len(prefix), len(prefix) + len(middle)
    if (
        bounded(blocks(source, tree), start, end)
        or bounded(_expressions(source, tree), start, end)
        or (bounded(_calls(source, tree), start, end) and _are_arguments(middle))
    ):
        return ""
    return "The gap doesn't begin and end where statements of a block, an expression, or arguments of a call do"


def _expressions(source: Text, tree: ast.Module) -> Iterator[list[tuple[int, int]]]:
    """The spans of what is bound or returned, of conditions, and of what loops go through."""
    for node in placed_nodes(tree):
        for field in ("value", "test", "iter"):
            inner = getattr(node, field, None)
            if isinstance(node, ast.stmt) and isinstance(inner, ast.expr):
                yield [source.span(inner)]


def _calls(source: Text, tree: ast.Module) -> Iterator[list[tuple[int, int]]]:
    """The spans of the arguments of each call."""
    return (source.arguments(node) for node in placed_nodes(tree) if isinstance(node, ast.Call))


def _are_arguments(text: str) -> bool:
    """Whether a text is what may stand between the parentheses of a call, all of its own closed."""
    try:
        call = ast.parse(f"f({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name)


def token_fault(original: str, corrupted: str, at: int, was: str, replaced: str) -> str:
    """Why a program is not another with one token replaced, empty where it is.

    Args:
        original: The program.
        corrupted: The same with the token replaced.
        at: Where the token stands, in characters.
        was: The right token.
        replaced: What stands there instead.
    """
    head, tail = original[:at], original[at + len(was) :]
    if not was or not replaced or was == replaced:
        return "No token is replaced"
    if original != head + was + tail or corrupted != head + replaced + tail:
        return f"The programs differ in more than {was!r} and {replaced!r} at {at}"
    for token in (was, replaced):
        joins_before = _WORD.match(token[0]) and _WORD.match(head[-1:])
        joins_behind = _WORD.match(token[-1]) and _WORD.match(tail[:1])
        if joins_before or joins_behind:
            return f"{token!r} is part of a longer token"
    return ""


def scope_fault(before: str, after: str, lines: Sequence[Sequence[int]]) -> str:
    """Why an edit reaches outside its scope, empty where it doesn't.

    Args:
        before: The program before the edit.
        after: The program after it.
        lines: Ranges [first, last] of lines of `before` that may change, 1-based, in order; [n + 1, n] is the place
            behind line n.
    """
    given = lines_of(before)
    pieces, at = [], 0
    for first, last in lines:
        pieces.append("".join(given[at : first - 1]))
        at = last
    pieces.append("".join(given[at:]))
    if before == after:
        return "Nothing is edited"
    return "" if _in_order(pieces, after) else "It changes what its instruction doesn't speak of"


def _in_order(pieces: Sequence[str], text: str) -> bool:
    """Whether pieces stand in a text one behind another, the first at its beginning, the last at its end."""
    if len(pieces) == 1:
        return pieces[0] == text
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return text.startswith(pieces[0]) and text.endswith(pieces[-1]) and len(text) - len(pieces[-1]) >= at
