"""Mistakes in functions around the use of an API: flat programs are given such a function first, right and wrong.

A script of a few calls has no place for a swallowed exception, a mutable default or a forgotten `await`. So part of it
moves into a function as people write them around a library; that program must pass too, and is what the fix comes to.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from registry.names import dotted_name
from synth.dataflow import flow, flow_all
from synth.mutated.slips import Draft
from synth.source import Edit, applied, first_line, indented


@dataclass(frozen=True)
class Wrapped:
    """A program with a function of its own.

    Attributes:
        operator: The mistake in the buggy one.
        kind: Its `bug_kind`.
        fixed: The code that is right.
        buggy: The code that is wrong.
    """

    operator: str
    kind: str
    fixed: str
    buggy: str


def wrapped(draft: Draft, rng: random.Random) -> Iterator[Wrapped]:
    """At most one mistake, of the first operator that is drawn and has a place; none in a program with comments."""
    for name, (wrap, kind, one_in) in WRAPPERS.items():
        if rng.randrange(one_in) == 0 and "#" not in draft.program.code:
            found = list(wrap(draft))
            if found:
                yield Wrapped(name, kind, *rng.choice(found))
                return


def swallowed_exception(draft: Draft) -> Iterator[tuple[str, str]]:
    """A function that hides the exception its caller waits for."""
    for i, statement in enumerate(draft.source.tree.body):
        if not isinstance(statement, ast.Try) or len(statement.body) != 1:
            continue
        inner = statement.body[0]
        call = inner.value if isinstance(inner, ast.Expr) else None
        if isinstance(call, ast.Call) and (name := _called(call)):
            given = ", ".join(_given(draft, i, call))
            head, text = f"def call_{name}({given}):\n", draft.source.inline(call)
            right = f"{head}    return {text}\n"
            wrong = f"{head}    try:\n        return {text}\n    except Exception:\n        return None\n"
            put = (*draft.source.span(call), f"call_{name}({given})")
            yield from _with(draft, (right, wrong), [put])


def mutable_default(draft: Draft) -> Iterator[tuple[str, str]]:
    """A default list that every call adds to."""
    for kind, empty, method in (("list", "[]", "extend"), ("set", "set()", "update"), ("dict", "{}", "update")):
        found = [s for s in draft.source.tree.body if isinstance(s, ast.Assign) and _is_conversion(s.value, kind)]
        names = {draft.source.segment(s.targets[0]) for s in found}
        if len(found) < 2 or not any(len(names & _names(check)) == 1 for check in ast.parse(draft.program.test).body):
            continue  # two of them compared with each other would both be wrong
        name, functions = f"collect_{kind}", [s.value.func for s in found]  # type: ignore[attr-defined]  # are calls
        rest = f"    into.{method}(values)\n    return into\n"
        right = f"def {name}(values, into=None):\n    into = {empty} if into is None else into\n{rest}"
        wrong = f"def {name}(values, into={empty}):\n{rest}"
        puts = [(*draft.source.span(function), name) for function in functions]
        yield from _with(draft, (right, wrong), puts)


def shared_default(draft: Draft) -> Iterator[tuple[str, str]]:
    """A default object of the library's that every call changes."""
    pairs: dict[tuple[str, str], list[Edit]] = {}
    for first, second in pairwise(draft.source.tree.body):
        made = first.value if isinstance(first, ast.Assign) and isinstance(first.targets[0], ast.Name) else None
        call = second.value if isinstance(second, ast.Expr) else None
        if isinstance(made, ast.Call) and isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            name, target = dotted_name(made.func) or "", draft.source.segment(first.targets[0])  # type: ignore[attr-defined]
            bare = not made.args and not made.keywords and not call.keywords and len(call.args) == 1
            if bare and draft.is_of_library(name) and draft.source.segment(call.func.value) == target:
                span = draft.source.span(first)[0], draft.source.span(second)[1]
                edit = (*span, f"{target} = build({draft.source.segment(call.args[0])})")
                pairs.setdefault((name, call.func.attr), []).append(edit)
    for (name, method), puts in sorted(pairs.items()):
        if len(puts) > 1:
            rest = f"    into.{method}(data)\n    return into\n"
            right = f"def build(data, into=None):\n    if into is None:\n        into = {name}()\n{rest}"
            wrong = f"def build(data, into={name}()):\n{rest}"
            yield from _with(draft, (right, wrong), puts)


def changed_argument(draft: Draft) -> Iterator[tuple[str, str]]:
    """A function that changes the object it is given, where its caller goes on with that: a copy is missing."""
    body = draft.source.tree.body
    for i, (before, change) in enumerate(pairwise(body)):
        call = change.value if isinstance(change, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not _called(call):
            continue
        owner, after = call.func.value, body[i + 2 :]
        if isinstance(before, ast.Assign) and isinstance(owner, ast.Name) and _goes_on(draft, owner.id, before, after):
            given = _given(draft, i, call)
            if owner.id not in given or flow(call).reads & flow(before).binds:
                continue
            name, rest = f"with_{call.func.attr}", f"    {draft.source.inline(call)}\n    return {owner.id}\n"
            head = f"def {name}({', '.join(given)}):\n"
            right = f"{head}    {owner.id} = {owner.id}.copy()\n{rest}"
            start = draft.source.span(before)[0]
            puts = [(start, start, f"changed = {name}({', '.join(given)})\n")]
            puts.append((draft.source.span(before)[1], draft.source.span(change)[1], ""))
            used = [n for s in after for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == owner.id]
            puts += [(*draft.source.span(n), "changed") for n in used]
            yield from _with(draft, (right, head + rest), puts)


def _goes_on(draft: Draft, name: str, before: ast.stmt, after: list[ast.stmt]) -> bool:
    """Whether an object is read before and after what changes it, never bound anew, and looked at by no test."""
    odd = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.JoinedStr)  # where a name can't simply be changed
    defined = any(isinstance(n, odd) for n in ast.walk(draft.source.tree)) or "changed" in draft.program.code
    later = flow_all(after)
    read = name in flow(before).reads and name not in flow(before).changes | flow(before).binds
    return read and name in later.reads and name not in later.binds | draft.looked_at and not defined


def wrong_own_default(draft: Draft) -> Iterator[tuple[str, str]]:
    """A function of one's own whose default is not what its caller relies on."""
    for i, statement in enumerate(draft.source.tree.body):
        call = statement.value if isinstance(statement, ast.Assign) else None
        seen = isinstance(statement, ast.Assign) and draft.source.segment(statement.targets[0]) in draft.looked_at
        if not isinstance(call, ast.Call) or not (name := _called(call)) or not seen or name[:1].isupper():
            continue
        for keyword in call.keywords:
            other = _other(draft, keyword.value)
            given = [g for g in _given(draft, i, call) if g != keyword.arg]
            if keyword.arg is None or keyword.arg in ("seed", *flow(call).reads) or other is None:
                continue
            text = draft.source.text
            start, (value_start, value_end) = draft.source.span(call)[0], draft.source.span(keyword.value)
            inner = text[start:value_start] + keyword.arg + text[value_end : draft.source.span(call)[1]]
            right, wrong = (
                f"def call_{name}({', '.join([*given, f'{keyword.arg}={value}'])}):\n    return {_flat(inner)}\n"
                for value in (draft.source.segment(keyword.value), other)
            )
            put = (*draft.source.span(call), f"call_{name}({', '.join(given)})")
            yield from _with(draft, (right, wrong), [put])


def missing_await(draft: Draft) -> Iterator[tuple[str, str]]:
    """A coroutine that nobody waits for."""
    body = draft.source.tree.body
    at = next((i for i, s in enumerate(body) if not isinstance(s, (ast.Import, ast.ImportFrom))), len(body))
    first, rest = body[at] if at < len(body) else None, body[at + 1 :]
    if not isinstance(first, ast.Assign) or not isinstance(first.value, ast.Call) or not _called(first.value):
        return
    target, wanted = draft.source.segment(first.targets[0]), sorted(draft.looked_at & flow_all(body[at:]).binds)
    simple = all(isinstance(s, (ast.Assign, ast.Expr, ast.For, ast.If)) for s in rest)
    if not rest or not wanted or not simple or target not in flow(rest[0]).reads or "load" in draft.program.code:
        return
    imports = draft.source.block(body[:at]) if at else ""
    load = f"async def load():\n    return {draft.source.inline(first.value)}\n\n\n"
    use, results = indented(draft.source.block(rest)), ", ".join(wanted)
    right, wrong = (
        f"import asyncio\n{imports}\n\n\n{load}async def main():\n    {target} = {word}load()\n{use}\n"
        f"    return {results}\n\n\n{results} = asyncio.run(main())\n"
        for word in ("await ", "")
    )
    yield right, wrong


def _called(call: ast.Call) -> str:
    """The last name of what is called, where that is a function."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else (dotted_name(call.func) or "")
    return name if name.isidentifier() and not name.startswith("_") else ""


def _given(draft: Draft, statement: int, call: ast.Call) -> list[str]:
    """The program's variables that a call reads."""
    return [name for name in draft.variables[statement] if name in flow(call).reads]


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _is_conversion(node: ast.expr, kind: str) -> bool:
    simple = isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords
    return simple and isinstance(node.func, ast.Name) and node.func.id == kind  # type: ignore[attr-defined]  # a call


def _other(draft: Draft, value: ast.expr) -> str | None:
    """The other switch, or None for a text that stands elsewhere too; no other value can be told from what it was."""
    if not isinstance(value, ast.Constant):
        return None
    if isinstance(value.value, bool):
        return str(not value.value)
    return "None" if isinstance(value.value, str) and draft.said[value.value] > 1 else None


def _flat(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def _with(draft: Draft, functions: tuple[str, str], puts: list[Edit]) -> Iterator[tuple[str, str]]:
    """The program with either function below its imports, called where the edits say; none where its name is taken."""
    body = draft.source.tree.body
    first = next(s for s in body if not isinstance(s, (ast.Import, ast.ImportFrom)))
    at = draft.source.offset(first_line(first), 0)
    name = functions[0].partition("(")[0].removeprefix("def ")
    if name not in draft.program.code:
        right, wrong = (applied(draft.program.code, [*puts, (at, at, f"\n{function}\n\n")]) for function in functions)
        yield right, wrong


Wrap = Callable[[Draft], Iterator[tuple[str, str]]]

WRAPPERS: Mapping[str, tuple[Wrap, str, int]] = {
    "shared_default": (shared_default, "mutable default", 1),
    "mutable_default": (mutable_default, "mutable default", 1),
    "changed_argument": (changed_argument, "missing copy", 2),
    "swallowed_exception": (swallowed_exception, "swallowed exception", 3),
    "wrong_own_default": (wrong_own_default, "wrong default", 6),
    "missing_await": (missing_await, "missing await", 12),
}
"""Operator -> what makes it, its `bug_kind`, and in one of how many programs it is tried: the rarest first."""
