"""`drift` rows: code for the old release, the same for the new one, and what has changed, explained.

Subjects are the Changes that the fewest drift rows show. One call writes old code, new code, the check that both are
held to, and the explanation; both programs are run at both releases, and one that isn't what it should be is told once.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from registry.deprecations import deprecations
from registry.names import SymbolIndex
from registry.records import Change, Program, Symbol
from synth.material import draw, key_of
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, divided, ending, english, python, shown, tried
from synth.written.coverage import Lacking, described, is_there, notes
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words, named

GENERATOR, VERSION = "migrate", "1"

_FORM = """
Answer in exactly this form: three code blocks, ```python, in this order, and then prose:
1. The old program: works with the old version, and not with the new one (an error, another result, or a deprecation
   warning). As somebody would have written it then: 4 to 20 lines around the changed call, with its imports and its
   small data, and results bound to names at the top level. No asserts, no printing, files, network, randomness, no
   version checks, no try.
2. The new program: the same for the new version, with the same names bound to the same results. Change what has to be
   changed, and nothing else.
3. The check: 1 to 4 statements `assert name == value` about these names, that hold after either program with its own
   version. No imports of the library.
Prose: 2 to 5 plain English sentences to the one who has to update such code: what has changed, how to write it now, and
what to look out for. No headings, no lists, no code blocks.
"""

PAIR = Words(
    "migrate/pair@1",
    f"""
You show how code is brought from one version of a Python library to another, for one change between them. You are shown
what is known of the change; where you remember something else, that is right.

{_FORM.strip()}
""",
    2000,
    temperature="0.7",
)

AGAIN = Words(
    "migrate/again@1",
    f"""
You show how code is brought from one version of a Python library to another, for one change between them. You are shown
what is known of the change, what you wrote first, and what happened when it ran. Write all of it again, so that the old
program works with the old version only, and the new one with the new version.

{_FORM.strip()}
""",
    2000,
    temperature="0.7",
)

_VERSION = re.compile(r"__version__|importlib\.metadata|from importlib import metadata|version_info|pkg_resources")
"""How a program finds out where it runs: it would fail there by that alone."""


@dataclass(frozen=True)
class Moved:
    """A change, with the symbol as it was and as it is.

    Attributes:
        change: It.
        old: The symbol at the old release.
        new: It, or what takes its place, at the new one; None where nothing is known to.
    """

    change: Change
    old: Symbol
    new: Symbol | None

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols that there are."""
        return (self.old, self.new) if self.new is not None else (self.old,)


@dataclass(frozen=True)
class _Pair:
    """An answer: two programs and what is said of them."""

    old: Program
    new: Program
    explanation: str


class Migrate:
    """Writes migrations."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each change of something public that was there before, those with the fewest drift rows first."""
        shown_by = Counter(example.change for example in desk.examples if example.kind == "drift")
        lacking = Lacking(desk)

        def rank(moved: Moved) -> tuple[Any, ...]:
            """What needs something that isn't there comes last, what nobody wrote about before it."""
            change = moved.change
            lacks = any(lacking.needed_by(symbol) for symbol in moved.symbols)
            unknown = moved.new is None, not notes(change)
            return lacks, shown_by[change.id], *unknown, draw(desk.seed, change.id)

        for moved in sorted(_moved(desk), key=rank):
            known = [desk.old, desk.new, moved.change, *moved.symbols]
            name = f"{moved.change.kind} {moved.change.symbol}"
            yield Subject(name, tuple(record.digest for record in known), moved)

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """The pair, once more where it isn't one."""
        moved: Moved = subject.about
        text = yield from talk.text(PAIR, *_about(desk, moved), "Write the two programs, the check and the prose.")
        pair = _pair(desk, text)
        effect, fault = yield from _effect(desk, moved, pair)
        if fault:
            failed = (Excerpt("What you wrote first", text), Excerpt("What happened", fault))
            text = yield from talk.text(AGAIN, *_about(desk, moved), *failed, "Write all of it again.")
            pair = _pair(desk, text)
            effect, fault = yield from _effect(desk, moved, pair)
            if fault:
                raise UnwrittenError("unproven", f"Neither of two pairs: {fault}")
        rows.existing((pair.explanation,), (pair.old.code, pair.new.code), *desk.indexes)
        return Ending((pair.old, pair.new, _row(desk, moved, talk, pair, effect)))


def _moved(desk: Desk) -> Iterator[Moved]:
    """The changes of something public that was there before, and isn't a module."""
    old, new = desk.indexes
    for change in desk.changes:
        before = old.by_path.get(old.canonical(change.symbol) or "")
        after = new.by_path.get(new.canonical(change.replacement or change.symbol) or "")
        if before is not None and before.kind != "module" and "._" not in before.path and change.kind != "added":
            after = after if after is not None and is_there(desk, after) else None
            yield Moved(change, before, after)


def _about(desk: Desk, moved: Moved) -> list[str | Excerpt]:
    old, new = desk.spelled
    change = moved.change
    facts = {k: v for k, v in change.detail.items() if isinstance(v, (str, list))}
    known = [f"{change.symbol}: {change.kind}", *([f"Use instead: {change.replacement}"] if change.replacement else [])]
    known += [f"{name}: {value}" for name, value in sorted(facts.items())]
    said = "\n".join([*known, notes(change)]).strip()
    found: list[str | Excerpt] = [
        f"The library: {desk.new.library}. The old version: {old}. The new version: {new}.",
        f"The old program has to use {named(desk.indexes[0].public(moved.old.path))}.",
        Excerpt("What has changed", said),
        Excerpt(f"Documentation of {old}", described(moved.old, desk.indexes[0], 3000)),
    ]
    if moved.new is not None:
        found.append(Excerpt(f"Documentation of {new}", described(moved.new, desk.indexes[1], 3000)))
    return found


def _pair(desk: Desk, text: str) -> _Pair:
    prose, blocks = divided(text)
    if len(blocks) != 3 or not 20 <= len(prose) <= 2000:
        raise UnwrittenError("format", f"There are {len(blocks)} code blocks and {len(prose)} characters of prose")
    english(prose)
    old, new, test = blocks
    for code in (old, new):
        python(code, desk.imports | desk.indexes[0].roots, 60)
    check = python(test, (), 30)
    if old == new:
        raise UnwrittenError("format", "The old and the new program are the same")
    if not any(map(_tells, check.body)):
        raise UnwrittenError("vacuous-test", "The check compares no result with a value")
    if asked := next((code for code in (old, new) if _VERSION.search(code)), ""):
        raise UnwrittenError("format", f"A program asks for the version: {_VERSION.findall(asked)[0]}")
    return _Pair(Program(code=old, test=test), Program(code=new, test=test), prose)


def _tells(node: ast.stmt) -> bool:
    """Whether a statement holds a name to a value: `result == 3`, `done is True`, `abs(mean - 0.5) < 1e-9`."""
    test = node.test if isinstance(node, ast.Assert) else None
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq | ast.Is | ast.Lt | ast.LtE):
        return False
    nodes = list(ast.walk(test))
    told = any(isinstance(n, ast.List | ast.Dict | ast.Tuple | ast.Set) for n in nodes)
    told = told or any(isinstance(n, ast.Constant) and n.value is not None for n in nodes)
    return told and any(isinstance(n, ast.Name) for n in nodes)


def _effect(desk: Desk, moved: Moved, pair: _Pair) -> Generator[Any, Any, tuple[str, str]]:
    """What the new release does to the old program, and what is wrong with the pair; empty where nothing is."""
    (before,) = yield from tried(desk.old.id, pair.old)
    after, new = yield from tried(desk.new.id, pair.old, pair.new)
    if before.outcome != "passed":
        return "", f"The old program at the old version ends {shown(before)}"
    if not rows.uses(before, desk.indexes[0], pair.old.code, moved.old.path):
        return "", f"The old program never calls {desk.indexes[0].public(moved.old.path)}"
    if new.outcome != "passed":
        return "", f"The new program at the new version ends {shown(new)}"
    if moved.new is not None and not (new.symbols_called or desk.indexes[1].called(pair.new.code)):
        return "", "The new program calls nothing of the library"
    if announced := sorted(deprecations(new)):
        return "", f"The new program warns at the new version: {': '.join(announced[0])}"
    if after.outcome in ("error", "failed"):
        return ("fails" if after.outcome == "error" else "differs"), ""
    if after.outcome == "passed" and deprecations(after) - deprecations(before):
        return "warns", ""
    return "", f"The old program at the new version ends {shown(after)}, and should fail there"


_BROKEN = {"fails": "no longer runs", "differs": "no longer gives the same result", "warns": "warns"}


def _row(desk: Desk, moved: Moved, talk: Talk, pair: _Pair, effect: str) -> Any:
    old, new = desk.spelled
    change = moved.change
    origin = rows.of_symbols(desk, moved.symbols[::-1], change)
    parts = {
        "programs": {"old": pair.old.id, "new": pair.new.id},
        "prompt": f"This was written for {old} and {_BROKEN[effect]} with {new}. Update it, and explain what changed.",
        "explanation": pair.explanation,
    }
    return rows.row(
        desk, "drift", parts, (GENERATOR, VERSION), origin, talk.calls,
        symbols=_symbols(desk.indexes, moved, pair), root=key_of(GENERATOR, desk.domain, change.id),
        releases=(desk.old.id, desk.new.id), change=change, operator=change.kind, old_effect=effect,
    )  # fmt: skip


def _symbols(indexes: tuple[SymbolIndex, SymbolIndex], moved: Moved, pair: _Pair) -> tuple[str, ...]:
    """First what has changed, then what takes its place, then what the programs and the prose name besides."""
    told = [symbol.path for symbol in moved.symbols]
    for index in indexes:
        told += rows.symbols_in(index, (pair.old.code, pair.new.code), (pair.explanation,))
    return tuple(dict.fromkeys(told))
