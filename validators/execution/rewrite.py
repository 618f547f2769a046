"""A test, rewritten so that its comparisons happen outside the process that runs the program.

`assert EXPR == LITERAL` becomes "send EXPR's value": the literal stays with the supervisor and never enters the wall.
`conditions` lists the asserts, and the calls of checking functions, for which that is done. It is done to statements at
the top level, in `with` blocks, and in `for` loops over literals. Besides:

* `with pytest.raises(ERROR):`, also with `match=LITERAL` and `as NAME`, `pytest.raises(ERROR, f, …)`, and what is the
  same in `unittest` and `numpy.testing`: the names of the raised error's classes are sent, and its message. Where no
  class has that name, ERROR may be an alias: the proof is weak then.

LITERAL covers what `constants` can evaluate, and a name that the test binds once to a literal and only compares with. A
test in which anything else decides (`pytest.warns`, a comparison between two of the program's values) is not rewritten:
its proof is weak.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from registry.text import Text
from validators.execution.checks import Check, Condition, NotRewritable, refuse_hidden_checks
from validators.execution.conditions import Reader
from validators.execution.constants import bindings, constant
from validators.execution.names import Names, dotted
from validators.execution.parsing import parse
from validators.execution.patterns import search, tame
from validators.execution.typed import Undecided

__all__ = ["CATCHER", "SENDER", "Check", "NotRewritable", "Rewritten", "Undecided", "rewrite"]

SENDER = "_driftune_check"
"""What the rewritten test calls with a check's number and its values."""

CATCHER = "_driftune_raises"
"""What the rewritten test enters with a check's number, to send what was raised."""

NEXT = -1
"""In place of a check's number: the number after the one before. Within a loop no number stands for one check."""

_LARGEST = 2000
"""Checks of one test."""


@dataclass(frozen=True)
class Rewritten:
    """A test whose checks leave the process as values."""

    test: str
    checks: tuple[Check, ...]

    @property
    def guessable(self) -> bool:
        """Whether every check asks for True, False or None only: a program could claim these without any work."""
        return all(c.guessable for c in self.checks)


def rewrite(test: str, code: str = "") -> Rewritten:
    """The test with its asserts sending values.

    Args:
        test: The test.
        code: What runs before it: a name that it uses too doesn't stay outside.

    Raises:
        NotRewritable: Something else than comparisons with literals decides.
    """
    if SENDER in test or CATCHER in test:
        raise NotRewritable(f"It uses the name {SENDER} or {CATCHER}")
    if re.search(r"(?<!\.)\b(raises|approx)\(", test) and "pytest" not in test + code:
        raise NotRewritable("It calls raises or approx, and not pytest's")
    try:
        return _rewrite(parse(test), test, code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Undecided) as error:
        raise NotRewritable(f"It doesn't parse: {error}") from error


def _rewrite(tree: ast.Module, test: str, code: str) -> Rewritten:
    if (
        sum(len(n.values) if isinstance(n, ast.BoolOp) else isinstance(n, ast.Assert) for n in ast.walk(tree))
        > _LARGEST
    ):
        raise NotRewritable("It has too many checks")
    paths = Names(code, tree)
    uses = Counter(inner.id for inner in ast.walk(tree) if isinstance(inner, ast.Name))
    looped = _looped(tree)
    known = {n: v for n, v in _bound(tree, paths).items() if not re.search(rf"\b{n}\b", code)}
    text = Text(test)
    while True:
        made = _Rewriter(text, known, paths, uses, looped)
        made.statements(tree.body)
        if not made.checks:
            raise NotRewritable("It has no top-level assert")
        alone = {n: v for n, v in known.items() if uses[n] == made.reader.consumed[n] + 1 > 1}
        if len(alone) == len(known):
            return Rewritten(_without_comments(_edited(text, made.edits)), tuple(made.checks))
        known = alone


def _target(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def _bound(tree: ast.Module, paths: Names) -> dict[str, Any]:
    """Names that a top-level statement binds to a literal. They may stay outside if only compared with."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and (name := _target(node)):
            with suppress(ValueError):
                found[name] = constant(node.value, found, paths)
    return found


def _looped(tree: ast.Module) -> Counter[str]:
    """How often a name is used in those loops at the top level that bind it."""
    found: Counter[str] = Counter()
    for node in tree.body:
        if isinstance(node, ast.For):
            names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
            found.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in names)
    return found


class _Rewriter:
    """Goes through a test's statements, and collects the checks and the edits that they come to."""

    def __init__(
        self, test: Text, known: Mapping[str, Any], paths: Names, uses: Counter[str], looped: Counter[str]
    ) -> None:
        self.test = test
        self.known = known
        self.paths = paths
        self.uses = uses
        self.looped = looped
        self.reader = Reader(test, {}, paths)
        self.checks: list[Check] = []
        self.edits: list[tuple[ast.AST, str]] = []
        self.numbered = True

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assert):
            self._add(node, self.reader.conditions(node.test))
        elif isinstance(node, ast.Assign) and _target(node) in self.known:
            self.reader.literal(node.value)
            self.reader.constants[_target(node)] = self.known[_target(node)]
            self.edits.append((node, _padded("(None", node, ")")))
        elif isinstance(node, ast.With):
            self._with(node)
        elif isinstance(node, ast.For) and any(_checks(n) for n in node.body):
            self._loop(node)
        elif isinstance(node, ast.Expr) and (parts := self.reader.statement(node)) is not None:
            self._add(node, parts)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and self._catches(node.value):
            self._called(node.value)
        else:
            refuse_hidden_checks(node)

    def _add(self, node: ast.stmt, parts: Sequence[Condition]) -> None:
        calls = []
        for part in parts:
            values = "".join(f", ({hole})" for hole in part.holes)
            calls.append(f"{SENDER}({self._number()}{values}")
            self.checks.append(part.check(node, self.test))
        self.edits.append((node, _padded("); ".join(calls), node, ")")))

    def _number(self) -> int:
        if len(self.checks) >= _LARGEST:
            raise NotRewritable(f"It has more than {_LARGEST} checks")
        return len(self.checks) if self.numbered else NEXT

    # -------------------------------------------------------------------------------------------- errors raised

    def _with(self, node: ast.With) -> None:
        item = node.items[0]
        call = item.context_expr
        if len(node.items) == 1 and isinstance(call, ast.Call) and self._catches(call):
            if item.optional_vars is not None and not isinstance(item.optional_vars, ast.Name):
                raise NotRewritable(f"Line {node.lineno} keeps what was raised in another way")
            number = self._number()
            check = self._raised(call, 1 + (self._catches(call) == "regex"))
            self.edits.append((call, _padded(f"{CATCHER}({number}", call, ")")))
            self.checks.append(check)
            for statement in node.body:
                refuse_hidden_checks(statement)
            return
        for item in node.items:
            refuse_hidden_checks(item.context_expr)
        self.statements(node.body)

    def _called(self, call: ast.Call) -> None:
        """`pytest.raises(ERROR, function, …)`."""
        fixed = 1 + (self._catches(call) == "regex")
        if len(call.args) <= fixed or isinstance(call.args[fixed], ast.Constant):
            raise NotRewritable(f"Line {call.lineno} calls {dotted(call.func)} in another way")
        number = self._number()
        plain = ast.Call(func=call.func, args=call.args[:fixed], keywords=[])
        check = self._raised(ast.copy_location(plain, call), fixed, call)
        given = [*call.args[fixed:], *call.keywords]
        for argument in given:
            refuse_hidden_checks(argument)
        texts = [self.test.segment(a) for a in given]
        texts = [f"**{t}" if isinstance(a, ast.keyword) and a.arg is None and not t.startswith("**") else t
                 for a, t in zip(given, texts, strict=True)]  # fmt: skip
        self.edits.append((call, _padded(f"{CATCHER}({number}).call({', '.join(texts)}", call, ")")))
        self.checks.append(check)

    def _catches(self, call: ast.Call) -> str:
        """`plain` or `regex` where it is a call of `pytest.raises` or its like, else an empty string."""
        name = dotted(call.func)
        path = self.paths.path(call.func)
        if name in ("pytest.raises", "raises") or path == "numpy.testing.assert_raises":
            return "plain" if call.args else ""
        if path == "numpy.testing.assert_raises_regex":
            return "regex"
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if method in ("assertRaises", "assertRaisesRegex") and name.count(".") == 1 and call.args:
            return "regex" if method == "assertRaisesRegex" else "plain"
        return ""

    def _raised(self, call: ast.Call, fixed: int, shown: ast.Call | None = None) -> Check:
        listed = call.args[0].elts if isinstance(call.args[0], ast.Tuple) else [call.args[0]]
        names = {n.attr if isinstance(n, ast.Attribute) else dotted(n) for n in listed}
        names = {getattr(getattr(builtins, n, None), "__name__", n) for n in names}
        given = {k.arg: k.value for k in call.keywords} | (
            {"match": call.args[1]} if len(call.args) == 2 == fixed else {}
        )
        if len(call.args) != fixed or not set(given) <= {"match"}:
            raise NotRewritable(f"Line {call.lineno} calls {dotted(call.func)} in another way")
        try:
            pattern = tame(self.reader.literal(given["match"]) or "") if given else tame("")
        except (ValueError, TypeError, OverflowError, re.error, RecursionError) as error:
            why = "matches what is no literal, or what may take for ever"
            raise NotRewritable(f"Line {call.lineno} {why}") from error
        if "" in names:
            raise NotRewritable(f"Line {call.lineno} raises something without a name")

        def holds(values: Sequence[Any]) -> bool:
            kinds, message = values
            if kinds is None:
                return False
            if not names & set(kinds):
                raise Undecided(f"Line {call.lineno}: raised {kinds[0]}")
            return search(pattern, message) is not None

        source = " ".join(self.test.segment(shown or call).split())
        return Check(call.lineno, f"with {source[:300]}", ", ".join(sorted(names)), 2, False, holds)

    # --------------------------------------------------------------------------------------------------- loops

    def _loop(self, node: ast.For) -> None:
        """A loop over literals: its checks once for each item, each with the item's values outside."""
        names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        self._refuse_jumps(node, names)
        try:
            items = self._items(node.iter)
            rounds = [dict(bindings(node.target, item)) for item in items]
        except ValueError as error:
            raise NotRewritable(f"Line {node.lineno} loops over what is no literal") from error
        if not rounds:
            raise NotRewritable(f"Line {node.lineno} loops over nothing")
        outer, numbered = self.reader.constants, self.numbered
        self.numbered = False
        counted, begin = Counter(self.reader.consumed), len(self.edits)
        for i, bound in enumerate(rounds):
            self.reader.constants = {**outer, **bound}
            before, start = Counter(self.reader.consumed), len(self.edits)
            self.statements(node.body)
            if i:
                if self.edits[start:] != self.edits[begin:start]:
                    raise NotRewritable(f"Line {node.lineno} sends other values in another round")
                del self.edits[start:]
                self.reader.consumed = before
        self.reader.constants, self.numbered = outer, numbered
        consumed = self.reader.consumed - counted
        self._hide(node, items, {n for n in names if consumed[n]}, consumed)
        for n in names:
            del self.reader.consumed[n]

    def _refuse_jumps(self, node: ast.For, names: set[str]) -> None:
        for inner in (n for statement in node.body for n in ast.walk(statement)):
            if isinstance(inner, (ast.Break, ast.Continue, ast.Return)):
                raise NotRewritable(f"Line {inner.lineno} leaves a loop")
            if (
                isinstance(inner, ast.Name)
                and not isinstance(inner.ctx, ast.Load)
                and inner.id in names | set(self.known)
            ):
                raise NotRewritable(f"Line {inner.lineno} binds a loop's name again")
        if node.orelse:
            raise NotRewritable(f"Line {node.lineno} is a loop with an else")

    def _items(self, node: ast.expr) -> list[Any]:
        if isinstance(node, ast.Call) and not node.keywords:
            path = self.paths.path(node.func)
            if path == "enumerate" and len(node.args) == 1:
                return list(enumerate(self._items(node.args[0])))
            if path == "zip" and node.args:
                return list(zip(*(self._items(a) for a in node.args), strict=False))
            if isinstance(node.func, ast.Attribute) and node.func.attr == "items" and not node.args:
                found = self.reader.literal(node.func.value)
                if isinstance(found, dict):
                    return list(found.items())
        found = self.reader.literal(node)
        if not isinstance(found, (list, tuple, range, dict, str)):
            raise ValueError("no literal")
        return list(found)

    def _hide(self, node: ast.For, items: list[Any], asked: set[str], consumed: Counter[str]) -> None:
        """Take out of the loop's table what only stands for expected values, and names that stay outside."""
        within = Counter(n.id for s in node.body for n in ast.walk(s) if isinstance(n, ast.Name))
        hidden = {n for n in asked if consumed[n] == within[n]}
        if any(self.uses[n] != self.looped[n] for n in hidden):
            raise NotRewritable(f"Line {node.lineno} binds a name that is used outside of loops")
        named = any(isinstance(n, ast.Name) and n.id in self.reader.constants for n in ast.walk(node.iter))
        if not hidden and not named:
            return
        table = [_hidden(node.target, item, hidden) for item in items]
        text = repr(table)
        try:
            (read,) = parse(text).body
            same = isinstance(read, ast.Expr) and repr(ast.literal_eval(read.value)) == text
        except (ValueError, SyntaxError) as error:
            raise NotRewritable(f"Line {node.lineno} loops over what can't be written down") from error
        if not same:
            raise NotRewritable(f"Line {node.lineno} loops over what can't be written down")
        self.edits.append((node.iter, _padded(f"({text}", node.iter, ")")))


def _hidden(target: ast.expr, item: Any, names: set[str]) -> Any:
    if isinstance(target, ast.Name):
        return None if target.id in names else item
    assert isinstance(target, (ast.Tuple, ast.List))
    return tuple(_hidden(t, i, names) for t, i in zip(target.elts, item, strict=True))


def _checks(node: ast.AST) -> bool:
    """Whether something within decides about the outcome."""
    try:
        refuse_hidden_checks(node)
    except NotRewritable:
        return True
    return False


# ------------------------------------------------------------------------------------------------------------- the text


def _padded(text: str, node: ast.AST, end: str) -> str:
    """As many lines as `node` had, so that the line numbers after it stay."""
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    return text + "\n" * (last - first - text.count("\n")) + end


def _edited(test: Text, edits: Sequence[tuple[ast.AST, str]]) -> str:
    made = test.text
    for (begin, end), text in sorted(((test.span(node), text) for node, text in edits), reverse=True):
        made = made[:begin] + text + made[end:]
    return made


def _without_comments(test: str) -> str:
    """A comment may name what is expected: it stays outside too."""
    if "#" not in test:
        return test
    lines = io.StringIO(test).readlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(test).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start[0] - 1, token.start[1]
                lines[row] = lines[row][:column] + lines[row][column + len(token.string) :]
    except (tokenize.TokenError, SyntaxError) as error:
        raise NotRewritable(f"Its comments can't be told: {error}") from error
    return "".join(lines)
