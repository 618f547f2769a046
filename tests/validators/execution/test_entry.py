"""Tests that are a function `check(candidate)`: applied to the entry point, and unfolded where they can be."""

from __future__ import annotations

import ast

import pytest

from registry.records import Program
from validators.execution.entry import test_of as applied
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

CHECK = (
    "META = {}\n\n\ndef check(candidate):\n    # first\n    assert candidate(2) == 4\n    assert candidate(3) == 6\n"
)


def test_checks_are_unfolded_on_their_lines() -> None:
    """The body of `check` moves to the top level, every statement on its line."""
    text = applied(Program(code="", test=CHECK, entry_point="double"))
    assert [ast.unparse(n) for n in ast.parse(text).body][1:] == [
        "candidate = double",
        "assert candidate(2) == 4",
        "assert candidate(3) == 6",
    ]
    assert text.splitlines()[5] == CHECK.splitlines()[5].strip()


@pytest.mark.parametrize(
    ("test", "ends"),
    [
        ("def check(f): assert f(2) == 4", "check(double)"),
        ("def check(f):\n    assert f(2) == 4\n    return 1\n", "check(double)"),
        ("def check(f):\n    x = '''\n    a'''\n    assert f(2) == 4\n", "check(double)"),
        ("def check(f):\n    assert f(2) == 4\nx = 1\ncheck(double)", "check(double)"),
        ("def check(f):\n    assert f(2) == 4\nx = 1; check(double)", "check(double)"),
        ("def check(f):\n    return f(2) == 4\ncheck(double)", "check(double)"),
        ("def check(f):\n    assert f(2) == 4\ncheck(other)", "check(other)"),
        ("def check(f):\n    assert f(2) == 4\ndef test():\n    check(double)\ntest()\ntest()", "test()"),
        ("def check(f):\n    assert f(2) == 4\ndef test():\n    check(double)\n", "check(double)"),
        ("def check(f):\n    assert f(2) == 4\ndef test(x=1):\n    check(double)\ntest()", "test()"),
        ("def check(f, g):\n    assert f(2) == 4", "4"),
        ("assert double(2) == 4", "4"),
        ("def check(f:", ":"),
    ],
)
def test_what_would_change_is_called(test: str, ends: str) -> None:
    """Where unfolding would change the test, `check` is called; a test that calls it, or has none, stays as it is."""
    text = applied(Program(code="", test=test, entry_point="double"))
    assert text.rstrip().endswith(ends)
    assert text.count("check(double)") == test.count("check(double)") or ends == "check(double)"


CALLED = [
    "check(double)\n",
    "\ndef test_check():\n    check(double)\n\ntest_check()\n",
    "\ndef test_check():\n    check(double)\n\ntest_check()\nx = 1\n",
]


@pytest.mark.parametrize("ends", CALLED)
def test_checks_that_are_called_are_unfolded_too(ends: str) -> None:
    """Where the test itself does no more than apply `check` to the entry point, it says the same unfolded."""
    text = applied(Program(code="", test=CHECK + ends, entry_point="double"))
    assert [ast.unparse(n) for n in ast.parse(text).body][1:4] == [
        "candidate = double",
        "assert candidate(2) == 4",
        "assert candidate(3) == 6",
    ]
    assert text.splitlines()[5] == CHECK.splitlines()[5].strip()
    assert "check" not in text
    assert ("x = 1" in text) == ("x = 1" in ends)


def test_entry_points_are_judged(pool: Pool, bare: BuiltEnvironment) -> None:
    """Right and wrong functions are told apart, by strong proof, under the program's own id."""
    right = Program(code="def double(x):\n    return x * 2", test=CHECK, entry_point="double")
    wrong = Program(code="def double(x):\n    return 4", test=CHECK, entry_point="double")
    none = Program(code="def double(x):\n    return 4", test=CHECK)
    verdicts = list(pool.run(bare, [right, wrong, none]))
    assert [(v.outcome, v.proof) for v in verdicts] == [("passed", "strong"), ("failed", "strong"), ("passed", "weak")]
    assert [v.program for v in verdicts] == [right.id, wrong.id, none.id]
    assert verdicts[1].exception["line"] == 7
