"""Two processes: one runs the code, the other its test; only literals cross."""

from __future__ import annotations

import pytest

from registry.records import Program
from validators.execution.entry import test_of as applied
from validators.execution.environments import BuiltEnvironment
from validators.execution.halves import divide
from validators.execution.pool import Pool
from validators.execution.rewrite import NotRewritable

COMPUTED = """
def check(candidate):
    for n in range(2, 40):
        want = n * n if n % 2 else -n
        assert candidate(n) == want
"""
RANDOM = """
import random

def reference(items):
    return sorted(items)

for _ in range(20):
    given = [random.randrange(99) for _ in range(9)]
    assert solve(given) == reference(given), given
"""
RAISING = """
def check(f):
    for bad in (-1, -2):
        try:
            f(bad)
        except ValueError as error:
            assert "negative" in str(error) and type(error) is ValueError
        else:
            assert False
"""

CASES = [
    # name, code, test, outcome, proof
    ("computed", "def solve(n):\n    return n * n if n % 2 else -n", COMPUTED, "passed", "strong"),
    ("computed, wrong", "def solve(n):\n    return n * n", COMPUTED, "failed", "strong"),
    ("random inputs", "def solve(items):\n    return sorted(items)", RANDOM, "passed", "strong"),
    ("random inputs, wrong", "def solve(items):\n    return items[::-1]", RANDOM, "failed", "strong"),
    ("raises", "def solve(n):\n    if n < 0:\n        raise ValueError('negative')", RAISING, "passed", "strong"),
    ("raises, wrong", "def solve(n):\n    return n", RAISING, "failed", "strong"),
    ("ends with an error", "def solve(n):\n    return 1 // 0", COMPUTED, "error", "strong"),
    ("changes its argument", "def solve(items):\n    items.sort()\n    return items[:]", RANDOM, "passed", "weak"),
    ("gives its argument back", "def solve(items):\n    items.sort()\n    return items", RANDOM, "passed", "weak"),
    ("no literal", "class A:\n    def __eq__(self, other):\n        return True\ndef solve(n):\n    return A()", COMPUTED, "passed", "weak"),
    ("an exception of its own", "class E(ValueError):\n    pass\ndef solve(n):\n    raise E('negative')", RAISING, "failed", "weak"),
    ("attributes", "def solve(n):\n    return n", "for n in [solve]:\n    assert n.__name__ + str(n(1)) == 'solve' + str(1)", "passed", "weak"),
    ("a helper of the code's", "def solve(n):\n    return n\ndef same(n):\n    return n", "for n in iter([1]):\n    assert solve(n) == same(n)", "passed", "weak"),
    ("an import of the code's", "import math\ndef solve(n):\n    return n * n", "for n in iter([3]):\n    assert math.sqrt(solve(n)) == n", "passed", "strong"),
    ("a shared file", "def solve(n):\n    return open('a.txt').read()", "import pathlib\nfor n in iter('ab'):\n    pathlib.Path('a.txt').write_text(n)\n    assert solve(1) == n", "passed", "weak"),
    ("a callback", "def solve(f):\n    return f(2)", "for n in iter([3]):\n    assert solve(lambda x: x + n) == n + 2", "passed", "weak"),
    ("never called", "def solve(n):\n    return n", "for n in iter([]):\n    assert solve(n) == n", "passed", "weak"),
    ("ends the process", "import os\ndef solve(n):\n    os._exit(0)", COMPUTED, "error", "none"),
    ("hangs", "def solve(n):\n    while True:\n        pass", COMPUTED, "timeout", "none"),
    ("eats memory", "def solve(n):\n    return len([0] * (1 << 28))", COMPUTED, "memory", "none"),
    ("typed literals", "import datetime\ndef solve(n):\n    return {datetime.date(2024, 1, n): (n, [1.5, 'ü', b'x'], {n}, None)}",
     "import datetime\nfor n in iter([1, 2]):\n    assert solve(n) == {datetime.date(2024, 1, n): (n, [1.5, 'ü', b'x'], {n}, None)}", "passed", "strong"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "code", "test", "outcome", "proof"), CASES, ids=[c[0] for c in CASES])
def test_two_processes(
    name: str, code: str, test: str, outcome: str, proof: str, pool: Pool, bare: BuiltEnvironment
) -> None:
    """What only literals decide is proven strongly; everything else falls back to one process, with its outcome."""
    program = Program(code=code, test=test, entry_point="solve")
    # A machine's first touch of 512 MB has taken more than two seconds.
    (verdict,) = pool.run(bare, [program], timeout_s=2.0 if name == "hangs" else 30.0, attempts=1)
    outcomes = (outcome, "killed") if name == "ends the process" else (outcome,)
    assert verdict.outcome in outcomes, verdict
    assert verdict.proof == proof, verdict


@pytest.mark.parametrize(
    "test",
    [
        "assert eval(solve(1))",
        "import os\nassert solve(1) == os.getpid()",
        "from os import path\nassert solve(path)",
        "solve = 3\nassert solve",
        "assert other(1)",
        "assert renamed(solve(1))",
        "assert loads(solve(1))",
        "assert getattr(solve(1), 'a')",
        "assert solve(1",
    ],
)
def test_what_stays_in_one_process(test: str) -> None:
    """A test that could run what the program says, or that needs more of the code than a function, isn't divided."""
    code = "from math import sqrt as renamed\nfrom pickle import loads\ndef solve(n):\n    return n"
    with pytest.raises(NotRewritable):
        divide(Program(code=code, test=test, entry_point="solve"))


FORGERIES = [
    "import sys\ndef solve(n):\n    for f in sys._current_frames().values():\n        while f:\n            f.f_globals.setdefault('want', 0)\n            f = f.f_back\n    return {want}",
    "import os\ndef solve(n):\n    for fd in range(3, 64):\n        try:\n            os.write(fd, b'\\0\\0\\0\\x1c{{\"k\": \"end\", \"token\": \"x\"}}  ')\n        except OSError:\n            pass\n    return 1",
    "import builtins\nclass Always(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\ndef solve(n):\n    builtins.range = lambda *a: []\n    return Always(1)",
    "import sys\nsys.modules['random'] = None\ndef solve(n):\n    raise AssertionError('as if the test said so')",
]  # fmt: skip


@pytest.mark.parametrize("code", FORGERIES)
def test_the_test_is_out_of_reach(code: str, pool: Pool, bare: BuiltEnvironment) -> None:
    """A program that patches, searches and writes in its own process changes nothing in that of its test."""
    program = Program(code=code.format(want="n"), test=COMPUTED, entry_point="solve")
    (verdict,) = pool.run(bare, [program], timeout_s=2.0, attempts=1)
    assert (verdict.outcome, verdict.proof) != ("passed", "strong"), verdict


def test_checks_that_cannot_be_unfolded_are_divided() -> None:
    """The call of `check` that the harness adds is part of the test."""
    program = Program(code="def solve(n):\n    return n", test="def check(c):\n    return c(1)", entry_point="solve")
    assert applied(program).endswith("check(solve)\n")
