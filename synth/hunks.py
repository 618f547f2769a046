"""The library's own functions at two releases: where its authors rewrote a call, they show what stands for it now.

Most such hunks are style. They give codemods that are guesses: what they rewrite is a row only where a run proves it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from registry.records import Page
from synth.evidence import Pair

KINDS = ("source", "test")

LONGEST = 400
"""Statements of a function, at most."""


def rewritten_functions(old: Iterable[Page], new: Iterable[Page]) -> Iterator[Pair]:
    """The bodies of functions of the same name and file that differ, below the imports of their modules.

    Args:
        old: Pages of the old release; those of kind `source` and `test` are read.
        new: Pages of the new one.
    """
    theirs = {page.path: page for page in new if page.kind in KINDS}
    for page in sorted((p for p in old if p.kind in KINDS), key=lambda p: p.path):
        other = theirs.get(page.path)
        if other is None or other.markdown == page.markdown:
            continue
        before, after = dict(_functions(page.markdown)), dict(_functions(other.markdown))
        for name, code in before.items():
            if name in after and after[name] != code:
                yield Pair(code, after[name])


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """(qualified name, imports and body as a script) of a module's functions and methods."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    imports = [s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))]
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        for member in members:
            if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and len(member.body) < LONGEST:
                owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                documented = ast.get_docstring(member, clean=False) is not None
                body = member.body[1:] if documented else member.body
                yield f"{owner}{member.name}", "\n".join(ast.unparse(s) for s in [*imports, *body])
