"""`task` rows: a task in words and a signature, solved and checked by calls that don't see each other.

One call makes the exercise of a symbol's docs, told in several ways; one solves it, seeing exercise and docs; one
writes the test, seeing the exercise alone. Then all is run at the new release.

Who is wrong where the answer doesn't pass? It is decided by where it ended:

* it raised in its own code, ran too long, or left the symbol aside: the solution is wrong. It is asked for once more,
  with what happened; of a test it is told nothing.
* a check failed: that can be either. A second solution is written that knows of neither. Where that one passes, two
  that don't know of each other agree, and it is the answer; else the task is dropped.

So no solution ever sees the test that it is held to. A first solution that raised, and the second one that passes, are
a `repair` row as well.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Example, Program, Symbol, Verdict
from registry.trees import parse, walk
from synth.material import draw, key_of
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, ending, english, python, shown, tried, unfenced
from synth.written.coverage import Topic, excerpts, notes, topics
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words, named
from synth.written.repair import Attempt, conversation
from synth.written.stubs import definition, stubs
from synth.written.task_words import AGAIN, EXERCISE, PERSONAS, SOLUTION, TEST

GENERATOR, VERSION = "task", "1"

PHRASINGS = ("plain", "story", "short")
"""The ways in which a task is told: a row each, of one root."""

_BUILT_IN = frozenset([
    "Any", "None", "Optional", "bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "set",
    "str", "tuple",
])  # fmt: skip
_MOST_ARGUMENTS = 6


@dataclass(frozen=True)
class Exercise:
    """A task as it was written.

    Attributes:
        signature: `def name(a: int) -> int:`.
        name: The function's name.
        arguments: Names of its arguments.
        told: Phrasing -> text.
    """

    signature: str
    name: str
    arguments: tuple[str, ...]
    told: dict[str, str]

    @property
    def text(self) -> str:
        """What solution and test are written from."""
        return f"{self.told['plain']}\n\n{self.signature}"


class Task:
    """Writes tasks."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each public symbol, those with the fewest rows first."""
        for topic in topics(desk):
            origin = rows.of_symbols(desk, topic.symbols, topic.change)
            yield Subject(topic.symbol.path, origin.inputs, topic)

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """An exercise, its solution and its test."""
        topic: Topic = subject.about
        exercise = yield from _exercise(desk, topic, talk)
        code = yield from _solution(desk, topic, exercise, talk, SOLUTION)
        test = yield from _test(exercise, talk)
        program = Program(code=code, test=test, entry_point=exercise.name)
        (verdict,) = yield from tried(desk.new.id, program)
        stubbed = (yield from held(desk, program)) if verdict.outcome == "passed" else ()
        first: tuple[Attempt, ...] = ()
        if fault := _fault(desk, topic.symbol, program, verdict):
            first = ((program, verdict),) if verdict.outcome == "error" and is_own_fault(verdict) else ()
            program, verdict = yield from _second(desk, topic, exercise, talk, program, verdict, fault)
            stubbed = yield from held(desk, program)
        made = _rows(desk, topic, exercise, talk, (program, verdict), stubbed, first)
        return Ending((*(one for one, _ in first), program, *stubbed, *made))


# -------------------------------------------------------------------------------------------------------- the calls


def _exercise(desk: Desk, topic: Topic, talk: Talk) -> Generator[Any, Any, Exercise]:
    persona = PERSONAS[int(draw(desk.seed, "persona", topic.symbol.path)[:8], 16) % len(PERSONAS)]
    told = yield from talk.words(
        EXERCISE,
        f"The library: {_library(desk)}. A good solution needs {_public(desk, topic.symbol)} of it.",
        f"The person: {persona}.",
        *_excerpts(desk, topic),
        "Write the exercise.",
    )
    signature = " ".join(told.pop("signature").split())
    found = _head(signature)
    english(*told.values())
    unfenced(*told.values())
    return Exercise(f"{signature.removesuffix(':')}:", found.name, tuple(a.arg for a in found.args.args), told)


def _solution(
    desk: Desk, topic: Topic, exercise: Exercise, talk: Talk, words: Words, *shown: Excerpt, sample: int = 0
) -> Generator[Any, Any, str]:
    beside = f" Installed beside it: {', '.join(sorted(desk.packages))}." if desk.packages else ""
    code = yield from talk.code(
        words,
        f"The library: {_library(desk)}.{beside} Use {_public(desk, topic.symbol)}.",
        Excerpt("The exercise", exercise.text),
        *shown,
        *_excerpts(desk, topic),
        "Write the solution.",
        sample=sample,
    )
    python(code, desk.imports)
    found = definition(code, exercise.name)
    if not isinstance(found, ast.FunctionDef):
        raise UnwrittenError("format", f"The solution defines no function {exercise.name}")
    if tuple(a.arg for a in (*found.args.posonlyargs, *found.args.args)) != exercise.arguments:
        raise UnwrittenError("format", f"The solution's {exercise.name} has other arguments than the exercise's")
    return code


def _test(exercise: Exercise, talk: Talk) -> Generator[Any, Any, str]:
    test = yield from talk.code(TEST, Excerpt("The exercise", exercise.text), "Write the check.")
    tree = python(test, (), 60)
    if exercise.name in bound(tree):
        raise UnwrittenError("format", f"The test binds {exercise.name} itself")
    if not any(isinstance(n, ast.Name) and n.id == exercise.name for n in walk(tree)):
        raise UnwrittenError("off-topic", f"The test never calls {exercise.name}")
    return test


def _second(
    desk: Desk, topic: Topic, exercise: Exercise, talk: Talk, program: Program, verdict: Verdict, fault: str
) -> Generator[Any, Any, tuple[Program, Verdict]]:
    """Another solution where the first one is at fault, or may be; see the module for how that is decided."""
    if is_own_fault(verdict):
        said = (Excerpt("The first solution", program.code), Excerpt("What happened", fault))
        code = yield from _solution(desk, topic, exercise, talk, AGAIN, *said)
    else:
        code = yield from _solution(desk, topic, exercise, talk, SOLUTION, sample=1)
    again = Program(code=code, test=program.test, entry_point=program.entry_point)
    (found,) = yield from tried(desk.new.id, again)
    if fault := _fault(desk, topic.symbol, again, found):
        raise UnwrittenError("unproven", f"Neither of two solutions: {fault}")
    return again, found


# ------------------------------------------------------------------------------------------------------- the checks


def held(desk: Desk, program: Program) -> Generator[Any, Any, tuple[Program, ...]]:
    """The stubs of an answer, on none of which its test passes.

    Raises:
        UnwrittenError: It passes on one.
    """
    entry = program.entry_point or ""
    found = stubs(program, entry)
    ran = yield from tried(desk.new.id, *found)
    if passed := [p for p, v in zip(found, ran, strict=True) if v.outcome == "passed"]:
        body = definition(passed[0].code, entry)
        raise UnwrittenError("vacuous-test", f"It passes on a stub: {ast.unparse(body.body[-1]) if body else ''}")
    return found


def is_own_fault(verdict: Verdict) -> bool:
    """Whether a program ended by its own doing, whatever its test may be worth."""
    raised: Any = verdict.exception
    in_code = verdict.outcome == "error" and raised.get("in") == "code"
    return in_code or verdict.outcome in ("passed", "timeout", "memory", "killed", "flaky")


def _fault(desk: Desk, symbol: Symbol, program: Program, verdict: Verdict) -> str:
    """What is wrong with a solution, as far as its run shows; empty where nothing is."""
    if verdict.outcome != "passed":
        return shown(verdict)
    if not rows.uses(verdict, desk.indexes[1], program.code, symbol.path):
        return f"It passes, but never calls {desk.indexes[1].public(symbol.path)}"
    return ""


def _head(signature: str) -> ast.FunctionDef:
    """The function of a signature, whose every name is a plain one."""
    try:
        (found,) = parse(f"{signature.removesuffix(':')}:\n    pass\n").body
    except (SyntaxError, ValueError) as error:
        raise UnwrittenError("format", f"The signature isn't one: {error}") from error
    if not isinstance(found, ast.FunctionDef) or len(found.body) != 1:
        raise UnwrittenError("format", "The signature is of no function")
    given = found.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs or found.name in dir(builtins):
        raise UnwrittenError("format", "The signature has starred arguments, or the name of a built-in function")
    if not 1 <= len(given.args) <= _MOST_ARGUMENTS:
        raise UnwrittenError("format", f"The signature has {len(given.args)} arguments, not 1 to {_MOST_ARGUMENTS}")
    annotations = [a.annotation for a in given.args] + [found.returns]
    names = {n.id for a in annotations if a is not None for n in walk(a) if isinstance(n, ast.Name)}
    if None in annotations or names - _BUILT_IN or any(not _is_literal(d) for d in given.defaults):
        raise UnwrittenError("format", "The signature's types aren't built-in ones, or lack")
    return found


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def bound(tree: ast.Module) -> set[str]:
    """The names that a program binds anywhere, by whatever statement."""
    found: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.arg, ast.alias)):
            found.add(node.arg if isinstance(node, ast.arg) else (node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


# --------------------------------------------------------------------------------------------------------- the rows


def _rows(
    desk: Desk,
    topic: Topic,
    exercise: Exercise,
    talk: Talk,
    answer: Attempt,
    stubbed: Sequence[Program],
    first: Sequence[Attempt],
) -> Iterator[Example]:
    """A row for each phrasing; where a first solution raised, one that tells how it was mended."""
    program, verdict = answer
    codes = (program.code, *(one.code for one, _ in first))
    symbols = rows.symbols_in(desk.indexes[1], codes, exercise.told.values(), (verdict,), topic.symbol.path)
    numbered = zip(_numbers(), stubbed, strict=False)
    roles = {"answer": program.id, **{f"stub{number or ''}": one.id for number, one in numbered}}

    def row(kind: str, parts: Mapping[str, Any]) -> Example:
        return rows.row(
            desk, kind, {"programs": roles, "entry_point": exercise.name, **parts}, (GENERATOR, VERSION),
            rows.of_symbols(desk, topic.symbols, topic.change), talk.calls, symbols=symbols,
            root=key_of(GENERATOR, desk.domain, topic.symbol.path, exercise.signature), change=topic.change,
        )  # fmt: skip

    prompts = {name: _prompt(desk, exercise.told[name], exercise.signature) for name in PHRASINGS}
    for phrasing, prompt in prompts.items():
        yield row("task", {"prompt": prompt, "phrasing": phrasing})
    if first:
        attempts = {f"attempt{number}": one.id for number, (one, _) in enumerate(first, 1)}
        told = conversation(prompts[PHRASINGS[0]], first, program)
        yield row("repair", {"programs": {**attempts, **roles}, **told})


def _numbers() -> Iterator[int]:
    """0, 2, 3 …: the roles are stub, stub2, stub3 …"""
    yield 0
    number = 2
    while True:
        yield number
        number += 1


def _prompt(desk: Desk, told: str, signature: str) -> str:
    """A task as a row asks it."""
    library = _library(desk)
    return f"{told}\n\nWrite this function with {library}:\n```python\n{signature}\n    ...\n```"


def _library(desk: Desk) -> str:
    return desk.spelled[1]


def _public(desk: Desk, symbol: Symbol) -> str:
    return named(desk.indexes[1].public(symbol.path))


def _excerpts(desk: Desk, topic: Topic) -> list[Excerpt]:
    """Docs of the symbol and what goes with it, and what people wrote of its change."""
    said = notes(topic.change) if topic.change is not None else ""
    changed = [Excerpt(f"What has changed since {desk.spelled[0]}", said)] if said else []
    return [*excerpts(desk, topic.symbols), *changed]
