"""Tasks: what a dialogue comes to, answer by answer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from registry.records import Example, Program
from synth.llm import Reply, Request
from synth.written import rows
from synth.written.dialogue import Ending, Subject, run
from synth.written.task import Task
from tests.synth.written.conftest import Bench, block, proven, scripted

EXERCISE = {
    "signature": "def seats(places: int, guests: list[str]) -> list[str]:",
    "plain": "Give every place of a round table to a guest. The places are numbered from zero, and the guests sit down"
    " in the order in which they are given, from the first one again when all have a place. For each place the result"
    " has its number, a colon and the name of the guest. Without guests or places the result is an empty list.",
    "story": "I am planning a dinner at a round table, and for each of its places I need to know who sits there. The"
    " guests take the places in their order, and when all of them have one they start again from the first. Give me a"
    " list of the number of each place, a colon, and the name; it is empty if there are no guests or no places.",
    "short": "For a table with that many places, list which guest sits where as number, colon and name, with the"
    " guests in turn from the first to the last and again; an empty list without guests or places.",
}
SOLUTION = block("""
import lib


def seats(places: int, guests: list[str]) -> list[str]:
    if not guests:
        return []
    return [f"{n}:{guests[n % len(guests)]}" for n in lib.ring(places)]
""")
TEST = block("""
assert seats(3, ["Ann", "Bob"]) == ["0:Ann", "1:Bob", "2:Ann"]
assert seats(2, ["Ann", "Bob"]) == ["0:Ann", "1:Bob"]
assert seats(1, ["Eve"]) == ["0:Eve"]
assert seats(0, ["Eve"]) == []
assert seats(3, []) == []
""")
HAPPY = {"task/exercise": EXERCISE, "task/solution": SOLUTION, "task/test": TEST}


def ring_of(bench: Bench) -> Subject:
    return next(s for s in Task().subjects(bench.desk) if s.name == "lib.ring")


def held(bench: Bench, **answers: Any) -> Ending:
    changed = {f"task/{step}": said for step, said in answers.items()}
    return bench.hold(Task(), ring_of(bench), {**HAPPY, **changed})


def test_a_task_is_a_row_for_each_way_to_ask_it_with_all_that_it_was_made_of(bench: Bench) -> None:
    """Three rows share root and programs; symbols, licence, parents, family and calls are told."""
    ending = held(bench)
    proven(bench, ending)
    rows = [r for r in ending.rows if isinstance(r, Example)]
    programs = {r.id: r for r in ending.rows if isinstance(r, Program)}
    assert [r.parts["phrasing"] for r in rows] == ["plain", "story", "short"]
    assert len({r.root for r in rows}) == 1 and len({r.id for r in rows}) == 3
    first = rows[0]
    assert set(first.parts["programs"].values()) == set(programs)
    assert set(first.parts["programs"]) >= {"answer", "stub", "stub2", "stub3"}
    assert first.symbols == ("lib.ring",)
    assert (first.licence, first.file, first.generator) == ("MIT", "lib/__init__.py", "task")
    assert first.written["model"] == "m" and first.written["trainable"] is True
    assert len(first.written["calls"]) == 3 and tuple(first.written["calls"]) == ending.calls
    symbol = bench.desk.indexes[1].by_path["lib.ring"]
    assert {symbol.id, symbol.page} <= set(first.parents)
    assert "lib 2" in first.parts["prompt"] and EXERCISE["signature"] in first.parts["prompt"]


def test_who_writes_the_test_is_told_nothing_of_the_solution(bench: Bench) -> None:
    """The request for the test has the exercise's words, and neither the solution nor the docs."""
    asked: list[Request] = []
    run(Task().write(bench.desk, ring_of(bench)), scripted(HAPPY, asked), bench.trial)
    test = next(r for r in asked if r.purpose.startswith("task/test"))
    told = test.messages[1]["content"]
    assert EXERCISE["plain"] in told
    assert "lib.ring" not in told and "Return the numbers of a ring" not in told


WRONG = block("def seats(places, guests):\n    return ['0:Ann']\n")
RAISING = SOLUTION.replace("lib.ring(places)", "lib.ring(places, hop=1)")
OTHER = SOLUTION.replace("lib.ring(places)", "lib.ring(places, step=2)")
ASIDE = SOLUTION.replace("lib.ring(places)", "range(places)")
LOOSE = block("assert isinstance(seats(3, ['Ann']), list)\n")
FAULTY = TEST.replace('"2:Ann"]', '"2:Bob"]')

ENDINGS = {
    "refused": ("refused", {"exercise": Reply("k", "refused", detail="I can't help with that")}),
    "over the budget": ("budget", {"test": Reply("k", "budget")}),
    "no object": ("format", {"exercise": ["signature"]}),
    "a field too many": ("format", {"exercise": {**EXERCISE, "note": "x"}}),
    "a field that is no text": ("format", {"exercise": {**EXERCISE, "short": 3}}),
    "deep JSON": ("format", {"exercise": {**EXERCISE, "short": __import__("functools").reduce(
        lambda inner, _: [inner], range(5000), [])}}),
    "German": ("language", {"exercise": {**EXERCISE, "short": "Verteile die Gäste der Reihe nach auf die Plätze eines"
        " runden Tisches und gib für jeden Platz Nummer und Namen zurück."}}),
    "Chinese": ("language", {"exercise": {**EXERCISE, "plain": "返回每个座位的客人列表"}}),
    "code in words": ("format", {"exercise": {**EXERCISE, "plain": EXERCISE["plain"] + "\n```\nlib.spread()\n```"}}),
    "no signature": ("format", {"exercise": {**EXERCISE, "signature": "seats(places, guests)"}}),
    "types of its own": ("format", {"exercise": {**EXERCISE, "signature": "def seats(t: Tally) -> list:"}}),
    "a second statement": ("format", {"exercise": {**EXERCISE, "signature": "def f(a: int) -> int: pass\nimport os"}}),
    "prose instead of code": ("format", {"solution": "You could use lib.ring for that."}),
    "two blocks": ("format", {"solution": SOLUTION + "\n\nor\n\n" + SOLUTION}),
    "a block that doesn't end": ("format", {"solution": SOLUTION.removesuffix("```")}),
    "another language": ("format", {"solution": "```rust\nfn seats() {}\n```"}),
    "no Python": ("language", {"solution": block("def seats(places, guests)\n    return 1")}),
    "what the compiler warns of": ("language", {"solution": block("def seats(places, guests):\n    return 1 is 1")}),
    "a foreign import": ("off-topic", {"solution": block("import requests\n\ndef seats(places, guests): ...")}),
    "another name": ("format", {"solution": SOLUTION.replace("seats", "places_of")}),
    "other arguments": ("format", {"solution": SOLUTION.replace("places: int, ", "")}),
    "NUL": ("format", {"solution": block("def seats(places, guests):\n    return '\0'")}),
    "half a character": ("format", {"solution": block("def seats(places, guests):\n    return '\ud800'")}),
    "a megabyte": ("format", {"solution": block("x = 1\n" * 170_000)}),
    "nested code": ("language", {"solution": block("x = " + "[" * 90 + "]" * 90)}),
    "a test that defines the function": (
        "format", {"test": block("def seats(p, g): return []\nassert seats(1, []) == []")}
    ),
    "a test of something else": ("off-topic", {"test": block("assert sum([1, 2]) == 3")}),
    "a vacuous test": ("vacuous-test", {"test": LOOSE}),
    "a test that is never run": ("vacuous-test", {"test": block("def test_seats():\n    assert seats(0, []) == [1]")}),
    "two that raise": ("unproven", {"solution": RAISING, "again": RAISING}),
    "a wrong test": ("unproven", {"test": FAULTY}),
    "the library left aside": ("unproven", {"solution": ASIDE, "again": ASIDE}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_what_an_answer_lacks_is_how_the_dialogue_ends(bench: Bench, name: str) -> None:
    """Each way to fail ends by its outcome, without rows, with a reason and the calls it took."""
    outcome, answers = ENDINGS[name]
    ending = held(bench, **answers)
    assert (ending.outcome, ending.rows) == (outcome, ()), ending.detail
    assert len(ending.detail) <= 300 and ending.calls
    assert ending.detail or outcome == "budget"


def test_a_solution_that_raises_is_asked_for_again_with_what_happened(bench: Bench) -> None:
    """Its author sees it with its error, and nothing of the test."""
    asked: list[Request] = []
    answers = {**HAPPY, "task/solution": RAISING, "task/again": SOLUTION}
    ending = run(Task().write(bench.desk, ring_of(bench)), scripted(answers, asked), bench.trial)
    assert ending.outcome == "written", ending.detail
    told = asked[-1].messages[1]["content"]
    assert "hop" in told and "TypeError" in told and "assert" not in told
    assert len(ending.calls) == 4
    assert [row.kind for row in proven(bench, ending)] == ["task", "task", "task", "repair"]


def test_where_a_check_fails_a_second_solution_decides_that_knows_of_neither(bench: Bench) -> None:
    """It is asked in the words of the first one, as another sample; where it passes it is the answer."""
    asked: list[Request] = []
    answers = {**HAPPY, "task/solution": [OTHER, SOLUTION]}
    ending = run(Task().write(bench.desk, ring_of(bench)), scripted(answers, asked), bench.trial)
    assert ending.outcome == "written", ending.detail
    first, second = (r for r in asked if r.purpose.startswith("task/solution"))
    assert first.messages == second.messages and (first.sample, second.sample) == (0, 1)
    answer = ending.rows[0]
    assert isinstance(answer, Program) and "step=2" not in answer.code
    assert [row.kind for row in proven(bench, ending)] == ["task"] * 3


def test_what_fewest_rows_show_comes_first_and_what_has_changed_before_the_rest(bench: Bench) -> None:
    """Mined rows show ring and doubled; private and undocumented names are nobody's subject."""
    names = [s.name for s in Task().subjects(bench.desk)]
    assert set(names[-2:]) == {"lib.ring", "lib.doubled"}
    assert set(names[:2]) == {"lib.spread", "lib.is_set_apart"}
    assert "lib.Tally.add" in names and "lib.Tally.__init__" not in names


def test_what_lies_under_a_licence_that_is_not_allowed_is_never_shown(bench: Bench) -> None:
    """A page that isn't on the desk was left out: its symbols are nobody's subject, and nobody's licence is guessed."""
    desk = dataclasses.replace(bench.desk, pages=[p for p in bench.desk.pages if p.kind == "test"])
    assert not list(Task().subjects(desk))
    symbol = bench.desk.indexes[1].by_path["lib.ring"]
    assert rows.of_symbols(desk, [symbol]).licence is None
    other = dataclasses.replace(bench.desk.pages[0], licence="BSD-3-Clause")
    both = dataclasses.replace(bench.desk, pages=[other])
    change = bench.desk.changes[0]
    assert rows.of_symbols(both, [symbol], change).licence == "BSD-3-Clause AND MIT"
