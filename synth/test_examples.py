"""`test` examples: the library's own test functions, stand-alone, with usage and checks told apart."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.names import SymbolIndex
from registry.records import Example, Page, Program
from synth.claims import by_relevance, called
from synth.dataflow import unbound
from synth.inlining import stand_alone
from synth.splitting import Split, split
from synth.statements import UnsplittableError
from synth.stubs import stub
from synth.suites import NotAloneError, TestFunction, test_functions

GENERATOR, VERSION = "test_examples", "2"
LONGEST = 60
"""Lines of code beyond which a test is no example."""


@dataclass(frozen=True)
class Row:
    """A test function, one row of its parameters, as a Program.

    Attributes:
        test: Where it comes from.
        script: The flat script, before it was told apart.
        split: Code and test.
        row: Which row of its parameters, from 0.
    """

    test: TestFunction
    script: str
    split: Split
    row: int


def mine(
    pages: Iterable[Page],
    index: SymbolIndex,
    *,
    domain: str,
    packages: Iterable[str] = (),
    rows: int = 2,
    limit: int | None = None,
) -> Iterator[Program | Example]:
    """The `test` examples of one release.

    Args:
        pages: The release's pages; those of kind `test` are read.
        index: The release's symbols.
        domain: The domain's name.
        packages: Importable third-party packages that the environment has beside the library.
        rows: Most rows taken of a parametrised test.
        limit: Most examples; taken from the files in turn, strong and short ones first. None: all.

    Yields:
        For each example its answer, its stub, then the Example.
    """
    allowed = frozenset(packages) | index.roots | sys.stdlib_module_names
    candidates = [(r, called(r.split.code, index)) for r in stand_alone_rows(pages, rows) if _fits(r, allowed)]
    uses = Counter(path for _, symbols in candidates for path in symbols)
    seen: set[tuple[str, str]] = set()
    distinct = []
    for row, symbols in candidates:
        text = (row.split.code, row.split.test)
        if symbols and text not in seen:
            seen.add(text)
            distinct.append((row, symbols))
    for row, symbols in distinct if limit is None else _taken(distinct, limit):
        program = Program(code=row.split.code, test=row.split.test)
        path = row.test.module.page.path
        names = [row.test.node.name, row.test.name, path.rpartition("/")[2]]
        claims = by_relevance(symbols, index, names, uses)
        stubbed = stub(program, claims[0], index)
        yield program
        yield stubbed
        yield _example(row, program, stubbed, claims, index, domain)


mine.__test__ = False  # type: ignore[attr-defined]


def stand_alone_rows(pages: Iterable[Page], rows: int = 2) -> Iterator[Row]:
    """Every test function that can stand alone and be told apart, a row of its parameters each."""
    for test in test_functions(pages):
        try:
            for number, script in enumerate(stand_alone(test, rows)):
                try:
                    yield Row(test, script, split(script), number)
                except (UnsplittableError, SyntaxError, RecursionError):
                    continue
        except (NotAloneError, SyntaxError):
            continue


def _taken(candidates: list[tuple[Row, tuple[str, ...]]], limit: int) -> list[tuple[Row, tuple[str, ...]]]:
    """`limit` candidates, from the files in turn; of each file the strong, own and short ones first."""
    files: dict[str, list[tuple[Row, tuple[str, ...]]]] = {}
    for candidate in candidates:
        files.setdefault(candidate[0].test.module.page.path, []).append(candidate)

    def rank(candidate: tuple[Row, tuple[str, ...]]) -> tuple[bool, bool, bool, int, str, int]:
        row = candidate[0]
        owner = row.test.owner
        inherited = bool(owner) and row.test.node not in owner[0][1].body
        size = len(row.split.code) + len(row.split.test)
        return (not row.split.strong, inherited, row.row > 0, size, row.test.name, row.row)

    queues = [sorted(files[path], key=rank) for path in sorted(files)]
    turns = ([q[i] for q in queues if i < len(q)] for i in range(max(map(len, queues), default=0)))
    return [candidate for turn in turns for candidate in turn][:limit]


def _fits(row: Row, allowed: frozenset[str]) -> bool:
    """Whether it is of an example's size and imports only what the environment has."""
    code, test = row.split.code, row.split.test
    if code.count("\n") > LONGEST or test.count("\n") > 2 * LONGEST:
        return False
    try:
        trees = [ast.parse(code), ast.parse(test)]
        compile(code, "code", "exec")
    except (SyntaxError, ValueError):
        return False
    if unbound([*trees[0].body, *trees[1].body]):
        return False
    return all(_imports(tree) <= allowed for tree in trees) and "pytest" not in code + test


def _imports(tree: ast.Module) -> set[str]:
    """The top-level packages that a program imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(a.name.partition(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def _example(
    row: Row, program: Program, stubbed: Program, claims: tuple[str, ...], index: SymbolIndex, domain: str
) -> Example:
    page = row.test.module.page
    home = row.test.owner[0][0].page if row.test.owner else page
    name = row.test.name + (f"[{row.row}]" if row.row else "")
    return Example(
        domain=domain,
        kind="test",
        releases=(page.release,),
        parts={
            "programs": {"answer": program.id, "stub": stubbed.id},
            "prompt": prompt_of(row.test, claims, index, program),
            "name": name,
        },
        symbols=claims,
        file=home.path,
        root=f"{page.release}:{home.path}::{name}",
        generator=GENERATOR,
        generator_version=VERSION,
        parents=tuple(dict.fromkeys((page.id, home.id))),
        licence=page.licence,
        source_url=page.url,
    )


def prompt_of(test: TestFunction, claims: tuple[str, ...], index: SymbolIndex, program: Program) -> str:
    """The task in words: the docstring or the test's name, the calls to use, the names to bind."""
    doc = ast.get_docstring(test.node)
    title = doc.strip().splitlines()[0] if doc and doc.strip() else _words(test.node.name)
    return task_text(title, claims, index, program.test)


def task_text(title: str, claims: Iterable[str], index: SymbolIndex, test: str) -> str:
    """A task in words: a title, the library's calls to use, the names that are checked."""
    calls = ", ".join(f"`{index.public(path)}`" for path in list(claims)[:4])
    names = list(dict.fromkeys(re.findall(r"\b(?:result|results|raised|warned|printed)\d+\b", test)))
    lines = [title.rstrip(".") + ".", f"Use {calls}."]
    if names:
        lines.append(f"Bind {', '.join(f'`{n}`' for n in names)}.")
    return "\n".join(lines)


def _words(name: str) -> str:
    words = re.sub(r"_+", " ", name.removeprefix("test_").removeprefix("test")).strip()
    return words[:1].upper() + words[1:] if words else "Example"
