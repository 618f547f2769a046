"""Simple fixtures of pytest's, inlined: what they build becomes statements before the test's own.

A fixture is simple where its body ends with its only `return` or `yield`, and all it asks for is simple too; of
`request` it may use `param`, whose values are rows as those of `parametrize`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from synth.dataflow import flow_all, nodes
from synth.mined.parameters import written
from synth.mined.suites import Function, Module, NotAloneError, TestFunction
from synth.source import parsed

DEEPEST = 5
"""Fixtures that ask for fixtures that ask … : more levels than this are not simple."""

_BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "tmp_path": ("import pathlib", "import tempfile", "tmp_path = pathlib.Path(tempfile.mkdtemp())"),
}
"""Fixtures of pytest's own, as statements."""


@dataclass
class Fixture:
    """A simple fixture.

    Attributes:
        name: What tests ask for.
        module: Where it is defined.
        body: Its statements before its value.
        value: Its value.
        asked: The fixtures that it asks for.
        rows: The values of `request.param`, as source; empty where it has none.
        text: Statements instead of a body, for pytest's own.
    """

    name: str
    module: Module
    body: list[ast.stmt] = field(default_factory=list)
    value: ast.expr | None = None
    asked: list[Fixture] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    text: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name under which its `request.param` stands among a test's parameters."""
        return f"{self.name}@param"

    def every(self) -> Iterator[Fixture]:
        """The fixtures it asks for, the deepest first, then itself."""
        for other in self.asked:
            yield from other.every()
        yield self

    def statements(self, given: Mapping[str, str]) -> list[str]:
        """Its statements as source.

        Args:
            given: Values of parameters, those of `request.param` under the fixtures' keys.
        """
        if self.value is None:
            return list(self.text)
        made = [self._text(s, given) for s in self.body]
        value = self._text(ast.Expr(self.value, lineno=self.value.lineno), given, inline=True)
        return made if value == self.name else [*made, f"{self.name} = {value}"]

    def locals(self) -> frozenset[str]:
        """The names that its body binds, its own apart."""
        return flow_all(self.body).binds - {self.name}

    def _text(self, statement: ast.stmt, given: Mapping[str, str], inline: bool = False) -> str:
        edits = [
            (*self.module.source.span(node), _bracketed(given[self.key]))
            for node in nodes(statement)
            if _is_param(node) and self.key in given
        ]
        if not inline:
            return self.module.text(statement, edits)
        assert isinstance(statement, ast.Expr)
        if _is_param(statement.value):
            return given[self.key]
        if edits:
            raise NotAloneError(f"fixture {self.name} computes with its parameter")
        return self.module.source.inline(statement.value)


def find(test: TestFunction, name: str) -> Fixture:
    """The fixture that a test means by a name: of its class, its module, or the nearest conftest above.

    Raises:
        NotAloneError: There is none, or it is not simple.
    """
    return _find(test, test.module, name, 0)


def _find(test: TestFunction, module: Module, name: str, depth: int) -> Fixture:
    if name in _BUILT_IN:
        return Fixture(name, module, text=_BUILT_IN[name])
    if depth > DEEPEST:
        raise NotAloneError(f"fixture {name}, too deep")
    for where, node, method in _definitions(test, module):
        if (options := _options(node)) is not None and (options.get("name") or node.name) == name:
            return _made(test, where, node, method, options.get("params"), depth)
    raise NotAloneError(f"fixture {name}")


def _definitions(test: TestFunction, module: Module) -> Iterator[tuple[Module, Function, bool]]:
    for where, cls in test.owner:
        yield from ((where, s, True) for s in cls.body if isinstance(s, ast.FunctionDef))
    places = [module]
    for end in range(len(module.package), -1, -1):
        conftest = test.suite.get(".".join([*module.package[:end], "conftest"]))
        if conftest is not None and conftest is not module:
            places.append(conftest)
    for where in places:
        try:
            yield from ((where, s, False) for s in where.statements if isinstance(s, ast.FunctionDef))
        except SyntaxError:
            continue


def _options(node: Function) -> dict[str, ast.expr | str] | None:
    """The options of a function's `pytest.fixture`; None where it is no fixture, or has other decorators too."""
    if len(node.decorator_list) != 1:
        return None
    mark = node.decorator_list[0]
    call = mark if isinstance(mark, ast.Call) else None
    if ast.unparse(call.func if call else mark) not in ("pytest.fixture", "fixture"):
        return None
    found: dict[str, ast.expr | str] = {k.arg: k.value for k in (call.keywords if call else []) if k.arg}
    named = found.get("name")
    if isinstance(named, ast.Constant) and isinstance(named.value, str):
        found["name"] = named.value
    return found


def _made(
    test: TestFunction, module: Module, node: Function, method: bool, params: ast.expr | str | None, depth: int
) -> Fixture:
    name, body = node.name, list(node.body)
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    match body[-1] if body else None:
        case ast.Return(value=ast.expr() as value) | ast.Expr(value=ast.Yield(value=ast.expr() as value)):
            body = body[:-1]
        case _:
            raise NotAloneError(f"fixture {name}, not simple")
    parts = [n for s in [*body, ast.Expr(value)] for n in nodes(s)]
    if any(isinstance(n, (ast.Return, ast.Yield, ast.YieldFrom, ast.Await)) for n in parts):
        raise NotAloneError(f"fixture {name}, not simple")
    asked = [a.arg for a in node.args.args][int(method) :]
    free = sum(isinstance(n, ast.Name) and n.id in ("request", "self") for n in parts)
    if free != sum(map(_is_param, parts)) or (method and [a.arg for a in node.args.args[:1]] != ["self"]):
        raise NotAloneError(f"fixture {name}, not simple")
    rows = _rows(module, params) if any(map(_is_param, parts)) else []
    others = [_find(test, module, other, depth + 1) for other in asked if other != "request"]
    return Fixture(name, module, body, value, others, rows)


def _rows(module: Module, params: ast.expr | str | None) -> list[str]:
    if not isinstance(params, ast.expr):
        raise NotAloneError("fixture without rows")
    return written(module, params)


def _is_param(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="request"), attr="param"):
            return True
    return False


def _bracketed(value: str) -> str:
    tree = ast.parse(value, mode="eval").body
    return (
        value
        if isinstance(tree, (ast.Constant, ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.Call))
        else f"({value})"
    )


def statements_of(fixtures: list[Fixture], given: Mapping[str, str], taken: frozenset[str]) -> list[tuple[Module, str]]:
    """The statements of fixtures with the modules whose names they use; each fixture once.

    Args:
        fixtures: What a test asks for.
        given: Values of parameters.
        taken: The names that the test itself uses.

    Raises:
        NotAloneError: Two of them, or one and the test, use a name for different things.
    """
    found: dict[str, Fixture] = {}
    for fixture in fixtures:
        for one in fixture.every():
            if found.setdefault(one.name, one).module is not one.module:
                raise NotAloneError(f"two fixtures {one.name}")
    names: set[str] = set()
    for one in found.values():
        if one.locals() & (taken | names | found.keys()):
            raise NotAloneError(f"fixture {one.name} shares a local's name")
        names |= one.locals()
    return [(one.module, text) for one in found.values() for text in one.statements(given) if parsed(text)]
