"""`doc` examples: sessions and code blocks of docstrings and guides as programs, their stated output as checks."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from registry.names import SymbolIndex
from registry.records import Example, Page, Program, Symbol
from synth.blocks import prompted
from synth.claims import by_relevance, called
from synth.sessions import Session, sessions
from synth.stubs import stub
from synth.tasks import task_text
from synth.text import module_of

GENERATOR, VERSION = "doc_examples", "5"


def mine(
    pages: Iterable[Page],
    symbols: Iterable[Symbol],
    index: SymbolIndex,
    *,
    domain: str,
    packages: Iterable[str] = (),
) -> Iterator[Program | Example]:
    """The `doc` examples of one release: of its docstrings, then of its guides.

    Args:
        pages: The release's pages: guides are read, source and test pages tell which names mean what.
        symbols: The release's symbols, whose docstrings are read.
        index: The same symbols, indexed.
        domain: The domain's name.
        packages: Importable third-party packages that the environment has beside the library.

    Yields:
        For each example its answer, its stub, then the Example.
    """
    every = sorted(pages, key=lambda p: (p.path, p.id))
    texts = list(_texts(every, symbols))
    names = _Names(every, (text for text, _, _ in texts))
    allowed = frozenset(packages) | index.roots | sys.stdlib_module_names
    found = [
        made
        for text, symbol, page in texts
        for session in sessions(text, echoes=symbol is None or symbol.kind not in ("function", "method"))
        if (made := _candidate(session, symbol, page, names, allowed, index)) is not None
    ]
    uses = Counter(path for _, _, _, paths in found for path in paths)
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for program, symbol, page, paths in found:
        if program.id in seen:
            continue
        seen.add(program.id)
        where = symbol.path if symbol is not None else page.path
        numbers[where] += 1
        claims = _claims(program, symbol, paths, index, uses)
        if not claims:
            continue
        stubbed = stub(program, claims[0], index)
        yield program
        yield stubbed
        yield _example(program, stubbed, symbol, page, claims, index, domain, f"{where}#{numbers[where]}")


def _texts(pages: list[Page], symbols: Iterable[Symbol]) -> Iterator[tuple[str, Symbol | None, Page]]:
    by_id = {p.id: p for p in pages}
    for symbol in sorted(symbols, key=lambda s: s.path):
        page = by_id.get(symbol.page or "")
        if page is not None and ">>>" in (text := prompted(symbol.doc)):
            yield text, symbol, page
    for page in pages:
        if page.kind == "guide" and ">>>" in (text := prompted(page.markdown)):
            yield text, None, page


class _Names:
    """What a name that a session doesn't bind means: in its module, else as most code and docs import it.

    A library's own modules may import what nobody else should (`import lib._reexport as lb`).
    """

    def __init__(self, pages: list[Page], texts: Iterable[str]) -> None:
        self._pages = [p for p in pages if p.kind in ("source", "test")]
        self._texts = list(texts)
        self._modules: dict[str, dict[str, str]] = {}

    def statement(self, name: str, page: Page | None) -> str | None:
        """The import that binds `name`; None where nothing tells."""
        if page is not None and page.kind == "source":
            found = self._module(page).get(name)
            if found is not None and not _is_private(found):
                return found
        return self._conventions.get(name)

    @cached_property
    def _conventions(self) -> Mapping[str, str]:
        counts: dict[str, Counter[str]] = {}
        modules = (self._module(page, definitions=False) for page in self._pages)
        for found in (*modules, *(_imported(text) for text in self._texts)):
            for name, statement in found.items():
                if not _is_private(statement):
                    counts.setdefault(name, Counter())[statement] += 1
        return {name: min(c, key=lambda s: (-c[s], s)) for name, c in counts.items()}

    def _module(self, page: Page, definitions: bool = True) -> dict[str, str]:
        """Name -> import statement of what a module's top level binds."""
        key = f"{page.id}{definitions}"
        if key not in self._modules:
            self._modules[key] = _bindings(page, definitions)
        return self._modules[key]


def _is_private(statement: str) -> bool:
    """Whether an import is of a private module, or out of one."""
    return any(part.startswith("_") for part in statement.split()[1].split("."))


_IMPORT = re.compile(r"^[ \t]*>>>[ \t]+((?:import|from)[ \t].*)$", re.MULTILINE)


def _imported(text: str) -> dict[str, str]:
    """Name -> import statement of what a text's sessions import."""
    found: dict[str, str] = {}
    for line in _IMPORT.findall(text):
        try:
            found |= _bound_by(ast.parse(line).body)
        except SyntaxError:
            continue
    return found


def _bindings(page: Page, definitions: bool) -> dict[str, str]:
    try:
        body = ast.parse(page.markdown).body
    except SyntaxError:
        return {}
    found = _bound_by(body)
    if definitions:
        own = (n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef)))
        found |= {name: f"from {module_of(page)} import {name}" for name in own}
    return found


def _bound_by(body: Iterable[ast.stmt]) -> dict[str, str]:
    """Name -> import statement, of absolute imports."""
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Import):
            found.update(
                {
                    a.asname or a.name.partition(".")[0]: ast.unparse(ast.Import(names=[a]))
                    for a in node.names
                    if a.asname or "." not in a.name
                }
            )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update(
                {
                    a.asname or a.name: ast.unparse(ast.ImportFrom(module=node.module, names=[a], level=0))
                    for a in node.names
                    if a.name != "*"
                }
            )
    return found


def _candidate(
    session: Session,
    symbol: Symbol | None,
    page: Page,
    names: _Names,
    allowed: frozenset[str],
    index: SymbolIndex,
) -> tuple[Program, Symbol | None, Page, tuple[str, ...]] | None:
    """The session's program with its imports; None where a name or a package is missing, or nothing is called."""
    imports: dict[str, None] = {}
    for name in session.unbound:
        statement = names.statement(name, page)
        if statement is None:
            return None
        imports.setdefault(statement)
    head = "\n".join(sorted(imports, key=lambda s: (s.split()[1].partition(".")[0] in index.roots, s)))
    code = "\n\n".join(part for part in (_join_imports(head, session), session.body) if part)
    try:
        tree = ast.parse(code)
        ast.parse(session.test)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(m.partition(".")[0] not in allowed for m in modules):
            return None
    paths = called(code, index)
    paths = tuple(p for p in paths if p in index.by_path and index.by_path[p].kind != "module")
    known = symbol is not None and symbol.kind != "module"
    if (
        symbol is not None
        and known
        and symbol.path not in paths
        and _reads_attribute(tree, symbol.path.rpartition(".")[2])
    ):
        paths = (symbol.path, *paths)
    return (Program(code=code, test=session.test), symbol, page, paths) if paths else None


def _join_imports(head: str, session: Session) -> str:
    return "\n".join(part for part in (head, session.imports) if part)


def _reads_attribute(tree: ast.Module, name: str) -> bool:
    """Whether a program reads `.name` of something: how a method of an unknown object looks."""
    return any(isinstance(n, ast.Attribute) and n.attr == name for n in ast.walk(tree))


def _claims(
    program: Program, symbol: Symbol | None, paths: tuple[str, ...], index: SymbolIndex, uses: Counter[str]
) -> tuple[str, ...]:
    """The docstring's symbol first where the program calls it, else the one it is most about."""
    if symbol is not None and symbol.path in paths and symbol.kind != "module":
        return (symbol.path, *(p for p in paths if p != symbol.path))
    return by_relevance(paths, index, [], uses)


def _example(
    program: Program,
    stubbed: Program,
    symbol: Symbol | None,
    page: Page,
    claims: tuple[str, ...],
    index: SymbolIndex,
    domain: str,
    name: str,
) -> Example:
    # a docstring or page about something else may be of what is held out: its title would name that
    title = symbol.doc.strip().splitlines()[0] if symbol is not None and symbol.path in claims else ""
    parents = (page.id,) if symbol is None else (symbol.id, page.id)
    return Example(
        domain=domain,
        kind="doc",
        releases=(page.release,),
        parts={
            "programs": {"answer": program.id, "stub": stubbed.id},
            "prompt": task_text(title, claims, index, program),
            "name": name,
        },
        symbols=claims,
        file=page.path,
        root=f"{page.release}:{name}",
        generator=GENERATOR,
        generator_version=VERSION,
        parents=parents,
        licence=page.licence,
        source_url=page.url,
    )
