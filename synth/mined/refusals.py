"""What no maintainer would take as an example, though it runs: private names, branches, checks that say nothing."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from registry.names import dotted_name
from synth.dataflow import flow, flow_all, nodes
from synth.mined.parting import is_private

MOST_CHECKED = 5
"""Names that a test may look at."""


def refused(code: ast.Module, test: ast.Module) -> str | None:
    """Why a program is no example; None where it is one.

    Args:
        code: Its usage.
        test: Its checks.
    """
    body = [*code.body, *test.body]
    if any(is_private(s) for s in body):
        return "private names"
    if any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "id" for s in body for n in nodes(s)
    ):
        return "identities of objects"
    if any(isinstance(s, (ast.If, ast.While)) or _chooses(s) for s in body):
        return "branches"
    if any(isinstance(n, ast.Attribute) and n.attr == "__class__" for s in body for n in nodes(s)):
        return "a class that is asked for"
    if _uses(code, test):
        return "usage in the test"
    if _shadowed(body):
        return "an import that is hidden"
    if _binds_anew(code, test):
        return "set-up in the test"
    if _repeats(code.body):
        return "an assignment that changes nothing"
    computed = _computed(code.body)
    if len(computed & flow_all(test.body).reads) > MOST_CHECKED:
        return "many checked names"
    if all(_holds_anyway(s, computed) for s in test.body if isinstance(s, ast.Assert)) and not _other_checks(test.body):
        return "checks that any answer meets"
    return None


def _chooses(statement: ast.stmt) -> bool:
    """Whether a value is chosen by what a call says that is known: `a if G.is_directed() else b`."""
    match statement:
        case ast.Assign(value=ast.IfExp(test=test)) | ast.Assert(test=ast.IfExp(test=test)):
            return any(isinstance(n, ast.Call) for n in nodes(test))
    return False


def _uses(code: ast.Module, test: ast.Module) -> bool:
    """Whether a function or a block of the test calls what the code does not: then the answer leaves it out."""
    imports = (s for s in (*code.body, *test.body) if isinstance(s, (ast.Import, ast.ImportFrom)))
    modules = flow_all(imports).binds
    known = _called(code.body, modules)
    blocks = [s for s in test.body if isinstance(s, (ast.FunctionDef, ast.For, ast.With, ast.Try))]
    return any(
        not name.rpartition(".")[2].startswith(("is_", "has_", "assert", "number_of")) and not name.endswith("_equal")
        for name in _called(blocks, modules) - known
    )


def _called(body: Sequence[ast.stmt], modules: frozenset[str]) -> frozenset[str]:
    """Names, through imports, of what statements call."""
    names = (dotted_name(n.func) for s in body for n in nodes(s) if isinstance(n, ast.Call))
    return frozenset(name for name in names if name and name.partition(".")[0] in modules)


def _shadowed(body: Sequence[ast.stmt]) -> bool:
    """Whether a name is imported and bound to something else too."""
    imports = [s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))]
    others = flow_all(s for s in body if not isinstance(s, (ast.Import, ast.ImportFrom))).binds
    return bool(flow_all(imports).binds & others)


def _binds_anew(code: ast.Module, test: ast.Module) -> bool:
    """Whether the test binds a name of the code to something else: it goes on with a case of its own."""
    bound = flow_all(s for s in test.body if isinstance(s, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.With))).binds
    return bool(bound & _computed(code.body))


def _repeats(body: Sequence[ast.stmt]) -> bool:
    """Whether a name is bound to the same value twice, as a test is that was made of two."""
    plain = [s for s in body if isinstance(s, ast.Assign) and not any(isinstance(n, ast.Call) for n in nodes(s))]
    for at, statement in enumerate(plain):
        same = sum(ast.dump(other) == ast.dump(statement) for other in plain[at:])
        binds = flow(statement).binds
        if same > 1 and binds and sum(bool(flow(s).binds & binds) for s in body) == same:
            return True
    return False


def _computed(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Names that the code binds, those of imports and definitions apart."""
    given = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return flow_all(s for s in body if not isinstance(s, given)).binds


def _holds_anyway(check: ast.Assert, computed: frozenset[str]) -> bool:
    """Whether a check looks at nothing that the code computes, or only compares two names of the code."""
    sides: list[ast.expr] = []
    match check.test:
        case ast.Compare(left=left, comparators=[right]):
            sides = [left, right]
        case ast.Call(func=ast.Name(id=name), args=[left, right]) if name.endswith("_equal"):
            sides = [left, right]
    if sides and all(isinstance(side, ast.Name) and side.id in computed for side in sides):
        return True
    return not flow(check).reads & computed


def _other_checks(body: Sequence[ast.stmt]) -> bool:
    given = (ast.Assert, ast.Assign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return any(not isinstance(s, given) for s in body)
