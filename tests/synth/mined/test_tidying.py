"""What is left behind by inlining is put away."""

from __future__ import annotations

import pytest

from synth.mined.tidying import tidied

CASES = {
    "a tuple that is unpacked on the spot": ("lib.f(*(1, 2), x=3)\n", "lib.f(1, 2, x=3)\n"),
    "a class under a second name that is bound anew": (
        "import lib as nx\nG = nx.Graph\nG = G()\nG.add(1)\n",
        "import lib as nx\nG = nx.Graph()\nG.add(1)\n",
    ),
    "a chain of names for one value, read once as an option of that name": (
        'import lib\nalgorithm = "prim"\nalgo = algorithm\nlib.f(algorithm=algo)\n',
        'import lib\nlib.f(algorithm="prim")\n',
    ),
    "a second name of an object": (
        "import lib\nK3 = lib.f()\nG = K3\nG.add(1)\nassert G.size() == 1\n",
        "import lib\nK3 = lib.f()\nK3.add(1)\nassert K3.size() == 1\n",
    ),
    "not a second name that outlives the first": (
        "import lib\na = lib.f()\nb = a\na = lib.g()\nassert a == b\n",
        "import lib\na = lib.f()\nb = a\na = lib.g()\nassert a == b\n",
    ),
    "messages, and what was built for them alone": (
        "for f in fs:\n    msg = f'failed in {f}'\n    assert f(1) == 2, msg\n",
        "for f in fs:\n    assert f(1) == 2\n",
    ),
    "comments to tools": ("x = f()  # type: ignore[arg]\ny = '# noqa'\ng(x, y)\n", "x = f()\ny = '# noqa'\ng(x, y)\n"),
    "docstrings that stood deeper": (
        'def f():\n    """\n            A graph.\n            """\n    return 1\n',
        'def f():\n    """A graph."""\n    return 1\n',
    ),
    "not a second name that a replaced function is put back by": (
        "import lib\nold = lib.f\nlib.f = g\nassert lib.h() == 1\nlib.f = old\nassert lib.h() == 2\n",
        "import lib\nold = lib.f\nlib.f = g\nassert lib.h() == 1\nlib.f = old\nassert lib.h() == 2\n",
    ),
    "not what a query names": (
        'least = 3\nb = df.query("a > @least")\n',
        'least = 3\nb = df.query("a > @least")\n',
    ),
    "not what is computed and not read: it may be meant to run": ("x = f()\n", "x = f()\n"),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_left_overs_are_put_away(case: str) -> None:
    """A script reads as if a person had written it."""
    before, after = CASES[case]
    assert tidied(before) == after
