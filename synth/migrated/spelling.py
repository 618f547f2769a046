"""How a program names a library's functions: through its modules (`nx.bipartite.color`), at either release."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from registry.names import SymbolIndex
from registry.records import Program
from synth.material import Piece
from synth.migrated.calls import Script
from synth.migrated.rules import Rule
from synth.source import Edit, Source, applied


class Speller:
    """Writes the names of functions as the programs around them do.

    Args:
        pieces: Programs to learn the usual import from (`import networkx as nx`).
        old: Symbols of the old release.
        new: Symbols of the new release.
    """

    def __init__(self, pieces: Sequence[Piece], old: SymbolIndex, new: SymbolIndex) -> None:
        self.indexes = (old, new)
        found: Counter[tuple[str, str]] = Counter()
        for piece in pieces:
            for line in piece.program.code.splitlines():
                words = line.split()
                if len(words) == 4 and words[0] == "import" and words[2] == "as" and words[1] in new.roots:
                    found[words[1], words[3]] += 1
        self.alias = {root: root for root in new.roots}
        for (root, name), _ in sorted(found.items(), key=lambda kv: (kv[1], kv[0])):
            self.alias[root] = name

    def names(self, path: str, release: int) -> list[str]:
        """All public paths of a symbol at a release (0 old, 1 new), shortest first."""
        symbol = self.indexes[release].by_path.get(path)
        paths = {path, *(symbol.aliases if symbol else ())}
        return sorted(paths, key=lambda p: (p.count("."), len(p), p))

    def spelled(self, paths: Iterable[str], near: str, script: Script) -> str | None:
        """A symbol with these public paths as the script would write it, best with the same owner as `near`."""
        owner = near.rpartition(".")[0]
        options = []
        for path in paths:
            text = script.spelled(path)
            if text is None:
                root, dot, rest = path.partition(".")
                if script.names.get(self.alias[root], root) != root or self.alias[root] not in script.names:
                    continue
                text = self.alias[root] + dot + rest
            options.append(text)
        return min(options, key=lambda t: (t.rpartition(".")[0] != owner, len(t), t), default=None)

    def old(self, rule: Rule, function: str, script: Script) -> str | None:
        """What a rule's function was called at the old release; `function` where its name did not change.

        None where the script can't name it, or every name it had still works.
        """
        if rule.kind not in ("rename", "move", "wrap") or rule.old == rule.new:
            return function
        new = self.indexes[1]
        if script.resolve(ast.parse(f"({function})", mode="eval").body) is None:  # a method of an object
            owner, _, _ = function.rpartition(".")
            symbol = self.indexes[0].by_path.get(rule.old)
            member = symbol is not None and symbol.kind in ("method", "attribute")
            return f"{owner}.{rule.old.rpartition('.')[2]}" if member and owner else None
        symbol = self.indexes[0].by_path.get(rule.old)
        if symbol is not None and symbol.kind in ("method", "attribute"):
            return None  # a function was no method: there is no object to call it on
        gone = [p for p in self.names(rule.old, 0) if new.canonical(p) is None]
        if rule.kind != "move" and new.canonical(rule.old) is not None:
            gone = self.names(rule.old, 0)  # deprecated, but still there
        return self.spelled([p for p in gone if "." in p], function, script)

    def current(self, path: str, function: str, script: Script) -> str | None:
        """What a symbol of the new release is called in the script."""
        return self.spelled(self.names(path, 1), function, script)

    def through_modules(self, program: Program, wanted: Collection[str], release: int = 1) -> Program:
        """The program with `wanted` symbols that were imported or assigned by name written through their module.

        `from networkx import is_tree` and `is_tree(G)` become `import networkx as nx` and `nx.is_tree(G)`.
        """
        code, more = self._through(program.code, wanted, release)
        test, _ = self._through(program.test, wanted, release, program.code)
        if code == program.code and test == program.test:
            return program
        for root in sorted(more):
            code = f"import {root} as {self.alias[root]}\n" + code
        return Program(code=code, test=test, files=program.files)

    def _through(self, text: str, wanted: Collection[str], release: int, above: str = "") -> tuple[str, set[str]]:
        """A text rewritten, and the packages that it needs an import of."""
        index = self.indexes[release]
        try:
            script = Script(text, index.roots)
            names = {**(Script(above, index.roots).names if above else {}), **script.names}
        except (SyntaxError, ValueError, RecursionError):
            return text, set()
        edits: list[Edit] = []
        missing: set[str] = set()
        for node in ast.walk(script.source.tree):
            if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node.id not in names:
                continue
            path = index.canonical(names[node.id])
            if path is None or path not in wanted:
                continue
            root, dot, rest = self.names(path, release)[0].partition(".")
            edits.append((*script.source.span(node), self.alias[root] + dot + rest))
            if self.alias[root] not in names:
                missing.add(root)
        return without_imports(applied(text, edits), wanted, index) if edits else text, missing


def without_imports(text: str, unwanted: Collection[str], index: SymbolIndex) -> str:
    """The text without imports of these symbols by name that nothing reads any more."""
    source = Source(text)
    reads = {n.id for n in ast.walk(source.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    edits: list[Edit] = []
    for node in source.tree.body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        kept = [
            a
            for a in node.names
            if (a.asname or a.name) in reads or index.canonical(f"{node.module}.{a.name}") not in unwanted
        ]
        if len(kept) == len(node.names):
            continue
        start, end = source.span(node)
        line = ast.unparse(ast.ImportFrom(module=node.module, names=kept, level=node.level)) if kept else ""
        edits.append((start, end if kept else min(end + 1, len(text)), line))
    return applied(text, edits)
