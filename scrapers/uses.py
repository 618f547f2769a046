"""By which names a site's own examples use what it documents: `nx.shortest_path` of an object documented elsewhere.

A package says by its imports which public names an object has; a site often documents it only where it is defined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from registry.names import SymbolIndex
from registry.records import Symbol
from scrapers.inherited import settled

VERSION = "3"
"""Goes up when the same texts give other names."""

_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.|In ?\[\d*\]:)[ \t]+(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^```+ ?(?:python|py|pycon|ipython)\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(\w+)(?:[ \t]+as[ \t]+(\w+))?[ \t]*$", re.MULTILINE)
_FROM = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\w+(?:[ \t]*,[ \t]*\w+)*)[ \t]*$", re.MULTILINE)
_DOTTED = re.compile(r"(?<![\w.)\]])[^\W\d]\w*(?:\.[^\W\d]\w*){1,4}")
_LONGEST = 200_000
"""Characters of code of one text that are looked at."""


def named_by_use(symbols: Iterable[Symbol], guides: Iterable[str]) -> list[Symbol]:
    """The symbols, `settled`, those with more aliases that code in the docs uses by a name which no symbol has.

    A name is a function's or a class's where it ends as that one's path does, its other parts stand in the path in the
    same order, and there is no other such object; or no other whose own text uses it.

    Args:
        symbols: Of one release.
        guides: Texts beside those of the symbols.
    """
    rows = settled(symbols)
    index = SymbolIndex(rows)
    texts = [(row.path, _code(row.doc)) for row in rows if row.doc] + [("", _code(text)) for text in guides]
    shared = _shared((code for _, code in texts), index.roots)
    named: dict[str, list[Symbol]] = {}
    for row in rows:
        if row.kind in ("function", "class"):
            named.setdefault(row.path.rpartition(".")[2], []).append(row)
    users: dict[str, set[str]] = {}
    for path, code in texts:
        for name in _used(code, shared | _bound(code, index.roots), index):
            users.setdefault(name, set()).add(path)
    found: dict[str, list[str]] = {}
    for name, by in sorted(users.items()):
        fitting = [s.path for s in named.get(name.rpartition(".")[2], ()) if _is_short_for(name, s.path)]
        own = fitting if len(fitting) == 1 else [path for path in fitting if path in by]
        if len(own) == 1:
            found.setdefault(own[0], []).append(name)
    return [_with(row, found[row.path]) if row.path in found else row for row in rows]


def _with(symbol: Symbol, names: Iterable[str]) -> Symbol:
    aliases = {*symbol.aliases, *names}
    return replace(symbol, aliases=tuple(sorted(aliases, key=lambda name: (len(name), name))))


def _code(text: str) -> str:
    """The code of a text: what stands behind prompts, and what fences say is Python."""
    fenced = (block for block in _FENCE.findall(text) if ">>>" not in block and "In [" not in block)
    return "\n".join([*_PROMPT.findall(text), *fenced])[:_LONGEST]


def _bound(code: str, roots: frozenset[str]) -> dict[str, str]:
    """Name -> dotted path, of the imports of the library."""
    names = {alias or root: root for root, alias in _IMPORT.findall(code) if root in roots}
    for module, imported in _FROM.findall(code):
        if module.partition(".")[0] in roots:
            names |= {name.strip(): f"{module}.{name.strip()}" for name in imported.split(",")}
    return names


def _shared(codes: Iterable[str], roots: frozenset[str]) -> dict[str, str]:
    """What most of the docs call the library itself: `nx`; an example seldom says it again."""
    counts = Counter((alias or root, root) for code in codes for root, alias in _IMPORT.findall(code) if root in roots)
    names: dict[str, str] = {root: root for root in roots}
    for (name, root), _ in reversed(counts.most_common()):
        names[name] = root
    return names


def _used(code: str, names: Mapping[str, str], index: SymbolIndex) -> Iterator[str]:
    """The dotted names in code that begin at the library, and that no symbol has; beginnings of longer ones too."""
    for dotted in set(_DOTTED.findall(code)):
        head, _, rest = dotted.partition(".")
        if head not in names:
            continue
        parts = f"{names[head]}.{rest}".split(".")
        for end in range(2, len(parts) + 1):
            name = ".".join(parts[:end])
            known = index.canonical(name)
            if known is None:
                yield name
            elif index.by_path[known].kind != "module":
                break
    for path in names.values():
        if "." in path and index.canonical(path) is None:
            yield path


def _is_short_for(name: str, path: str) -> bool:
    """Whether the parts of a name stand in a path in the same order, first and last one at its ends."""
    short, whole = name.split("."), path.split(".")
    left = iter(whole)
    return short[0] == whole[0] and short[-1] == whole[-1] and all(part in left for part in short)
