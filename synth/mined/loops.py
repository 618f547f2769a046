"""Checks in loops, as comparisons after the loop: of a table, or of the values collected in a list."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from synth.dataflow import flow_all, nodes
from synth.folding import NotConstantError, bindings, fold, is_constant, literal
from synth.mined.approximate import approx_call, digits_of, round_all
from synth.mined.assembly import line_of
from synth.mined.statements import UnsplittableError, is_predicate

if TYPE_CHECKING:
    from synth.mined.splitting import Splitter

ROUNDS = 200
"""Of a loop that runs more often, the values are compared as a set."""

Scopes = list[Mapping[str, Any]] | None
"""The names that are known each time a statement runs; None where it is not known how often it runs."""


class Loops:
    """Rewrites loops with checks for a splitter.

    Args:
        splitter: What tells the script apart; loops are written into its code and test.
    """

    def __init__(self, splitter: Splitter) -> None:
        self.splitter = splitter
        self.bound: frozenset[str] = frozenset()

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
        approx = approx_call(right)
        cell = approx.args[0] if approx is not None else right
        try:
            keys = self.keys_of(cell, key)
            expected = {k: fold(cell, {**self.splitter.values, key: k}) for k in keys}
            value = self.splitter.source.inline(left)
            if approx is not None:
                digits = max(digits_of(approx, v) for v in expected.values())
                value = f"round({value}, {digits})"
                expected = round_all(expected, digits)
            text = literal(expected)
        except NotConstantError:
            return False
        self.splitter.checks += 1
        values = f"{{{key}: {value} for {key} in {self.splitter.source.inline(loop.iter)}}}"
        if not (self.splitter.stays(loop.iter) and self.splitter.stays(left)):
            name = self.splitter.fresh("result")
            self.splitter.code.append(line_of(f"{name} = {values}", self.splitter.source.comment_above(loop)))
            values = name
        self.splitter.to_test(f"assert {values} == {text}")
        return True

    def keys_of(self, cell: ast.expr, key: str) -> list[Any]:
        """The keys of the known dict that `cell` looks `key` up in.

        Raises:
            NotConstantError: There is none.
        """
        for node in nodes(cell):
            match node:
                case ast.Subscript(value=known, slice=ast.Name(id=index)) if index == key:
                    table = fold(known, self.splitter.values)
                    if isinstance(table, dict) and table:
                        return list(table)
        raise NotConstantError(key)

    def collect(self, loop: ast.For) -> bool:
        """A loop whose asserts compare with known values: the values are collected in a list and compared after it."""
        rounds = self.rounds(loop, [self.splitter.values])
        self.bound = flow_all([loop]).binds
        edits: list[tuple[int, int, str]] = []
        before: list[str] = []
        after: list[str] = []
        counts = dict(self.splitter.counts)
        for statement, scopes in self.checks_of(loop, rounds):
            made = self.collected(statement, scopes)
            if made is None:
                self.splitter.counts = counts
                return False
            name, value, expected = made
            before.append(f"{name} = []")
            start, end = self.splitter.source.span(statement)
            edits.append((start, end, f"{name}.append({value})"))
            after.append(f"assert {expected}")
        if not edits or any(isinstance(n, ast.With) for n in nodes(loop)):
            self.splitter.counts = counts
            return False
        text = self.splitter.source.block([loop], edits)
        if "pytest" in text:
            raise UnsplittableError("pytest in a loop")
        comment = self.splitter.source.comment_above(loop)
        self.splitter.code += [line_of(t, c) for t, c in zip(before, [comment, *[""] * len(before)], strict=False)]
        self.splitter.code.append(line_of(text))
        for line in after:
            self.splitter.checks += 1
            self.splitter.to_test(line)
        return True

    def rounds(self, loop: ast.For, scopes: Scopes) -> Scopes:
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
        return made if len(made) <= ROUNDS else None

    def collected(self, statement: ast.Assert, scopes: Scopes) -> tuple[str, str, str] | None:
        """Name of the list, what is appended, and the condition on the list; None where nothing is known."""
        match statement.test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if is_constant(left, self.splitter.values):
                    left, right = right, left
                expected, value = right, self.splitter.source.inline(left)
            case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant() as right]):
                expected, value = right, self.splitter.source.inline(left)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if is_predicate(operand):
                expected, value = ast.Constant(False), self.splitter.source.inline(operand)
            case test if is_predicate(test):
                expected, value = ast.Constant(True), self.splitter.source.inline(test)
            case _:
                return None
        approx = approx_call(expected)
        try:
            if approx is not None:
                if scopes is None:
                    return None
                wanted = [fold(approx.args[0], scope) for scope in scopes]
                digits = max(digits_of(approx, v) for v in wanted)
                text = literal(round_all(wanted, digits))
                return (name := self.splitter.fresh("results")), f"round({value}, {digits})", f"{name} == {text}"
            if scopes is not None:
                text = literal([fold(expected, scope) for scope in scopes])
                return (name := self.splitter.fresh("results")), value, f"{name} == {text}"
            known = fold(expected, {k: v for k, v in self.splitter.values.items() if k not in self.bound})
            if isinstance(known, (list, dict, set)):
                return None
            return (name := self.splitter.fresh("results")), value, f"set({name}) == {literal({known})}"
        except (NotConstantError, TypeError):
            return None

    def checks_of(self, loop: ast.For, scopes: Scopes) -> Iterator[tuple[ast.Assert, Scopes]]:
        """The asserts in a loop with the known names of each time they run; of conditional ones nothing is known."""
        bound = flow_all(loop.body).binds
        if scopes is not None:
            scopes = [{k: v for k, v in scope.items() if k not in bound} for scope in scopes]
        for statement in loop.body:
            if isinstance(statement, ast.Assert):
                yield statement, scopes
            elif isinstance(statement, ast.For):
                yield from self.checks_of(statement, self.rounds(statement, scopes))
            else:
                for node in nodes(statement):
                    if isinstance(node, ast.Assert):
                        yield node, None
