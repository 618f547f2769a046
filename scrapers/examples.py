"""The same example in the docs of two releases, with another output: the call does something else now."""

from __future__ import annotations

import ast
import doctest
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry.trees import parse

MAX_CHARACTERS = 50_000
"""Longer docstrings aren't read."""
MAX_OUTPUT = 2000
"""Of a longer output this much is compared."""

_FLOAT = re.compile(r"\d+\.\d{4,}(?:e[+-]?\d+)?")
_SCALAR = re.compile(r"\bnp\.(?:\w+\(([^()]*)\)|(True|False)_)")
"""A scalar of numpy, which version 2 writes as `np.float64(1.0)` and `np.True_`."""
_PARSER = doctest.DocTestParser()


@dataclass(frozen=True)
class Differing:
    """A statement, and what the docs of either release say that it gives."""

    source: str
    old: str
    new: str

    def __str__(self) -> str:
        return f">>> {self.source[:200]}\ngave {self.old[:160]}\ngives {self.new[:160]}"


def differing(old: str, new: str, name: str) -> Differing | None:
    """The first example that both docstrings have, with all that goes before it, and that now gives something else.

    Args:
        old: Docstring of the old release.
        new: Docstring of the new one.
        name: The last part of the symbol's path: examples of something else in its docstring don't count.
    """
    if ">>>" not in old or ">>>" not in new or max(len(old), len(new)) > MAX_CHARACTERS:
        return None
    before = {sources: want for sources, _, want in _examples(old)}
    for sources, source, want in _examples(new):
        was = before.get(sources, "")
        if was and want and _values(was) != _values(want) and _gives(source, name):
            return Differing(source, was, want)
    return None


def _examples(doc: str) -> Iterator[tuple[bytes, str, str]]:
    """Of each example that is run: the digest of the statements up to it, itself, its output."""
    try:
        found = _PARSER.get_examples(doc)
    except ValueError:
        return
    sources = b""
    for example in found:
        source = example.source.strip()
        sources = hashlib.sha256(sources + source.encode("utf-8", "replace")).digest()
        if doctest.SKIP not in example.options and doctest.ELLIPSIS not in example.options:
            yield sources, source, example.want.strip()[:MAX_OUTPUT]


def _values(output: str) -> str:
    """The letters and digits of an output, floats to four places: tables are drawn in other ways at other times."""
    plain = _SCALAR.sub(lambda m: m.group(1) or m.group(2) or "", output)
    return re.sub(r"\W+", " ", _FLOAT.sub(lambda m: f"{float(m.group(0)):.4g}", plain)).strip()


def _gives(source: str, name: str) -> bool:
    """Whether an expression's value is what the named thing gives, as far as its text tells."""
    try:
        tree = parse(source)
    except SyntaxError:
        return False
    if not tree.body or not isinstance(tree.body[-1], ast.Expr) or not re.search(rf"\b{re.escape(name)}\b", source):
        return False
    value = tree.body[-1].value
    return not isinstance(value, ast.Attribute) or value.attr == name
