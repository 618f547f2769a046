"""A flat script with assertions -> a Program: the usage in `code`, what it should have come to in `test`.

The usage is evaluated in `code` (`result1 = nx.shortest_path(G, 0, 3)`) and compared in `test` (`assert result1 ==
[0, 1, 2, 3]`), with the right side a literal wherever it is known, so that the sandbox can compare outside the
candidate's process. A check whose sides are both computed stays as its author wrote it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.dataflow import BUILTINS, flow, flow_all, is_mutator, nodes, root_name
from synth.folding import NotConstantError, bindings, fold, is_constant, is_literal, literal
from synth.source import Source, indented, parsed

LONGEST_LITERAL = 3000
_ORDER_SAFE = frozenset(
    "all any bool dict enumerate float frozenset int isinstance len list map max min range reversed round set sorted "
    "str sum tuple zip abs callable hasattr type repr".split()
)
_CHECKERS = ("_equal", "isinstance", "issubclass", "hasattr", "callable")


class UnsplittableError(Exception):
    """The script has a form that can't be told apart into usage and checks; the message says which."""


@dataclass(frozen=True)
class Split:
    """A script told apart.

    Attributes:
        code: Usage.
        test: Checks.
        checks: How many.
        strong: Whether every check has the form whose value can be compared outside.
    """

    code: str
    test: str
    checks: int
    strong: bool


@dataclass(frozen=True)
class _Line:
    """A statement's text with what it does, to find out later what is unused."""

    text: str
    tree: ast.stmt
    comment: str = ""


def split(script: str) -> Split:
    """Tells a flat script apart.

    Args:
        script: Imports, definitions and statements at top level, with plain asserts and `pytest.raises`/`warns`.

    Raises:
        UnsplittableError: It can't be told apart.
        SyntaxError: It is no Python.
    """
    return _Splitter(script).run()


class _Splitter:
    def __init__(self, script: str) -> None:
        self.source = Source(script)
        self.body = self.source.tree.body
        self.taken = {n.id for n in nodes(self.source.tree) if isinstance(n, ast.Name)}
        self.code: list[_Line] = []
        self.test: list[_Line] = []
        self.counts: dict[str, int] = {}
        self.tail = False
        self.strong = True
        self.checks = 0
        self.asserting = _asserting_functions(self.body)
        self.constants = constants(self.body)
        self.values = {name: fold(node) for name, node in self.constants.items()}
        self.later: tuple[bool, frozenset[str]] = (False, frozenset())
        self.needs: set[str] = set()

    def run(self) -> Split:
        effects = [_effect(s, self.asserting) for s in self.body]
        for i, statement in enumerate(self.body):
            after = effects[i + 1 :]
            self.later = (any(m for m, _ in after), frozenset().union(*(b for _, b in after)))
            self.statement(statement)
        if not self.checks:
            raise UnsplittableError("no checks")
        code, test = _pruned(self.code, self.test, self.values)
        for module in sorted(self.needs):
            place = code if any(module in flow(line.tree).reads for line in code) else test
            if not any(module in flow(line.tree).binds for line in place):
                place.insert(0, _line(f"import {module}"))
        return Split(_join(code), _join(test), self.checks, self.strong and not self.tail)

    # ------------------------------------------------------------------------------------------------ statements

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            self.emit(self.code, node)
        elif isinstance(node, ast.Assert):
            self.check(node.test)
        elif isinstance(node, ast.Expr) and (raised := _raises_call(node.value)):
            self.raises(raised[0], raised[1], None)
        elif isinstance(node, ast.With) and (expected := _pytest_context(node, "raises")):
            self.raises(expected, node.body, node)
        elif isinstance(node, ast.With) and _pytest_context(node, "warns", "deprecated_call"):
            self.warns(node)
        elif self.has_checks(node):
            self.compound(node)
        else:
            self.emit(self.test if self.tail else self.code, node)

    def emit(self, sink: list[_Line], node: ast.stmt) -> None:
        text = self.source.block([node])
        sink.append(_Line(text, node, self.comment_above(node)))

    def comment_above(self, node: ast.stmt) -> str:
        """The comment lines that stand directly above a statement."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
        lines: list[str] = []
        while first > 0 and self.source.lines[first - 1].strip().startswith("#"):
            lines.insert(0, self.source.lines[first - 1].strip())
            first -= 1
        return "\n".join(lines)

    def has_checks(self, node: ast.stmt) -> bool:
        return any(
            isinstance(n, ast.Assert)
            or (isinstance(n, ast.Call) and root_name(n.func) in self.asserting)
            or (isinstance(n, ast.With) and _pytest_context(n, "raises", "warns", "deprecated_call"))
            for n in nodes(node)
        )

    def compound(self, node: ast.stmt) -> None:
        """A statement with checks within it: a loop whose values can be collected, else all of it in the test."""
        if not self.tail:
            if isinstance(node, ast.For) and (self.table(node) or self.collect(node)):
                return
            if isinstance(node, ast.With) and not _pytest_context(node, "raises", "warns", "deprecated_call"):
                raise UnsplittableError("checks in a with block")
        what = flow(node)
        mutates, binds = self.later
        if mutates or what.reads & binds:
            self.tail = True
        self.to_test(self.source.block([node]))
        self.strong = False
        self.checks += 1

    def to_test(self, text: str, comment: str = "") -> None:
        if "pytest" in text:
            raise UnsplittableError("pytest in a block of checks")
        self.test.append(_line(text, comment))

    # --------------------------------------------------------------------------------------------------- checks

    def check(self, node: ast.expr) -> None:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for value in node.values:
                self.check(value)
            return
        self.checks += 1
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                self.comparison(left, op, right)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.to_test(f"assert not {self.lift(operand)}")
            case _:
                self.to_test(f"assert {self.lift(node)}")

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
        if isinstance(op, (ast.Eq, ast.NotEq)) and (_approx(left) or (is_constant(left, self.values))):
            left, right = right, left
        sign = _SIGNS[type(op)]
        approx = _approx(right)
        if approx is not None:
            if not isinstance(op, ast.Eq):
                raise UnsplittableError("not approx")
            self.close(left, approx)
            return
        known = self.literal_of(right)
        if known is None and isinstance(op, ast.Eq):
            self.strong = False
        self.to_test(f"assert {self.lift(left)} {sign} {known or self.lift(right)}")

    def close(self, left: ast.expr, approx: ast.Call) -> None:
        """`left == pytest.approx(x, …)`: rounded where x is known, else by `math.isclose`."""
        target = approx.args[0]
        try:
            value = fold(target, self.values)
            digits = digits_of(approx, value)
            self.to_test(f"assert {rounded(self.lift(left), value, digits)} == {literal(round_all(value, digits))}")
        except NotConstantError:
            tolerance = _tolerance(approx)
            self.strong = False
            self.needs.add("math")
            self.to_test(f"assert math.isclose({self.lift(left)}, {self.lift(target)}, {tolerance})")

    def literal_of(self, node: ast.expr, names: Mapping[str, Any] | None = None) -> str | None:
        """The literal that `node` stands for, in the author's own words where it is one."""
        names = self.values if names is None else names
        if isinstance(node, ast.Name) and node.id in self.constants and is_literal(self.constants[node.id]):
            node = self.constants[node.id]
        if is_literal(node):
            text = self.source.inline(node)
        else:
            try:
                text = literal(fold(node, names))
            except NotConstantError:
                return None
        if len(text) > LONGEST_LITERAL:
            raise UnsplittableError("a very long literal")
        return text

    def lift(self, node: ast.expr) -> str:
        """The text that stands for `node` in the test; what calls the library is evaluated in the code first."""
        if self.tail or is_constant(node, self.values) or self.stays(node):
            return self.source.inline(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith(_CHECKERS):
            arguments = [self.lift(a) for a in node.args]
            arguments += [f"{k.arg}={self.lift(k.value)}" for k in node.keywords]
            return f"{node.func.id}({', '.join(arguments)})"
        name = self.fresh("result")
        self.code.append(_line(f"{name} = {self.source.inline(node)}"))
        return name

    def stays(self, node: ast.expr) -> bool:
        """Whether evaluating `node` after all of the code gives the same, and shows nothing of the library's use."""
        mutates, binds = self.later
        if mutates or flow(node).reads & binds:
            return False
        for part in nodes(node):
            if isinstance(part, ast.Call) and not (
                isinstance(part.func, ast.Name) and (part.func.id in _ORDER_SAFE or part.func.id.endswith("_equal"))
            ):
                return False
            if isinstance(part, (ast.Await, ast.Yield, ast.NamedExpr)):
                return False
        return True

    def fresh(self, stem: str) -> str:
        while True:
            self.counts[stem] = self.counts.get(stem, 0) + 1
            name = f"{stem}{self.counts[stem]}"
            if name not in self.taken:
                return name

    # ----------------------------------------------------------------------------------------- raises and warns

    def raises(self, expected: ast.expr, body: Sequence[ast.stmt], block: ast.With | None) -> None:
        if any(isinstance(n, (ast.Assert, ast.Return)) for part in body for n in nodes(part)):
            raise UnsplittableError("checks within raises")
        if block is not None and any(item.optional_vars for item in block.items):
            raise UnsplittableError("the exception is looked at")
        name = self.fresh("raised")
        if block is not None:
            inner = self.source.block(block.body)
        else:
            inner = ast.unparse(body[0])
        if "pytest" in inner:
            raise UnsplittableError("pytest within raises")
        caught = self.source.inline(expected)
        text = (
            f"try:\n{indented(inner.rstrip())}\nexcept {caught}:\n    {name} = True\nelse:\n    {name} = False"
        )
        (self.test if self.tail else self.code).append(_line(text))
        self.checks += 1
        self.to_test(f"assert {name} is True")

    def warns(self, block: ast.With) -> None:
        if any(isinstance(n, (ast.Assert, ast.With)) for s in block.body for n in nodes(s)):
            raise UnsplittableError("checks within warns")
        if len(block.items) != 1 or block.items[0].optional_vars:
            raise UnsplittableError("the warning is looked at")
        call = block.items[0].context_expr
        assert isinstance(call, ast.Call)
        category = self.source.inline(call.args[0]) if call.args else "DeprecationWarning"
        caught, warned = self.fresh("caught"), self.fresh("warned")
        inner = self.source.block(block.body).rstrip()
        if "pytest" in inner:
            raise UnsplittableError("pytest within warns")
        self.needs.add("warnings")
        sink = self.test if self.tail else self.code
        sink.append(
            _line(
                f'with warnings.catch_warnings(record=True) as {caught}:\n    warnings.simplefilter("always")\n'
                f"{indented(inner)}"
            )
        )
        sink.append(_line(f"{warned} = any(issubclass(w.category, {category}) for w in {caught})"))
        self.checks += 1
        self.to_test(f"assert {warned} is True")

    # --------------------------------------------------------------------------------------------------- loops

    def table(self, loop: ast.For) -> bool:
        """`for n in G: assert x[n] == expected[n]` with a known dict `expected`: one comparison of dicts."""
        match loop:
            case ast.For(
                target=ast.Name(id=key),
                body=[ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]))],
                orelse=[],
            ):
                pass
            case _:
                return False
        approx = _approx(right)
        cell = approx.args[0] if approx is not None else right
        match cell:
            case ast.Subscript(value=known, slice=ast.Name(id=index)) if index == key:
                pass
            case _:
                return False
        try:
            expected = fold(known, self.values)
            if not isinstance(expected, dict) or not expected:
                return False
            value = self.source.inline(left)
            if approx is not None:
                digits = max(digits_of(approx, v) for v in expected.values())
                value = f"round({value}, {digits})"
                expected = round_all(expected, digits)
            text = literal(expected)
        except NotConstantError:
            return False
        self.checks += 1
        values = f"{{{key}: {value} for {key} in {self.source.inline(loop.iter)}}}"
        if not (self.stays(loop.iter) and self.stays(left)):
            name = self.fresh("result")
            self.code.append(_line(f"{name} = {values}", self.comment_above(loop)))
            values = name
        self.to_test(f"assert {values} == {text}")
        return True

    def collect(self, loop: ast.For) -> bool:
        """A loop whose asserts compare with known values: the values are collected in a list and compared after it."""
        rounds = self.rounds(loop, [self.values])
        edits: list[tuple[int, int, str]] = []
        before: list[str] = []
        after: list[str] = []
        counts = dict(self.counts)
        for statement, scopes in _checks_of(loop, rounds, self):
            made = self.collected(statement, scopes)
            if made is None:
                self.counts = counts
                return False
            name, value, expected = made
            before.append(f"{name} = []")
            start, end = self.source.span(statement)
            edits.append((start, end, f"{name}.append({value})"))
            after.append(f"assert {expected}")
        if not edits or any(isinstance(n, ast.With) for n in nodes(loop)):
            self.counts = counts
            return False
        text = self.source.block([loop], edits)
        if "pytest" in text:
            raise UnsplittableError("pytest in a loop")
        comment = self.comment_above(loop)
        self.code += [_line(t, c) for t, c in zip(before, [comment, *[""] * len(before)], strict=False)]
        self.code.append(_line(text))
        for line in after:
            self.checks += 1
            self.to_test(line)
        return True

    def rounds(self, loop: ast.For, scopes: list[Mapping[str, Any]] | None) -> list[Mapping[str, Any]] | None:
        """The known names of each round of a loop; None where its values aren't known."""
        if scopes is None or any(isinstance(n, (ast.Break, ast.Continue, ast.Return)) for n in nodes(loop)):
            return None
        made: list[Mapping[str, Any]] = []
        for scope in scopes:
            try:
                made += bindings(loop.target, fold(loop.iter, scope), scope)
            except NotConstantError:
                if isinstance(loop.iter, (ast.Tuple, ast.List)) and isinstance(loop.target, ast.Name):
                    hidden = {k: v for k, v in scope.items() if k != loop.target.id}
                    made += [hidden] * len(loop.iter.elts)
                else:
                    return None
        return made[:200]

    def collected(
        self, statement: ast.Assert, scopes: list[Mapping[str, Any]] | None
    ) -> tuple[str, str, str] | None:
        """Name of the list, what is appended, and the condition on the list; None where nothing is known."""
        match statement.test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if is_constant(left, self.values):
                    left, right = right, left
                expected, value = right, self.source.inline(left)
            case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant() as right]):
                expected, value = right, self.source.inline(left)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if _is_predicate(operand):
                expected, value = ast.Constant(False), self.source.inline(operand)
            case test if _is_predicate(test):
                expected, value = ast.Constant(True), self.source.inline(test)
            case _:
                return None
        approx = _approx(expected)
        try:
            if approx is not None:
                if scopes is None:
                    return None
                wanted = [fold(approx.args[0], scope) for scope in scopes]
                digits = max(digits_of(approx, v) for v in wanted)
                text = literal(round_all(wanted, digits))
                return (name := self.fresh("results")), f"round({value}, {digits})", f"{name} == {text}"
            if scopes is not None:
                text = literal([fold(expected, scope) for scope in scopes])
                return (name := self.fresh("results")), value, f"{name} == {text}"
            known = fold(expected, self.values)
            if isinstance(known, (list, dict, set)):
                return None
            return (name := self.fresh("results")), value, f"set({name}) == {literal({known})}"
        except (NotConstantError, TypeError):
            return None


_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def _checks_of(
    loop: ast.For, scopes: list[Mapping[str, Any]] | None, splitter: _Splitter
) -> Iterable[tuple[ast.Assert, list[Mapping[str, Any]] | None]]:
    """The asserts in a loop with the known names of each time they run; of conditional ones nothing is known."""
    bound = flow_all(loop.body).binds
    if scopes is not None:
        scopes = [{k: v for k, v in scope.items() if k not in bound} for scope in scopes]
    for statement in loop.body:
        if isinstance(statement, ast.Assert):
            yield statement, scopes
        elif isinstance(statement, ast.For):
            yield from _checks_of(statement, splitter.rounds(statement, scopes), splitter)
        else:
            for node in nodes(statement):
                if isinstance(node, ast.Assert):
                    yield node, None


def constants(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    """Names of the top level that are bound once, to a known value, and never changed."""
    bound: dict[str, int] = {}
    values: dict[str, ast.expr] = {}
    changed: set[str] = set()
    for statement in body:
        what = flow(statement)
        if not isinstance(statement, ast.Assert):
            simple = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
            passed = _passed_names(statement) if simple else frozenset()
            changed |= what.changes - passed
        for node in nodes(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                if node.func.attr in _CHANGERS:
                    changed.add(node.func.value.id)
        for name in what.binds:
            bound[name] = bound.get(name, 0) + 1
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                values[target.id] = statement.value
    known: dict[str, Any] = {}
    result: dict[str, ast.expr] = {}
    for name, node in values.items():
        if bound[name] == 1 and name not in changed:
            try:
                value = fold(node, known)
                literal(value)
            except NotConstantError:
                continue
            known[name] = value
            if is_constant(node):
                result[name] = node
    return result


_CHANGERS = frozenset(
    "append add update extend insert pop remove discard clear sort reverse setdefault popitem difference_update "
    "intersection_update symmetric_difference_update".split()
)


def _passed_names(statement: ast.stmt) -> frozenset[str]:
    """Names only handed to a call: literals that a library is given are rarely changed by it."""
    call = statement.value  # type: ignore[attr-defined]
    return frozenset(a.id for a in call.args if isinstance(a, ast.Name))


def _effect(statement: ast.stmt, asserting: frozenset[str]) -> tuple[bool, frozenset[str]]:
    """Whether a statement may change objects, and what it binds: asserts do neither."""
    if isinstance(statement, (ast.Assert, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return False, frozenset()
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        if root_name(statement.value.func) in asserting or _raises_call(statement.value):
            return False, frozenset()
    if isinstance(statement, ast.With) and _pytest_context(statement, "raises"):
        return False, frozenset()
    return is_mutator(statement), flow(statement).binds


def _asserting_functions(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Functions of the script that make checks themselves, and imported ones named so."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.FunctionDef) and any(isinstance(n, ast.Assert) for n in nodes(statement)):
            names.add(statement.name)
        elif isinstance(statement, ast.ImportFrom):
            names.update(n for a in statement.names if (n := a.asname or a.name).startswith("assert"))
    for _ in range(3):  # functions that call such functions
        for statement in body:
            if isinstance(statement, ast.FunctionDef) and any(
                isinstance(n, ast.Call) and root_name(n.func) in names for n in nodes(statement)
            ):
                names.add(statement.name)
    return frozenset(names)


def _is_predicate(node: ast.expr) -> bool:
    """Whether an expression's value is surely a bool that the library computed alone."""
    match node:
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[container]):
            return not isinstance(container, ast.Constant)
        case ast.Call(func=ast.Name(id=name)):
            return name in ("isinstance", "callable", "all", "any") or name.startswith(("is_", "has_"))
        case ast.Call(func=ast.Attribute(attr=name)):
            return name.startswith(("is_", "has_"))
    return False


def _pytest_context(node: ast.With, *names: str) -> ast.expr | None:
    """The first argument (else the call) of `with pytest.raises(…)` or the like; None for other blocks."""
    for item in node.items:
        match item.context_expr:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr=name)) as call if name in names:
                if len(node.items) > 1:
                    raise UnsplittableError("several contexts")
                return call.args[0] if call.args else call
    return None


def _raises_call(node: ast.expr) -> tuple[ast.expr, list[ast.stmt]] | None:
    """Exception and call of `pytest.raises(E, f, *args, **kwargs)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="raises"), args=[caught, function, *rest]):
            call = ast.Call(func=function, args=rest, keywords=node.keywords)
            return caught, [ast.Expr(call)]
    return None


def _approx(node: ast.expr) -> ast.Call | None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="pytest"), attr="approx"), args=[_, *_]):
            return node
        case ast.Call(func=ast.Name(id="approx"), args=[_, *_]):
            return node
    return None


def _option(approx: ast.Call, name: str) -> float | None:
    for keyword in approx.keywords:
        if keyword.arg == name:
            try:
                value = fold(keyword.value)
            except NotConstantError:
                if isinstance(keyword.value, ast.BinOp):  # 10**-7
                    value = eval(ast.unparse(keyword.value), {"__builtins__": {}})  # noqa: S307 - constants only
                    return float(value)
                raise
            return None if value is None else float(value)
    return None


def _tolerance(approx: ast.Call) -> str:
    absolute, relative = _option(approx, "abs"), _option(approx, "rel")
    if relative is None:
        relative = 1e-06 if absolute is None else 0.0
    return f"rel_tol={relative:g}, abs_tol={1e-12 if absolute is None else absolute:g}"


def digits_of(approx: ast.Call, value: Any) -> int:
    """How many decimals agree when numbers agree within the tolerance of `pytest.approx`."""
    absolute, relative = _option(approx, "abs"), _option(approx, "rel")
    if absolute:
        return max(0, round(-math.log10(absolute)))
    sizes = [abs(v) for v in _numbers(value) if v]
    if not sizes:
        return 7
    return max(0, round(-math.log10(relative or 1e-6)) - 1 - math.floor(math.log10(max(sizes))))


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [n for v in value for n in _numbers(v)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    raise NotConstantError("not a number")


def round_all(value: Any, digits: int) -> Any:
    """`value` with every float in it rounded."""
    if isinstance(value, dict):
        return {k: round_all(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(round_all(v, digits) for v in value)
    return round(value, digits)


def rounded(text: str, value: Any, digits: int) -> str:
    """Source that rounds what `text` gives, of the shape of `value`."""
    if isinstance(value, dict) and not any(isinstance(v, (dict, list, tuple)) for v in value.values()):
        return f"{{k: round(v, {digits}) for k, v in {text}.items()}}"
    if isinstance(value, (list, tuple)) and not any(isinstance(v, (dict, list, tuple)) for v in value):
        made = f"round(v, {digits}) for v in {text}"
        return f"[{made}]" if isinstance(value, list) else f"tuple({made})"
    if isinstance(value, (int, float)):
        return f"round({text}, {digits})"
    raise NotConstantError("nested")


def _line(text: str, comment: str = "") -> _Line:
    return _Line(text, parsed(text)[0], comment)


def _pruned(
    code: list[_Line], test: list[_Line], values: Mapping[str, Any]
) -> tuple[list[_Line], list[_Line]]:
    """Without constants and definitions that nobody reads; definitions that only the test reads go there."""
    while True:
        in_code = [flow(line.tree).reads for line in code]
        in_test = frozenset().union(*(flow(line.tree).reads for line in test))
        moved: list[_Line] = []
        kept: list[_Line] = []
        for i, line in enumerate(code):
            binds = flow(line.tree).binds
            definition = isinstance(line.tree, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
            constant = isinstance(line.tree, ast.Assign) and bool(binds) and binds <= values.keys()
            used = any(binds & reads for j, reads in enumerate(in_code) if j != i)
            if not (definition or constant) or used:
                kept.append(line)
            elif binds & in_test:
                moved.append(line)
        if len(kept) == len(code):
            return code, test
        code, test = kept, moved + test


def _join(lines: list[_Line]) -> str:
    """The script of `lines`: imports first, a blank line after them and around definitions."""
    parts: list[str] = []
    last: ast.stmt | None = None
    imports = [line for line in lines if isinstance(line.tree, (ast.Import, ast.ImportFrom))]
    others = [line for line in lines if line not in imports]
    for line in [*_trimmed(imports, lines), *others]:
        if last is not None and _kind(line.tree) != _kind(last):
            parts.append("")
            if "definition" in (_kind(line.tree), _kind(last)):
                parts.append("")
        elif last is not None and _kind(last) == "definition":
            parts += ["", ""]
        if line.comment:
            parts.append(line.comment)
        parts.append(line.text.rstrip())
        last = line.tree
    return "\n".join(parts) + "\n" if parts else ""


def _trimmed(imports: list[_Line], lines: list[_Line]) -> list[_Line]:
    """Imports with only the names that are read, each once."""
    reads = frozenset().union(*(flow(line.tree).reads for line in lines))
    seen: set[str] = set()
    made: list[_Line] = []
    for line in imports:
        node = line.tree
        assert isinstance(node, (ast.Import, ast.ImportFrom))
        names = [a for a in node.names if (a.asname or a.name.split(".")[0]) in reads]
        if names and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            text = ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), "names": names}))
            if text not in seen:
                seen.add(text)
                made.append(_line(text))
    return sorted(made, key=lambda line: (0 if _is_stdlib(line.tree) else 1,))


def _is_stdlib(node: ast.stmt) -> bool:
    import sys

    name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name  # type: ignore[attr-defined]
    return name.split(".")[0] in sys.stdlib_module_names


def _kind(node: ast.stmt) -> str:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    return "definition" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else "statement"


__all__ = ["BUILTINS", "Split", "UnsplittableError", "constants", "split"]
