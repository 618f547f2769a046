"""The judgement over verdicts, by the runs that each kind needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from registry.catalogue import PROOF_RULES
from registry.names import SymbolIndex
from registry.records import Example, Program, Symbol, Verdict
from validators.parts import DUTIES, obligations, programs_of
from validators.proofs import Proof, prove

OLD, NEW = "old-release", "new-release"
FIXED = (
    "def total(rows):\n    result = 0\n    for r in rows:\n        result += r\n    return result\nr = total([1, 2])\n"
)
DEPRECATED = {"category": "DeprecationWarning", "message": "f is deprecated", "line": 2}
INDEX = SymbolIndex(
    [
        Symbol(release=NEW, path="lib", kind="module"),
        Symbol(release=NEW, path="lib.core.f", kind="function", aliases=("lib.f",)),
        Symbol(release=NEW, path="lib.core.Graph", kind="class", aliases=("lib.Graph",)),
        Symbol(release=NEW, path="lib.core.Graph.add", kind="method", aliases=("lib.Graph.add",)),
        Symbol(release=NEW, path="lib.core.Error", kind="class", aliases=("lib.Error",)),
    ]
)


TEXTS: Mapping[str, dict[str, Any]] = {
    "fim": {"prefix": "r = ", "middle": "f('whole')", "suffix": "\n\nassert r == 3"},
    "edit": {"scope": [[1, 1]]},
    "locate": {"at": 4, "was": "'original'", "replaced": "'corrupted'"},
    "chat": {
        "turns": [
            {"role": "user", "content": "How?"},
            {"role": "assistant", "content": "So:\n```python\nr = 'block1'\n```"},
        ]
    },
    "repair": {
        "turns": [
            {"role": "user", "content": "Do it"},
            {"role": "assistant", "content": "```python\nr = 'attempt1'\n```"},
            {"role": "user", "content": "It says: attempt1 failed"},
            {"role": "assistant", "content": "```\nr = 'answer'\n```"},
        ],
        "shown": [{"outcome": "failed", "detail": "attempt1 failed"}],
    },
}
"""What the programs `r = 'ROLE'` need beside them."""


class Bench:
    """One example of a kind whose verdicts are all as its proof wants them, to be bent by a test."""

    def __init__(self, kind: str, symbols: tuple[str, ...] = ("lib.core.f",), **codes: str) -> None:
        self.kind = kind
        roles = dict.fromkeys(role for role, _ in DUTIES[kind])
        roles |= dict.fromkeys(codes)
        self.programs = {role: Program(code=codes.get(role, f"r = '{role}'\n"), test="assert r == 3") for role in roles}
        releases = (OLD, NEW) if kind in ("drift", "preference") else (NEW,)
        parts: dict[str, Any] = {"programs": {role: p.id for role, p in self.programs.items()}, "prompt": "Do it"}
        parts |= TEXTS.get(kind, {})
        self.example = Example(
            domain="d", kind=kind, releases=releases, parts=parts, symbols=symbols, file="t.py", root="x",
            generator="g", generator_version="1",
        )  # fmt: skip
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        good = {"stub": "failed", "buggy": "failed", "rejected": "error", "before": "error", "corrupted": "failed"}
        good |= {"attempt1": "failed"}
        for role, at in DUTIES[kind]:
            outcome = "error" if (role, at, kind) == ("old", -1, "drift") else good.get(role, "passed")
            called = ("lib.core.f",) if outcome == "passed" else ()
            self.set(role, outcome, at=at, symbols_called=called)

    def set(self, role: str, outcome: str, at: int = -1, proof: str = "strong", **more: Any) -> Bench:
        release = self.example.releases[at]
        exception = {"type": "ValueError", "message": "no", "line": 2, "in": "code"} if outcome == "error" else {}
        fields: dict[str, Any] = {"exception": exception, "detail": f"{role} {outcome}"} | more
        self.verdicts[self.programs[role].id, release] = Verdict(
            program=self.programs[role].id, environment=f"with {release}", harness="1", policy="k=2", outcome=outcome,
            proof=proof if outcome in ("passed", "failed", "error") else "none", **fields,
        )  # fmt: skip
        return self

    def prove(self) -> Proof:
        by_id: Mapping[str, Program] = {p.id: p for p in self.programs.values()}
        return prove(self.example, self.verdicts, by_id, {NEW: INDEX})


def bench(kind: str, **more: Any) -> Bench:
    if kind == "bug":
        more = {"fixed": FIXED, "buggy": FIXED.replace("+=", "-=")} | more
    if kind == "fim":
        more = {"whole": "r = f('whole')\n"} | more
    if kind == "syntax":
        more = {"fixed": FIXED, "buggy": FIXED.replace("rows:", "rows")} | more
    return Bench(kind, **more)


@pytest.mark.parametrize("kind", sorted(DUTIES))
def test_row_with_all_its_verdicts_is_proven(kind: str) -> None:
    """Each kind has a way to be proven, by exactly the runs that `obligations` lists."""
    good = bench(kind)
    assert set(obligations(good.example)) == set(good.verdicts)
    assert good.prove().proven


@pytest.mark.parametrize("kind", sorted(set(DUTIES) - {"text"}))
@pytest.mark.parametrize(
    ("outcome", "rule"), [("unavailable", "unavailable"), ("flaky", "flaky"), (None, "unavailable")]
)
def test_missing_and_flaky_verdicts_never_prove(kind: str, outcome: str | None, rule: str) -> None:
    """Whatever the program, a missing, unavailable or flaky verdict leaves the row unproven, under its own rule."""
    for role, at in DUTIES[kind]:
        case = bench(kind)
        if outcome is None:
            del case.verdicts[case.programs[role].id, case.example.releases[at]]
        else:
            case.set(role, outcome, at=at)
        proof = case.prove()
        assert (proof.proven, proof.rule) == (False, rule), (role, at)
        assert rule in PROOF_RULES


@pytest.mark.parametrize("outcome", ["failed", "error", "timeout", "memory", "killed"])
@pytest.mark.parametrize(
    ("kind", "role", "at"),
    [("doc", "answer", -1), ("test", "answer", -1), ("drift", "old", 0), ("drift", "new", -1), ("bug", "fixed", -1),
     ("preference", "chosen", -1), ("fim", "whole", -1), ("edit", "after", -1), ("locate", "original", -1)],
)  # fmt: skip
def test_what_must_pass_must_pass(kind: str, role: str, at: int, outcome: str) -> None:
    """A row one of whose programs ends other than passed, where passing is its proof, is unproven."""
    assert bench(kind).set(role, outcome, at=at).prove().rule == "unproven"


GAPS = [
    ("r = f(", "'whole'", "r = f()\n"),
    ("", "r = f('whole')", "pass\n"),
]
"""Prefix and middle of `r = f('whole')`, and what is left of it."""


def gapped(prefix: str, middle: str, empty: Program | None, outcome: str) -> Bench:
    """A `fim` row of `r = f('whole')` with this gap, which names this program for the one with the gap left empty."""
    case = bench("fim")
    (whole,) = case.programs.values()
    parts: Any = dict(case.example.parts)  # type: ignore[call-overload]
    parts |= {"prefix": prefix, "middle": middle, "suffix": f"{whole.code[len(prefix + middle) : -1]}\n\n{whole.test}"}
    if empty is not None:
        case.programs["empty"] = empty
        parts["programs"] = parts["programs"] | {"empty": empty.id}
    case.example = replace(case.example, parts=parts)
    return case.set("empty", outcome) if empty is not None else case


@pytest.mark.parametrize(("prefix", "middle", "left"), GAPS)
@pytest.mark.parametrize(("outcome", "rule"), [("failed", ""), ("error", ""), ("passed", "vacuous-test")])
def test_gap_that_nothing_needs_is_none(prefix: str, middle: str, left: str, outcome: str, rule: str) -> None:
    """Where the program with its gap left empty parses, that runs too, and fails."""
    case = gapped(prefix, middle, Program(code=left, test="assert r == 3"), outcome)
    assert (case.programs["empty"].id, NEW) in obligations(case.example)
    assert (case.prove().proven, case.prove().rule or "") == (not rule, rule)


@pytest.mark.parametrize(("prefix", "middle", "left"), [*GAPS, ("r = ", "f('whole')", None)])
def test_whole_and_gap_say_what_is_left_of_it(prefix: str, middle: str, left: str | None) -> None:
    """A row that names no program with its gap left empty, or a failing one with other code or test, isn't proven."""
    right = Program(code=left, test="assert r == 3") if left is not None else None
    others = [None, Program(code="1/0\n", test=""), Program(code="1/0\n", test="assert r == 3")]
    others += [replace(right, test="assert r == 4"), replace(right, files={"a": "b"})] if right is not None else []
    assert gapped(prefix, middle, right, "failed").prove().proven
    rules = [gapped(prefix, middle, other, "error").prove().rule for other in others if other != right]
    assert set(rules) == {"unproven"}


@pytest.mark.parametrize(
    ("kind", "role", "rule"),
    [("doc", "stub", "vacuous-test"), ("test", "stub", "vacuous-test"), ("bug", "buggy", "equivalent-mutant"),
     ("preference", "rejected", "unproven"), ("edit", "before", "vacuous-test"),
     ("locate", "corrupted", "equivalent-mutant")],
)  # fmt: skip
def test_what_must_not_pass_must_not_pass(kind: str, role: str, rule: str) -> None:
    """A passing stub makes a test vacuous, a passing mutant is equivalent, a passing rejected one no pair."""
    proof = bench(kind).set(role, "passed").prove()
    assert (proof.proven, proof.rule) == (False, rule)
    assert rule in PROOF_RULES


@pytest.mark.parametrize(
    ("outcome", "rule"), [("passed", ""), ("error", "unproven"), ("failed", "unproven"), (None, "unavailable")]
)
def test_migrated_code_passed_at_the_old_release(outcome: str | None, rule: str) -> None:
    """An edit from one release to another is proven only where its program passed at the old one: none is invented."""
    case = bench("edit")
    case.example = replace(case.example, releases=(OLD, NEW))
    if outcome is not None:
        case.set("before", outcome, at=0)
        assert set(obligations(case.example)) == set(case.verdicts)
    assert (case.prove().proven, case.prove().rule) == (rule == "", rule)


@pytest.mark.parametrize("outcome", ["timeout", "memory", "killed"])
@pytest.mark.parametrize(
    ("kind", "role", "at"),
    [("bug", "buggy", -1), ("preference", "rejected", -1), ("drift", "old", -1), ("edit", "before", -1),
     ("locate", "corrupted", -1)],
)  # fmt: skip
def test_limits_are_no_failures(kind: str, role: str, at: int, outcome: str) -> None:
    """A program stopped by a limit shows no bug, no drift, no wrong call: the harness stopped it, not its mistake."""
    assert bench(kind).set(role, outcome, at=at).prove().rule == "unproven"


def test_stub_may_end_any_way_but_passing() -> None:
    """A stub that hangs or is killed does not pass, and that is all that is asked of it."""
    assert all(bench("doc").set("stub", outcome).prove().proven for outcome in ("error", "timeout", "killed", "memory"))


@pytest.mark.parametrize(
    ("claim", "called", "code", "proven"),
    [
        ("lib.core.f", ("lib.core.f",), "", True),
        ("lib.f", ("lib.core.f",), "", True),
        ("lib.core.f", ("lib.core.g",), "import lib\nlib.f\n", False),
        ("lib.core.f", ("lib.core.f2",), "", False),
        ("lib.core.Graph", ("lib.core.Graph.__init__",), "", True),
        ("lib.core.Graph.add", ("lib.core.Graph.remove",), "", True),
        ("lib.core.Graph.add", ("lib.core.Graphs.add",), "", False),
        ("lib.core.Error", ("lib.core.f",), "import lib\nlib.Error()\n", True),
        ("lib.core.Error", ("lib.core.f",), "import lib\nlib.f()\n", False),
    ],
)
def test_example_calls_what_it_claims_to_show(claim: str, called: tuple[str, ...], code: str, proven: bool) -> None:
    """The claimed symbol was called, by any public path; a class by any method; what can't be traced is named."""
    case = bench("doc", symbols=(claim,), answer=code or "r = 3\n").set("answer", "passed", symbols_called=called)
    assert case.prove().proven is proven


@pytest.mark.parametrize(("kind", "symbols"), [("doc", ()), ("test", ()), ("test", ("lib.core.f",))])
def test_row_that_claims_nothing_calls_the_library(kind: str, symbols: tuple[str, ...]) -> None:
    """Where no symbol is claimed to be shown, as in a test, something of the library must have been called."""
    case = bench(kind, symbols=symbols)
    assert case.set("answer", "passed", symbols_called=("lib.core.decorator",)).prove().proven
    assert not case.set("answer", "passed", symbols_called=()).prove().proven


@pytest.mark.parametrize(
    ("outcome", "before", "after", "effect"),
    [
        ("error", (), (), "fails"),
        ("failed", (), (), "differs"),
        ("error", (DEPRECATED,), (), "fails"),
        ("passed", (), (DEPRECATED,), "warns"),
        ("passed", (), ({**DEPRECATED, "category": "FutureWarning"},), "warns"),
        ("passed", (), ({**DEPRECATED, "category": "PytestRemovedIn10Warning"},), "warns"),
        ("passed", (), ({**DEPRECATED, "category": "Pandas4Warning"},), "warns"),
        ("passed", (), ({**DEPRECATED, "category": "ParserWarning"},), None),
        ("passed", (DEPRECATED,), ({**DEPRECATED, "line": 9},), None),
        ("passed", (), ({**DEPRECATED, "category": "UserWarning"},), None),
        ("passed", (), (), None),
    ],
)
def test_old_effect_is_what_old_code_does_at_the_new_release(
    outcome: str, before: Any, after: Any, effect: str
) -> None:
    """fails: an exception; differs: another value; warns: a deprecation that the old release did not announce."""
    case = bench("drift").set("old", "passed", at=0, warnings=before).set("old", outcome, warnings=after)
    proof = case.prove()
    assert (proof.old_effect, proof.proven) == (effect, effect is not None)


def test_new_code_that_is_deprecated_already_is_no_drift() -> None:
    """The new program of a drift row must not warn of the next change itself."""
    proof = bench("drift").set("new", "passed", warnings=(DEPRECATED,)).prove()
    assert (proof.proven, proof.rule) == (False, "unproven")
    assert "f is deprecated" in proof.detail


@pytest.mark.parametrize(
    ("exception", "proven"),
    [
        ({"type": "ValueError", "in": "code"}, True),
        ({"type": "NameError", "in": "test"}, False),
        ({"type": "SyntaxError", "in": "code"}, False),
        ({"type": "ModuleNotFoundError", "in": "code"}, False),
        ({}, False),
    ],
)
def test_bug_raises_by_its_own_doing(exception: dict[str, str], proven: bool) -> None:
    """A buggy program that ends in an error raised it in its own code, and could be parsed and imported."""
    assert bench("bug").set("buggy", "error", exception=exception).prove().proven is proven


@pytest.mark.parametrize(
    ("buggy", "proven"),
    [
        (FIXED.replace("+=", "-="), True),
        (FIXED.replace("        result += r\n", ""), True),
        (FIXED.replace("    return result\n", "    result += 1\n    return result\n"), True),
        (FIXED, False),
        ("x = 0\n" * 20 + FIXED, False),
        ("import os\n" + "a = 1\n" * 6 + FIXED + "b = 1\n" * 6, False),
    ],
)
def test_only_the_intended_change_differs(buggy: str, proven: bool) -> None:
    """Buggy and fixed differ in one small place of the code, and in nothing else."""
    assert bench("bug", buggy=buggy).prove().proven is proven
    case = bench("bug")
    case.programs["buggy"] = replace(case.programs["buggy"], test="assert r == 4")
    case.example = replace(case.example, parts={"programs": {r: p.id for r, p in case.programs.items()}})
    case.set("buggy", "failed")
    assert not case.prove().proven


SEVERAL = {
    "buggy": FIXED.replace("+=", "-=").replace("[1, 2]", "[1]"),
    "alone1": FIXED.replace("+=", "-="),
    "alone2": FIXED.replace("[1, 2]", "[1]"),
}


def test_each_of_several_mistakes_fails_alone() -> None:
    """A bug of two mistakes needs a run of each, and neither may pass, nor may more places differ than mistakes."""
    case = bench("bug", **SEVERAL).set("alone1", "failed").set("alone2", "failed")
    assert len(obligations(case.example)) == 4
    assert case.prove().proven
    assert case.set("alone2", "passed").prove().rule == "equivalent-mutant"
    more = SEVERAL | {"buggy": SEVERAL["buggy"].replace("result = 0", "result = 1")}
    case = bench("bug", **more).set("alone1", "failed").set("alone2", "failed")
    assert "3 places" in case.prove().detail


def test_syntax_rows_are_proven_by_the_compiler() -> None:
    """What compiles is no error of syntax; what doesn't, and is one small edit away from what passes, is one."""
    assert bench("syntax").prove().line_named is True
    assert bench("syntax", buggy=FIXED.replace("+=", "-=")).prove().rule == "equivalent-mutant"
    assert bench("syntax", buggy="x = 0\n" * 20 + FIXED + "(").prove().rule == "unproven"


@pytest.mark.parametrize(
    ("outcome", "more", "wanted"),
    [
        ("failed", {"values": {"0": {"actual": "[1]"}, "1": {"actual": "{2: 1.0}"}}}, (1, False)),
        ("failed", {"values": {"0": {"actual": "[1]"}, "1": {"actual": "<x>"}}}, (2, False)),
        ("failed", {}, (None, False)),
        ("error", {"exception": {"type": "TypeError", "in": "code", "line": 4}}, (None, True)),
        ("error", {"exception": {"type": "TypeError", "in": "code", "line": 6}}, (None, False)),
    ],
)
def test_difficulty_is_what_the_run_shows(outcome: str, more: Any, wanted: tuple[int | None, bool]) -> None:
    """How many values are wrong where it fails, and whether the error names the line that is wrong."""
    fixed = {"values": {"0": {"actual": "[2]"}, "1": {"actual": "{2: 1}"}}}
    proof = bench("bug").set("fixed", "passed", **fixed).set("buggy", outcome, **more).prove()
    assert (proof.checks_failing, proof.line_named) == wanted


def test_rejected_code_parses() -> None:
    """A rejected answer that is no Python teaches nothing about the API."""
    assert not bench("preference", rejected="def (:\n").prove().proven


@pytest.mark.parametrize(
    ("kind", "role", "at"), [("doc", "answer", -1), ("drift", "old", 0), ("drift", "new", -1), ("bug", "fixed", -1)]
)
def test_strength_is_that_of_the_weakest_pass(kind: str, role: str, at: int) -> None:
    """A proof is strong where every required pass was compared outside, and weak where one was not."""
    assert bench(kind).prove().strength == "strong"
    more = {"symbols_called": ("lib.core.f",)}
    assert bench(kind).set(role, "passed", at=at, proof="weak", **more).prove().strength == "weak"


def test_text_is_proven_by_nothing_run() -> None:
    """Text has no obligations: its licence decides elsewhere."""
    assert obligations(bench("text").example) == []
    assert bench("text").prove() == Proof(proven=True)


def test_row_without_a_program_or_a_known_kind_is_unproven() -> None:
    """A role that is not named and a kind without a table entry prove nothing, and say so."""
    case = bench("doc")
    parts = {"programs": {"answer": programs_of(case.example)["answer"]}}
    case.example = replace(case.example, parts=parts)
    assert "stub" in case.prove().detail
    case.example = replace(case.example, kind="poem")
    assert case.prove().rule == "unproven"
    assert obligations(case.example) == []


@pytest.mark.parametrize("kind", ["task", "repair"])
def test_a_written_test_that_any_stub_passes_is_vacuous(kind: str) -> None:
    """Each of several stubs has to fail: the second one passing is enough."""
    case = bench(kind, stub2="r = 'stub2'\n", stub10="r = 'stub10'\n")
    for role in ("stub2", "stub10"):
        case.set(role, "failed")
    assert case.prove().proven
    assert len(obligations(case.example)) == len(DUTIES[kind]) + 2
    case.set("stub10", "passed")
    assert (case.prove().rule, case.prove().proven) == ("vacuous-test", False)


def test_a_stub_under_another_test_proves_nothing() -> None:
    """It would fail whatever the answer's test is worth."""
    case = bench("task")
    other = replace(case.programs["stub"], test="assert False")
    case.example = replace(
        case.example, parts={**case.example.parts, "programs": {**case.example.parts["programs"], "stub": other.id}}
    )
    case.programs["stub"] = other
    case.set("stub", "failed")
    assert case.prove().detail == "The stub program has another test"


@pytest.mark.parametrize(
    ("turn", "text", "detail"),
    [
        (1, "```python\nr = 'else'\n```", "aren't its 2 programs"),
        (1, "```python\nr = 'attempt1'\n```\n```bash\nrm -r .\n```", "The 3 blocks of code"),
        (2, "It works", "is not what the next turn says"),
    ],
)
def test_a_repair_shows_what_was_tried_and_what_came_of_it(turn: int, text: str, detail: str) -> None:
    """The code of its answers is that of its programs; each failure is quoted in the turn after it."""
    case = bench("repair")
    turns = [dict(one) for one in case.example.parts["turns"]]
    turns[turn]["content"] = text
    case.example = replace(case.example, parts={**case.example.parts, "turns": turns})
    assert detail in case.prove().detail


def test_a_repair_whose_attempt_ends_otherwise_is_unproven() -> None:
    """Run anew it passes, or fails for another reason than the one that is shown."""
    assert bench("repair").set("attempt1", "passed").prove().rule == "equivalent-mutant"
    assert "shown is failed: attempt1 failed" in bench("repair").set("attempt1", "error").prove().detail


def test_all_code_of_a_chat_runs_and_some_of_it_shows_the_claim() -> None:
    """Code that isn't run, a block that fails, and an answer about something else are unproven."""
    talk = bench("chat")
    assert talk.prove().proven
    assert "ends error" in bench("chat").set("block1", "error").prove().detail
    assert "No block of code calls lib.core.f" in bench("chat").set("block1", "passed").prove().detail
    said = [*talk.example.parts["turns"], {"role": "user", "content": "```\nmine\n```"}]
    said.append({"role": "assistant", "content": "  ```python\n  r = 2\n  ```\n"})
    talk.example = replace(talk.example, parts={**talk.example.parts, "turns": said})
    assert "The 2 blocks of code in its answers aren't its 1 programs" in talk.prove().detail
