"""What the names of a test stand for, as far as its imports, and those of the code before it, say."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property

from validators.execution.parsing import parse

_RENAMED = {"pandas._testing": "pandas.testing", "numpy.random.mtrand": "numpy.random"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a name or attributes of a name, else an empty string."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class Names:
    """The dotted paths of names that are bound by imports and by nothing else.

    Args:
        sources: Programs, or their syntax trees, that run one after the other in one namespace.
    """

    def __init__(self, *sources: str | ast.Module) -> None:
        self._sources = sources

    def path(self, node: ast.expr) -> str:
        """`numpy.testing.assert_allclose` for `npt.assert_allclose` after `import numpy.testing as npt`.

        A name that nothing binds stands for itself; one that is bound otherwise, or twice, for nothing (``""``). So
        does a function that was imported under another name: the code before the test may not choose what it checks.
        """
        written = dotted(node)
        root, _, rest = written.partition(".")
        if not root or root in self._bound or len(self._imports.get(root, {root})) > 1:
            return ""
        (target,) = self._imports.get(root, {root})
        found = f"{target}.{rest}" if rest else target
        for old, new in _RENAMED.items():
            if found.startswith(f"{old}."):
                found = new + found.removeprefix(old)
        return found if rest or found.rpartition(".")[2] == written else ""

    def declared(self, name: str) -> ast.stmt | None:
        """The statement that alone binds a name, a class or an assignment; None where there is no such."""
        if name in self._imports:
            return None
        found = [
            n
            for n in self._statements
            if getattr(n, "name", None) == name
            or any(isinstance(t, ast.Name) and t.id == name for part in _targets(n) for t in ast.walk(part))
        ]
        plain = len(found) == 1 and isinstance(found[0], (ast.ClassDef, ast.Assign))
        return found[0] if plain else None

    def statement(self, name: str) -> str | None:
        """The import that alone binds a name, as a statement of its own; None where there is no such."""
        if name in self._bound or len(self._imports.get(name, ())) != 1:
            return None
        for node in self._statements:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    if (alias.asname or alias.name.partition(".")[0]) == name:
                        return ast.unparse(type(node)(**{**vars(node), "names": [alias]}))
        return None

    @cached_property
    def _imports(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for node in self._statements:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    target = alias.name if alias.asname else alias.name.partition(".")[0]
                    found.setdefault(alias.asname or target, set()).add(target)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    target = f"{node.module}.{alias.name}" if not node.level else f".{alias.name}"
                    found.setdefault(alias.asname or alias.name, set()).add(target)
            elif isinstance(node, ast.Assign) and (target := _skipping(node)):
                found.setdefault(dotted(node.targets[0]), set()).add(target)
        return found

    @cached_property
    def _bound(self) -> set[str]:
        found: set[str] = set()
        for node in self._statements:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif not (isinstance(node, ast.Assign) and _skipping(node)):
                found.update(n.id for part in _targets(node) for n in ast.walk(part) if isinstance(n, ast.Name))
        return found

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for source in self._sources:
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                module = parse(source) if isinstance(source, str) else source
                found += _outer(module.body)
        return found


def _skipping(node: ast.Assign) -> str:
    """The module of `np = pytest.importorskip("numpy")`, else an empty string."""
    call = node.value
    if isinstance(call, ast.Call) and dotted(call.func) == "pytest.importorskip" and len(node.targets) == 1:
        name = call.args[0] if call.args else None
        if isinstance(node.targets[0], ast.Name) and isinstance(name, ast.Constant):
            return str(name.value)
    return ""


def _outer(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of one namespace, those within blocks too."""
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for name in ("body", "orelse", "finalbody"):
                yield from _outer(getattr(node, name, ()))
            for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
                yield from _outer(part.body)


def _targets(node: ast.stmt) -> Iterator[ast.expr]:
    """What a statement binds names by."""
    if isinstance(node, ast.Assign):
        yield from node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor)):
        yield node.target
    elif isinstance(node, ast.Delete):
        yield from node.targets
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        yield from (i.optional_vars for i in node.items if i.optional_vars)
