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

_ESCAPED = re.compile(r"(?<=[<\[])\\|^\\", re.MULTILINE)
"""What the fence puts before what could end it: who copies a program leaves that out."""

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


def labelled(text: str) -> list[tuple[str, str]]:
    """What stands between the fences of a text, in order, each with the line before: what the writer calls it."""
    found, at = [], 0
    for match in FENCED.finditer(text):
        label = text[at : match.start()].rstrip("\n").rpartition("\n")[2]
        found.append((label.rstrip(":"), _ESCAPED.sub("", match[2])))
        at = match.end()
    return found


def statements(text: str) -> Iterator[Statement]:
    """The statements of a text's doctest examples, in order; a paragraph that can't be read ends there."""
    parser = doctest.DocTestParser()
    for paragraph in re.split(r"\n[ \t]*\n", text):
        try:
            for example in parser.get_examples(paragraph):
                yield Statement(example.source, "" if "<BLANKLINE>" in example.want else example.want)
        except ValueError:
            continue


def is_code(text: str) -> bool:
    """Whether a text is Python that does something, and no sentence or name."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.stmt) and not isinstance(node, ast.Expr) for node in tree.body) or any(
        isinstance(node, ast.Call) for node in ast.walk(tree)
    )
