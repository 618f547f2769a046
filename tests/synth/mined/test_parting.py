"""A test of many checks is told apart by data flow."""

from __future__ import annotations

import pytest

from synth.mined.parting import parts

CASES = {
    "a script whose checks need all of it stays as it is": (
        "import lib\nG = lib.path(3)\nassert  G.size() == 2\n",
        ["import lib\nG = lib.path(3)\nassert  G.size() == 2\n"],
    ),
    "what no check depends on is left out": (
        "import lib\nG = lib.path(3)\nH = lib.path(4)\nH.add(1)\nassert G.size() == 2\n",
        ["import lib\nG = lib.path(3)\nassert G.size() == 2\n"],
    ),
    "a name that is bound anew begins another part": (
        "import lib\nG = lib.path(3)\nassert G.size() == 2\nG = lib.path(4)\nassert G.size() == 3\n",
        ["import lib\nG = lib.path(3)\nassert G.size() == 2\n", "import lib\nG = lib.path(4)\nassert G.size() == 3\n"],
    ),
    "checks of one object stay together up to so many values": (
        "import lib\nG = lib.f()\n" + "".join(f"assert G.at({i}) == {i}\n" for i in range(6)),
        [
            "import lib\nG = lib.f()\n" + "".join(f"assert G.at({i}) == {i}\n" for i in range(4)),
            "import lib\nG = lib.f()\nassert G.at(4) == 4\nassert G.at(5) == 5\n",
        ],
    ),
    "what a query names is what it depends on": (
        'import lib\nleast = 3\ndf = lib.f()\nb = df.query("a > @least")\nc = lib.g()\nassert len(b) == 1\n',
        ['import lib\nleast = 3\ndf = lib.f()\nb = df.query("a > @least")\nassert len(b) == 1\n'],
    ),
    "a change through a view counts": (
        "import lib\nG = lib.path(3)\nd = G.nodes[0]\nd['x'] = 1\nH = d.copy()\nH.add(1)\nassert G.data() == 1\n",
        ["import lib\nG = lib.path(3)\nd = G.nodes[0]\nd['x'] = 1\nassert G.data() == 1\n"],
    ),
    "a check that moves an iterator on is part of what follows": (
        "import lib\nit = lib.f()\nassert next(it) == 1\nassert next(it) == 2\n",
        ["import lib\nit = lib.f()\nassert next(it) == 1\nassert next(it) == 2\n"],
    ),
    "an expected exception is a check that nothing else depends on": (
        "import lib\nimport pytest\nG = lib.f()\nwith pytest.raises(E):\n    G.go()\n"
        "G = lib.g()\nassert G.size() == 1\n",
        [
            "import lib\nimport pytest\nG = lib.f()\nwith pytest.raises(E):\n    G.go()\n",
            "import lib\nG = lib.g()\nassert G.size() == 1\n",
        ],
    ),
    "what a function sets of one object is nothing to another of the same name": (
        "import lib\nG = lib.f(1)\nv = dict.fromkeys([1])\nlib.set_it(G, v)\nassert G.x() == 1\n"
        "G = lib.f(2)\nlib.set_it(G, dict([2]))\nassert G.x() == 2\n",
        [
            "import lib\nG = lib.f(1)\nv = dict.fromkeys([1])\nlib.set_it(G, v)\nassert G.x() == 1\n",
            "import lib\nG = lib.f(2)\nlib.set_it(G, dict([2]))\nassert G.x() == 2\n",
        ],
    ),
    "a seed that is set holds for all": (
        "import lib\nimport random\nrandom.seed(1)\nassert lib.f() == 1\n",
        ["import lib\nimport random\nrandom.seed(1)\nassert lib.f() == 1\n"],
    ),
    "checks that rest on private attributes are left out": (
        "import lib\nG = lib.f()\nassert G._adj == {}\nassert G.size() == 0\n",
        ["import lib\nG = lib.f()\nassert G.size() == 0\n"],
    ),
    "nothing is left of a test whose objects are built by private attributes": (
        "import lib\nG = lib.f()\nG._adj = {}\nassert G.size() == 0\n",
        [],
    ),
    "a check of what is written out looks at nothing": (
        "import lib\nx = [1]\nassert lists_equal([1], x)\nassert lib.f() == x\n",
        ["import lib\nx = [1]\nassert lib.f() == x\n"],
    ),
    "comments go with what they stand above": (
        "import lib\n# one\nG = lib.f(1)\n# two\nH = lib.f(2)\n# three\nassert H.size() == 1\n",
        ["import lib\n# two\nH = lib.f(2)\n# three\nassert H.size() == 1\n"],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_script_is_told_apart_by_data_flow(case: str) -> None:
    """Each part has the checks that belong together, and what these need."""
    script, wanted = CASES[case]
    assert parts(script) == wanted
