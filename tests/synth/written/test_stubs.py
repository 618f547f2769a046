"""Stubs of a task's answer: every planted test that says nothing passes on one of them, and no honest one does."""

from __future__ import annotations

import pytest

from registry.records import Program
from synth.written.stubs import definition, stubs
from tests.synth.written.conftest import Bench
from tests.synth.written.planted import FUNCTIONS, HONEST, VACUOUS
from validators.execution.pool import Pool


@pytest.fixture(scope="module")
def outcomes(bench: Bench) -> dict[str, str]:
    """Program -> outcome: all answers and stubs of the table, run in one call."""
    answers = [Program(code=FUNCTIONS[name], test=test, entry_point=name) for name, test in (*VACUOUS, *HONEST)]
    every = {p.id: p for answer in answers for p in (answer, *stubs(answer, answer.entry_point or ""))}
    pool: Pool = bench.pool
    ran = pool.run(bench.environments[bench.desk.new.id], every.values(), attempts=1, timeout_s=5)
    return {verdict.program: verdict.outcome for verdict in ran}


def passing(name: str, test: str, outcomes: dict[str, str]) -> list[str]:
    """The last lines of the stubs on which a test passes."""
    answer = Program(code=FUNCTIONS[name], test=test, entry_point=name)
    assert outcomes[answer.id] == "passed", f"The answer ends {outcomes[answer.id]} on:\n{test}"
    return [p.code for p in stubs(answer, name) if outcomes[p.id] == "passed"]


@pytest.mark.slow
def test_every_planted_vacuous_test_is_found(outcomes: dict[str, str]) -> None:
    """Fifty and more, each passing on the right answer and on some stub."""
    assert len(VACUOUS) >= 50
    missed = [(name, test) for name, test in VACUOUS if not passing(name, test, outcomes)]
    assert not missed, missed


@pytest.mark.slow
def test_no_honest_test_is_lost(outcomes: dict[str, str]) -> None:
    """Thirty and more, each failing on every stub."""
    assert len(HONEST) >= 30
    lost = [(test, found) for name, test in HONEST if (found := passing(name, test, outcomes))]
    assert not lost, lost


@pytest.mark.slow
def test_each_stub_makes_a_test_visible_that_no_other_one_does(outcomes: dict[str, str]) -> None:
    """None of the kinds of stubs is there for nothing: raising, None, the argument, empty and other values."""
    alone = set()
    for name, test in VACUOUS:
        found = passing(name, test, outcomes)
        if len(found) == 1:
            alone.add(found[0].rstrip().splitlines()[-1].strip())
    wanted = {
        "raise NotImplementedError",
        "return None",
        "return items",
        "return []",
        "return 1000003",
        "return (1, 1)",
    }
    assert wanted <= alone, wanted - alone


def test_a_stub_keeps_all_but_the_body() -> None:
    """Imports, helpers, decorators, documentation and arguments stay; of two definitions the last one counts."""
    code = (
        "import functools\n\n\ndef helper(n):\n    return n\n\n\ndef f(a): return 1\n\n\n@functools.cache\n"
        "def f(a: int, *, b: int = 2) -> 'list[tuple[str, int]]':\n    '''Why.'''\n    for i in range(a):\n"
        "        b += i\n    return [('a', b)]\n\n\nx = f(1)\n"
    )
    made = [p.code for p in stubs(Program(code=code, test="", entry_point="f"), "f")]
    bodies = [code.split("Why.")[1].splitlines()[1].strip() for code in made]
    assert bodies == [
        "raise NotImplementedError",
        "return None",
        "return a",
        "return b",
        "return []",
        "return [('a', 1)]",
    ]
    assert all("@functools.cache\ndef f(a: int, *, b: int=2)" in c and c.endswith("x = f(1)\n") for c in made)
    assert all(definition(c, "f") is not None for c in made)


def test_what_defines_no_function_has_no_stubs() -> None:
    """A class, a lambda, another name, no Python."""
    for code in ("class f: pass\n", "f = lambda: 1\n", "def g(): pass\n", "def f(:\n", ""):
        assert stubs(Program(code=code, test="", entry_point="f"), "f") == ()
