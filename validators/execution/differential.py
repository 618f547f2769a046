"""Differential execution: one program at two environments, and what differs between the two runs."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Program, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.likeness import DEFAULT, RULES, alike, read
from validators.execution.parsing import parse
from validators.execution.pool import Pool, Sandbox

WATCHED = 50
"""Most variables whose final values are compared where none are named."""


@dataclass(frozen=True)
class Difference:
    """One thing that isn't written alike in both runs.

    Attributes:
        subject: `outcome`, `exception`, `warning` or `value`.
        name: What exactly: the check's number, the variable, the warning's category; empty where there is only one.
        old: At the old environment; empty where there was nothing.
        new: At the new one.
        rules: By which rules it counts as the same. Of what differs: rules that were not in force and would have
            made it the same (`list-order`, `container`).
    """

    subject: str
    name: str
    old: str
    new: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Differential:
    """What became of a program between two environments.

    Attributes:
        old: The verdict at the old environment.
        new: The verdict at the new one.
        effect: `same`; `fails` (it passed, and now raises or is ended), `differs` (a check or a value is another),
            `warns` (it warns of what it didn't), `mended` (it didn't pass, and now does), `unknown` (no verdict).
        differences: What differs, the most telling first.
        forgiven: What is written otherwise and counts as the same, with the rules.
        unseen: Variables that could not be compared.
    """

    old: Verdict
    new: Verdict
    effect: str
    differences: tuple[Difference, ...]
    forgiven: tuple[Difference, ...]
    unseen: tuple[str, ...] = ()

    @property
    def explanation(self) -> str:
        """The differences in words, one a line; or that there are none."""
        lines = [_in_words(d) for d in self.differences]
        return "\n".join(lines) if lines else "Nothing differs"


def differential(
    program: Program,
    old: BuiltEnvironment,
    new: BuiltEnvironment,
    *,
    pool: Sandbox | None = None,
    watch: Sequence[str] | None = None,
    rules: Collection[str] = DEFAULT,
    timeout_s: float = 10.0,
    attempts: int = 2,
) -> Differential:
    """Run a program at two environments, and explain the difference.

    Args:
        program: What to run.
        old: One environment.
        new: The other.
        pool: The sandbox to run in; by default one is started for this call.
        watch: Variables whose final values are compared; by default those that the code binds at its top level.
        rules: What is forgiven; `validators.execution.likeness` lists all rules.
        timeout_s: Wall seconds for one attempt.
        attempts: How often it is run at each.

    Raises:
        ValueError: No such rule.
        SandboxError: The harness can't work in one of the environments.
    """
    unknown = sorted(set(rules) - set(RULES))
    if unknown:
        raise ValueError(f"No rule {unknown[0]!r}: there are {', '.join(RULES)}")
    if pool is None:
        with Pool(1) as own:
            return differential(
                program, old, new, pool=own, watch=watch, rules=rules, timeout_s=timeout_s, attempts=attempts
            )
    names = tuple(bound_names(program.code)) if watch is None else tuple(watch)
    before, after = (
        next(iter(pool.run(where, [program], timeout_s=timeout_s, attempts=attempts, watch=names)))
        for where in (old, new)
    )
    return explain(before, after, rules)


def bound_names(code: str) -> list[str]:
    """The variables that code binds at its top level, in order; imports, functions and classes are none."""
    try:
        tree = parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: dict[str, None] = {}
    left: list[ast.AST] = list(reversed(tree.body))
    while left:
        node = left.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id)
        if not isinstance(node, _SCOPES):
            left.extend(reversed(list(ast.iter_child_nodes(node))))
    return [name for name in found if not name.startswith("_")][:WATCHED]


_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp,
)  # fmt: skip


def explain(old: Verdict, new: Verdict, rules: Collection[str] = DEFAULT) -> Differential:
    """What differs between two verdicts on the same program."""
    found = [
        *_outcomes(old, new),
        *_exceptions(old, new, rules),
        *_values(old, new, rules),
        *_warnings(old, new, rules),
    ]
    differences = tuple(d for d, same in found if not same)
    forgiven = tuple(d for d, same in found if same)
    unseen = tuple(sorted({name for v in (old, new) for name, row in _rows(v).items() if _shown(row) is None}))
    return Differential(old, new, _effect(old, new, differences), differences, forgiven, unseen)


_Found = Iterator[tuple[Difference, bool]]


def _effect(old: Verdict, new: Verdict, differences: Sequence[Difference]) -> str:
    if "unavailable" in (old.outcome, new.outcome):
        return "unknown"
    if old.outcome == "passed" and new.outcome not in ("passed", "failed"):
        return "fails"
    if old.outcome != "passed" and new.outcome == "passed":
        return "mended"
    subjects = {d.subject for d in differences}
    if subjects & {"outcome", "exception", "value"}:
        return "differs"
    return "warns" if any(d.subject == "warning" and d.new for d in differences) else "same"


def _outcomes(old: Verdict, new: Verdict) -> _Found:
    if old.outcome != new.outcome:
        yield Difference("outcome", "", _outcome(old), _outcome(new)), False


def _outcome(verdict: Verdict) -> str:
    return f"{verdict.outcome}: {verdict.detail}" if verdict.detail else verdict.outcome


def _exceptions(old: Verdict, new: Verdict, rules: Collection[str]) -> _Found:
    before, after = _raised(old.exception), _raised(new.exception)
    if before and after:
        yield from _compared("exception", "", before, after, rules)
    elif before or after:
        yield Difference("exception", "", before, after), False


def _raised(exception: Any) -> str:
    if not exception:
        return ""
    frame = exception.get("frame") or {}
    where = f" in {frame['function']}" if frame.get("function") else ""
    return f"{exception.get('type')}: {exception.get('message')}{where}"


def _warnings(old: Verdict, new: Verdict, rules: Collection[str]) -> _Found:
    """Warnings by category and text, wherever they were raised; one is of one kind with the next that is alike."""
    left = [_warning(w) for w in new.warnings]
    for category, message in (_warning(w) for w in old.warnings):
        twin = next((w for w in left if w[0] == category and alike(w[1], message, rules) is not None), None)
        if twin is None:
            yield Difference("warning", category, message, ""), False
            continue
        left.remove(twin)
        yield from _compared("warning", category, message, twin[1], rules)
    for category, message in left:
        yield Difference("warning", category, "", message), False


def _warning(row: Any) -> tuple[str, str]:
    return str(row.get("category")), str(row.get("message"))


def _values(old: Verdict, new: Verdict, rules: Collection[str]) -> _Found:
    before, after = _rows(old), _rows(new)
    for name in [*before, *(n for n in after if n not in before)]:
        texts = [_shown(side.get(name)) for side in (before, after)]
        if texts[0] is not None and texts[1] is not None:
            yield from _compared("value", name, texts[0], texts[1], rules, written=True)


def _rows(verdict: Verdict) -> Mapping[str, Any]:
    return verdict.values if isinstance(verdict.values, Mapping) else {}


def _shown(row: Any) -> str | None:
    """What a verdict shows of a value: its literal, else its text; None where it has neither."""
    if not isinstance(row, Mapping):
        return None
    shown = row.get("actual", row.get("text"))
    return shown if isinstance(shown, str) else None


def _compared(subject: str, name: str, old: str, new: str, rules: Collection[str], *, written: bool = False) -> _Found:
    """Nothing where two are written alike; else the difference, and whether it is forgiven."""
    if old == new:
        return
    first, second = (read(old), read(new)) if written else (old, new)
    needed = alike(first, second, rules)
    if needed is None:
        would = alike(first, second, RULES) or ()
        yield Difference(subject, name, old, new, tuple(r for r in would if r not in rules)), False
    else:
        yield Difference(subject, name, old, new, needed), True


def _in_words(found: Difference) -> str:
    name = f"{found.subject.capitalize()} {found.name}".rstrip()
    if not found.old:
        return f"{name} only at new: {found.new}"
    if not found.new:
        return f"{name} only at old: {found.old}"
    rules = f" (the same by {', '.join(found.rules)})" if found.rules else ""
    return f"{name}: {found.old} -> {found.new}{rules}"
