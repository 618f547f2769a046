"""What a prompt holds: who asks, the excerpts between its fences, and the code in these."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass

PURPOSE = re.compile(r"^Purpose: (\S+)", re.MULTILINE)
"""The line of a system message that says who asks: `Purpose: task/solution@1`."""

FENCED = re.compile(r"^<<<data ([0-9a-f]+)\n(.*?)\n?^data \1>>>$", re.MULTILINE | re.DOTALL)
"""An excerpt."""

CODE_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)
"""A block of code in an answer."""


@dataclass(frozen=True)
class Statement:
    """A statement of a doctest session.

    Attributes:
        source: Its code.
        want: What is shown to come out; empty where nothing.
    """

    source: str
    want: str = ""

    @property
    def is_expression(self) -> bool:
        """Whether it has a value."""
        try:
            ast.parse(self.source.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        return True


def purpose_of(system: str) -> str:
    """Who asks; empty where nobody says."""
    found = PURPOSE.search(system)
    return found[1] if found else ""


def excerpts(text: str) -> list[str]:
    """What stands between the fences of a text, in order."""
    return [match[2] for match in FENCED.finditer(text)]


def sessions(text: str) -> list[list[Statement]]:
    """The doctest sessions of a text: runs of statements with nothing but their output between them."""
    found: list[list[Statement]] = []
    line = -1
    for example in _examples(text):
        statement = Statement(example.source, "" if "<BLANKLINE>" in example.want else example.want)
        if example.lineno > line or not found:
            found.append([])
        found[-1].append(statement)
        line = example.lineno + example.source.count("\n") + example.want.count("\n") + 1
    return found


def _examples(text: str) -> Iterator[doctest.Example]:
    """Those of a text that can be read; one that can't hides only the rest of its paragraph."""
    parser, at = doctest.DocTestParser(), 0
    for paragraph in re.split(r"(\n[ \t]*\n)", text):
        try:
            for example in parser.get_examples(paragraph):
                example.lineno += at
                yield example
        except ValueError:
            pass
        at += paragraph.count("\n")


def is_code(text: str) -> bool:
    """Whether a text is Python that does something, and no sentence or name."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.stmt) and not isinstance(node, ast.Expr) for node in tree.body) or any(
        isinstance(node, ast.Call) for node in ast.walk(tree)
    )
