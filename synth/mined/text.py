"""`text` rows: guides and the library's source as they stand, imports before what imports them.

Pages that say nothing of their own are none: stubs for an index, lists of contents, packages that only import. Long
modules come in portions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from registry.names import SymbolIndex
from registry.prose import says_enough
from registry.records import Example, Page
from registry.text import defined_in
from registry.trees import parse
from synth.mined.portions import portions

GENERATOR, VERSION = "text", "6"


def mine(
    pages: Iterable[Page], index: SymbolIndex, *, domain: str, kinds: Iterable[str] = ("guide", "source")
) -> Iterator[Example]:
    """The `text` rows of one release: its guides by path, then its source with dependencies first.

    Args:
        pages: The release's pages.
        index: The release's symbols: a source row claims those that its page defines.
        domain: The domain's name.
        kinds: Kinds of pages that are read.

    Yields:
        Examples without programs, dependencies first; `parts["depth"]` is how long a chain of imports stands under a
        module (0 for guides): sorted by it, whatever is imported comes first, and a page that comes or goes moves only
        what imports it.
    """
    wanted = frozenset(kinds)
    chosen = [p for p in pages if p.kind in wanted and _is_worth_reading(p)]
    guides = sorted((p for p in chosen if p.kind != "source"), key=lambda p: (p.kind, p.path))
    sources = dependencies_first([p for p in chosen if p.kind == "source"])
    defined = _defined(index)
    placed = [(page, depth, text) for page, depth in sources for text in portions(page.markdown, page.path)]
    for page, depth, text in [*((g, 0, g.markdown) for g in guides), *placed]:
        yield Example(
            domain=domain,
            kind="text",
            releases=(page.release,),
            parts={"programs": {}, "text": text, "depth": depth, "page": page.kind},
            language="python" if page.kind == "source" else "text",
            symbols=defined_in(text, defined.get(page.id, ())),
            file=page.path,
            root=f"{page.release}:{page.path}",
            generator=GENERATOR,
            generator_version=VERSION,
            parents=(page.id,),
            licence=page.licence,
            source_url=page.url,
        )


_OTHERS = frozenset({"extern", "external", "subprojects", "third_party", "vendor", "vendored"})
"""Folders of what isn't the library's own."""


def _is_worth_reading(page: Page) -> bool:
    """Whether a page is the library's own and has prose or code; of source whether it defines or documents anything."""
    if _OTHERS & {part.lstrip("_") for part in page.path.split("/")}:
        return False
    if page.kind != "source":
        return says_enough(page.markdown)
    try:
        tree = parse(page.markdown)
    except SyntaxError:
        return False
    defines = any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) for node in tree.body)
    return defines or says_enough(ast.get_docstring(tree) or "")


def dependencies_first(pages: Iterable[Page]) -> list[tuple[Page, int]]:
    """Modules after those they import, as far as there is no cycle (ties by path), each with its depth.

    The depth is the length of the longest chain of imports below a module.
    """
    by_module = {module_of(p): p for p in sorted(pages, key=lambda p: p.path)}
    imports = {name: _imported(page, by_module) for name, page in by_module.items()}
    done: dict[str, None] = {}
    for start in sorted(by_module):
        _visit(start, imports, done)
    depths: dict[str, int] = {}
    for name in done:
        depths[name] = max((depths[other] for other in imports[name] if other in depths), default=-1) + 1
    return [(by_module[name], depths[name]) for name in done]


def _visit(start: str, imports: Mapping[str, list[str]], done: dict[str, None]) -> None:
    """Depth first without recursion: a module is done after what it imports."""
    stack: list[tuple[str, int]] = [(start, 0)]
    on_path = {start}
    while stack:
        name, at = stack.pop()
        if name in done:
            continue
        waiting = imports[name]
        while at < len(waiting) and (waiting[at] in done or waiting[at] in on_path):
            at += 1
        if at < len(waiting):
            stack += [(name, at + 1), (waiting[at], 0)]
            on_path.add(waiting[at])
        else:
            done.setdefault(name)


def module_of(page: Page) -> str:
    """The dotted name of a page's module."""
    return page.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(page: Page, known: Mapping[str, Page]) -> list[str]:
    """Modules of the library that a module names in imports of its top level, in order."""
    try:
        body = parse(page.markdown).body
    except SyntaxError:
        return []
    own = module_of(page)
    package = own.split(".") if page.path.endswith("__init__.py") else own.split(".")[:-1]
    found: dict[str, None] = {}
    for node in body:
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{a.name}" for a in node.names] + [module]
        else:
            continue
        found.update(dict.fromkeys(n for n in names if n in known and n != own))
    return list(found)


def _defined(index: SymbolIndex) -> dict[str, list[str]]:
    """Page id -> canonical paths of the functions and classes that it defines."""
    found: dict[str, list[str]] = {}
    for path, symbol in sorted(index.by_path.items(), key=lambda item: (item[1].line, item[0])):
        if symbol.page is not None and symbol.kind in ("function", "class"):
            found.setdefault(symbol.page, []).append(path)
    return found
