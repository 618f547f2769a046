"""A maintainers' migration cut to what the release made necessary: other lines stay as they were.

Between two versions of a test stand more changes than the library's: names of results, other sizes, checks that were
added or left out. Of all that only the statements are taken over that name what changed (or stand where the old code
fails), with what these need.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.names import SymbolIndex
from registry.records import Change, Program
from synth.dataflow import flow_all, unbound
from synth.migrated.calls import Methods, Script
from synth.migrated.evidence import aligned, differences
from synth.migrated.slices import scripted
from synth.source import Source

_IMPORTS = (ast.Import, ast.ImportFrom)
_LEAVING = ("removed", "renamed", "moved", "deprecated")
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)

LIKE = 0.6
"""From this likeness on a block is another's successor."""

Side = tuple[Script, SymbolIndex]
"""A program's code, and the symbols of its release."""


@dataclass(frozen=True)
class Focused:
    """An old program with the statements of the new one that mend it.

    Attributes:
        program: It, with the old program's test.
        symbols: Paths of what changed there, then of what stands for it now.
    """

    program: Program
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class _Hunk:
    """Statements that differ.

    Attributes:
        old: The old ones; none where the new ones were put in.
        new: The new ones.
        about: Paths of what changed in them; None where they show no change of the library's.
    """

    old: list[ast.stmt]
    new: list[ast.stmt]
    about: tuple[str, ...] | None = None


class Focus:
    """Cuts migrations to what changed.

    Args:
        old: Symbols of the old release.
        new: Symbols of the new release.
        changes: What changed.
    """

    def __init__(self, old: SymbolIndex, new: SymbolIndex, changes: Iterable[Change]) -> None:
        self.old, self.new = old, new
        kinds = [(c.symbol, c.kind in _LEAVING) for c in changes if c.kind != "added"]
        self.changed, self.leaving = frozenset(p for p, _ in kinds), frozenset(p for p, leaves in kinds if leaves)

    def focused(
        self,
        before: Program,
        after: Program,
        failing: int | None,
        methods: tuple[Methods, Methods],
        *,
        same: bool = True,
        fed: bool = False,
    ) -> Focused | None:
        """The old program brought up to date; None where what changed isn't to be told from the rest.

        Args:
            before: The old program.
            after: The new one.
            failing: Line of the old code that fails at the new release, where one does.
            methods: What names of methods mean in the old and in the new program.
            same: Whether they are versions of one test; another one may show another case.
            fed: Whether what other statements prepare for those that name what changed is taken over too.
        """
        try:
            first = Script(before.code, self.old.roots, methods[0]), self.old
            second = Script(after.code, self.new.roots, methods[1]), self.new
        except (SyntaxError, ValueError, RecursionError):
            return None
        hunks = [self._told(hunk, first, second, failing) for hunk in _hunks(first[0].body, second[0].body)]
        taken = [h for h in hunks if h.about is not None]
        if not taken or (not same and any(_brings_data(h, before.code) for h in taken)):
            return None
        reads = flow_all(s for h in taken for s in h.new).reads
        rest = [h for h in hunks if h.about is None and not _only_imports(h) and (fed or not h.old)]
        taken += [h for h in rest if not _same(h) and flow_all(h.new).binds & reads]
        code = _written(hunks, taken, first[0].source, second[0].source, before.test)
        if unbound([*ast.parse(code).body, *ast.parse(before.test).body]):
            return None
        symbols = tuple(dict.fromkeys(path for h in taken for path in h.about or ()))
        return Focused(Program(code=code, test=before.test, files=before.files), symbols)

    def _told(self, hunk: _Hunk, first: Side, second: Side, failing: int | None) -> _Hunk:
        if _same(hunk) or _only_imports(hunk) or not hunk.old or not hunk.new:
            return hunk
        about = self._about(hunk, first, second)
        if not about and failing is not None and any(s.lineno <= failing <= (s.end_lineno or 0) for s in hunk.old):
            about = tuple(dict.fromkeys(p for s in hunk.old for p in named(s, *first)))
        return _Hunk(hunk.old, hunk.new, about or None)

    def _about(self, hunk: _Hunk, first: Side, second: Side) -> tuple[str, ...]:
        """What changed in two lists of statements: names that went, and calls of changed functions that differ."""
        found: dict[str, None] = {}
        beside: dict[str, None] = {}
        for a, b in _differing(hunk):
            was, now = named(a, *first), named(b, *second)
            names = {self.new.public(p) for p in now}
            for path in was:
                stays = self.old.public(path) in names
                gone = path in self.leaving or self.new.canonical(self.old.public(path)) is None
                if path in self.changed if stays else gone:
                    found.setdefault(path)
            beside.update((p, None) for p in now if self.new.public(p) not in {self.old.public(w) for w in was})
            if not was and self._unknown(a, first[0]):
                found.update((p, None) for p in now)
            if isinstance(b, ast.keyword) or isinstance(a, ast.keyword) or _texts(a, b):
                found.update((p, None) for p in _around(a, hunk.old, first))
        return (*found, *(p for p in beside if p not in found)) if found else ()

    def _unknown(self, node: ast.AST, script: Script) -> bool:
        """Whether a name of the library's is none that its new release tells of: a second name of something."""
        meaning = script.resolve(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
        return meaning is not None and self.new.canonical(meaning) is None


def named(node: ast.AST, script: Script, index: SymbolIndex) -> list[str]:
    """Canonical paths of what an expression or statement names, methods of objects too where it can be only one."""
    found: dict[str, None] = {}
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Name, ast.Attribute)):
            meaning = script.resolve(inner)
            path = index.canonical(meaning) if meaning else None
            if path is None and meaning is None:
                options = script.options(inner)
                path = options[0] if len(options) == 1 else None
            if path in index.by_path and index.by_path[path].kind != "module":
                found.setdefault(path)
    return list(found)


def _hunks(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> Iterator[_Hunk]:
    """Both scripts in order, statement by statement where these belong together."""
    texts = [ast.unparse(s) for s in old], [ast.unparse(s) for s in new]
    for tag, i, j, k, m in difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from (_Hunk([a], [b]) for a, b in zip(old[i:j], new[k:m], strict=True))
        else:
            yield from _split(list(old[i:j]), list(new[k:m]))


def _split(old: list[ast.stmt], new: list[ast.stmt]) -> Iterator[_Hunk]:
    """A hunk, statement by statement where these belong together in order, and what is left between them."""
    i = j = 0
    for a, b in _together(old, new):
        at, to = old.index(a), new.index(b)
        if to < j:
            continue
        if at > i or to > j:
            yield _Hunk(old[i:at], new[j:to])
        yield _Hunk([a], [b])
        i, j = at + 1, to + 1
    if old[i:] or new[j:]:
        yield _Hunk(old[i:], new[j:])


def _together(old: list[ast.stmt], new: list[ast.stmt]) -> list[tuple[ast.stmt, ast.stmt]]:
    """Statements that belong together; one block that became several belongs to the likest of them."""
    found = list(aligned(old, new))
    if found or len(old) != 1:
        return found
    text = ast.unparse(old[0])
    likeness = {
        s: difflib.SequenceMatcher(None, text, ast.unparse(s), autojunk=False).ratio()
        for s in new
        if type(s) is type(old[0])
    }
    best = max(likeness, key=lambda s: likeness[s], default=None)
    return [(old[0], best)] if best is not None and likeness[best] > LIKE else []


def _same(hunk: _Hunk) -> bool:
    return len(hunk.old) == len(hunk.new) == 1 and ast.dump(hunk.old[0]) == ast.dump(hunk.new[0])


def _only_imports(hunk: _Hunk) -> bool:
    return all(isinstance(s, _IMPORTS) for s in (*hunk.old, *hunk.new))


def _differing(hunk: _Hunk) -> list[tuple[ast.AST, ast.AST]]:
    if len(hunk.old) == len(hunk.new) == 1:
        return differences(hunk.old[0], hunk.new[0])
    return [(ast.Module(hunk.old, []), ast.Module(hunk.new, []))]


def _texts(a: ast.AST, b: ast.AST) -> bool:
    """Whether one text stands in another's place, as names of options do."""
    return all(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in (a, b))


def _around(node: ast.AST, statements: Sequence[ast.stmt], side: Side) -> list[str]:
    """What the innermost call around a node calls."""
    calls = [c for s in statements for c in ast.walk(s) if isinstance(c, ast.Call) and node in ast.walk(c)]
    return named(calls[-1].func, *side)[:1] if calls else []


def _brings_data(hunk: _Hunk, code: str) -> bool:
    """Whether new statements hold collections of values that the old code knows nothing of: they show another case."""
    known = {ast.dump(n) for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant)}
    known |= {ast.dump(ast.Constant(k.arg)) for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)
              for k in n.keywords}  # fmt: skip
    displays = (n for s in hunk.new for n in ast.walk(s) if isinstance(n, _DISPLAYS))
    return any(isinstance(n, ast.Constant) and ast.dump(n) not in known for d in displays for n in ast.walk(d))


def _written(hunks: Sequence[_Hunk], taken: Sequence[_Hunk], old: Source, new: Source, test: str) -> str:
    """The old script with some hunks in their new form, and the imports of either that it reads."""
    kept: list[tuple[Source, ast.stmt]] = []
    for hunk in hunks:
        if hunk in taken:
            kept += [(new, s) for s in hunk.new]
        elif not _only_imports(hunk):
            kept += [(old, s) for s in hunk.old]
    body = [(source, s) for source, s in kept if not isinstance(s, _IMPORTS)]
    before = flow_all(s for hunk in taken for s in hunk.old).reads
    for fed in [s for hunk in reversed(hunks) if not hunk.new for s in hunk.old if flow_all([s]).binds & before]:
        others = flow_all([*(s for _, s in body if s is not fed), *ast.parse(test).body])
        if not flow_all([fed]).binds & others.reads:
            body = [(source, s) for source, s in body if s is not fed]  # what the old form alone needed
    reads = flow_all([*(s for _, s in body), *ast.parse(test).body]).reads
    imports: dict[str, tuple[Source, ast.stmt]] = {}
    for source in (old, new):
        for statement in source.tree.body:
            if isinstance(statement, _IMPORTS) and flow_all([statement]).binds & reads:
                imports.setdefault(ast.unparse(statement), (source, statement))
    return scripted([*imports.values(), *body])[0]
