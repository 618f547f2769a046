"""A session's steps by the names that they touch, so that a slice looks only at steps that may belong to it.

A long page has hundreds of runs of prompts, and each looks back at all before it: read from the start for each of them,
800 prompts took 5 s, and twice as many four times that.
"""

from __future__ import annotations

import ast
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from synth.dataflow import BUILTINS, Flow, flow, needs
from synth.mined.outputs import Step, shows

Positions = dict[str, list[int]]
"""Name -> positions of steps, ascending."""


class History:
    """The steps of a text, and where each name is bound, changed and needed.

    Args:
        steps: The steps, in order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.acting = [_acting(step) for step in steps]
        self.changes = [
            frozenset() if shows(step) else flow(acting or step.tree).changes
            for step, acting in zip(steps, self.acting, strict=True)
        ]
        self._binds: Positions = {}
        self._changes: Positions = {}
        self._disturbs: Positions = {}
        self._first: dict[str, dict[str, int]] = {"import": {}, "bind": {}, "missing": {}, "late": {}}
        for at, step in enumerate(steps):
            self._note(at, step, flow(step.tree))

    def _note(self, at: int, step: Step, what: Flow) -> None:
        now, later = needs(step.tree)
        bound = "import" if isinstance(step.tree, (ast.Import, ast.ImportFrom)) else "bind"
        self._begin("missing", [name for name in now if not self._is_bound(name, at)], at)
        self._begin("late", later, at)
        self._begin(bound, what.binds, at)
        _add(self._binds, what.binds, at)
        _add(self._changes, self.changes[at], at)
        if not shows(step):
            _add(self._disturbs, what.changes | what.binds, at)

    def _begin(self, what: str, names: Iterable[str], at: int) -> None:
        for name in names:
            self._first[what].setdefault(name, at)

    def _has(self, what: str, name: str, end: int) -> bool:
        return self._first[what].get(name, math.inf) < end

    def _is_bound(self, name: str, end: int) -> bool:
        return name in BUILTINS or self._has("import", name, end) or self._has("bind", name, end)

    def is_fixed(self, name: str, end: int) -> bool:
        """Whether a name is one of a module, which calls don't change, for the steps before `end`.

        Imported ones are, and those that the steps use and never bind.
        """
        if self._has("import", name, end):
            return True
        unbound = self._has("missing", name, end) or (self._has("late", name, end) and not self._is_bound(name, end))
        return unbound and not self._has("bind", name, end)

    def is_disturbed(self, name: str, after: int, end: int) -> bool:
        """Whether a step between these two binds or changes a name, other than by showing something."""
        found = self._disturbs.get(name, [])
        at = bisect_left(found, after + 1)
        return at < len(found) and found[at] < end

    def touched(self, name: str, before: int, end: int) -> int:
        """The position of the last step before `before` that binds or may change a name; -1 where none does."""
        tables = (self._binds,) if self.is_fixed(name, end) else (self._binds, self._changes)
        return max(_before(table.get(name, []), before) for table in tables)


def _add(table: Positions, names: Iterable[str], at: int) -> None:
    for name in names:
        table.setdefault(name, []).append(at)


def _before(positions: Sequence[int], end: int) -> int:
    at = bisect_left(positions, end)
    return positions[at - 1] if at else -1


def _acting(step: Step) -> ast.Expr | None:
    """A statement that may be there for its effect alone: a call, also one whose value is thrown away."""
    match step.tree:
        case ast.Expr():
            return step.tree
        case ast.Assign(targets=[ast.Name(id="_")], value=ast.Call() as call):
            return ast.Expr(call)
    return None
