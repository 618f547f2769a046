"""`doc` examples: sessions and code blocks of docstrings and guides as programs, their stated output as checks."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from registry.names import SymbolIndex, dotted_name, imported_names
from registry.records import Example, Page, Program, Symbol
from registry.trees import parse
from synth.claims import by_relevance, called
from synth.mined.blocks import prompted
from synth.mined.outputs import Session, builtin_error
from synth.mined.sessions import sessions
from synth.mined.stubs import stub
from synth.mined.tasks import Tasks
from synth.mined.text import module_of

GENERATOR, VERSION = "doc_examples", "11"

SEEDS = frozenset({"seed", "random_state", "rng"})
"""Parameters that make a draw the same each time."""

LONGEST_TOUR = 9
"""Statements of an example of a class, beyond which it goes through its methods, and checks little of what it does."""

SAMPLED = "k"
"""The parameter without which a function that could draw a sample takes everything."""


def mine(
    pages: Iterable[Page],
    symbols: Iterable[Symbol],
    index: SymbolIndex,
    *,
    domain: str,
    release: str = "",
    packages: Iterable[str] = (),
) -> Iterator[Program | Example]:
    """The `doc` examples of one release: of its docstrings, then of its guides.

    Args:
        pages: The release's pages: guides are read, source and test pages tell which names mean what.
        symbols: The release's symbols, whose docstrings are read.
        index: The same symbols, indexed.
        domain: The domain's name.
        release: The library and its version, as tasks name it: `networkx 3.6.1`.
        packages: Importable third-party packages that the environment has beside the library.

    Yields:
        For each example its answer, its stub, then the Example.
    """
    every = sorted(pages, key=lambda p: (p.path, p.id))
    texts = list(_texts(every, symbols, index))
    names = _Names(every, (text for text, _, _ in texts), index)
    allowed = frozenset(packages) | index.roots | sys.stdlib_module_names
    found = [
        made
        for text, symbol, page in texts
        for session in sessions(text, symbol is None or symbol.kind not in ("function", "method"), names.error)
        if (made := _candidate(session, symbol, page, names, allowed, index)) is not None
    ]
    uses = Counter(path for made in found for path in made.paths)
    tasks = Tasks(index, release)
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for made in found:
        program = made.program
        if program.id in seen:
            continue
        seen.add(program.id)
        where = made.symbol.path if made.symbol is not None else made.page.path
        numbers[where] += 1
        claims = _claims(program, made.symbol, made.paths, index, uses)
        task = tasks.of_doc(made.prose, claims, program) if claims else None
        if task is None:
            continue
        stubbed = stub(program, claims[0], index)
        yield program
        yield stubbed
        yield _example(made, stubbed, claims, task, domain, f"{where}#{numbers[where]}")


@dataclass(frozen=True)
class _Candidate:
    """A session's program, where it stands, what it calls, and the paragraph above it."""

    program: Program
    symbol: Symbol | None
    page: Page
    paths: tuple[str, ...]
    prose: str


def _texts(
    pages: list[Page], symbols: Iterable[Symbol], index: SymbolIndex
) -> Iterator[tuple[str, Symbol | None, Page]]:
    """Docstrings, then guides; where a session is defined before where a site shows it again, of what inherits it.

    The first of two equal sessions counts: what it is about is stubbed, and a stub of an heir's method changes nothing.
    """
    by_id = {p.id: p for p in pages}
    placed = [(by_id[s.page], s) for s in symbols if s.page in by_id]
    for page, symbol in sorted(
        placed, key=lambda row: (row[0].kind != "source", _is_shown(row[1], index), row[1].path)
    ):
        if ">>>" in (text := prompted(symbol.doc)):
            yield text, symbol, page
    for page in pages:
        if page.kind == "guide" and ">>>" in (text := prompted(page.markdown)):
            yield text, None, page


def _is_shown(symbol: Symbol, index: SymbolIndex) -> bool:
    """Whether a symbol stands under another name of its class alone: how a site lists what a class inherits."""
    owner = symbol.path.rpartition(".")[0]
    return index.canonical(owner) not in (None, owner)


class _Names:
    """What a name that a session doesn't bind means: in its module, else as most code and docs import it.

    A library's own modules may import what nobody else should (`import lib._reexport as lb`), and what they define may
    have a public name elsewhere.
    """

    def __init__(self, pages: list[Page], texts: Iterable[str], index: SymbolIndex) -> None:
        self._index = index
        self._pages = [p for p in pages if p.kind in ("source", "test")]
        self._texts = list(texts)
        self._modules: dict[str, tuple[dict[str, str], frozenset[str]]] = {}

    def statement(self, name: str, page: Page | None) -> str | None:
        """The import that binds `name`; None where nothing tells."""
        if page is not None and page.kind == "source":
            imports, own = self._module(page)
            found = self._own(module_of(page), name) if name in own else imports.get(name)
            if found is not None and not self._is_private(found):
                return found
        return self._conventions.get(name)

    def _own(self, module: str, name: str) -> str:
        """The import of what a module defines: of a private one through the public name, where it has one."""
        if self._index.is_private(module):
            path = f"{module}.{name}"
            public = self._index.public(self._index.canonical(path) or path)
            if public.rpartition(".")[2] == name:
                module = public.rpartition(".")[0]
        return f"from {module} import {name}"

    def error(self, name: str) -> str | None:
        """What a program calls an error that a traceback names: `nx.NetworkXError`; None where it has no such name."""
        if builtin_error(name) is not None:
            return name
        found = (p for p, s in self._index.by_path.items() if p.endswith(f".{name}") and s.kind == "class")
        public = sorted(map(self._index.public, found))
        for path in public[:1]:
            root, _, rest = path.partition(".")
            own = ((a, s) for a, s in self._conventions.items() if s in (f"import {root} as {a}", f"import {root}"))
            if usual := min(((-self._counts[a][s], a) for a, s in own), default=None):
                return f"{usual[1]}.{rest}"
        return None

    @cached_property
    def _conventions(self) -> Mapping[str, str]:
        return {name: min(c, key=lambda s: (-c[s], s)) for name, c in self._counts.items()}

    @cached_property
    def _counts(self) -> Mapping[str, Counter[str]]:
        """Name -> how often each import binds it."""
        counts: dict[str, Counter[str]] = {}
        modules = (self._module(page)[0] for page in self._pages)
        for found in (*modules, *(_imported(text) for text in self._texts)):
            for name, statement in found.items():
                if not self._is_private(statement):
                    counts.setdefault(name, Counter())[statement] += 1
        return counts

    def _module(self, page: Page) -> tuple[dict[str, str], frozenset[str]]:
        """What a module's top level binds: name -> import statement, and what it defines itself; read once."""
        if page.id not in self._modules:
            self._modules[page.id] = _bindings(page)
        return self._modules[page.id]

    def _is_private(self, statement: str) -> bool:
        """Whether an import is of a private module, or out of one."""
        words = statement.split()
        path = words[1] if words[0] == "import" else f"{words[1]}.{words[3]}"
        return any(part.startswith("_") for part in words[1].split(".")) or self._index.is_private(path)


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


def _bindings(page: Page) -> tuple[dict[str, str], frozenset[str]]:
    try:
        body = parse(page.markdown).body
    except SyntaxError:
        return {}, frozenset()
    return _bound_by(body), frozenset(n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef)))


def _bound_by(body: Iterable[ast.stmt]) -> dict[str, str]:
    """Name -> import statement, of absolute imports."""
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Import):
            found.update(
                {a.asname or a.name: f"import {_said(a)}" for a in node.names if a.asname or "." not in a.name}
            )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = (a for a in node.names if a.name != "*")
            found.update({a.asname or a.name: f"from {node.module} import {_said(a)}" for a in members})
    return found


def _said(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _candidate(
    session: Session,
    symbol: Symbol | None,
    page: Page,
    names: _Names,
    allowed: frozenset[str],
    index: SymbolIndex,
) -> _Candidate | None:
    """The session's program with its imports; None where a name or a package is missing, or nothing is called."""
    imports: dict[str, None] = {}
    for name in session.unbound:
        statement = names.statement(name, page) or _of_itself(name, symbol, index)
        if statement is None:
            return None
        imports.setdefault(statement)
    head = "\n".join(sorted(imports, key=lambda s: (s.split()[1].partition(".")[0] in index.roots, s)))
    code = "\n\n".join(part for part in (_join_imports(head, session), session.body) if part)
    try:
        tree = parse(code)
        parse(session.test)
    except SyntaxError:
        return None
    if index.names_private(code) or index.names_private(session.test):
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
    is_aside = symbol is not None and symbol.kind in ("function", "method") and symbol.path not in paths
    is_tour = symbol is not None and symbol.kind == "class" and len(tree.body) > LONGEST_TOUR
    if not paths or is_aside or is_tour or _is_chance(tree, index):
        return None  # is_aside: it only sets the scene, or shows something else
    return _Candidate(Program(code=code, test=session.test), symbol, page, paths, session.prose)


def _of_itself(name: str, symbol: Symbol | None, index: SymbolIndex) -> str | None:
    """The import of what a text is about, where it says its bare name: a site has no source that would tell."""
    if symbol is None or symbol.kind not in ("function", "class"):
        return None
    module, _, own = symbol.path.rpartition(".")
    home = index.by_path.get(module)
    return f"from {module} import {own}" if own == name and (home is None or home.kind == "module") else None


def _is_chance(tree: ast.Module, index: SymbolIndex) -> bool:
    """Whether a program draws at random what it asserts: a call that takes a seed isn't given one."""
    imported = imported_names(tree, index.roots)
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        head, dot, rest = (dotted_name(node.func) or "").partition(".")
        if head not in imported:
            continue
        symbol = index.by_path.get(index.canonical(imported[head] + dot + rest) or "")
        names = [str(p.get("name")) for p in symbol.parameters] if symbol is not None else []
        given = {k.arg for k in node.keywords} | set(names[: len(node.args)])
        if SEEDS & set(names) and not SEEDS & given and (SAMPLED not in names or SAMPLED in given):
            return True
    return False


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


def _example(made: _Candidate, stubbed: Program, claims: tuple[str, ...], task: str, domain: str, name: str) -> Example:
    page, symbol = made.page, made.symbol
    return Example(
        domain=domain,
        kind="doc",
        releases=(page.release,),
        parts={
            "programs": {"answer": made.program.id, "stub": stubbed.id},
            "prompt": task,
            "name": name,
        },
        symbols=claims,
        file=page.path,
        root=f"{page.release}:{name}",
        generator=GENERATOR,
        generator_version=VERSION,
        parents=(page.id,) if symbol is None else (symbol.id, page.id),
        licence=page.licence,
        source_url=page.url,
    )
