"""Programs with holes: what a task shows of its answer, with `...` where the subject is called."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from registry.names import tree_of
from registry.text import Text
from synth.dataflow import flow_all
from synth.source import applied

LONGEST = 72
"""Characters of a comment that says what a hidden call is given."""


@dataclass(frozen=True)
class Holed:
    """A program with holes.

    Attributes:
        text: The program.
        hidden: The expressions that it doesn't show.
    """

    text: str
    hidden: tuple[ast.expr, ...]


def holed(code: str, is_subject: Callable[[ast.expr], bool]) -> Holed | None:
    """The program with `...` for each call of its subject, and in a comment what the call is given.

    Where that is long it stays in its place, and only what is called isn't shown.

    Args:
        code: A program that parses.
        is_subject: Whether an expression names the subject, as `nx.degree` or `G.degree` may.

    Returns:
        The program; None where no statement names the subject.
    """
    return _Holes(code, is_subject).made()


class _Holes:
    def __init__(self, code: str, is_subject: Callable[[ast.expr], bool]) -> None:
        self.text = Text(code)
        self.tree = tree_of(code)
        self.is_subject = is_subject
        self.imported = flow_all(s for s in self.tree.body if isinstance(s, (ast.Import, ast.ImportFrom))).binds
        self.edits: list[tuple[int, int, str]] = []
        self.hidden: list[ast.expr] = []

    def made(self) -> Holed | None:
        comments, unfinished = _comments_and_unfinished(self.text)
        for statement in _statements(self.tree.body):
            given: list[str] = []
            line = 0
            for node in self.outermost(statement):
                given += [text for text in self.hide(node) if text not in given]
                line = node.end_lineno or node.lineno
            if given:
                while line in unfinished:
                    line += 1
                self.comment(line, ", ".join(given), comments)
        return Holed(applied(self.text.text, self.edits), tuple(self.hidden)) if self.hidden else None

    def outermost(self, node: ast.AST) -> Iterator[ast.expr]:
        """The calls of the subject, else its mentions, that aren't within others; none within inner statements."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.stmt, ast.JoinedStr, ast.ExceptHandler)):
                continue  # where nodes within an f-string stand isn't known before Python 3.12
            if isinstance(child, ast.Call) and self.is_subject(child.func):
                yield child
            elif isinstance(child, ast.expr) and isinstance(getattr(child, "ctx", None), ast.Load | None):
                if self.is_subject(child):
                    yield child
                else:
                    yield from self.outermost(child)
            else:
                yield from self.outermost(child)

    def hide(self, node: ast.expr) -> list[str]:
        """Makes a hole, and says what the call there is given."""
        given = self.given(node)
        if len(", ".join(given)) > LONGEST and isinstance(node, ast.Call):
            given, node = self.receiver(node.func), node.func
        start, end = self.text.span(node)
        self.edits.append((start, end, "(...)" if self.text.text[end : end + 1] == "." else "..."))
        self.hidden.append(node)
        return given

    def given(self, node: ast.expr) -> list[str]:
        """What a call is called on and with."""
        if not isinstance(node, ast.Call):
            return self.receiver(node)
        told = [*self.receiver(node.func), *(text for value in node.args for text in self.said(value))]
        for keyword in node.keywords:
            values = self.said(keyword.value)
            name = f"{keyword.arg}=" if keyword.arg else "**"
            told += [name + values[0]] if len(values) == 1 else values
        return told

    def receiver(self, function: ast.expr) -> list[str]:
        """The object whose method is called; none where it is a module."""
        if not isinstance(function, ast.Attribute):
            return []
        root = function.value
        while isinstance(root, ast.Attribute):
            root = root.value
        return [] if isinstance(root, ast.Name) and root.id in self.imported else self.said(function.value)

    def said(self, value: ast.expr) -> list[str]:
        """An argument's text; of one that calls the subject itself, what that call is given."""
        inner = [value] if self.names_subject(value) else list(self.outermost(value))
        if inner:
            return [text for node in inner for text in self.given(node)]
        text = self.text.segment(value)
        return [text if "\n" not in text else ast.unparse(value)]

    def names_subject(self, value: ast.expr) -> bool:
        return self.is_subject(value.func if isinstance(value, ast.Call) else value)

    def comment(self, line: int, given: str, comments: dict[int, int]) -> None:
        """Says behind a line what is given; before what its own comment says."""
        if line in comments:
            at = self.text.offset(line, comments[line]) + 1
            self.edits.append((at, at, f" from {given};"))
        else:
            at = self.text.offset(line, 0) + len(self.text.lines[line - 1].rstrip("\r\n"))
            self.edits.append((at, at, f"  # from {given}"))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body and those within them, but definitions themselves."""
    for statement in body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


_MARKS = re.compile(r"""[#\\]|\"{3}|'{3}|[fF][rR]?["']""")
"""What every comment and every line that goes on within a string has in it; without any there is nothing to find."""


def _comments_and_unfinished(text: Text) -> tuple[dict[int, int], set[int]]:
    """Line -> column in bytes of the comment on it; and the lines behind which no comment can stand.

    Behind these a string goes on, or a backslash says that the line does.
    """
    if not _MARKS.search(text.text):
        return {}, set()
    comments: dict[int, int] = {}
    found = {n for n, line in enumerate(text.lines, start=1) if line.rstrip("\r\n").endswith("\\")}
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text.text).readline):
        found.update(range(token.start[0], token.end[0]))
        name = tokenize.tok_name[token.type]
        if name == "COMMENT":
            comments[token.start[0]] = len(token.line[: token.start[1]].encode())
            found.discard(token.start[0])
        elif name == "FSTRING_START":  # from Python 3.12 on these strings are tokens with others within
            begun.append(token.start[0])
        elif name == "FSTRING_END":
            found.update(range(begun.pop(), token.end[0]))
    return comments, found
