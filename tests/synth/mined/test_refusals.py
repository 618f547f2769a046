"""Programs that run and are no examples."""

from __future__ import annotations

import ast

import pytest

from synth.mined.refusals import refused

CASES = {
    "an example": ("import lib\nx = lib.f(1)\n", "assert x == 2\n", None),
    "objects are checked by their methods": (
        "import lib\na = lib.f(1)\nb = lib.g(1)\n", "assert a.x() == b.x()\n", None
    ),
    "a private attribute": ("import lib\nx = lib.f(1)\nx._adj = {}\n", "assert x.f() == 2\n", "private names"),
    "a private function": ("from lib import _f\nx = _f(1)\n", "assert x == 2\n", "private names"),
    "a special method": ("import lib\nx = lib.f(1).__len__()\n", "assert x == 2\n", None),
    "identities": ("import lib\nx = id(lib.f(1))\n", "assert x != 2\n", "identities of objects"),
    "a branch": ("import lib\nx = lib.f(1)\n", "if x.y():\n    assert x.z()\n", "branches"),
    "two names of the code": (
        "import lib\nx = lib.f(1)\ny = lib.f(2)\n", "assert x == y\n", "checks that any answer meets"
    ),
    "values that are written out": (
        "import lib\nx = lib.f(1)\n", "assert same_equal([1], [1])\n", "checks that any answer meets"
    ),
    "many names": (
        "import lib\na = b = c = d = e = f = lib.f(1)\n", "assert (a, b, c, d, e, f) == 1\n", "many checked names"
    ),
    "a hidden import": (
        "from lib import f, same\nx = f(1)\n", "def same(x):\n    return x\nassert same(x) == 1\n",
        "an import that is hidden",
    ),
    "a case of the test's own": (
        "import lib\ng = lib.G(1)\nx = lib.f(g)\n", "assert x == 1\ng = lib.G(2)\nassert len(g) == 2\n",
        "set-up in the test",
    ),
    "a name bound twice to the same": (
        "import lib\na = 'a'\nlib.f(a)\na = 'a'\nx = lib.f(a)\n", "assert x == 1\n",
        "an assignment that changes nothing",
    ),
    "a name bound to the same again": (
        "import lib\na = 0\na += lib.f(a)\na = 0\nx = lib.f(a)\n", "assert x == 1\n", None
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_what_is_no_example_is_refused(case: str) -> None:
    """The reason is said."""
    code, test, reason = CASES[case]
    assert refused(ast.parse(code), ast.parse(test)) == reason
