"""Errors of syntax, as DebugBench has them: programs that no longer parse, edited where their tokens stand."""

from __future__ import annotations

import ast
import io
import keyword
import random
import tokenize
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from registry.trees import parsed
from synth.mutated.operators import Edits
from synth.mutated.slips import Draft, Slip
from synth.source import applied

_Token = tuple[int, int, tokenize.TokenInfo]
"""Where a token stands (offsets into the text), and what it is."""

_OPENING = ("(", "[", "{")
_CLOSING = (")", "]", "}")


def broken(draft: Draft, rng: random.Random) -> Iterator[Slip]:
    """Mistakes of syntax in the order in which they are drawn, each of another kind.

    No comment tells of one, but where the mistake is how it is written.
    """
    tokens = _tokens(draft)
    kinds = sorted(SYNTAX)
    while kinds:
        name = rng.choices(kinds, [SYNTAX[kind][1] for kind in kinds])[0]
        kinds.remove(name)
        found = list(SYNTAX[name][0](draft, tokens))
        if name == "illegal_comment":
            found = [edits for edits in found if parsed(applied(draft.program.code, edits)) is None]
        else:
            found = [edits for edits in found if not draft.told(edits)]
        if found:
            yield Slip(name, rng.choice(found), 0)


def _tokens(draft: Draft) -> list[_Token]:
    found = []
    for token in tokenize.generate_tokens(io.StringIO(draft.program.code).readline):
        start, end = (_offset(draft, *at) for at in (token.start, token.end))
        found.append((start, end, token))
    return found


def _offset(draft: Draft, line: int, column: int) -> int:
    """The offset of a line and a column in characters (as `tokenize` counts)."""
    lines = draft.source.lines
    return sum(map(len, lines[: line - 1])) + column if line <= len(lines) else len(draft.program.code)


def misused_equals(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """`if a = b:` for `if a == b:`."""
    for node in ast.walk(draft.source.tree):
        if isinstance(node, (ast.If, ast.While)) and isinstance(node.test, ast.Compare):
            start, end = draft.source.span(node.test)
            yield from (((a, b, "="),) for a, b, token in tokens if token.string == "==" and start <= a < end)


def missing_colon(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A header of a block, or an entry of a dictionary, without its colon."""
    depth = 0
    for (start, end, token), (_, _, after) in pairwise(tokens):
        depth += (token.string in _OPENING) - (token.string in _CLOSING)
        entry = after.type == tokenize.STRING and token.line[token.end[1] :].startswith(" ")  # no slice
        header = after.type in (tokenize.NEWLINE, tokenize.COMMENT)
        if token.string == ":" and (entry if depth else header):
            yield ((start, end, ""),)


def unclosed_parentheses(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A bracket that is opened and not closed."""
    for start, end, token in tokens:
        if token.type == tokenize.OP and token.string in _CLOSING:
            yield ((start, end, ""),)


def illegal_separation(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A semicolon, or nothing, where a comma belongs."""
    for i, (start, end, token) in enumerate(tokens[1:-1], 1):
        names = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
        if token.string == "," and tokens[i - 1][2].type in names and tokens[i + 1][2].type in names:
            strings = {tokens[i - 1][2].type, tokens[i + 1][2].type} == {tokenize.STRING}
            yield ((start, end, ";"),)
            if not strings and not keyword.iskeyword(tokens[i + 1][2].string):
                yield ((start, end, ""),)


def illegal_indentation(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A line too far to the right, or a block's line too far to the left."""
    body = draft.source.tree.body
    for before, statement in pairwise(body):
        if not isinstance(before, (ast.FunctionDef, ast.ClassDef)) and not isinstance(statement, ast.Import):
            start, _ = draft.source.span(statement)
            if draft.program.code[start - 1 : start] == "\n" and not getattr(statement, "decorator_list", ()):
                yield ((start, start, "  " if isinstance(before, (ast.Assign, ast.Expr)) else "    "),)
    for node in ast.walk(draft.source.tree):
        inner = getattr(node, "body", None)
        if isinstance(node, ast.stmt) and isinstance(inner, list) and len(inner) > 1:
            start, _ = draft.source.span(inner[-1])
            blank = len(draft.program.code[:start]) - len(draft.program.code[:start].rstrip(" "))
            if blank > 2 and not isinstance(inner[-1], ast.FunctionDef):
                yield ((start - 2, start, ""),)


def unclosed_string(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A string without its closing quote."""
    for _, end, token in tokens:
        if token.type == tokenize.STRING and not token.string.endswith(("'''", '"""')):
            yield ((end - 1, end, ""),)


def illegal_comment(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """The program's own comment as another language writes it: `// add an edge`."""
    for start, end, token in tokens:
        said = token.string.lstrip("#").strip()
        if token.type == tokenize.COMMENT and " " in said:
            yield from (((start, end, written),) for written in (f"// {said}", f"/* {said} */", f"-- {said}"))


def illegal_keyword(draft: Draft, tokens: list[_Token]) -> Iterator[Edits]:
    """A word of the language misspelt, or taken from another: `improt`, `elseif`, `function`."""
    words = {t.string: (start, end) for start, end, t in tokens if t.type == tokenize.NAME and t.string in _FOREIGN}
    for word, (start, end) in words.items():  # each once: most programs have several imports
        yield from (((start, end, other),) for other in _FOREIGN[word])


_FOREIGN: Mapping[str, tuple[str, ...]] = {
    "import": ("improt",), "from": ("form", "fron"), "def": ("function", "func"),
    "elif": ("else if", "elsif"), "for": ("foreach",), "return": ("retrun",), "try": ("tyr",), "except": ("catch",),
    "class": ("clas",), "lambda": ("lamda",), "with": ("whit", "using"), "while": ("whlie",), "and": ("&&",),
    "or": ("||",),
}  # fmt: skip

SYNTAX: Mapping[str, tuple[Callable[[Draft, list[_Token]], Iterator[Edits]], int]] = {
    "illegal_comment": (illegal_comment, 8),
    "illegal_indentation": (illegal_indentation, 2),
    "illegal_keyword": (illegal_keyword, 2),
    "illegal_separation": (illegal_separation, 3),
    "missing_colon": (missing_colon, 6),
    "misused_equals": (misused_equals, 12),
    "unclosed_parentheses": (unclosed_parentheses, 3),
    "unclosed_string": (unclosed_string, 4),
}
"""Kind of error -> what finds places for it, and how readily it is drawn."""
