"""A flat script becomes usage and checks: what is evaluated where, and which literals are known."""

from __future__ import annotations

import pytest

from synth.mined.splitting import split
from synth.mined.statements import UnsplittableError

CASES = {
    "a call is evaluated in the code and compared with the author's literal": (
        "import lib\nassert lib.f(1) == [1,  2]\n",
        "import lib\n\nresult = lib.f(1)\n",
        "assert result == [1,  2]\n",
    ),
    "a name that stays as it is is compared in the test": (
        "import lib\nG = lib.f(1)\nassert G == 3\n",
        "import lib\n\nG = lib.f(1)\n",
        "assert G == 3\n",
    ),
    "a name that is bound again later is kept under another name": (
        "import lib\nG = lib.f(1)\nassert G == 3\nG = lib.f(2)\nassert G == 4\n",
        "import lib\n\nG = lib.f(1)\nresult = G\nG = lib.f(2)\n",
        "assert result == 3\nassert G == 4\n",
    ),
    "an expected value bound to a name is put in place": (
        "import lib\nexpected = {1: 2}\nassert lib.f(1) == expected\n",
        "import lib\n\nresult = lib.f(1)\n",
        "assert result == {1: 2}\n",
    ),
    "an expected value computed by builtins alone is worked out": (
        "import lib\nassert lib.f(1) == sorted(map(sorted, [[3, 1], [2]]))\n",
        "import lib\n\nresult = lib.f(1)\n",
        "assert result == [[1, 3], [2]]\n",
    ),
    "each value of an expected name holds until it is bound again": (
        "import lib\nx = 1\nassert lib.f(0) == x\nx = 2\nassert lib.f(1) == x\n",
        "import lib\n\nresult1 = lib.f(0)\nresult2 = lib.f(1)\n",
        "assert result1 == 1\nassert result2 == 2\n",
    ),
    "the truth of an object that changes later is looked at in its place": (
        "import lib\nit = lib.f(1)\nassert it\nx = list(it)\nassert not it\nit.prepend(1)\nassert it\n",
        "import lib\n\nit = lib.f(1)\nresult1 = bool(it)\nx = list(it)\nresult2 = bool(it)\nit.prepend(1)\n",
        "assert result1\nassert not result2\nassert it\n",
    ),
    "what an iterator says of itself is looked at before a later check moves it on": (
        "import lib\nit = lib.f(1)\nassert it.seen == 0\nassert next(it) == 5\nassert it.seen == 1\n",
        "import lib\n\nit = lib.f(1)\nresult1 = it.seen\nresult2 = next(it)\n",
        "assert result1 == 0\nassert result2 == 5\nassert it.seen == 1\n",
    ),
    "the truth of an object whose name is bound again is looked at in its place": (
        "import lib\ns = lib.f(1)\nassert s\nassert list(s) == [1]\ns = lib.f(0)\nassert not s\n",
        "import lib\n\ns = lib.f(1)\nresult1 = bool(s)\nresult2 = list(s)\ns = lib.f(0)\n",
        "assert result1\nassert result2 == [1]\nassert not s\n",
    ),
    "a loop that runs very often is compared by the values that there are": (
        "import lib\nfor i in range(1000):\n    assert lib.is_it(i)\n",
        "import lib\n\nresults = []\nfor i in range(1000):\n    results.append(lib.is_it(i))\n",
        "assert set(results) == {True}\n",
    ),
    "what is compared as a whole is copied before it changes": (
        "import lib\nG = lib.G()\nassert G.adj == {1: {}}\nG.add(2)\nassert G.adj == {1: {}, 2: {}}\n",
        "import copy\nimport lib\n\nG = lib.G()\nresult = copy.deepcopy(G.adj)\nG.add(2)\n",
        "assert result == {1: {}}\nassert G.adj == {1: {}, 2: {}}\n",
    ),
    "a view that is looked into is listed before it changes": (
        "import lib\nG = lib.G()\nassert 1 not in G.edges()\nG.add(2)\nassert G.size == 1\n",
        "import lib\n\nG = lib.G()\nresult = list(G.edges())\nG.add(2)\n",
        "assert 1 not in result\nassert G.size == 1\n",
    ),
    "the parts of one assert come in its order": (
        "import lib\nx = lib.f()\nassert len(x) == 1 and x.pop() == 2\n",
        "import lib\n\nx = lib.f()\nresult1 = len(x)\nresult2 = x.pop()\n",
        "assert result1 == 1\nassert result2 == 2\n",
    ),
    "each side of a chain of comparisons is evaluated": (
        "import lib\nassert lib.f(1) == lib.f(2) == 1.5 != lib.f(3)\n",
        "import lib\n\nresult1 = lib.f(1)\nresult2 = lib.f(2)\nresult3 = lib.f(3)\n",
        "assert result1 == result2 == 1.5 != result3\n",
    ),
    "what is expected and made by a call stays in the test": (
        "import lib\nG = lib.f(1)\nassert lib.size(G) == lib.number('3')\n",
        "import lib\n\nG = lib.f(1)\nresult = lib.size(G)\n",
        "import lib\n\nassert result == lib.number('3')\n",
    ),
    "objects are compared as they are where only their methods are called": (
        "import lib\nG = lib.f(1)\nH = lib.g(G)\nassert sorted(G.parts()) == sorted(H.parts())\n",
        "import lib\n\nG = lib.f(1)\nH = lib.g(G)\n",
        "assert sorted(G.parts()) == sorted(H.parts())\n",
    ),
    "an expected object that is built step by step is built in the test": (
        "import lib\nG = lib.f(1)\nexpected = lib.G()\nexpected.add(1)\nassert G.adj == expected.adj\n",
        "import lib\n\nG = lib.f(1)\n",
        "import lib\n\nexpected = lib.G()\nexpected.add(1)\nassert G.adj == expected.adj\n",
    ),
    "an expected exception becomes a flag": (
        "import lib\nimport pytest\nwith pytest.raises(lib.Error, match='a|b'):\n    lib.f(-1)\n",
        "import lib\n\ntry:\n    lib.f(-1)\nexcept lib.Error:\n    raised = True\nelse:\n    raised = False\n",
        "assert raised is True\n",
    ),
    "an expected exception of a call given as a function becomes a flag": (
        "import lib\nimport pytest\npytest.raises(ValueError, lib.f, 1, k=2)\n",
        "import lib\n\ntry:\n    lib.f(1, k=2)\nexcept ValueError:\n    raised = True\nelse:\n    raised = False\n",
        "assert raised is True\n",
    ),
    "an expected warning becomes a flag": (
        "import lib\nimport pytest\nwith pytest.deprecated_call():\n    lib.f(1)\n",
        "import warnings\nimport lib\n\nwith warnings.catch_warnings(record=True) as caught:\n"
        '    warnings.simplefilter("always")\n    lib.f(1)\n'
        "warned = any(issubclass(w.category, DeprecationWarning) for w in caught)\n",
        "assert warned is True\n",
    ),
    "nearly equal numbers are rounded to the stated digits": (
        "import lib\nimport pytest\nassert lib.f(1) == pytest.approx(0.33333333, abs=1e-7)\n",
        "import lib\n\nresult = lib.f(1)\n",
        "assert round(result, 7) == 0.3333333\n",
    ),
    "a loop over a table of expected values becomes one comparison": (
        "import lib\nimport pytest\nb = lib.f(1)\nexpected = {0: 0.5, 1: 1.0}\nfor n in sorted(b):\n"
        "    assert b[n] == pytest.approx(expected[n], abs=1e-3)\n",
        "import lib\n\nb = lib.f(1)\n",
        "assert {n: round(b[n], 3) for n in sorted(b)} == {0: 0.5, 1: 1.0}\n",
    ),
    "checks in a loop over known values are collected": (
        "import lib\nfor n in range(3):\n    assert lib.f(n) == n + 1\n",
        "import lib\n\nresults = []\nfor n in range(3):\n    results.append(lib.f(n))\n",
        "assert results == [1, 2, 3]\n",
    ),
    "checks in a loop over unknown values are collected where they all expect the same": (
        "import lib\nfor n in lib.all():\n    assert lib.is_fine(n)\n",
        "import lib\n\nresults = []\nfor n in lib.all():\n    results.append(lib.is_fine(n))\n",
        "assert set(results) == {True}\n",
    ),
    "what a predicate says is compared by identity, so that None is no answer": (
        "import lib\nassert lib.is_one(1)\nassert not lib.is_one(2)\n",
        "import lib\n\nresult1 = lib.is_one(1)\nresult2 = lib.is_one(2)\n",
        "assert result1 is True\nassert result2 is False\n",
    ),
    "a condition that is known is decided": (
        "import lib\nif not True:\n    lib.f(0)\nelse:\n    assert lib.f(1) == 2\n",
        "import lib\n\nresult = lib.f(1)\n",
        "assert result == 2\n",
    ),
    "parts of a conjunction are checks of their own": (
        "import lib\nassert lib.f(1) == 2 and not lib.g(2)\n",
        "import lib\n\nresult1 = lib.f(1)\nresult2 = lib.g(2)\n",
        "assert result1 == 2\nassert not result2\n",
    ),
    "comments above a statement stay with it": (
        "import lib\n# the smallest\nG = lib.f(0)  # zero\nassert lib.g(G) == 1\n",
        "import lib\n\n# the smallest\nG = lib.f(0)\nresult = lib.g(G)\n",
        "assert result == 1\n",
    ),
    "a view is kept as a list where the object changes later": (
        "import lib\nfrom lib import nodes_equal\nG = lib.f(1)\nassert nodes_equal(G.nodes(), [1])\nG.add(2)\n",
        "import lib\n\nG = lib.f(1)\nresult = list(G.nodes())\nG.add(2)\n",
        "from lib import nodes_equal\n\nassert nodes_equal(result, [1])\n",
    ),
    "what the message of an exception has to hold is checked where a pattern is plain text": (
        "import lib\nimport pytest\nwith pytest.raises(lib.Error, match=r'f\\(x\\) is gone'):\n    lib.f(-1)\n",
        "import lib\n\ntry:\n    lib.f(-1)\nexcept lib.Error as error:\n    raised = str(error)\n"
        "else:\n    raised = ''\n",
        "assert 'f(x) is gone' in raised\n",
    ),
    "what a library's own check compares with is constructed in the test": (
        "import lib\nimport lib.testing as tm\nresult = lib.f(1)\nexpected = lib.Table([1, 2])\n"
        "tm.assert_same(result, expected, strict=True)\n",
        "import lib\n\nresult = lib.f(1)\n",
        "import lib\nimport lib.testing as tm\n\nexpected = lib.Table([1, 2])\n"
        "tm.assert_same(result, expected, strict=True)\n",
    ),
    "results and expectations that share a name get names of their own": (
        "import lib\nimport lib.testing as tm\nresult = lib.f(1)\nexpected = lib.Table([1])\n"
        "tm.assert_same(result, expected)\nresult = lib.f(2)\nexpected = lib.Table([2])\n"
        "tm.assert_same(result, expected)\n",
        "import lib\n\nresult1 = lib.f(1)\nresult = lib.f(2)\n",
        "import lib\nimport lib.testing as tm\n\nexpected = lib.Table([1])\ntm.assert_same(result1, expected)\n"
        "expected1 = lib.Table([2])\ntm.assert_same(result, expected1)\n",
    ),
    "what several results are compared with is constructed once": (
        "import lib\nimport lib.testing as tm\nexpected = lib.Table([1])\ntm.assert_same(lib.f(1), expected)\n"
        "tm.assert_same(lib.g(1), expected)\nexpected = lib.Table([2])\ntm.assert_same(lib.f(2), expected)\n"
        "tm.assert_same(lib.g(2), expected)\n",
        "import lib\n\nresult1 = lib.f(1)\nresult2 = lib.g(1)\nresult3 = lib.f(2)\nresult4 = lib.g(2)\n",
        "import lib\nimport lib.testing as tm\n\nexpected = lib.Table([1])\ntm.assert_same(result1, expected)\n"
        "tm.assert_same(result2, expected)\nexpected1 = lib.Table([2])\ntm.assert_same(result3, expected1)\n"
        "tm.assert_same(result4, expected1)\n",
    ),
    "an expectation that is read again stays where it was": (
        "import lib\nimport lib.testing as tm\nresult = lib.f(1)\nexpected = lib.Table([1])\n"
        "tm.assert_same(result, expected)\nassert lib.g(expected) == 3\n",
        "import lib\n\nresult = lib.f(1)\nexpected = lib.Table([1])\nresult1 = lib.g(expected)\n",
        "import lib.testing as tm\n\ntm.assert_same(result, expected)\nassert result1 == 3\n",
    ),
    "an expected warning of pandas' kind becomes a flag, none expected nothing": (
        "import lib\nimport lib.testing as tm\n"
        "with tm.assert_produces_warning(FutureWarning, match='x'):\n    a = lib.f(1)\n"
        "with tm.assert_produces_warning(None):\n    b = lib.g(1)\nassert b == 3\n",
        "import warnings\nimport lib\n\nwith warnings.catch_warnings(record=True) as caught:\n"
        '    warnings.simplefilter("always")\n    a = lib.f(1)\n'
        "warned = any(issubclass(w.category, FutureWarning) for w in caught)\nb = lib.g(1)\n",
        "assert warned is True\nassert b == 3\n",
    ),
}


@pytest.mark.parametrize(("script", "code", "test"), CASES.values(), ids=CASES.keys())
def test_usage_and_checks_are_told_apart(script: str, code: str, test: str) -> None:
    """Usage stands in the code, checks against literals in the test."""
    made = split(script)
    assert (made.code, made.test) == (code, test)


def test_check_of_two_computed_values_stays_as_written() -> None:
    """Both sides are computed by the program, so it is none against a literal."""
    made = split("import lib\nassert lib.f(1) == lib.g(1)\n")
    assert made.test == "assert result1 == result2\n"


def test_identity_is_compared_with_the_object_itself() -> None:
    """A literal that is equal to the expected object would be another one."""
    made = split("import lib\nx = [[1], [2]]\ny = lib.f(x)\nassert y[0] is x[0]\nassert lib.g(1) is None\n")
    assert made.code == "import lib\n\nx = [[1], [2]]\ny = lib.f(x)\nresult = lib.g(1)\n"
    assert made.test == "assert y[0] is x[0]\nassert result is None\n"


def test_what_cannot_be_collected_goes_to_the_test_with_all_that_follows() -> None:
    """After a loop that only makes sense as a whole, later changes happen in the test too."""
    made = split("import lib\nG = lib.f(1)\nfor n in G:\n    assert lib.g(n) < lib.h(n)\nG.add(1)\nassert G == 2\n")
    assert made.code == "import lib\n\nG = lib.f(1)\n"
    assert made.test == "import lib\n\nfor n in G:\n    assert lib.g(n) < lib.h(n)\nG.add(1)\nassert G == 2\n"


@pytest.mark.parametrize(
    "script",
    [
        "import lib\nlib.f(1)\n",
        "import pytest\nwith pytest.raises(ValueError) as e:\n    f()\nassert e\n",
        "import pytest\nfor n in g():\n    with pytest.raises(ValueError):\n        f(n)\n",
    ],
    ids=["no checks", "the exception is looked at", "pytest in a loop"],
)
def test_other_forms_are_refused(script: str) -> None:
    """What has no checks, or checks of another form, is refused with a reason."""
    with pytest.raises(UnsplittableError, match=r"\w"):
        split(script)
