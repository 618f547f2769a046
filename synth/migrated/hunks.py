"""The library's own functions at two releases: where its authors rewrote a call, they show what stands for it now.

Most such hunks are style. They give codemods that are guesses: what they rewrite is a row only where a run proves it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.records import Page
from registry.text import Text
from registry.trees import parse
from synth.migrated.evidence import Pair

KINDS = ("source", "test")

_Function = ast.FunctionDef | ast.AsyncFunctionDef

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
        before, after = _module(page.markdown), _module(other.markdown)
        if before is None or after is None:
            continue
        for name, function in before.functions.items():
            same = after.functions.get(name)
            if same is None or (before.imports == after.imports and before.segment(name) == after.segment(name)):
                continue
            pair = Pair(before.script(function), after.script(same))
            if pair.old != pair.new:
                yield pair


@dataclass(frozen=True)
class _Module:
    """A module's functions and methods.

    Attributes:
        text: Its source.
        imports: Its imports, as a script.
        functions: Qualified name -> node.
    """

    text: Text
    imports: str
    functions: dict[str, _Function]

    def segment(self, name: str) -> str:
        """A function as it is written."""
        return self.text.segment(self.functions[name])

    def script(self, function: _Function) -> str:
        """The module's imports and a function's body without its docstring, as a script."""
        documented = ast.get_docstring(function, clean=False) is not None
        body = function.body[1:] if documented else function.body
        return "\n".join(part for part in (self.imports, *map(ast.unparse, body)) if part)


def _module(text: str) -> _Module | None:
    try:
        tree = parse(text)
    except SyntaxError:
        return None
    imports = "\n".join(ast.unparse(s) for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom)))
    functions: dict[str, _Function] = {}
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and len(member.body) < LONGEST:
                functions[f"{owner}{member.name}"] = member
    return _Module(Text(text), imports, functions)
