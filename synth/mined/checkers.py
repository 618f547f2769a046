"""Checks by a library's own functions (`assert_frame_equal(result, expected)`), told apart from the usage.

What is checked is evaluated in the code; what it is compared with moves into the test, where a constructor of
constants is as good as a literal.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container
from typing import TYPE_CHECKING

from synth.dataflow import BUILTINS, flow, flow_all, nodes
from synth.mined.assembly import Line, line_of

if TYPE_CHECKING:
    from synth.mined.splitting import Splitter

_EXPECTED = re.compile(r"_?(expected|expect|exp|desired|wanted|want|correct|answer|reference|ref|truth)(_|\d|$)")


class Checkers:
    """Writes calls of checking functions for a splitter.

    Args:
        splitter: What tells the script apart.
    """

    def __init__(self, splitter: Splitter) -> None:
        self.splitter = splitter
        self.imported = flow_all(s for s in splitter.body if isinstance(s, (ast.Import, ast.ImportFrom))).binds

    def check(self, call: ast.Call) -> None:
        """Writes one call into the test; its arguments are evaluated in the code, or constructed in the test."""
        splitter = self.splitter
        splitter.checks += 1
        if any(isinstance(a, ast.Starred) for a in call.args) or splitter.tail:
            splitter.to_test(splitter.source.inline(call))
            return
        known = [i for i, a in enumerate(call.args) if self.is_expected(a, i)]
        arguments = [self.argument(a, i in known) for i, a in enumerate(call.args)]
        arguments += [f"{k.arg}={splitter.source.inline(k.value)}" for k in call.keywords if k.arg]
        arguments += [f"**{splitter.source.inline(k.value)}" for k in call.keywords if not k.arg]
        splitter.to_test(f"{ast.unparse(call.func)}({', '.join(arguments)})")

    def is_expected(self, node: ast.expr, place: int) -> bool:
        """Whether an argument is what is compared with: by its name, else the second one where it is constructed."""
        if isinstance(node, ast.Name):
            if _EXPECTED.match(node.id):
                return True
            line = self.binding(node.id)
            return place == 1 and line is not None and self.is_constructed(line.tree.value)  # type: ignore[attr-defined]
        return place == 1 and self.is_constructed(node)

    def is_constructed(self, node: ast.expr) -> bool:
        """Whether an expression is an object made of constants, or of names of constants, alone."""
        return is_constructed(node, self.imported | self.splitter.values.keys())

    def argument(self, node: ast.expr, expected: bool) -> str:
        """The text of an argument in the test."""
        splitter = self.splitter
        if isinstance(node, ast.Name):
            if node.id in splitter.constructed:
                return splitter.constructed[node.id]
            line = self.binding(node.id)
            if expected and line is not None and self.moves(node.id, line):
                splitter.code.remove(line)
                return self.moved(node.id, line)
            if not expected and line is not None and node.id in splitter.later[1] and not self.read_later(node.id):
                return self.renamed(node.id, line)
        if expected and self.is_constructed(node):
            return splitter.source.inline(node)
        return splitter.lift(node, copied=not _is_short_lived(node))

    def moved(self, name: str, line: Line) -> str:
        """Writes an assignment into the test; under another name where the test has this one already."""
        splitter, old = self.splitter, name
        if any(name in flow(other.tree).binds for other in splitter.test):
            new = splitter.fresh("expected")
            line, name = line_of(re.sub(rf"^{name}\b", new, line.text, count=1), line.comment), new
        splitter.test.append(line)
        splitter.constructed[old] = name
        return name

    def renamed(self, name: str, line: Line) -> str:
        """A name of its own for what is checked, where a later statement uses the same one again."""
        splitter = self.splitter
        new = splitter.fresh("result")
        splitter.code[splitter.code.index(line)] = line_of(re.sub(rf"^{name}\b", new, line.text, count=1), line.comment)
        splitter.results.add(new)
        return new

    def binding(self, name: str) -> Line | None:
        """The line of the code that bound a name last, where it is a plain assignment that no other line reads."""
        found = None
        for line in self.splitter.code:
            what = flow(line.tree)
            if (
                isinstance(line.tree, ast.Assign)
                and what.binds == {name}
                and isinstance(line.tree.targets[0], ast.Name)
            ):
                found = line
            elif name in what.binds | what.reads | what.changes:
                found = None
        return found

    def moves(self, name: str, line: Line) -> bool:
        """Whether an assignment may run after all of the code: nothing there needs it, or changes what it reads."""
        if self.read_later(name):
            return False
        reads = flow(line.tree).reads
        if self.is_constructed(line.tree.value):  # type: ignore[attr-defined]
            return not any(reads & flow(s).binds for s in self.splitter.rest)
        after = [s.tree for s in self.splitter.code[self.splitter.code.index(line) + 1 :]]
        later = [*after, *self.splitter.rest]
        return not any(flow(s).changes or reads & flow(s).binds for s in later)

    def read_later(self, name: str) -> bool:
        """Whether a later statement reads a name before it is bound anew, other than to check it."""
        from synth.mined.statements import imported_check

        for statement in self.splitter.rest:
            what = flow(statement)
            if name in what.reads | what.changes:
                call = imported_check(statement, self.splitter.asserting)
                if call is None or not any(isinstance(a, ast.Name) and a.id == name for a in call.args):
                    return True
            elif name in what.binds:
                return False
        return False


def is_constructed(node: ast.expr, known: Container[str]) -> bool:
    """Whether an expression is an object made of constants alone: `pd.Series([1, 2], name="a", dtype=np.int64)`.

    Args:
        node: The expression.
        known: Names of modules, classes and constants.
    """
    if not any(isinstance(n, ast.Call) for n in nodes(node)):
        return False
    for part in nodes(node):
        if isinstance(part, ast.Call):
            name = ast.unparse(part.func).rpartition(".")[2]
            if not (name[:1].isupper() or name in _MAKERS):
                return False
        elif isinstance(part, _COMPUTED):
            return False
    names = {n.id for n in nodes(node) if isinstance(n, ast.Name)}
    return all(n in known or n in BUILTINS for n in names)


def _is_short_lived(node: ast.expr) -> bool:
    """Whether an argument's value has no other name, so that nothing can change it later."""
    return not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))


_MAKERS = frozenset(
    {"arange", "array", "asarray", "date", "date_range", "datetime", "datetime64", "dict", "eye", "float", "float32",
     "float64", "from_arrays", "from_breaks", "from_codes", "from_product", "from_tuples", "full", "int", "int32",
     "int64", "len", "list", "ones", "period_range", "range", "set", "str", "time", "timedelta", "timedelta64",
     "timedelta_range", "to_datetime", "tuple", "zeros"}
)  # fmt: skip
"""Functions that make the same of the same constants."""

_COMPUTED = (ast.Compare, ast.Lambda, ast.Await, ast.Yield, ast.NamedExpr, ast.ListComp, ast.GeneratorExp,
             ast.DictComp, ast.SetComp, ast.Subscript)  # fmt: skip
