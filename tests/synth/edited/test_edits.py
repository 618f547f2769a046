"""`edit` rows: what their instructions say is what changes, and nothing else does."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from registry.names import SymbolIndex
from registry.records import Example, Program
from synth.edited import edits, refactors
from synth.edited.asking import asked
from tests.synth.conftest import symbol
from tests.synth.edited.test_tasks import CODE, TEST, piece
from validators.scope import scope_fault


def derived(kind: str, roles: tuple[str, str], before: str, after: str, **more: Any) -> tuple[Example, list[Program]]:
    programs = [Program(code=code, test=TEST) for code in (before, after)]
    parts = {"programs": dict(zip(roles, (p.id for p in programs), strict=True)), "prompt": "…"}
    return dataclasses.replace(piece().example, kind=kind, parts=parts, **more), programs


OLD = CODE.replace("lib.make(3)", "lib.made(3)")


def test_drift_row_becomes_an_instruction_to_migrate() -> None:
    """The instruction quotes the statement that names what changed, and the programs are the drift row's own."""
    row, programs = derived("drift", ("old", "new"), OLD, CODE, symbols=("lib.core.make", "lib.core.made"))
    (edit,) = edits.migrations([row], {p.id: p for p in programs}, ("lib 1", "lib 2"))
    parts: Any = edit.parts
    assert parts["programs"] == {"before": programs[0].id, "after": programs[1].id}
    assert parts["scope"] == [[3, 3]]
    assert "```python\nG = lib.made(3)\n```" in parts["prompt"]
    assert (edit.root, edit.file, edit.operator) == (row.root, row.file, "migration")


@pytest.mark.parametrize(
    "old",
    [
        OLD.replace("G.size()", "len(G)"),  # another statement that doesn't name what changed
        CODE.replace("G.size()", "len(G)"),
        CODE,
        OLD.replace("import lib\n", "import json\nimport lib\n"),  # another package's import
    ],
)
def test_drift_with_more_than_its_change_is_no_edit(old: str) -> None:
    """Where old and new code also differ in what the instruction doesn't speak of, there is no row."""
    row, programs = derived("drift", ("old", "new"), old, CODE, symbols=("lib.core.make", "lib.core.made"))
    assert list(edits.migrations([row], {p.id: p for p in programs}, ("lib 1", "lib 2"))) == []


def test_versions_of_a_test_that_asks_yes_or_no_are_no_migration() -> None:
    """Nothing says that two programs do the same whose test is `assert raised1 is True`; a codemod does."""
    row, programs = derived("drift", ("old", "new"), OLD, CODE, symbols=("lib.core.make", "lib.core.made"))
    asked = [dataclasses.replace(p, test="assert result1 is True\n") for p in programs]
    parts = {"programs": {"old": asked[0].id, "new": asked[1].id}, "prompt": "…"}
    known = {p.id: p for p in asked}
    for operator, rows in (("same:whole", 0), ("forward:rename", 1)):
        asking = dataclasses.replace(row, parts=parts, operator=operator)
        assert len(list(edits.migrations([asking], known, ("lib 1", "lib 2")))) == rows


@pytest.mark.parametrize(
    ("before", "after", "scope"),
    [
        ("f(\n    1,\n    3,\n)\nx = 1\n", "f(\n    1,\n    2,\n    3,\n)\nx = 1\n", [[1, 4]]),
        ("f(\n    1,\n    2,\n    3,\n)\n", "f(\n    0,\n    2,\n    4,\n)\n", [[1, 5]]),
        ("a = 1\nb = 1\nc = 1\n", "a = 2\nb = 1\nc = 2\n", [[1, 1], [3, 3]]),
        ("for a in b:\n    f(a)\n", "for a in c:\n    f(a)\n", [[1, 1]]),
    ],
)
def test_places_are_whole_statements(before: str, after: str, scope: list[list[int]]) -> None:
    """A line put into a statement, or two lines of it changed, are the whole statement; headers stand alone."""
    row, programs = derived("bug", ("buggy", "fixed"), before, after, operator="wrong_variable")
    made = list(edits.corrections([row], {p.id: p for p in programs}))
    assert [parts["scope"] for edit in made for parts in [dict(edit.parts)]] == ([scope] if len(scope) == 1 else [])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("buggy", "operator", "scope", "says"),
    [
        (CODE.replace("lib.make(3)", "lib.make(2)"), "off_by_one", [[3, 3]], "Correct line 3"),
        (CODE.replace("lib.make(3)", "lib.make(\n    2\n)"), "off_by_one", [[3, 5]], "lib.make(\n    2\n)"),
        (CODE.replace("import lib\n", ""), "missing_import", [[1, 0]], "add `import lib`.\nLeave everything else"),
    ],
)
def test_bug_row_becomes_an_instruction_to_correct(
    buggy: str, operator: str, scope: list[list[int]], says: str
) -> None:
    """The instruction says what is wrong, shows the statement whole, and what has to hold; the rest stays."""
    row, programs = derived("bug", ("buggy", "fixed"), buggy, CODE, operator=operator, bug_kind="off by one")
    (edit,) = edits.corrections([row], {p.id: p for p in programs})
    parts: Any = edit.parts
    assert parts["scope"] == scope
    assert says in parts["prompt"]
    assert "assert result2 == 7" in parts["prompt"]
    assert scope_fault(buggy, CODE, scope) == ""
    assert edit.bug_kind is None


def test_correction_quotes_checks_that_can_be_read() -> None:
    """Where a check needs what stands above it in the test, the whole test is quoted."""
    row, programs = derived("bug", ("buggy", "fixed"), CODE.replace("make(3)", "make(2)"), CODE, operator="off_by_one")
    test = "wanted = [3, 7]\nassert [result1, result2] == wanted\n"
    programs = [dataclasses.replace(p, test=test) for p in programs]
    parts = {"programs": dict(zip(("buggy", "fixed"), (p.id for p in programs), strict=True)), "prompt": "…"}
    (edit,) = edits.corrections([dataclasses.replace(row, parts=parts)], {p.id: p for p in programs})
    assert f"```python\n{test}```" in dict(edit.parts)["prompt"]  # type: ignore[call-overload]


def test_missing_statement_is_no_correction() -> None:
    """Nobody can infer what isn't there."""
    row, programs = derived(
        "bug", ("buggy", "fixed"), CODE.replace("H = lib", "# lib"), CODE, operator="missing_statement"
    )
    assert list(edits.corrections([row], {p.id: p for p in programs})) == []


def test_bug_of_several_mistakes_is_no_correction() -> None:
    """Two mistakes on neighbouring lines would be shown as one statement that is wrong: they give no row."""
    wrong = CODE.replace("lib.make(3)", "lib.make(2)")
    for buggy, count, made in ((wrong, 1, 1), (wrong.replace("lib.make(4", "lib.make(5"), 2, 0)):
        row, programs = derived("bug", ("buggy", "fixed"), buggy, CODE, bugs=count, operator="off_by_one")
        assert len(list(edits.corrections([row], {p.id: p for p in programs}))) == made


def run(program: Program) -> bool:
    """Whether a program that needs nothing passes its own test."""
    scope: dict[str, Any] = {}
    exec(compile(program.code, "code", "exec"), scope)
    try:
        exec(compile(program.test, "test", "exec"), scope)
    except (AssertionError, NameError):
        return False
    return True


MATH = SymbolIndex([symbol("math", "module"), *(
    dataclasses.replace(symbol(f"math.{name}"), parameters=tuple(
        {"name": parameter, "kind": "positional or keyword", "default": None} for parameter in ("number", "base")
    ))
    for name in ("sqrt", "log", "isqrt", "isfinite")
)])  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "code", "after", "says"),
    [
        (
            "extract-function",
            "x = 16\nroot = math.sqrt(x)\nroots = [root]\n",
            "x = 16\n\n\ndef compute_roots(x):\n    root = math.sqrt(x)\n    return [root]\n",
            "Move all from line 4 on into a function `compute_roots(x)` that returns what is bound to `roots` now",
        ),
        (
            "extract-function",
            "x = 16\nresult1 = math.sqrt(x)\n",
            "x = 16\n\n\ndef compute_sqrt(x):\n    return math.sqrt(x)\n",
            "Make a function `compute_sqrt(x)` of the last line",
        ),
        (
            "collect-results",
            "result1 = math.log(8, 2)\nresult2 = math.log(8, 4)\nresult3 = math.log(8, 3)\n",
            "logs = [math.log(8, base) for base in (2, 4, 3)]\n",
            "Lines 3 to 5 differ in one value alone",
        ),
        (
            "introduce-variable",
            "result1 = math.log(8, 2)\nx = 3\nresult2 = math.log(x, 2)\n",
            "base = 2\nresult1 = math.log(8, base)\nx = 3\nresult2 = math.log(x, base)\n",
            "`2` is given for the parameter `base` 2 times, in lines 3 and 5",
        ),
        (
            "rename-variable",
            "x = 8\nr = math.isqrt(x)\nresult1 = [r, r]\n",
            "x = 8\nisqrt = math.isqrt(x)\nresult1 = [isqrt, isqrt]\n",
            "`r` says little: rename it to `isqrt`",
        ),
    ],
)
def test_refactoring_keeps_behaviour_and_needs_the_edit(operator: str, code: str, after: str, says: str) -> None:
    """The new test fails before the edit and passes after it, and nothing outside the scope changes."""
    before = f"import math\n\n{code}"
    read = sorted({name for name in ("r", "roots", "result1", "result2", "result3") if f"{name} = " in code})
    scope: dict[str, Any] = {}
    exec(compile(before, "code", "exec"), scope)
    test = "".join(f"assert {name} == {scope[name]!r}\n" for name in read)
    source = piece(before, test)
    source = dataclasses.replace(source, example=dataclasses.replace(source.example, symbols=("math.sqrt",)))
    made = refactors.REFACTORINGS[operator](source, MATH)
    assert made is not None
    assert made.code == f"import math\n\n{after}"
    assert says in made.prompt
    assert scope_fault(before, made.code, made.scope) == ""
    assert not run(Program(code=before, test=made.test))
    assert run(Program(code=made.code, test=made.test))


@pytest.mark.parametrize(
    ("operator", "code"),
    [
        ("rename-variable", "r = math.isqrt(4)\nisqrt = 1\nresult1 = r\n"),  # the new name is taken
        ("rename-variable", "r = math.isqrt(4)\nr = math.isqrt(5)\nresult1 = r\n"),  # it stands for two things
        ("rename-variable", "r = math.isqrt(4)\nresult1 = f'{r}'\n"),  # in an f-string it can't be found
        ("extract-function", "x = 4\ny = math.sqrt(x)\nresult1 = math.isqrt(9)\n"),  # what is bound is another's
        ("extract-function", "x = 4\nroot = math.sqrt(x)\nresult1 = [root]\n"),  # neither tells what is returned
        ("extract-function", "result1 = math.sqrt(4)\n"),  # nothing is given
        ("extract-function", "x = 4\n# why\nresult1 = math.sqrt(x)\n"),  # its comment would stay behind
        ("collect-results", "result1 = math.log(8, 2)\nresult2 = math.log(8, 4)\n"),  # two are no list
        ("collect-results", "result1 = math.log(8, 2)\nresult2 = math.log(9, 4)\nresult3 = math.log(8, 4)\n"),
        ("introduce-variable", "result1 = math.log(8, 2)\nresult2 = math.log(9, 2)\nbase = 3\n"),
        ("rename-variable", "df = math.isqrt(4)\nresult1 = df\n"),  # a short name that everybody reads
        ("rename-variable", "r = math.from_int(4)\nresult1 = r\n"),  # no variable is called after a constructor
    ],
)
def test_what_would_be_worse_is_left_as_it_is(operator: str, code: str) -> None:
    """No shape is made whose name is taken or says nothing, or that takes apart what belongs together."""
    source = piece(f"import math\n\n{code}", "assert result1 == 2\nassert r == 2\n")
    source = dataclasses.replace(source, example=dataclasses.replace(source.example, symbols=("math.sqrt",)))
    assert refactors.REFACTORINGS[operator](source, MATH) is None


@pytest.mark.parametrize(
    ("operator", "before", "after", "says"),
    [
        (
            "invented_name",
            "r = lib.find_make(3)\n",
            "r = lib.make(3)\n",
            "There is no `lib.find_make`: `lib.make` is meant.",
        ),
        ("undefined_object", "r = f(Gs.x)\n", "r = f(G.x)\n", "`Gs` is not defined: `G` is meant."),
        ("wrong_method", "G.add(1)\n", "G.put(1)\n", "Use `G.put`, not `G.add`."),
        ("wrong_variable", "r = f(n, n)\n", "r = f(n, m)\n", "The second argument of `f` has to be `m`, not `n`."),
        ("wrong_constant", "r = f(k=True)\n", "r = f(k=False)\n", "`k` of `f` has to be `False`, not `True`."),
        ("comparison_swap", "r = a < b\n", "r = a <= b\n", "`a < b` has to be `a <= b`."),
        ("wrong_index", "r = a[0]['x']\n", "r = a[1]['x']\n", "`a[0]` has to be `a[1]`."),
        ("missing_argument", "f(a)\n", "f(a, b)\n", "`f` lacks an argument: pass `b` as its second argument."),
        ("missing_argument", "f(a)\n", "f(a, k=b)\n", "`f` lacks an argument: pass `k=b`."),
        (
            "swapped_arguments",
            "f(b, a)\n",
            "f(a, b)\n",
            "The arguments of `f` stand in the wrong order: they are `a, b`.",
        ),
        ("misspelt_keyword", "f(ks=1)\n", "f(k=1)\n", "A keyword of `f` is misspelt: `ks` has to be `k`."),
        ("misused_equals", "f(k == 1)\n", "f(k=1)\n", "`k == 1` compares two values: pass the keyword argument `k=1`."),
        ("missing_call", "G = lib.Graph\n", "G = lib.Graph()\n", "`lib.Graph` is named, but not called: call it."),
        ("lost_result", "f(a)\n", "a = f(a)\n", "The result of `f(a)` is lost: bind it to `a`."),
        (
            "lazy_result",
            "r = map(f, a)\n",
            "r = list(map(f, a))\n",
            "What `map(f, a)` gives has to be put into `list(…)`.",
        ),
        (
            "missing_import",
            "f(1)\n",
            "from lib import f\nf(1)\n",
            "`f` is used, but not imported: add `from lib import f`.",
        ),
        ("missing_statement", "a = 1\n", "a = 1\nb = 2\n", ""),
        ("wrong_variable", f"r = f({'n' * 99})\n", f"r = f({'m' * 99})\n", ""),
    ],
)
def test_correction_says_what_is_wrong(operator: str, before: str, after: str, says: str) -> None:
    """The words name what stands there and what has to; what can't be said shortly, or not at all, isn't asked."""
    assert asked(operator, before, after) == says
