"""The part of a program that one statement needs, and the checks that depend on it: short, whole programs."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from registry.names import dotted_name
from registry.records import Program
from synth.dataflow import changes_its_object, flow, flow_all, needed
from synth.source import Source, applied

_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Slice:
    """A shorter program around a statement.

    Attributes:
        code: Its code.
        test: The checks that depend on the statement, with what they need.
        shift: Add it to an offset within the statement in the old code to get the one in the new.
    """

    code: str
    test: str
    shift: int


class Slicer:
    """Cuts a program.

    Args:
        program: It; its code and test parse.
        checks: Most checks that are kept.
    """

    def __init__(self, program: Program, checks: int = 3) -> None:
        self.code, self.test = Source(program.code), Source(program.test)
        self.checks = checks
        body = [*self.code.tree.body, *self.test.tree.body]
        plain = [s for s in body if _binds_constants(s)]
        others = flow_all(s for s in body if s not in plain and not isinstance(s, _IMPORTS)).binds
        self.fixed = flow_all(s for s in body if isinstance(s, _IMPORTS)).binds | (flow_all(plain).binds - others)

    def around(self, position: int) -> Slice | None:
        """The slice around a statement of the code's top level; None where no check depends on it."""
        code, test = self.code.tree.body, self.test.tree.body
        keep: set[int] = {position}
        checks: set[int] = set()
        taken = 0
        for i, check in enumerate(test):
            if not isinstance(check, ast.Assert) or taken == self.checks:
                continue
            setup = made_of(test[:i], flow(check).reads, self.fixed)
            wanted = flow_all([check, *(test[j] for j in setup)]).reads
            behind = made_of(code, wanted, self.fixed)
            if position in behind:
                taken += 1
                checks |= {*setup, i}
                keep |= set(behind)
        if not taken:
            return None
        keep |= set(made_of(code[:position], flow(code[position]).reads, self.fixed))
        text, starts = joined(self.code, sorted(keep))
        tests, _ = joined(self.test, sorted(checks))
        return Slice(text, tests, starts[position] - self.code.span(code[position])[0])

    def only(self, check: ast.Assert) -> Program:
        """The program cut to one of its checks."""
        code, test = self.code.tree.body, self.test.tree.body
        at = test.index(check)
        setup = made_of(test[:at], flow(check).reads, self.fixed)
        behind = made_of(code, flow_all([check, *(test[j] for j in setup)]).reads, self.fixed)
        text, _ = joined(self.code, behind)
        tests, _ = joined(self.test, [*setup, at])
        return Program(code=text, test=tests)


def _binds_constants(statement: ast.stmt) -> bool:
    """Whether a statement gives names numbers or texts, which no call changes."""
    return isinstance(statement, ast.Assign) and all(
        isinstance(n, (ast.Constant, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load)) for n in ast.walk(statement.value)
    )


def made_of(statements: Sequence[ast.stmt], wanted: Iterable[str], fixed: Container[str]) -> list[int]:
    """`needed` without the blocks that only look whether something raises: they set nothing up.

    Args:
        statements: A straight script.
        wanted: Names.
        fixed: Names whose object no statement changes.
    """
    names = frozenset(wanted)
    kept = needed(statements, names, fixed)
    reads = names | flow_all(statements[p] for p in kept).reads
    looks = {p for p in kept if isinstance(statements[p], ast.Try) and not flow(statements[p]).binds & reads}
    if not looks:
        return kept
    return needed([ast.Pass() if p in looks else s for p, s in enumerate(statements)], names, fixed)


def without_repeats(program: Program) -> Program:
    """The program without calls of methods whose value is thrown away, where the same method's is kept elsewhere.

    `s.shift(1)` before `r = s.shift(2)` only showed a value to who read the docs.

    Raises:
        SyntaxError: The code is no Python.
    """
    source = Source(program.code)
    modules = flow_all(s for s in source.tree.body if isinstance(s, _IMPORTS)).binds
    others = (s for s in source.tree.body if not isinstance(s, ast.Expr))
    kept = {_method(node, modules) for s in others for node in ast.walk(s)} - {""}
    gone = [s for s in source.tree.body if isinstance(s, ast.Expr) and _method(s.value, modules) in kept]
    if not gone:
        return program
    edits = [(start, end + (source.text[end : end + 1] == "\n"), "") for start, end in map(source.span, gone)]
    return replace(program, code=applied(source.text, edits))


def _method(node: ast.AST, modules: Container[str]) -> str:
    """The name of the method that an expression calls; nothing of what may change its object, or of a function."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    owner = (dotted_name(node.func.value) or "").partition(".")[0]
    return "" if owner in modules or changes_its_object(node.func) else node.func.attr


def joined(source: Source, positions: list[int]) -> tuple[str, dict[int, int]]:
    """The statements at some positions as a script, and where each starts in it."""
    text, starts = scripted([(source, source.tree.body[p]) for p in positions])
    return text, dict(zip(positions, starts, strict=True))


def scripted(statements: Sequence[tuple[Source, ast.stmt]]) -> tuple[str, list[int]]:
    """Statements of sources as a script, and where each starts in it."""
    text = ""
    starts: list[int] = []
    before: ast.stmt | None = None
    for source, statement in statements:
        if before is not None:
            text += "\n" * _gap(before, statement)
        lead = source.span(statement)[0] - source.offset(min([statement.lineno, *_decorators(statement)]), 0)
        starts.append(len(text) + (lead if isinstance(statement, _DEFINITIONS) else 0))
        text += source.block([statement]).rstrip() + "\n"
        before = statement
    return text, starts


def _decorators(statement: ast.stmt) -> list[int]:
    return [d.lineno for d in getattr(statement, "decorator_list", [])]


def _gap(before: ast.stmt, after: ast.stmt) -> int:
    """Blank lines between two statements, as a formatter sets them."""
    if isinstance(before, _DEFINITIONS) or isinstance(after, _DEFINITIONS):
        return 2
    return 1 if isinstance(before, _IMPORTS) != isinstance(after, _IMPORTS) else 0


def cut_to_checks(program: Program) -> list[tuple[str, Program]]:
    """The program cut to each of its checks: (the check's text, the program); none where there is only one."""
    try:
        slicer = Slicer(program)
        checks = [s for s in slicer.test.tree.body if isinstance(s, ast.Assert)]
    except (SyntaxError, ValueError, RecursionError):
        return []
    if len(checks) < 2:
        return []
    return [(ast.unparse(check), slicer.only(check)) for check in checks]
