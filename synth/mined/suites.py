"""A library's test suite: its modules, its test functions, the classes that they belong to."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from registry.records import Page
from synth.dataflow import flow, flow_all
from synth.mined.unittests import is_case
from synth.source import Edit, Source, parsed

Function = ast.FunctionDef


class NotAloneError(Exception):
    """A test function can't stand alone; the message says why (a fixture, a mark, `self` itself …)."""


class Module:
    """A module of a test suite.

    Args:
        page: Its page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.source = Source(page.markdown)
        parts = page.path.removesuffix(".py").split("/")
        self.package = parts[:-1]
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """Statements of the top level; those under `try` and `if` are not looked into."""
        return self.source.tree.body

    @cached_property
    def bound(self) -> dict[str, list[int]]:
        """Name of the top level -> positions of the statements that bind or change it."""
        found: dict[str, list[int]] = {}
        for i, statement in enumerate(self.statements):
            what = flow(statement)
            for name in sorted(what.binds | what.changes - self.imported):
                found.setdefault(name, []).append(i)
        return found

    @cached_property
    def imported(self) -> frozenset[str]:
        """Names of the top level that imports bind."""
        return flow_all(s for s in self.statements if isinstance(s, (ast.Import, ast.ImportFrom))).binds

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes."""
        return {n.name: n for n in self.statements if isinstance(n, ast.ClassDef)}

    def forget(self) -> None:
        """Gives up what was read of its text: trees of a large suite would take more memory than there is."""
        for name in ("statements", "bound", "imported", "classes"):
            self.__dict__.pop(name, None)
        self.source = Source(self.page.markdown)

    def text(self, statement: ast.stmt, edits: Iterable[Edit] = ()) -> str:
        """A statement's text, relative imports made absolute."""
        if isinstance(statement, ast.ImportFrom) and statement.level:
            base = self.package[: len(self.package) - statement.level + 1]
            module = ".".join([*base, *([statement.module] if statement.module else [])])
            return ast.unparse(ast.ImportFrom(module=module, names=statement.names, level=0))
        return self.source.block([statement], edits)


@dataclass
class TestFunction:
    """A test function or method, before it is made stand-alone.

    Attributes:
        module: Where its text stands.
        node: Its definition.
        owner: The classes that its `self` is of: the test class first, then its bases.
        suite: All modules of the suite, by dotted name.
    """

    __test__ = False  # no test of pytest's

    module: Module
    node: Function
    owner: list[tuple[Module, ast.ClassDef]] = field(default_factory=list)
    suite: Mapping[str, Module] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """`test_x`, or `TestClass.test_x`."""
        return f"{self.owner[0][1].name}.{self.node.name}" if self.owner else self.node.name

    @property
    def inherited(self) -> bool:
        """Whether a base of its class defines it."""
        return bool(self.owner) and self.node not in self.owner[0][1].body


def test_functions(pages: Iterable[Page], names: Container[str] | None = None) -> Iterator[TestFunction]:
    """The test functions of a suite's pages, in the order of files and lines; inherited ones with each class.

    Args:
        pages: The pages; those of kind `test` are read.
        names: The tests that are wanted; files that define none of these aren't parsed. None: all.
    """
    modules = {}
    for page in sorted((p for p in pages if p.kind == "test"), key=lambda p: p.path):
        module = Module(page)
        modules[module.name] = module
    for module in modules.values():
        if names is None or any(name in names for name in test_names(module.page)):
            found = (t for t in _functions(module, modules) if names is None or t.node.name in names)
            try:
                yield from found
            except SyntaxError:
                continue
            module.forget()


def _functions(module: Module, modules: dict[str, Module]) -> Iterator[TestFunction]:
    for node in module.statements:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield TestFunction(module, node, suite=modules)
        elif isinstance(node, ast.ClassDef) and _is_test_class(node):
            yield from _methods(module, node, modules)


def _is_test_class(node: ast.ClassDef) -> bool:
    return node.name.startswith("Test") or is_case(node)


test_functions.__test__ = False  # type: ignore[attr-defined]


def _methods(module: Module, node: ast.ClassDef, modules: dict[str, Module]) -> Iterator[TestFunction]:
    owner = _bases(module, node, modules)
    seen: set[str] = set()
    for origin, cls in owner:
        inherited = cls is not node
        for statement in cls.body:
            if not isinstance(statement, ast.FunctionDef) or statement.name in seen:
                continue
            if statement.name.startswith("test"):
                seen.add(statement.name)
                if not (inherited and cls.name.startswith("Test") and len(owner[0][1].body) == 1):
                    yield TestFunction(origin, statement, owner, modules)


def _bases(
    module: Module, node: ast.ClassDef, modules: dict[str, Module], below: tuple[ast.ClassDef, ...] = ()
) -> list[tuple[Module, ast.ClassDef]]:
    """A class and its bases, as far as they stand in the suite; depth first.

    Args:
        module: Where it stands.
        node: It.
        modules: The suite.
        below: The classes whose base it is: a base of one of their names is an imported class, or one defined before.
    """
    found, below = [(module, node)], (*below, node)
    for base in node.bases:
        name = base.id if isinstance(base, ast.Name) else None
        if name is None:
            continue
        own = module.classes.get(name)
        if own is not None and own not in below:
            found += [pair for pair in _bases(module, own, modules, below) if pair not in found]
            continue
        for i in module.bound.get(name, ()):
            statement = module.statements[i]
            if isinstance(statement, ast.ImportFrom):
                other = modules.get(_module_of(parsed(module.text(statement))[0]))
                original = next((a.name for a in statement.names if (a.asname or a.name) == name), None)
                base_class = other.classes.get(original or "") if other is not None else None
                if other is not None and base_class is not None and base_class not in below:
                    found += _bases(other, base_class, modules, below)
    return found


def _module_of(statement: ast.stmt) -> str:
    return (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""


def changed(old: Iterable[Page], new: Iterable[Page]) -> frozenset[str]:
    """Names of test functions that both suites have, with another text: what their maintainers migrated is there."""
    before, after = _texts(old), _texts(new)
    return frozenset(name for name in before.keys() & after.keys() if not before[name] & after[name])


def test_names(page: Page) -> list[str]:
    """The names of the test functions that a page defines."""
    return [piece.partition("(")[0] for piece in _TEST.split(page.markdown)[1:]]


test_names.__test__ = False  # type: ignore[attr-defined]


def _texts(pages: Iterable[Page]) -> dict[str, set[str]]:
    """Name -> the bodies of the test functions of that name, without what formatters change."""
    found: dict[str, set[str]] = {}
    for page in pages:
        if page.kind == "test":
            for piece in _TEST.split(page.markdown)[1:]:
                name, _, body = piece.partition("(")
                body = _NEXT.split(body, maxsplit=1)[0]
                found.setdefault(name, set()).add(_LAYOUT.sub("", body))
    return found


_TEST = re.compile(r"^[ \t]*def (?=test)", re.MULTILINE)
_NEXT = re.compile(r"^[ \t]*(?:@|class |def )|^(?=[^\s#)])", re.MULTILINE)
_LAYOUT = re.compile(r"#.*|[\s\"'(),]+")
