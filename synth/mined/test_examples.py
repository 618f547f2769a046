"""`test` examples: the library's own test functions, stand-alone, with usage and checks told apart."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from registry.identity import sha256_of
from registry.names import SymbolIndex, statements, tree_of
from registry.records import Example, Page, Program
from synth.claims import by_relevance, called, is_told
from synth.dataflow import unbound
from synth.mined.inlining import stand_alone
from synth.mined.parting import parts
from synth.mined.refusals import refused
from synth.mined.splitting import Split, split
from synth.mined.statements import UnsplittableError
from synth.mined.stubs import stub
from synth.mined.suites import NotAloneError, TestFunction, test_functions, test_names
from synth.mined.tasks import Tasks

GENERATOR, VERSION = "test_examples", "7"
LONGEST = 60
"""Lines of code beyond which a test is no example."""

PARTS = 4
"""Most parts taken of one test; one of each further row of its parameters."""

TRIED = 3
"""Tests looked at for each example wanted, where there is a limit: many can't stand alone."""


@dataclass(frozen=True)
class Row:
    """A test function, one row of its parameters, as a Program.

    Attributes:
        test: Where it comes from.
        script: The flat script, before it was told apart.
        split: Code and test.
        row: Which row of its parameters, from 0.
        part: Which part of the test, from 1.
    """

    test: TestFunction
    script: str
    split: Split
    row: int
    part: int = 1

    @property
    def name(self) -> str:
        """`test_x`, `TestClass.test_x[1]` for its second row of parameters, `test_x#2` for its second part."""
        return self.test.name + (f"[{self.row}]" if self.row else "") + (f"#{self.part}" if self.part > 1 else "")


def mine(
    pages: Iterable[Page],
    index: SymbolIndex,
    *,
    domain: str,
    release: str = "",
    packages: Iterable[str] = (),
    rows: int = 2,
    limit: int | None = None,
    first: Container[str] = (),
) -> Iterator[Program | Example]:
    """The `test` examples of one release.

    Args:
        pages: The release's pages; those of kind `test` are read.
        index: The release's symbols.
        domain: The domain's name.
        release: The library and its version, as tasks name it: `networkx 3.6.1`.
        packages: Importable third-party packages that the environment has beside the library.
        rows: Most rows taken of a parametrised test.
        limit: Most examples. A draw by the tests' names, so that two releases get the same tests. None: all.
        first: Names of the tests that are taken before others.

    Yields:
        For each example its answer, its stub, then the Example.
    """
    allowed = frozenset(packages) | index.roots | sys.stdlib_module_names
    pages = [p for p in pages if p.kind == "test"]
    drawn = None if limit is None else _drawn(pages, limit, first)
    seen: set[tuple[str, str]] = set()
    distinct = []
    for found in stand_alone_rows(test_functions(pages, drawn), rows):
        row = _through_public_modules(found, index)
        text = (row.split.code, row.split.test)
        if any(map(index.names_private, text)):
            continue
        if text not in seen and _fits(row, allowed) and (symbols := called(row.split.code, index)):
            seen.add(text)
            distinct.append((row, symbols))
    if drawn is not None:
        distinct = sorted(distinct, key=lambda made: _rank(made[0], drawn, first))[:limit]
    uses = Counter(path for _, symbols in distinct for path in symbols)
    tasks = Tasks(index, release)
    for row, symbols in distinct:
        program = Program(code=row.split.code, test=row.split.test)
        path = row.test.module.page.path
        names = [row.test.node.name, row.test.name, path.rpartition("/")[2].removesuffix(".py")]
        claims = by_relevance(symbols, index, names, uses)
        task = tasks.of_test(row.test, claims, program)
        if task is None or not is_told(claims[0], names, uses, len(distinct)):
            continue
        stubbed = stub(program, claims[0], index)
        yield program
        yield stubbed
        yield _example(row, program, stubbed, claims, task, domain)


mine.__test__ = False  # type: ignore[attr-defined]


_PRIVATE = re.compile(r"^(?:import|from) ((?:\w+\.)*_\w+(?:\.\w+)*) ?(?:as (\w+)|import (.+))$", re.MULTILINE)
_FROM = re.compile(r"^from ([\w.]+) import (\w+(?:, \w+)*)$", re.MULTILINE)


def _through_public_modules(row: Row, index: SymbolIndex) -> Row:
    """The row with what it imports out of a private module out of a public one, where that has all of it.

    A library's own tests may say `import pandas._testing as tm` or `from pandas.core.indexes.api import Index`;
    anybody else says `pandas.testing`, and `from pandas import Index`.
    """

    def replaced(found: re.Match[str]) -> str:
        private, alias, listed = found.groups()
        public = re.sub(r"(?<=\.)_", "", private)
        text = row.split.code + row.split.test
        wanted = re.findall(rf"\b{alias}\.(\w+)", text) if alias else [n.strip() for n in listed.split(",")]
        paths = [index.canonical(f"{public}.{name.partition(' ')[0]}") for name in wanted]
        return found.group().replace(private, public, 1) if paths and all(paths) else found.group()

    def told(found: re.Match[str]) -> str:
        module, listed = found[1], found[2].split(", ")
        if not index.is_private(module):
            return found[0]
        paths = [index.public(index.canonical(f"{module}.{name}") or "") for name in listed]
        if any(index.is_private(p) or p.rpartition(".")[2] != n for p, n in zip(paths, listed, strict=True)):
            return found[0]
        return "\n".join(f"from {p.rpartition('.')[0]} import {n}" for p, n in zip(paths, listed, strict=True))

    code, test = (_FROM.sub(told, _PRIVATE.sub(replaced, text)) for text in (row.split.code, row.split.test))
    return replace(row, split=replace(row.split, code=code, test=test))


def _drawn(pages: Iterable[Page], limit: int, first: Container[str]) -> dict[str, int]:
    """Names of the tests that are tried where `limit` examples are wanted, with their order."""
    names = {name for page in pages for name in test_names(page)}
    ranked = sorted(names, key=lambda name: (name not in first, sha256_of(name)))
    return {name: rank for rank, name in enumerate(ranked[: TRIED * limit])}


def _rank(row: Row, drawn: Mapping[str, int], first: Container[str]) -> tuple[bool, int]:
    """The place of a row among those that a limited draw takes: of tests that changed every part counts."""
    name = row.test.node.name
    return row.row > 0 or (row.part > 1 and name not in first), drawn[name]


def stand_alone_rows(tests: Iterable[TestFunction], rows: int = 2) -> Iterator[Row]:
    """Every test function that can stand alone and be told apart, a row of its parameters and a part of it each."""
    for test in tests:
        try:
            for number, script in enumerate(stand_alone(test, rows)):
                found = parts(script)[: 1 if number else PARTS]
                for part, text in enumerate(found, start=1):
                    try:
                        yield Row(test, text, split(text), number, part)
                    except (UnsplittableError, SyntaxError, RecursionError):
                        continue
        except (NotAloneError, UnsplittableError, SyntaxError, RecursionError):
            continue


def _fits(row: Row, allowed: frozenset[str]) -> bool:
    """Whether it is of an example's size and imports only what the environment has."""
    code, test = row.split.code, row.split.test
    if code.count("\n") > LONGEST or test.count("\n") > 2 * LONGEST or "pytest" in code + test:
        return False
    try:
        trees = [tree_of(code), tree_of(test)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of comparisons that the test's author meant so
            compile(trees[0], "code", "exec")
    except (SyntaxError, ValueError):
        return False
    if not all(_imports(tree) <= allowed for tree in trees) or unbound([*trees[0].body, *trees[1].body]):
        return False
    if row.test.inherited and any(isinstance(s, ast.ClassDef) for s in trees[0].body):
        return False  # a subclass made only to run another class's tests on
    return refused(*trees) is None


def _imports(tree: ast.Module) -> set[str]:
    """The top-level packages that a program imports."""
    found: set[str] = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found.update(a.name.partition(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _example(row: Row, program: Program, stubbed: Program, claims: tuple[str, ...], task: str, domain: str) -> Example:
    page = row.test.module.page
    home = row.test.owner[0][0].page if row.test.owner else page
    return Example(
        domain=domain,
        kind="test",
        releases=(page.release,),
        parts={
            "programs": {"answer": program.id, "stub": stubbed.id},
            "prompt": task,
            "name": row.name,
        },
        symbols=claims,
        file=home.path,
        root=f"{page.release}:{home.path}::{row.name}",
        generator=GENERATOR,
        generator_version=VERSION,
        parents=tuple(dict.fromkeys((page.id, home.id))),
        licence=page.licence,
        source_url=page.url,
    )
