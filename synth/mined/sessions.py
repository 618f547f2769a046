"""Doctest sessions: a docstring's or guide's prompts as straight scripts with checks, sliced by names."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import groupby

from registry.trees import parse
from synth.dataflow import flow, flow_all, nodes
from synth.folding import reads_as_literal
from synth.mined.history import History
from synth.mined.outputs import Errors, Script, Session, Step, builtin_error, is_print, shows

LONGEST = 40
"""Statements beyond which a session is no example."""


MOST = 3
"""Checks of one session: those of more are told apart by what they call."""


def sessions(text: str, echoes: bool = True, errors: Errors = builtin_error) -> Iterator[Session]:
    """The independent sessions of a text: one for each run of prompts between prose that states an output.

    A run brings the statements of earlier runs that its names depend on. Where the output has an ellipsis the statement
    is kept and its check dropped; skipped statements are left out. A run with many checks is several sessions, and so
    is one that shows an object before and after it is changed.

    Args:
        text: The text.
        echoes: Whether a run may show nothing but an object as it was constructed (the docs of a class do).
        errors: What a program calls an error that a traceback names; None where it can't name it.
    """
    steps, prose = _steps(text)
    steps = _without_echoes(steps, echoes)
    history = History(steps)
    for block, run in groupby(range(len(steps)), key=lambda i: steps[i].block):
        within = list(run)
        shown = [i for i in within if steps[i].want and _can_be_checked(steps[i], errors)]
        for end, checks in _parts(history, shown, within[-1] + 1):
            chosen = _slice(history, end, checks)
            if 0 < len(chosen) <= LONGEST:
                made = Script(chosen, errors).session()
                if made is not None:
                    yield replace(made, prose=prose.get(block, ""))


def _can_be_checked(step: Step, errors: Errors) -> bool:
    return Script([replace(step, checked=True)], errors).session() is not None


def _parts(history: History, checks: Sequence[int], end: int) -> Iterator[tuple[int, list[int]]]:
    """Where parts end, and their checks: a few a part, one that shows what is changed later alone."""
    shared: list[int] = []
    for i in checks:
        if _is_changed(history, i, end):
            yield i + 1, [i]
        else:
            shared.append(i)
    if len(shared) <= MOST:
        yield end, shared
        return
    groups: dict[str, list[int]] = {}
    for i in shared:
        groups.setdefault(_called(history.steps[i].tree), []).append(i)
    for group in groups.values():
        for at in range(0, len(group), MOST):
            chosen = group[at : at + MOST]
            yield chosen[-1] + 1, chosen


def _is_changed(history: History, at: int, end: int) -> bool:
    """Whether later steps change what a step shows: an object by its name, or a view."""
    step = history.steps[at]
    value = step.tree.value if isinstance(step.tree, ast.Expr) else None
    if isinstance(value, ast.Call) and is_print(value) and len(value.args) == 1:
        value = value.args[0]
    is_made = not isinstance(value, (ast.Name, ast.Attribute, ast.Subscript))
    if value is None or (is_made and reads_as_literal(step.want.strip())):
        return False
    return any(not history.is_fixed(name, end) and history.is_disturbed(name, at, end) for name in flow(value).reads)


def _called(tree: ast.stmt) -> str:
    """The name of what a statement calls first."""
    calls = [n for n in nodes(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return calls[0].func.attr if calls else ""  # type: ignore[attr-defined]


def _slice(history: History, end: int, checks: Sequence[int]) -> list[Step]:
    """The steps that are checked, and what their names depend on; more than `LONGEST` are not all of them.

    Calls for their effect in the same run of prompts stay where they change what a name of theirs may also stand for (a
    view's graph). An expression with an output only shows something, unless its name says otherwise.
    """
    steps = history.steps
    chosen = _needed(history, end, checks, frozenset())
    if len(chosen) <= LONGEST:
        what = flow_all(steps[i].tree for i in chosen)
        linked = frozenset(name for name in what.reads | what.binds if not history.is_fixed(name, end))
        chosen = _needed(history, end, checks, linked)
    return [replace(steps[i], checked=i in checks) for i in chosen]


def _needed(history: History, end: int, checks: Sequence[int], linked: AbstractSet[str]) -> list[int]:
    """The steps that are checked, what they depend on, and calls in their run that may change what is `linked`.

    Looked at are, from the last one, those that touch a name that is wanted or linked; over `LONGEST` the search ends.
    """
    steps, blocks = history.steps, {history.steps[i].block for i in checks}
    wanted: set[str] = set()
    rebound: set[str] = set()
    chosen: list[int] = []
    last = max(checks, default=-1)
    left = [-i for i in {*checks, *(history.touched(name, last, end) for name in linked)}]
    heapify(left)
    seen = last + 1
    while left and len(chosen) <= LONGEST:
        at = -heappop(left)
        if not 0 <= at < seen:
            continue
        seen, step = at, steps[at]
        what, acting = flow(step.tree), history.acting[at]
        changes = {name for name in history.changes[at] if not history.is_fixed(name, end)}
        touched = (what.binds | changes) & (wanted | linked)
        acts = step.block in blocks and acting is not None and not step.want and bool(changes & linked - rebound)
        if at in checks or acts or (what.binds | changes) & wanted:
            chosen.append(at)
            if isinstance(step.tree, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.FunctionDef)):
                wanted -= what.binds - what.reads
                rebound |= what.binds - what.reads
            wanted |= what.reads - _own(step.tree)
            rebound -= wanted
            touched |= what.reads
        for name in touched:
            heappush(left, -history.touched(name, at, end))
    return chosen[::-1]


def _own(tree: ast.stmt) -> frozenset[str]:
    """Names that a loop or a block binds before it reads them."""
    if not isinstance(tree, (ast.For, ast.With)):
        return frozenset()
    heads = [tree.target] if isinstance(tree, ast.For) else [i.optional_vars for i in tree.items if i.optional_vars]
    inner = [n for n in nodes(tree) if isinstance(n, ast.Assign)]
    bound = flow_all([*heads, *(target for n in inner for target in n.targets)]).binds
    return bound - flow_all([n.value for n in inner if flow(n).binds & flow(n).reads]).reads


def _without_echoes(steps: list[Step], alone: bool) -> list[Step]:
    """The steps; one that shows an object as it was just constructed (`>>> df`) checks nothing where others do.

    Args:
        steps: The steps.
        alone: Whether it checks something where no others do.
    """
    constructed: set[str] = set()
    echoes: set[int] = set()
    for i, step in enumerate(steps):
        match step.tree:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=function)):
                if ast.unparse(function).rpartition(".")[2][:1].isupper():
                    constructed.add(name)
                    continue
            case ast.Expr(value=ast.Name(id=name)) if name in constructed:
                echoes.add(i)
                continue
        what = flow(step.tree)
        constructed -= what.binds | (frozenset() if shows(step) else what.changes)
    checked = {s.block for i, s in enumerate(steps) if s.want and i not in echoes}
    return [
        replace(s, want="") if i in echoes and (s.block in checked or not alone) else s for i, s in enumerate(steps)
    ]


_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*doctest:(.*)")
_UNCHECKED = "  # output unchecked"


def _known(directive: re.Match[str]) -> str:
    """A directive that doctest knows; a project's own (`+IGNORE_RESULT`) says that the output isn't looked at."""
    options = re.findall(r"[+-](\w+)", directive.group(1))
    return directive.group() if all(o in doctest.OPTIONFLAGS_BY_NAME for o in options) else _UNCHECKED


def _steps(text: str) -> tuple[list[Step], dict[int, str]]:
    """The prompts of a text, and the paragraph above each run of them."""
    try:
        parts = doctest.DocTestParser().parse(_DIRECTIVE.sub(_known, text))
    except ValueError:
        return [], {}
    steps: list[Step] = []
    prose: dict[int, str] = {}
    block = 0
    for part in parts:
        if isinstance(part, str):
            if part.strip():
                block += 1
                prose[block] = re.split(r"\n[ \t]*\n", part.strip())[-1]
            continue
        if part.options.get(doctest.SKIP):
            continue
        source = _DIRECTIVE.sub("", part.source).replace(_UNCHECKED, "").rstrip()
        want = "" if _UNCHECKED in part.source else part.want
        try:
            body = parse(source).body
        except SyntaxError:
            continue
        for i, tree in enumerate(body):
            last = i == len(body) - 1
            code = source if len(body) == 1 else ast.unparse(tree)
            steps.append(Step(code, tree, want if last else "", last and part.exc_msg is not None, block))
    return steps, prose
