"""Exercises for reinforcement: the beginning of a program, assertions that decide what its end earns, and others.

They are cut from proven rows: the beginning of the row's program up to the body of its last function, or up to the call
whose result its last statement names. The row's assertions about that are dealt out: one half decides the reward, the
other is kept back. A function that has written down what the first half wants, instead of computing it, fails the
second. Two assertions about one value don't tell that: there, what is written must make the call that the row makes.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from finetune.generation import ENDS_OF_A_BODY, nothing, opened
from finetune.recipe import Judge, Lookup, parts_of, scheduled
from registry.errors import NoRowsError, TrainingError
from registry.records import Example, Program, Verdict
from registry.text import Text
from registry.trees import parsed, walk

ROLES = {"doc": "answer", "test": "answer", "bug": "fixed"}
"""Kind of row -> its program that is right."""

PASSED, STRONG, UNAVAILABLE = "passed", "strong", "unavailable"

EXERCISES_PART = "exercises@2"
"""What decides which rows are exercises, and what earns."""

GUESSES = ("0", "1", "2", "[]", "{}", "''")
"""Values that may stand for a call's: an exercise for which one passes says nothing about the call."""

GUESSED = frozenset(("True", "False", "None"))
"""Values that a program can claim without any work."""


@dataclass(frozen=True)
class Exercise:
    """A program to be ended.

    Attributes:
        begun: How it begins, without blanks at its end.
        test: Assertions that decide the reward.
        held_out: Assertions about the same function or value that are kept back.
        entry_point: The function that is to be written, where it is one.
        call: Name of the function that is to be called, where a value is to be given.
    """

    begun: str
    test: str
    held_out: str
    entry_point: str | None = None
    call: str = ""

    @property
    def stop(self) -> tuple[str, ...]:
        """Where what is written ends: with the function, or with the line that the value is given in."""
        return ENDS_OF_A_BODY if self.entry_point else ("\n",)

    def programs(self, text: str) -> tuple[Program, Program]:
        """The program that a text makes of it, with the assertions of the reward and with those kept back."""
        rewarded = Program(
            code=self.begun + (text if self.entry_point else text.partition("\n")[0] + "\n"),
            test=self.test,
            entry_point=self.entry_point,
        )
        return rewarded, replace(rewarded, test=self.held_out)

    def calls(self, text: str) -> bool:
        """Whether a text gives a value by the call, in the one statement that was begun, and without a choice in it.

        Of a function it isn't asked how it comes to its values.
        """
        if self.entry_point:
            return True
        code = self.programs(text)[0].code
        tree = parsed(code)
        if tree is None or not tree.body:
            return False
        last, source = tree.body[-1], Text(code)
        nodes = list(walk(last))
        if source.span(last)[0] >= len(self.begun) or any(isinstance(node, _CHOICES) for node in nodes):
            return False
        starts = (_named(node, self.call, source) for node in nodes)
        return any(at is not None and at >= len(self.begun) and not code[len(self.begun) : at].strip() for at in starts)


_CHOICES = (ast.BoolOp, ast.IfExp, ast.Lambda)
"""Expressions that may leave out what stands in them."""


def earns(verdict: Verdict) -> bool:
    """Whether a program is rewarded: it passed, and what says so came from outside its process.

    Raises:
        TrainingError: It could not be run; to count that as a failure would teach that it was one.
    """
    if verdict.outcome == UNAVAILABLE:
        raise TrainingError(
            f"There is no reward without a verdict, and program {verdict.program} couldn't be run: {verdict.detail}"
        )
    return (verdict.outcome, verdict.proof) == (PASSED, STRONG)


def exercises(examples: Iterable[Example], lookup: Lookup, count: int, seed: int) -> list[Exercise]:
    """`count` exercises in an order set by a seed, families as in every step; each has been tried in the sandbox.

    Args:
        examples: Rows of the split `train`.
        lookup: Gives their programs, and runs programs.
        count: Exercises.
        seed: Seed of the order.

    Raises:
        NoRowsError: No row can be one.
        TrainingError: A program couldn't be run.
    """
    rows = {e.id: e for e in examples if e.kind in ROLES}
    answers = {name: str(parts_of(row)["programs"][ROLES[row.kind]]) for name, row in rows.items()}
    programs = lookup.programs(sorted(set(answers.values())))
    cuts = {name: _cut(rows[name], programs[answers[name]]) for name in sorted(rows) if answers[name] in programs}
    first = {cut.exercise: (name, cut) for name, cut in reversed(cuts.items()) if cut is not None}
    sound = {first[one][0]: one for one in _sound([cut for _, cut in first.values()], lookup.judge)}
    if not sound:
        raise NoRowsError(
            "No row to train rl on: it takes doc, test and bug rows whose program ends in a function, or in a value "
            "that the library gives, with two or more assertions about it that are proven strongly"
        )
    drawn = scheduled((rows[name] for name in sound), count, random.Random(seed), "exercise")
    return [sound[row.id] for row in drawn]


@dataclass(frozen=True)
class _Cut:
    """An exercise, the text that its row's program goes on with, and some that do nothing or guess."""

    exercise: Exercise
    answer: str
    idle: tuple[str, ...]


def _cut(row: Example, program: Program) -> _Cut | None:
    """The exercise that a row makes; None where its program doesn't end in what it shows."""
    tree = parsed(program.code)
    if tree is None or not tree.body or program.files:
        return None
    last, text, call, after = tree.body[-1], Text(program.code), "", 0
    if isinstance(last, ast.FunctionDef):
        names, entry = {last.name}, last.name
        body = last.body[ast.get_docstring(last, clean=False) is not None :]
        at = text.span(body[0])[0] if body else None
    elif isinstance(last, ast.Assign):
        names, entry = {n.id for t in last.targets for n in walk(t) if isinstance(n, ast.Name)}, None
        call = row.symbols[0].rpartition(".")[2] if row.symbols else ""
        at, after = _call(last.value, call, text)
    else:
        return None
    halves = _halves(program.test, names)
    if at is None or halves is None:
        return None
    begun = opened(program.code[:at])
    idle = (nothing(begun) or "",) if entry else _guesses(begun, program.code[after:])
    return _Cut(Exercise(begun, *halves, entry, call), program.code[len(begun) :], idle)


def _guesses(begun: str, rest: str) -> tuple[str, ...]:
    """Texts that put a value in the place of a call, before what follows it: of any object `__class__` is true."""
    start = "__class__ and " if begun.endswith(".") else " "
    return tuple(f"{start}{value}{rest}" for value in GUESSES)


def _call(value: ast.expr, name: str, text: Text) -> tuple[int | None, int]:
    """Where the name of the first call of a function of that name begins, and where the call ends."""
    for node in walk(value):
        at = _named(node, name, text)
        if at is not None:
            return at, text.span(node)[1]
    return None, 0


def _named(node: ast.AST, name: str, text: Text) -> int | None:
    """Where the function's name begins in a call of one of that name; None of anything else."""
    if not name or not isinstance(node, ast.Call):
        return None
    start, end = text.span(node.func)
    return end - len(name) if text.text[start:end].rpartition(".")[2].strip() == name else None


def _halves(test: str, names: Collection[str]) -> tuple[str, str] | None:
    """A test's assertions about some names, dealt out in turn to two tests; None where there is no second one."""
    tree = parsed(test)
    dealt: tuple[list[str], list[str]] = ([], [])
    turns = 0
    for node in tree.body if tree is not None else ():
        statement = ast.unparse(node)
        if isinstance(node, _PREPARES):
            dealt[0].append(statement)
            dealt[1].append(statement)
        elif any(isinstance(n, ast.Name) and n.id in names for n in walk(node)):
            dealt[turns % 2].append(statement)
            turns += 1
    return ("\n".join(dealt[0]) + "\n", "\n".join(dealt[1]) + "\n") if turns > 1 else None


_PREPARES = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
"""Statements of a test that assert nothing."""


def _sound(cuts: Iterable[_Cut], judge: Judge) -> set[Exercise]:
    """The exercises whose answer earns with either half of the assertions, where neither nothing nor a guess does."""
    tried = [one for one in cuts if one.exercise.calls(one.answer)]
    programs = [p for one in tried for text in (one.answer, *one.idle) for p in one.exercise.programs(text)]
    verdicts = iter(judge(programs))
    sound = set()
    for one in tried:
        answers = [next(verdicts) for _ in range(2)]
        idle = [next(verdicts) for _ in range(2 * len(one.idle))]
        if all(earns(v) and _computed(v) for v in answers) and not any(v.outcome == PASSED for v in idle):
            sound.add(one.exercise)
    return sound


def _computed(verdict: Verdict) -> bool:
    """Whether a value was wanted that can't well be guessed; where a test ran apart, it isn't known which were."""
    wanted = [value["expected"] for value in verdict.values.values() if "expected" in value]
    return not wanted or any(value not in GUESSED for value in wanted)
