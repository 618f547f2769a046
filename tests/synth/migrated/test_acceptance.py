"""What runs prove and no maintainer would write gives no drift row, and what nothing reads is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.records import Example, Program
from synth.material import Piece, Update
from synth.migrated.acceptance import (
    MOST_ALIKE,
    acceptable,
    few_of_a_fact,
    tidied,
    without_change,
    without_idle_calls,
)

PIECE = Piece(Example(domain="lib", kind="test", releases=("o",), parts={}, file="t.py", root="r", generator="g",
                      generator_version="1"), Program(code="", test=""))  # fmt: skip
TEST = "assert x == [1]\n"
SHOWN = "assert [line for line in repr(x).splitlines()] == ['┌───┐', '│ a │', '╞═══╡', {}, '└───┘']\n"


def update(old: str, new: str, test: str = TEST, maker: str = "migrate") -> Update:
    return Update(
        Program(code=old, test=test), Program(code=new, test=test), (PIECE,), "r", (maker, "1"), "forward:rename",
        ("lib.tools.gather",), None, None,
    )  # fmt: skip


NAMED = "x = lib.get(g, source='s1', target='t1')\n"


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (update("x = lib.f(1)\n", "x = lib.g(1)\n"), True),
        (update("x = lib.f(1)\n", "x = lib._g(1)\n"), False),
        (update("x = lib.f(s)\n", "x = lib.f(s._values)\n"), False),
        (update("x = lib.f(1, a=1)\ny = lib.f(1, a=2)\n", "x = lib.f(1)\ny = lib.f(1)\n"), False),
        (update("try:\n    lib.f(1)\nfinally:\n    x = 1\ntry:\n    lib.g(1)\nfinally:\n    y = 1\n",
                "try:\n    lib.g(1)\nfinally:\n    x = 1\ntry:\n    lib.g(1)\nfinally:\n    y = 1\n"), False),
        (update("x = lib.f(1)\n", "x = lib.g(1)\n", "assert x == [None, None]\n"), False),
        (update("x = lib.f(1)\n", "x = lib.g(1)\n", SHOWN.format("'│ null │', '│ null │'")), False),
        (update("x = lib.f(1)\n", "x = lib.g(1)\n", SHOWN.format("'│ null │', '│ 3 │'")), True),
        (update(NAMED, "x = lib.get(g)\n", maker="pairs"), False),
        (update(NAMED, "x = lib.fetch(g, source='s1', target='t1')\n", maker="pairs"), True),
        (update("x = lib.f(n, 'H')\n", "x = lib.f(n, 'h')\n", maker="pairs"), True),
        (update("s = Set(n)\nx = s.f('H')\n", "s = lib.Set(n)\nx = s.f('h')\n", maker="pairs"), False),
        (update("x = Set(n)\n", "x = lib.Set(n)\n", maker="pairs"), True),
        (update("import numpy as np\nx = lib.f(np.NaN)\n", "import numpy as np\nx = lib.f(np.nan)\n"), False),
        (replace(update("x = lib.f(1)\n", "x = lib.g(1)\n"), operator="forward:keyword+removed-parameter"), False),
        (replace(update("x = lib.f(1)\n", "x = lib.g(1)\n"), operator="forward:default+rename+wrap"), False),
        (update("x = lib.f(n, 'H')\n", "x = lib.f(lib.rng(2), 'h')\n", maker="pairs"), False),
    ],
)  # fmt: skip
def test_what_a_maintainer_would_take(made: Update, taken: bool) -> None:
    """The new form is public, the library's, keeps apart what was apart, shows the same case; a check tells."""
    assert acceptable(made) is taken


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("import lib\nx = lib.f()\n", "import lib\nx = lib.g()\n",
         ("import lib\nx = lib.f()\n", "import lib\nx = lib.g()\n")),
        ("import os\nimport lib\nx = lib.f()\n", "import os\nimport lib\nx = lib.g()\n",
         ("import lib\nx = lib.f()\n", "import lib\nx = lib.g()\n")),
        ("from lib import f\nx = f()\n", "from lib import f\nimport lib\nx = lib.g()\n",
         ("from lib import f\nx = f()\n", "import lib\nx = lib.g()\n")),
        ("from lib import f, a, b\nx = f(a)\n", "from lib import g, a, b\nx = g(a)\n",
         ("from lib import f, a\nx = f(a)\n", "from lib import g, a\nx = g(a)\n")),
        ("x = lib.f()\n", "x = lib.g()\ny = lib.h()\n", ("x = lib.f()\n", "x = lib.g()\n")),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_left_out(old: str, new: str, codes: tuple[str, str]) -> None:
    """Imports that no line reads go, and statements that the new form alone has; the old form's import stays."""
    made = tidied(update(old, new))
    assert (made.old.code, made.new.code) == codes


def test_the_same_fact_is_told_some_times() -> None:
    """Of results that differ in the same words only some are kept; numbers that differ are each a fact."""
    words = [replace(update(f"e = 'A {n}'\n", f"e = 'B {n}'\n"), restates=True) for n in range(9)]
    numbers = [replace(update(f"e = {n}\n", f"e = {n + 1}\n"), restates=True) for n in range(9)]
    assert len(list(few_of_a_fact([*words, *numbers]))) == MOST_ALIKE + 9


@pytest.mark.parametrize(
    ("call", "taken"),
    [
        ("lib.f(seed=1)", False),
        ("lib.f(random_state=1)", False),
        ("s.sample(2)", False),
        ("lib.hash_all(s)", False),
        ("s.resample('D')", True),
    ],
)
def test_what_is_drawn_by_chance_is_not_restated(call: str, taken: bool) -> None:
    """Another seeded draw can't be foreseen; a call that takes no seed any more is mended, a resampling is no draw."""
    made = update(f"x = {call}\ne = 3\n", f"x = {call}\ne = 4\n")
    assert acceptable(made)
    assert acceptable(replace(made, restates=True)) is taken


def test_results_are_counted_from_one() -> None:
    """The numbers of results that were cut away leave no gap, in both forms and their checks."""
    made = tidied(update("result2 = f()\nraised3 = 1\n", "result2 = g()\nraised3 = 1\n", "assert result2, raised3\n"))
    assert made.new == Program(code="result = g()\nraised = 1\n", test="assert result, raised\n")


def test_programs_that_are_fine_stay() -> None:
    """An update with nothing to mend keeps its programs, whose verdicts are known."""
    made = update("x = lib.f(1)\n", "x = lib.g(1)\n")
    assert tidied(made) == made


def test_calls_that_stand_alone_are_left_out() -> None:
    """Other calls of what changed, their values thrown away, are no part of the lesson."""
    made = update("gather(1)\ns.gather(2)\nx = gather(3)\n", "gather(1)\ns.gather(2)\nx = collect(3)\n")
    lean = without_idle_calls(made)
    assert lean is not None and (lean.old.code, lean.new.code) == ("x = gather(3)\n", "x = collect(3)\n")
    assert without_idle_calls(lean) is None


def test_a_change_that_no_check_reads_is_tried_without() -> None:
    """Where the value of the changed call is thrown away, the program without it is run; else there is none."""
    thrown = update("x = [1]\ngather(3)\n", "x = [1]\ncollect(3)\n")
    assert without_change(thrown) == Program(code="x = [1]\n", test=TEST)
    assert without_change(replace(thrown, new=Program(code="x = [1]\nx = collect(3)\n", test=TEST))) is None
