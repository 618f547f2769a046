"""What counts as proven: the judgement over the verdicts of a row's programs, by its kind.

Parts by kind (`Example.parts["programs"]` names the programs by role, the other parts are texts):

| kind | programs | texts | proven where |
|---|---|---|---|
| doc | answer, stub | prompt | answer passes and calls the symbol it claims to show; the stub doesn't pass |
| test | answer, stub | prompt | answer passes and calls the library; the stub doesn't pass |
| task | answer, stub, stub2 … | prompt | answer passes, calls the symbol it claims to show; no stub passes |
| repair | attempt1 …, answer, stub … | turns, shown | as task; each attempt ends as it is shown to have ended |
| chat | block1 … | turns | the blocks of code in the answers, in order, are the programs; each passes, one calls the |
| | | | symbol it claims to show |
| drift | old, new | prompt | old passes at old; at new it fails, differs or newly warns; new passes there unwarned |
| bug | buggy, fixed, alone1 … | prompt | fixed passes; buggy, a small edit away, fails, and each of several alone |
| fim | whole, empty | prefix, middle, suffix, order, context | the whole passes; the middle is whole nodes of it; |
| | | | left empty it fails, or doesn't parse |
| edit | before, after | prompt, scope | after passes, before fails; nothing outside the lines of the scope changes; |
| | | | of two releases: before passes at old |
| locate | original, corrupted | prompt, at, was, replaced | original passes; corrupted, one token away, fails |
| syntax | buggy, fixed | prompt | fixed passes; buggy, one small edit away, doesn't compile |
| preference | chosen, rejected | prompt, chosen, rejected, suffix | chosen passes, rejected ends `failed` or `error` |
| text | | text | licence only |

A missing or `unavailable` verdict proves nothing and disproves nothing: the row waits under the rule `unavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.deprecations import deprecations
from registry.gaps import emptied
from registry.names import SymbolIndex
from registry.records import Example, Program, Verdict
from registry.trees import parsed
from validators.edits import checks_failing, line_named, place_fault, syntax_error
from validators.parts import (
    ALONE,
    ANSWERING,
    ATTEMPT,
    BLOCK,
    DUTIES,
    EMPTY,
    STUB,
    blocks_of,
    duties_of,
    has_bare_code,
    is_migration,
    numbered,
    programs_of,
    turns,
)
from validators.scope import gap_fault, scope_fault, token_fault

Verdicts = Mapping[tuple[str, str], Verdict]
"""(program id, release id) -> what happened there."""


@dataclass(frozen=True)
class Proof:
    """The judgement over one example.

    Attributes:
        proven: Whether it may be trained on, as far as execution goes.
        rule: The removal rule where it is not proven, else empty.
        detail: Why, in one line; empty where it is proven.
        strength: strong where every required pass was compared outside the candidate's process, else weak; none
            where nothing is proven or nothing had to run.
        old_effect: drift: what the old code does at the new release: fails, differs, warns.
        checks_failing: bug: how many values the test looks at are wrong; None where the buggy code raises.
        line_named: bug, syntax: whether the error names a line of a mistake.
    """

    proven: bool
    rule: str = ""
    detail: str = ""
    strength: str = "none"
    old_effect: str | None = None
    checks_failing: int | None = None
    line_named: bool | None = None


class _UnprovenError(Exception):
    """The proof does not hold: rule and detail."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(rule, detail)
        self.proof = Proof(proven=False, rule=rule, detail=detail[:300])


def prove(
    example: Example,
    verdicts: Verdicts,
    programs: Mapping[str, Program],
    indexes: Mapping[str, SymbolIndex] | None = None,
) -> Proof:
    """Judges one example by the verdicts of its programs.

    Args:
        example: The example.
        verdicts: (program id, release id) -> verdict; those in `obligations(example)` are read.
        programs: Program id -> program; a bug's are compared with each other.
        indexes: Release id -> its symbols, to tell classes and attributes from functions.
    """
    if example.kind not in DUTIES:
        return Proof(
            proven=False, rule="unproven", detail=f"Nothing is known that would prove a row of kind {example.kind!r}"
        )
    case = _Case(example, verdicts, programs, (indexes or {}).get(example.releases[-1]) if example.releases else None)
    try:
        case.complete()
        effect = _JUDGES[example.kind](case)
    except _UnprovenError as refusal:
        return refusal.proof
    proof = Proof(proven=True, strength=case.strength(), old_effect=effect)
    return replace(proof, **_difficulty(case)) if example.kind in ("bug", "syntax") else proof


def _difficulty(case: _Case) -> dict[str, Any]:
    """How hard a proven bug is to find, as far as its run shows."""
    buggy, fixed = (case.program(role).code for role in ("buggy", "fixed"))
    mistakes = max(1, sum(role.startswith(ALONE) for role in programs_of(case.example)))
    verdict = case.verdict("buggy") if case.example.kind == "bug" else None
    failing = checks_failing(verdict, case.verdict("fixed")) if verdict is not None else None
    return {"checks_failing": failing, "line_named": line_named(buggy, fixed, mistakes, verdict)}


@dataclass(frozen=True)
class _Case:
    """One example with what is known about it."""

    example: Example
    verdicts: Verdicts
    programs: Mapping[str, Program]
    index: SymbolIndex | None

    def verdict(self, role: str, at: int = -1) -> Verdict:
        return self.verdicts[programs_of(self.example)[role], self.example.releases[at]]

    def program(self, role: str) -> Program:
        name = programs_of(self.example)[role]
        if name not in self.programs:
            raise _UnprovenError("unavailable", f"The {role} program {name} is not in the lake")
        return self.programs[name]

    def complete(self) -> None:
        """Every program is named, has run, and agreed with itself."""
        named = programs_of(self.example)
        for role, at in duties_of(self.example):
            if role not in named:
                raise _UnprovenError("unproven", f"It names no {role} program")
            found = self.verdicts.get((named[role], self.example.releases[at]))
            if found is None or found.outcome == "unavailable":
                why = found.detail if found is not None and found.detail else "it was not run"
                raise _UnprovenError("unavailable", f"No verdict on the {role} program at {self._where(at)}: {why}")
        for role, at in duties_of(self.example):
            found = self.verdict(role, at)
            if found.outcome == "flaky":
                raise _UnprovenError(
                    "flaky", f"The {role} program's attempts disagree at {self._where(at)}: {found.detail}"
                )

    def passes(self, role: str, at: int = -1) -> Verdict:
        verdict = self.verdict(role, at)
        if verdict.outcome != "passed":
            what = f"The {role} program ends {verdict.outcome} at {self._where(at)}: {verdict.detail}"
            raise _UnprovenError("unproven", what)
        return verdict

    def strength(self) -> str:
        ran = [self.verdict(role, at) for role, at in duties_of(self.example)]
        passed = [v.proof for v in ran if v.outcome == "passed"]
        if not passed:
            return "none"
        return "strong" if all(proof == "strong" for proof in passed) else "weak"

    def _where(self, at: int) -> str:
        return "its release" if len(self.example.releases) == 1 else ("the old release", "the new release")[at]


def _mined(case: _Case) -> None:
    """doc, test: the answer passes and calls what it should; a stub of what it calls does not pass."""
    answer = case.passes("answer")
    claim = case.example.symbols[0] if case.example.symbols and case.example.kind != "test" else ""
    if claim and not _shows(case, answer, case.program("answer"), claim):
        raise _UnprovenError("unproven", f"It claims to show {claim} and never calls it")
    if not claim and not answer.symbols_called:
        raise _UnprovenError("unproven", "It calls nothing of the library")
    if case.verdict("stub").outcome == "passed":
        raise _UnprovenError("vacuous-test", "Its test also passes on a stub of what it calls")


def _task(case: _Case) -> None:
    """task: as what is mined, but for the stubs: there are several, of the answer itself, under the same test."""
    _mined(case)
    answer = case.program("answer")
    for role in numbered(case.example, STUB):
        stub = case.program(role)
        _must((stub.test, stub.files) == (answer.test, answer.files), f"The {role} program has another test")
        _must(stub.code != answer.code, f"The {role} program is the answer")
        if case.verdict(role).outcome == "passed":
            raise _UnprovenError("vacuous-test", "Its test also passes on a stub of the answer")


def _repair(case: _Case) -> None:
    """repair: a conversation whose last program passes, and whose earlier ones end as is said there."""
    _task(case)
    parts: Any = case.example.parts
    tried, answer = numbered(case.example, ATTEMPT), case.program("answer")
    told = [(str(one.get("outcome", "")), str(one.get("detail", ""))) for one in parts.get("shown", ())]
    _must(len(told) == len(tried), f"It says of {len(told)} programs how they ended, and tried {len(tried)}")
    _holds_programs(case, [*tried, "answer"])
    asked = [text for role, text in turns(case.example) if role != ANSWERING]
    _must(len(asked) > len(tried), "Not every failed program is followed by a turn that says so")
    for role, (outcome, detail), text in zip(tried, told, asked[-len(tried) :], strict=True):
        _fails(case, role, "equivalent-mutant", f"The {role} program passes the test too")
        verdict, program = case.verdict(role), case.program(role)
        _must((program.test, program.files) == (answer.test, answer.files), f"The {role} program has another test")
        ended = f"The {role} program ends {verdict.outcome}: {verdict.detail}"
        _must((verdict.outcome, verdict.detail) == (outcome, detail), f"{ended}; shown is {outcome}: {detail}")
        _must(detail in text, f"What the {role} program ran into is not what the next turn says")


def _chat(case: _Case) -> None:
    """chat: all code in its answers runs, and some of it shows what the conversation is about."""
    roles = numbered(case.example, BLOCK)
    _holds_programs(case, roles)
    ran = [(case.passes(role), case.program(role)) for role in roles]
    claim = case.example.symbols[0] if case.example.symbols else ""
    shown = any(_shows(case, verdict, program, claim) if claim else verdict.symbols_called for verdict, program in ran)
    _must(shown, f"No block of code calls {claim or 'the library'}")


def _holds_programs(case: _Case, roles: Sequence[str]) -> None:
    """The code in the answers of a conversation is that of these programs, in order, and nothing else stands there."""
    said = [text for role, text in turns(case.example) if role == ANSWERING]
    blocks = [code for text in said for code in blocks_of(text)]
    _must(not any(map(has_bare_code, said)), "An answer has code that stands in no fence, and isn't run")
    _must(bool(blocks), "There is no code in its answers")
    codes = [case.program(role).code.strip() for role in roles]
    _must(blocks == codes, f"The {len(blocks)} blocks of code in its answers aren't its {len(codes)} programs")


def _shows(case: _Case, answer: Verdict, program: Program, claim: str) -> bool:
    """Whether the claimed symbol was called; for what leaves no call to see, whether the code names it."""
    index = case.index
    path = (index.canonical(claim) if index is not None else None) or claim
    owner, _, _ = path.rpartition(".")
    is_method = index is not None and owner in index.by_path and index.by_path[owner].kind == "class"
    wanted = owner if is_method else path
    if any(called == wanted or called.startswith(wanted + ".") for called in answer.symbols_called):
        return True
    kind = index.by_path[path].kind if index is not None and path in index.by_path else "function"
    return index is not None and kind not in ("function", "method") and path in index.called(program.code)


def _drift(case: _Case) -> str:
    """drift: what the old code does at the new release, where old passed before and new passes there."""
    before, after = case.passes("old", 0), case.verdict("old", -1)
    new = case.passes("new", -1)
    one, other = case.program("old"), case.program("new")
    _must((one.test, one.files) == (other.test, other.files), "The old and the new program have other tests")
    announced = sorted(deprecations(new))
    if announced:
        raise _UnprovenError("unproven", f"The new program warns at the new release: {announced[0][1]}")
    if after.outcome in ("error", "failed"):
        return "fails" if after.outcome == "error" else "differs"
    if after.outcome != "passed":
        raise _UnprovenError("unproven", f"The old program ends {after.outcome} at the new release: {after.detail}")
    if not deprecations(after) - deprecations(before):
        raise _UnprovenError(
            "unproven", "The old program passes at the new release too, without a new deprecation warning"
        )
    return "warns"


def announces(verdict: Verdict) -> bool:
    """Whether a deprecation, or another change of the API to come, was warned of."""
    return bool(deprecations(verdict))


def _bug(case: _Case) -> None:
    """bug: one small edit that makes a passing program fail by its own doing, or several that each do."""
    case.passes("fixed")
    roles = ["buggy", *(role for role in programs_of(case.example) if role.startswith(ALONE))]
    for role in roles:
        _fails(case, role, "equivalent-mutant", f"The {role} program passes the test too")
        if case.verdict(role).outcome == "error":
            _raised_by_itself(case.verdict(role))
    _must(not (why := place_fault(case.program("buggy"), case.program("fixed"), max(1, len(roles) - 1))), why)


def _syntax(case: _Case) -> None:
    """syntax: one small edit that makes a passing program one that doesn't compile."""
    case.passes("fixed")
    buggy = case.program("buggy")
    if syntax_error(buggy.code) is None:
        raise _UnprovenError("equivalent-mutant", "The buggy program compiles")
    _must(not (why := place_fault(buggy, case.program("fixed"))), why)


def _raised_by_itself(verdict: Verdict) -> None:
    exception: Any = verdict.exception
    kind, where = exception.get("type", "an unknown error"), exception.get("in")
    if kind in ("SyntaxError", "IndentationError", "TabError", "ImportError", "ModuleNotFoundError"):
        raise _UnprovenError("unproven", f"The buggy program doesn't parse or import: {verdict.detail}")
    if where != "code":
        raise _UnprovenError("unproven", f"{kind} is not raised by the buggy code: {verdict.detail}")


def _preference(case: _Case) -> None:
    """preference: chosen passes where rejected does not."""
    case.passes("chosen")
    rejected = case.verdict("rejected")
    if rejected.outcome not in ("failed", "error"):
        raise _UnprovenError("unproven", f"The rejected program ends {rejected.outcome}: {rejected.detail}")
    if parsed(case.program("rejected").code) is None:
        raise _UnprovenError("unproven", "The rejected program doesn't parse")


def _fim(case: _Case) -> None:
    """fim: the whole passes, the gap in it is one of whole syntax nodes, and left empty it fails.

    Which program that is, the whole and the gap say, not the row; where it doesn't parse, nothing has to run.
    """
    case.passes("whole")
    parts: Any = case.example.parts
    prefix, middle, suffix = (str(parts.get(name, "")) for name in ("prefix", "middle", "suffix"))
    whole = case.program("whole")
    _must(not (why := gap_fault(whole.code, whole.test, prefix, middle, suffix)), why)
    left = emptied(whole.code, len(prefix), len(prefix) + len(middle))
    wanted = replace(whole, code=left).id if left is not None else None
    _must(programs_of(case.example).get(EMPTY) == wanted, "It doesn't name the program with the gap left empty")
    if wanted is not None:
        _fails(case, EMPTY, "vacuous-test", "The test passes with the gap left empty too")


def _edit(case: _Case) -> None:
    """edit: the instruction's test passes after the edit and fails before it, and the edit keeps to its scope.

    A migration's program passes at the old release: else its old form may be invented, and fail everywhere.
    """
    case.passes("after")
    if is_migration(case.example):
        case.passes("before", 0)
    _fails(case, "before", "vacuous-test", "The test passes before the edit too")
    before, after = case.program("before"), case.program("after")
    _must((before.test, before.files) == (after.test, after.files), "Before and after have other tests")
    parts: Any = case.example.parts
    _must(not (why := scope_fault(before.code, after.code, parts.get("scope", ()))), why)


def _locate(case: _Case) -> None:
    """locate: the corrupted program, one token away from one that passes, fails."""
    case.passes("original")
    _fails(case, "corrupted", "equivalent-mutant", "The corrupted program passes the test too")
    original, corrupted = case.program("original"), case.program("corrupted")
    _must((original.test, original.files) == (corrupted.test, corrupted.files), "The programs have other tests")
    _must(parsed(corrupted.code) is not None, "The corrupted program doesn't parse")
    parts: Any = case.example.parts
    at, was, replaced = int(parts.get("at", 0)), str(parts.get("was", "")), str(parts.get("replaced", ""))
    _must(not (why := token_fault(original.code, corrupted.code, at, was, replaced)), why)


def _fails(case: _Case, role: str, rule: str, detail: str) -> None:
    """The program ends failed or error; where it passes, the rule applies."""
    verdict = case.verdict(role)
    if verdict.outcome == "passed":
        raise _UnprovenError(rule, detail)
    _must(verdict.outcome in ("failed", "error"), f"The {role} program ends {verdict.outcome}: {verdict.detail}")


def _must(holds: bool, detail: str) -> None:
    if not holds:
        raise _UnprovenError("unproven", detail)


def _text(_: _Case) -> None:
    """text: context, not a task: there is nothing to run."""


_JUDGES: Mapping[str, Callable[[_Case], str | None]] = {
    "doc": _mined,
    "test": _mined,
    "task": _task,
    "repair": _repair,
    "chat": _chat,
    "drift": _drift,
    "bug": _bug,
    "fim": _fim,
    "edit": _edit,
    "locate": _locate,
    "preference": _preference,
    "syntax": _syntax,
    "text": _text,
}
