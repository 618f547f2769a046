"""A flat script with assertions -> a Program: the usage in `code`, what it should have come to in `test`.

The usage is evaluated in `code` (`result1 = nx.shortest_path(G, 0, 3)`) and compared in `test` (`assert result1 ==
[0, 1, 2, 3]`), with the right side a literal wherever it is known, so that the sandbox can compare outside the
candidate's process. A check whose sides are both computed stays as its author wrote it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.dataflow import BUILTINS, flow, flow_all, nodes, root_name
from synth.folding import NotConstantError, fold, is_constant, is_literal, literal
from synth.mined.approximate import approx_call, digits_of, round_all, rounded, tolerance
from synth.mined.assembly import Line, joined, line_of, pruned
from synth.mined.checkers import Checkers
from synth.mined.expected import Expected
from synth.mined.loops import Loops
from synth.mined.statements import (
    UnsplittableError,
    asserting_functions,
    assigned_constants,
    changed_by_methods,
    decided,
    effect,
    imported_check,
    is_predicate,
    is_singleton,
    iterates,
    passed_names,
    plain_functions,
    pytest_context,
    raises_call,
    without_warnings,
)
from synth.source import read

LONGEST_LITERAL = 3000
_ORDER_SAFE = frozenset(
    {"all", "any", "bool", "dict", "enumerate", "float", "frozenset", "int", "isinstance", "len", "list",
     "map", "max", "min", "range", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip",
     "abs", "callable", "hasattr", "type", "repr"}
)  # fmt: skip
_CHECKERS = ("_equal", "isinstance", "issubclass", "hasattr", "callable")


@dataclass(frozen=True)
class Split:
    """A script told apart.

    Attributes:
        code: Usage.
        test: Checks.
    """

    code: str
    test: str


def split(script: str) -> Split:
    """Tells a flat script apart.

    Args:
        script: Imports, definitions and statements at top level, with plain asserts and `pytest.raises`/`warns`.

    Raises:
        UnsplittableError: It can't be told apart.
        SyntaxError: It is no Python.
    """
    return Splitter(script).run()


class Splitter:
    """Goes through a script's statements in order, and writes each into the code or the test.

    Args:
        script: The script.
    """

    def __init__(self, script: str) -> None:
        self.source = read(script)
        self.body = decided(without_warnings(decided(self.source.tree.body)))
        self.imported = flow_all(s for s in self.body if isinstance(s, (ast.Import, ast.ImportFrom))).binds
        self.plain = plain_functions(self.body)
        self.taken = {n.id for n in nodes(self.source.tree) if isinstance(n, ast.Name)}
        self.code: list[Line] = []
        self.test: list[Line] = []
        self.counts: dict[str, int] = {}
        self.results: set[str] = set()
        self.tail = False
        self.checks = 0
        self.asserting = asserting_functions(self.body)
        self.constants: dict[str, ast.expr] = {}
        self.values: dict[str, Any] = {}
        self.inert: set[str] = set()
        self.spoiled: set[str] = set()
        self.later: tuple[bool, frozenset[str]] = (False, frozenset())
        self.needs: set[str] = set()
        self.rest: Sequence[ast.stmt] = ()
        self.constructed: dict[str, str] = {}

    def run(self) -> Split:
        """The script told apart."""
        defined = [s.name for s in self.body if isinstance(s, (ast.FunctionDef, ast.ClassDef))]
        if len(set(defined)) < len(defined):
            raise UnsplittableError("a name is defined twice")
        effects = [effect(s, self.asserting) for s in self.body]
        for i, statement in enumerate(self.body):
            after = effects[i + 1 :]
            self.later = (any(m for m, _ in after), frozenset().union(*(b for _, b in after)))
            self.rest = self.body[i + 1 :]
            self.statement(statement)
            self.learn(statement)
        if not self.checks:
            raise UnsplittableError("no checks")
        code, test = pruned(self.code, self.test, self.inert)
        for module in sorted(self.needs):
            place = code if any(module in flow(line.tree).reads for line in code) else test
            if not any(module in flow(line.tree).binds for line in place):
                place.insert(0, line_of(f"import {module}"))
        return self.named(joined(code), joined(test))

    def named(self, code: str, test: str) -> Split:
        """Code and test with `result` for `result1` where there is no second."""
        for stem in [s for s, count in self.counts.items() if count == 1]:
            if stem not in self.taken and not re.search(rf"\b{stem}\b", code + test):
                code, test = (re.sub(rf"\b{stem}1\b", stem, text) for text in (code, test))
        return Split(code, test)

    def learn(self, statement: ast.stmt) -> None:
        """Keeps up which names have a known value after a statement, and which never had another kind."""
        if isinstance(statement, (ast.Assert, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            return
        known = assigned_constants(statement, self.values)
        what = flow(statement)
        for name in what.binds & self.constructed.keys():
            del self.constructed[name]
        touched = what.binds | what.changes | changed_by_methods(statement)
        touched -= passed_names(statement)
        self.forget(touched - known.keys())
        self.inert = (self.inert | known.keys()) - self.spoiled
        for name, (node, value) in known.items():
            self.constants[name], self.values[name] = node, value

    def forget(self, names: Iterable[str]) -> None:
        """Takes names for computed ones."""
        for name in names:
            self.values.pop(name, None)
            self.constants.pop(name, None)
            self.spoiled.add(name)
            self.inert.discard(name)

    # ------------------------------------------------------------------------------------------------ statements

    def statement(self, node: ast.stmt) -> None:
        """Takes in one statement of the top level."""
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            self.emit(self.code, node)
        elif isinstance(node, ast.Assert):
            self.check(node.test)
        elif isinstance(node, ast.Expr) and (raised := raises_call(node.value)):
            Expected(self).raises(raised[0], raised[1], None)
        elif call := imported_check(node, self.asserting):
            Checkers(self).check(call)
        elif isinstance(node, ast.With) and (expected := pytest_context(node, "raises")):
            Expected(self).raises(expected, node.body, node)
        elif isinstance(node, ast.With) and pytest_context(node, "warns", "deprecated_call"):
            Expected(self).warns(node)
        elif self.has_checks(node):
            self.compound(node)
        else:
            self.emit(self.test if self.tail else self.code, node)

    def emit(self, sink: list[Line], node: ast.stmt) -> None:
        """Writes a statement as it stands; of an import each name on a line of its own."""
        comment = self.source.comment_above(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):  # a name each: some are read in the code, some in the test
            for alias in node.names:
                single = ast.Import([alias])
                if isinstance(node, ast.ImportFrom):
                    single = ast.ImportFrom(node.module, [alias], node.level)  # type: ignore[assignment]
                sink.append(line_of(ast.unparse(single)))
        else:
            sink.append(Line(self.source.block([node]), node, comment))

    def has_checks(self, node: ast.stmt) -> bool:
        """Whether a statement holds checks."""
        return any(
            isinstance(n, ast.Assert)
            or (isinstance(n, ast.Call) and (root_name(n.func) in self.asserting or imported_check(n, self.asserting)))
            or (isinstance(n, ast.With) and pytest_context(n, "raises", "warns", "deprecated_call"))
            for n in nodes(node)
        )

    def compound(self, node: ast.stmt) -> None:
        """A statement with checks within it: a loop whose values can be collected, else all of it in the test."""
        if not self.tail:
            loops = Loops(self)
            if isinstance(node, ast.For) and (loops.table(node) or loops.collect(node)):
                return
            if isinstance(node, ast.With) and not pytest_context(node, "raises", "warns", "deprecated_call"):
                raise UnsplittableError("checks in a with block")
        what = flow(node)
        mutates, binds = self.later
        if mutates or what.reads & binds:
            self.tail = True
        self.to_test(self.source.block([node]))
        self.checks += 1

    def to_test(self, text: str, comment: str = "") -> None:
        """Writes a line of the test."""
        if "pytest" in text:
            raise UnsplittableError("pytest in a block of checks")
        self.test.append(line_of(text, comment))

    # --------------------------------------------------------------------------------------------------- checks

    def check(self, node: ast.expr) -> None:
        """Takes in what an assert asserts."""
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            outside = self.later
            for i, value in enumerate(node.values):
                self.later = (outside[0] or any(flow(v).changes for v in node.values[i + 1 :]), outside[1])
                self.check(value)
            self.later = outside
            return
        self.checks += 1
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                self.comparison(left, op, right)
            case ast.Compare(left=left, ops=signs, comparators=others) if len(others) > 1:
                texts = [self.lift(side) for side in (left, *others)]
                rest = (f" {_SIGNS[type(op)]} {text}" for op, text in zip(signs, texts[1:], strict=True))
                self.to_test(f"assert {texts[0]}{''.join(rest)}")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                text = self.lift(operand, truth=True)
                truth = is_predicate(operand) and text in self.results
                self.to_test(f"assert {text} is False" if truth else f"assert not {text}")
            case _:
                text = self.lift(node, truth=True)
                truth = is_predicate(node) and text in self.results
                self.to_test(f"assert {text} is True" if truth else f"assert {text}")

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
        """A comparison: its left side is evaluated in the code, its right side a literal where it is known."""
        if isinstance(op, (ast.Eq, ast.NotEq)) and (approx_call(left) or (is_constant(left, self.values))):
            left, right = right, left
        if is_constant(left, self.values) and is_constant(right, self.values):
            self.forget(flow(left).reads | flow(right).reads)  # something changes them unseen
        sign = _SIGNS[type(op)]
        if isinstance(op, (ast.Is, ast.IsNot)) and not (is_singleton(left) or is_singleton(right)):
            # a literal in place of a name would be another object
            self.to_test(f"assert {self.lift(left, itself=True)} {sign} {self.lift(right, itself=True)}")
            return
        approx = approx_call(right)
        if approx is not None:
            if not isinstance(op, ast.Eq):
                raise UnsplittableError("not approx")
            self.close(left, approx)
            return
        known = self.literal_of(right)
        if known is None and self.compares(left, right):
            self.to_test(f"assert {self.source.inline(left)} {sign} {self.source.inline(right)}")
            return
        whole = isinstance(op, ast.Eq) and (known[0] in "[{(" if known else not iterates(left, right))
        within = isinstance(op, (ast.In, ast.NotIn))
        if known is None and self.is_expected(right, left):
            known = self.source.inline(right)
        first = self.lift(left, copied=whole)
        self.to_test(f"assert {first} {sign} {known or self.lift(right, listed=within, copied=whole)}")

    def close(self, left: ast.expr, approx: ast.Call) -> None:
        """`left == pytest.approx(x, …)`: rounded where x is known, else by `math.isclose`."""
        target = approx.args[0]
        try:
            value = fold(target, self.values)
            digits = digits_of(approx, value)
            self.to_test(f"assert {rounded(self.lift(left), value, digits)} == {literal(round_all(value, digits))}")
        except NotConstantError:
            margin = tolerance(approx)
            self.needs.add("math")
            self.to_test(f"assert math.isclose({self.lift(left)}, {self.lift(target)}, {margin})")

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

    def lift(
        self, node: ast.expr, listed: bool = False, itself: bool = False, truth: bool = False, copied: bool = False
    ) -> str:
        """The text that stands for `node` in the test; what calls the library is evaluated in the code first.

        Args:
            node: An expression.
            listed: Whether it is kept as a list: a view would show later changes.
            itself: Whether the object itself is wanted, not one that is equal to it.
            truth: Whether only its truth value is wanted, which may be another after later changes.
            copied: Whether its value is compared as a whole: parts of it may be changed later.
        """
        if self.tail or self.stays(node):
            return self.source.inline(node)
        if not itself and (known := self.literal_of(node)) is not None:
            return known
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith(_CHECKERS):
            if node.func.id.endswith("_equal") and self.compares(*node.args):
                return self.source.inline(node)
            listed = self.later[0] and node.func.id in ("nodes_equal", "edges_equal")
            arguments = [
                self.source.inline(a) if self.is_expected(a, *node.args) else self.lift(a, listed=listed)
                for a in node.args
            ]
            arguments += [f"{k.arg}={self.lift(k.value)}" for k in node.keywords]
            return f"{node.func.id}({', '.join(arguments)})"
        name = self.fresh("result")
        text = self.source.inline(node)
        if self.later[0] or truth:
            text = self.kept(text, node, listed=listed, truth=truth, copied=copied)
        self.code.append(line_of(f"{name} = {text}"))
        self.results.add(name)
        return name

    def kept(self, text: str, node: ast.expr, *, listed: bool, truth: bool, copied: bool) -> str:
        """`text`, written so that its value is still the same when what it refers to has changed."""
        refers = isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))
        if truth and refers:
            return f"bool({text})"
        if listed and (refers or isinstance(node, ast.Call)):
            with_data = "data" in text or "data" in self.source.inline(node)
            text = f"list({text})"
            copied = copied or with_data
        if copied and (refers or listed):
            self.needs.add("copy")
            return f"copy.deepcopy({text})"
        return text

    def stays(self, node: ast.expr) -> bool:
        """Whether evaluating `node` after all of the code gives the same, and shows nothing of the library's use."""
        mutates, binds = self.later
        if mutates or flow(node).reads & binds:
            return False
        for part in nodes(node):
            if isinstance(part, ast.Call) and not (
                isinstance(part.func, ast.Name)
                and (part.func.id in _ORDER_SAFE | self.plain or part.func.id.endswith("_equal"))
            ):
                return False
            if isinstance(part, (ast.Await, ast.Yield, ast.NamedExpr)):
                return False
        return True

    def compares(self, *sides: ast.expr) -> bool:
        """Whether sides of a comparison are only methods and views of objects: then the objects are what is checked."""
        mutates, binds = self.later
        if mutates or len(sides) < 2 or any(flow(side).reads & binds or flow(side).changes for side in sides):
            return False
        if any(is_constant(side, self.values) for side in sides):
            return False
        calls = [n for side in sides for n in nodes(side) if isinstance(n, ast.Call)]
        return all(
            n.func.id in _ORDER_SAFE if isinstance(n.func, ast.Name) else root_name(n.func) not in self.imported
            for n in calls
        )

    def is_expected(self, side: ast.expr, *others: ast.expr) -> bool:
        """Whether a side of a comparison is made of constants alone, by calls, and another one is not."""
        given = self.imported | BUILTINS
        called = any(isinstance(n, ast.Call) for n in nodes(side))
        return called and flow(side).reads <= given and any(flow(other).reads - given for other in others)

    def fresh(self, stem: str) -> str:
        """A name that the script doesn't use: the stem and the next number."""
        while True:
            self.counts[stem] = self.counts.get(stem, 0) + 1
            name = f"{stem}{self.counts[stem]}"
            if name not in self.taken:
                return name


_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
