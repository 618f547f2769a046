"""Every writer but `task`: what it asks, the rows that come of good answers and their proof, and every way to fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from registry.errors import GeneratorError
from registry.records import Change, Program
from synth.llm import Reply, Request
from synth.material import derived
from synth.written import rows, writers
from synth.written.bug_llm import BugLlm
from synth.written.chat import Chat
from synth.written.dialogue import Desk, Subject, Writer, run
from synth.written.edit import Edit
from synth.written.issue import Issue
from synth.written.migrate import Migrate
from synth.written.repair import Repair
from synth.written.telling import difference, gives_away, is_about
from tests.synth.written.conftest import Bench, block, proven, scripted


def subject(writer: Writer, desk: Desk, start: str) -> Subject:
    return next(s for s in writer.subjects(desk) if s.name.startswith(start))


def ended(bench: Bench, writer: Writer, about: Subject, answers: dict[str, Any], desk: Desk | None = None) -> str:
    ending = bench.hold(writer, about, answers, desk)
    assert ending.rows == () or ending.outcome == "written"
    assert len(ending.detail) <= 300 and ending.calls
    return ending.outcome


# ------------------------------------------------------------------------------------------------------------ repair

RIGHT = block("import lib\n\nitems = lib.ring(2)\nresult1 = lib.doubled(items)\nresult2 = lib.doubled([])\n")


@pytest.fixture(scope="module")
def asked(bench: Bench) -> tuple[Subject, str]:
    """The library's test of `doubled` as a task, and the program that solves it."""
    piece = next(p for p in bench.desk.pieces if "doubled" in p.program.code)
    return subject(Repair(), bench.desk, piece.example.id), piece.program.code


def test_a_repair_tells_each_attempt_and_what_it_ran_into(bench: Bench, asked: tuple[Subject, str]) -> None:
    """Two programs that fail in different ways and one that passes: proven, as the conversation says."""
    about, right = asked
    raising = right.replace("lib.doubled(items)", "lib.double(items)")
    wrong = right.replace("lib.doubled(items)", "lib.doubled([*items, 0])")
    asks: list[Request] = []
    answers = {"repair/attempt": block(raising), "repair/again": [block(wrong), block(right)]}
    ending = run(Repair().write(bench.desk, about), scripted(answers, asks), bench.trial)
    (row,) = proven(bench, ending)
    assert [turn["role"] for turn in row.parts["turns"]] == ["user", "assistant"] * 3
    assert [shown["outcome"] for shown in row.parts["shown"]] == ["error", "failed"]
    assert "has no attribute 'double'" in asks[1].messages[1]["content"]
    assert about.about.example.root == row.root and row.symbols[0] == "lib.doubled"


def test_what_needs_no_repair_and_what_finds_none_are_no_rows(bench: Bench, asked: tuple[Subject, str]) -> None:
    """A first program that passes is solved; after `rounds` it is unproven, with all calls; a repeated one at once."""
    about, right = asked
    wrongs = [block(right.replace("lib.doubled(items)", f"lib.doubled([{n}])")) for n in range(5, 9)]
    answers: dict[str, Any] = {"repair/attempt": block(right), "repair/again": wrongs[1:]}
    assert ended(bench, Repair(), about, answers) == "solved"
    ending = bench.hold(Repair(), about, {**answers, "repair/attempt": wrongs[0]})
    assert (ending.outcome, len(ending.calls)) == ("unproven", bench.desk.rounds)
    assert ended(bench, Repair(), about, {"repair/attempt": wrongs[0], "repair/again": wrongs[0]}) == "unproven"
    assert ended(bench, Repair(), about, {"repair/attempt": "I can't"}) == "format"
    aside = right.replace("lib.doubled(items)", "[0, 0, 1, 1]").replace("lib.doubled([])", "[]")
    aside = aside.replace("items = lib.ring(2)\n", "")
    assert ended(bench, Repair(), about, {**answers, "repair/attempt": wrongs[0], "repair/again": block(aside)}) in (
        "off-topic", "vacuous-test",
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- chat

FIRST = {
    "question": "I have a list like [1, 2] and need each of the values two times in the same order. What is there?"
}
THEN = {"question": "Thanks. And what comes back for a list that is empty, is that an error or an empty list?"}
LAST = {"question": "And does that also work with words, for example with ['a', 'b'] instead of the numbers?"}
SAID = "The function `doubled` gives every item of the list twice, in the order of the list.\n\n" + block(
    "import lib\n\nassert lib.doubled([1, 2]) == [1, 1, 2, 2]"
)
SAYS = "You get an empty list from it, there is no error.\n\n" + block("import lib\n\nassert lib.doubled([]) == []")
TELLS = "Yes, it takes whatever stands in the list.\n\n" + block(
    "import lib\n\nassert lib.doubled(['a']) == ['a', 'a']"
)
TALK = {"chat/question": [FIRST, THEN, LAST], "chat/answer": [SAID, SAYS, TELLS], "chat/mended": SAID}


def test_a_conversation_is_one_row_whose_code_all_runs(bench: Bench) -> None:
    """Two or three questions; who asks the second sees the first answer; each block is a program."""
    asks: list[Request] = []
    about = subject(Chat(), bench.desk, "lib.doubled")
    ending = run(Chat().write(bench.desk, about), scripted(TALK, asks), bench.trial)
    (row,) = proven(bench, ending)
    turns = row.parts["turns"]
    assert len(turns) in (4, 6) and turns[0]["content"] == FIRST["question"] and turns[1]["content"] == SAID
    assert list(row.parts["programs"]) == [f"block{n}" for n in range(1, len(turns) // 2 + 1)]
    assert "gives every item of the list twice" in asks[2].messages[1]["content"]
    assert row.symbols[0] == "lib.doubled"


CHATS = {
    "German": ("language", {"chat/question": {"question": "Wie kann ich jeden Wert einer Liste doppelt bekommen, ohne"
        " dass sich die Reihenfolge der Werte dabei ändert?"}}),
    "no code": ("format", {"chat/answer": "Use the function `doubled` for that, it is made for it."}),
    "no prose": ("format", {"chat/answer": block("import lib\nassert lib.doubled([1])")}),
    "asserts nothing": ("format", {"chat/answer": "This is how it is done.\n" + block("import lib\nlib.doubled([1])")}),
    "asserts a constant": ("format", {"chat/answer": "This is how.\n" + block("import lib\nlib.ring(1)\nassert True")}),
    "passes over an error": ("format", {"chat/answer": "This is how.\n" + block(
        "import lib\ntry:\n    lib.doubly([1])\nexcept AttributeError:\n    pass\nassert lib.doubled([1]) == [1, 1]")}),
    "an indented block": ("format", {"chat/answer": "This is it:\n\n  ```python\n  x = 1\n  ```"}),
    "never runs": ("unproven", {"chat/answer": SAID.replace("doubled([", "double(["),
        "chat/mended": SAID.replace("doubled([", "twice([")}),
    "a name that isn't there": ("off-topic", {"chat/answer": [SAID.replace("`doubled`", "`lib.twice`"), SAYS, TELLS]}),
    "a question with code": ("format", {"chat/question": {"question": "What is this for?\n~~~\nlib.spread()\n~~~"}}),
    "something else": ("off-topic", {"chat/answer": "It is done like this.\n" + block("assert [1] * 2 == [1, 1]")}),
    "over the budget": ("budget", {"chat/question": [FIRST, Reply("k", "budget")]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHATS)
def test_what_a_conversation_lacks_is_how_it_ends(bench: Bench, name: str) -> None:
    """By kind, without rows."""
    outcome, answers = CHATS[name]
    assert ended(bench, Chat(), subject(Chat(), bench.desk, "lib.doubled"), {**TALK, **answers}) == outcome


def test_an_answer_whose_code_fails_is_asked_for_once_more(bench: Bench) -> None:
    """With what happened; the conversation goes on with the second one."""
    answers = {**TALK, "chat/answer": [SAID.replace("doubled([", "double(["), SAYS, TELLS]}
    ending = bench.hold(Chat(), subject(Chat(), bench.desk, "lib.doubled"), answers)
    (row,) = proven(bench, ending)
    assert row.parts["turns"][1]["content"] == SAID


# ----------------------------------------------------------------------------------------------------------- migrate

OLD_CODE = "import lib\n\nitems = lib.ring(3)\nshifted = lib.spread(items, 2, 5)\n"
NEW_CODE = "import lib\n\nitems = lib.ring(3)\nshifted = lib.spread(items, scale=2, offset=5)\n"
CHECK = "assert shifted == [5, 7, 9]\n"
WHY = "The arguments of `spread` have to be given by their names now, and what was `seed` is called `offset`."
PAIR = "\n".join([*map(block, (OLD_CODE, NEW_CODE, CHECK)), WHY])


def test_a_migration_is_proven_at_both_releases_and_explained(bench: Bench, changes: Sequence[Change]) -> None:
    """Old passes at old and fails at new, new passes there; family and change are those of the lake."""
    about = subject(Migrate(), bench.desk, "signature lib.spread")
    (row,) = proven(bench, bench.hold(Migrate(), about, {"migrate/pair": PAIR}))
    assert row.kind == "drift" and row.old_effect == "fails" and row.parts["explanation"] == WHY
    assert row.family == bench.desk.families.by_change[row.change or ""] and row.change in {c.id for c in changes}
    assert row.symbols[0] == "lib.spread" and row.releases == (bench.desk.old.id, bench.desk.new.id)


def test_a_pair_that_is_none_is_told_once(bench: Bench) -> None:
    """What happened is said: then it is a row, or unproven; so is a pair that shows another change, or no library."""
    about = subject(Migrate(), bench.desk, "signature lib.spread")
    same = PAIR.replace("lib.spread(items, 2, 5)", "[5, 7, 9]")
    asks: list[Request] = []
    answers = {"migrate/pair": same, "migrate/again": PAIR}
    ending = run(Migrate().write(bench.desk, about), scripted(answers, asks), bench.trial)
    assert ending.outcome == "written" and "never calls lib.spread" in asks[1].messages[1]["content"]
    aside = PAIR.replace("lib.spread(items, 2, 5)", "lib.set_apart([5, 7, 9], []) or [5, 7, 9]")
    for wrong in (same, aside, PAIR.replace("offset=5", "seed=5"), PAIR.replace("2, 5)", "2, seeds=5)"),
                  PAIR.replace(NEW_CODE, "items = [0, 1, 2]\nshifted = [5, 7, 9]\n")):  # fmt: skip
        assert ended(bench, Migrate(), about, {"migrate/pair": wrong, "migrate/again": wrong}) == "unproven"


@pytest.mark.parametrize(("outcome", "said"), [
    ("format", block(OLD_CODE) + WHY), ("format", PAIR.replace(WHY, "")),
    ("format", PAIR.replace("2, 5)", "scale=2, offset=5)")),
    ("language", PAIR.replace(WHY, "Die Argumente müssen nun mit ihrem Namen angegeben werden, und der Name hat sich"
        " auch noch geändert.")),
    ("off-topic", PAIR.replace(CHECK, "import numpy\n" + CHECK)),
    ("off-topic", PAIR + " Or use `lib.spreaded`."),
    ("format", PAIR.replace("items = lib", "assert lib.__version__\nitems = lib", 1)),
    *(("vacuous-test", PAIR.replace(CHECK, f"{check}\n")) for check in (
        "assert True", "assert shifted is not None", "assert shifted == shifted", "len(shifted)", "assert 1 == 1",
        "def test():\n    assert shifted == [5, 7, 9]")),
    ("language", PAIR.replace("items = lib", "items = = lib")),
])  # fmt: skip
def test_what_is_no_pair_ends_by_its_form(bench: Bench, outcome: str, said: str) -> None:
    """Blocks, prose, language, imports, names that there aren't, a version asked for, a check that holds nothing."""
    assert (
        ended(bench, Migrate(), subject(Migrate(), bench.desk, "signature lib.spread"), {"migrate/pair": said})
        == outcome
    )


# --------------------------------------------------------------------------------------------------------------- bug

REPORT = (
    "I gave a ring of two numbers to the program and wanted every number twice, but one of them is not there at all."
)


@pytest.fixture(scope="module")
def working(bench: Bench) -> tuple[Subject, str]:
    """The library's test of `doubled`, and its program."""
    piece = next(p for p in bench.desk.pieces if "doubled" in p.program.code)
    return subject(BugLlm(), bench.desk, piece.example.id), piece.program.code


def test_a_bug_is_one_small_place_with_what_its_user_saw(bench: Bench, working: tuple[Subject, str]) -> None:
    """Buggy fails, fixed passes; kind and operator are told, root and family are the source's."""
    about, right = working
    wrong = right.replace("lib.ring(2)", "lib.ring(1)")
    (row,) = proven(bench, bench.hold(BugLlm(), about, {"bug_llm/bug": f"{REPORT}\n\n{block(wrong)}"}))
    assert (row.kind, row.operator, row.bugs, row.edit_distance) == ("bug", "llm", 1, 1)
    assert row.bug_kind == "other" and row.root == about.about.example.root
    assert row.parts["prompt"].startswith(REPORT) and "assert" in row.parts["prompt"]


def test_what_is_no_bug_ends_by_what_is_wrong(bench: Bench, working: tuple[Subject, str]) -> None:
    """No mistake, one that nothing shows, a comment, a report that gives it away or names what isn't there."""
    about, right = working
    wrong = right.replace("lib.ring(2)", "lib.ring(1)")
    cases = [
        ("format", REPORT, right),
        ("unproven", REPORT, right.replace("lib.ring(2)", "lib.ring(2, 1)")),
        ("format", REPORT, wrong.replace("lib.ring(1)", "lib.ring(1)  # too few")),
        ("format", f"{REPORT} The program should have items = lib.ring(2) in it.", wrong),
        ("off-topic", f"{REPORT} Perhaps it is `lib.spread` that loses them?", wrong),
        ("off-topic", f"{REPORT} It stops with a KeyError.", wrong),
        ("language", "Das Programm liefert nicht alle Zahlen zweimal, sondern eine von ihnen gar nicht.", wrong),
        ("format", "", wrong),
        ("language", REPORT, wrong.replace("(1)", "(1")),
    ]
    for outcome, report, code in cases:
        said = {"bug_llm/bug": f"{report}\n\n{block(code)}"}
        assert ended(bench, BugLlm(), about, said) == outcome, (report, code)


# ------------------------------------------------------------------------------------------------------------- edits

ASKED = {
    "request": "Pass 2 to `lib.ring` instead of 1, so that the ring has both of its numbers.",
    "hurried": "make the ring two places long",
    "goal": "The ring is one place too short for what is checked below. Make it two places long.",
}


@pytest.fixture(scope="module")
def edited(bench: Bench) -> tuple[Desk, Subject]:
    """A desk with a proven edit on it."""
    piece = next(p for p in bench.desk.pieces if "doubled" in p.program.code)
    after = piece.program
    before = dataclasses.replace(after, code=after.code.replace("lib.ring(2)", "lib.ring(1)"))
    line = 1 + before.code[: before.code.index("lib.ring(1)")].count("\n")
    parts = {
        "programs": {"before": before.id, "after": after.id},
        "prompt": "`1` has to be `2`.",
        "scope": [[line, line]],
    }
    example = derived(piece.example, "edit", parts, ("edits", "7"), operator="correction")
    programs = {**bench.desk.programs, before.id: before}
    desk = dataclasses.replace(bench.desk, examples=[example], programs=programs)
    return desk, subject(Edit(), desk, example.id)


def test_an_edit_is_asked_for_in_three_ways(bench: Bench, edited: tuple[Desk, Subject]) -> None:
    """The programs, scope, root and proof are the source's; only the words are new."""
    desk, about = edited
    rows = proven(bench, bench.hold(Edit(), about, {"edit/words": ASKED}, desk), desk)
    source = about.about.example
    assert [row.parts["prompt"] for row in rows] == list(ASKED.values())
    assert all(row.parts["programs"] == source.parts["programs"] and row.root == source.root for row in rows)
    assert all(source.id in row.parents and row.generator == "edit" for row in rows)


@pytest.mark.parametrize(("outcome", "text"), [
    ("off-topic", "Use `lib.spread` for the ring instead."), ("off-topic", "Please clean this up."),
    ("format", "Make the ring longer:\n~~~\nx\n~~~"),
    ("format", "Make the ring longer:\n```python\nx\n```"), ("format", ""),
    ("language", "Mach den Ring bitte um genau einen Platz länger, denn sonst fehlt in der Liste eine Zahl."),
])  # fmt: skip
def test_words_that_are_not_of_the_edit_are_refused(
    bench: Bench, edited: tuple[Desk, Subject], outcome: str, text: str
) -> None:
    """Foreign names, nothing of what changes, code blocks, another language."""
    desk, about = edited
    assert ended(bench, Edit(), about, {"edit/words": {**ASKED, "hurried": text}}, desk) == outcome


@pytest.mark.parametrize(("prose", "told"), [
    ("It should be range(n).", "range(n)"), ("Use `range( n )` there.", "range(n)"),
    ("Perhaps it lacks step=2.", "step"),
    ("The first item is missing.", ""), ("I gave it `n` and `range(1, n)` is what it does.", ""),
])  # fmt: skip
def test_code_of_the_right_program_gives_it_away(prose: str, told: str) -> None:
    """Also where it has no name that the wrong one hasn't."""
    changed = difference("x = range(1, n)\n", "x = range(n) if not step else step\n")
    assert changed is not None and gives_away(prose, changed) == told


def test_a_word_that_any_sentence_has_names_no_change() -> None:
    """What both sides have says nothing where there is something that only one has."""
    changed = difference("return first(items)\n", "return last(items)\n")
    assert changed is not None and is_about("Take the last one.", changed)
    assert not is_about("Return all items for me and not less.", changed)


# ------------------------------------------------------------------------------------------------------------- issue

REPORTED = (
    "Our report shifts a ring of three numbers by five. Since the update the program stops with a TypeError at the call"
    " of `spread`; the changelog says that its arguments are given by keyword only, and that one has a new name."
)


@pytest.fixture(scope="module")
def entry(bench: Bench) -> tuple[Desk, Subject]:
    """A desk with a changelog's entry on it, and a proven example of what it tells of."""
    piece = next(p for p in bench.desk.pieces if "doubled" in p.program.code)
    program = Program(code=NEW_CODE, test=CHECK)
    parts = {**piece.example.parts, "programs": {"answer": program.id}}
    example = dataclasses.replace(piece.example, parts=parts, symbols=("lib.spread",), root="of-spread")
    change = next(c for c in bench.desk.changes if c.symbol == "lib.spread")
    noted = {"source": "CHANGES.md", "text": "spread takes scale and offset by keyword only; seed is now offset"}
    change = dataclasses.replace(change, evidence=(*change.evidence, noted))
    shown = dataclasses.replace(piece, example=example, program=program)
    desk = dataclasses.replace(bench.desk, changes=[change], pieces=[shown])
    return desk, next(iter(Issue().subjects(desk)))


def test_an_issue_leads_from_the_program_before_to_that_of_today(bench: Bench, entry: tuple[Desk, Subject]) -> None:
    """Of both releases; only the lines of the patch may change."""
    desk, about = entry
    (row,) = proven(bench, bench.hold(Issue(), about, {"issue/issue": f"{REPORTED}\n\n{block(OLD_CODE)}"}, desk), desk)
    assert row.kind == "edit" and row.releases == (desk.old.id, desk.new.id) and row.parts["scope"] == [[4, 4]]
    assert row.change == about.about.change.id and row.change in row.parents and row.root == "of-spread"


@pytest.mark.parametrize(("outcome", "issue", "code"), [
    ("format", REPORTED, NEW_CODE), ("unproven", REPORTED, NEW_CODE.replace("scale=2, offset=5", "offset=5, scale=2")),
    ("unproven", REPORTED, OLD_CODE.replace("2, 5)", "2, shift=5)")),
    ("format", REPORTED + " It has to be shifted = lib.spread(items, scale=2, offset=5) now.", OLD_CODE),
    ("off-topic", REPORTED.replace("TypeError", "AttributeError"), OLD_CODE),
    ("off-topic", REPORTED + " We also use `lib.set_apart`.", OLD_CODE), ("format", REPORTED, OLD_CODE + "# old\n"),
    ("language", "Seit der Aktualisierung bricht unser Programm ab, wenn die Zahlen verschoben werden.", OLD_CODE),
])  # fmt: skip
def test_what_is_no_issue_ends_by_what_is_wrong(
    bench: Bench, entry: tuple[Desk, Subject], outcome: str, issue: str, code: str
) -> None:
    """Today's program, one that works or never did, a patch in the prose, foreign names, comments, another language."""
    desk, about = entry
    assert ended(bench, Issue(), about, {"issue/issue": f"{issue}\n\n{block(code)}"}, desk) == outcome


def test_prose_names_what_its_programs_import_and_nothing_by_chance(bench: Bench) -> None:
    """`G.nodes` is no function of the library; an alias, a full path and a name of two words are."""
    index, code = bench.desk.indexes[1], "import lib as ll\n\nx = ll.ring(2)\n"
    assert rows.symbols_in(index, [code], ["Use x.spread or a ring, doubled."]) == ("lib.ring",)
    assert rows.symbols_in(index, [code], ["Use `doubled` for that."]) == ("lib.ring", "lib.doubled")
    assert rows.symbols_in(index, [code], ["Use ll.spread, lib.Tally, is_set_apart."]) == (
        "lib.ring", "lib.spread", "lib.Tally", "lib.is_set_apart",
    )  # fmt: skip


def test_writers_are_found_by_name_and_tell_their_version() -> None:
    """All built-in ones load and are named as the table has it; of others it is said what there is."""
    assert [writers.part(name).partition("@")[0] for name in writers.BUILT_IN] == list(writers.BUILT_IN)
    with pytest.raises(
        GeneratorError, match=r"^No writer 'nobody': there are task, repair, .*Install one that has it$"
    ):
        writers.load("nobody")
