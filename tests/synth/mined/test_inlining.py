"""Test functions become flat scripts that need nothing of their module, class or parameters."""

from __future__ import annotations

import ast

import pytest

from synth.mined.inlining import stand_alone
from synth.mined.suites import NotAloneError, test_functions
from tests.synth.conftest import page

SUITE = '''
import lib
import pytest
from .helpers import make
from lib import other as o

LIMIT = 3


def build(n):
    """A graph."""
    return lib.make(n)


class BaseTests:
    Graph = lib.Graph

    def setup_method(self):
        self.G = self.Graph()
        self.G.add(1)
        self.unused = lib.expensive()


class TestThings(BaseTests):
    @classmethod
    def setup_class(cls):
        cls.K = build(LIMIT)

    def test_set_up(self):
        assert self.G.size() == 1

    def test_clash(self):
        G = self.G.copy()
        assert G == self.G

    def test_method(self):
        assert self.double(2) == 4

    def double(self, x):
        return x * 2

    def test_class_attribute(self):
        assert lib.f(self.K) == 2


@pytest.mark.parametrize("n, wanted", [(1, "a"), (2, "b")])
def test_rows(n, wanted):
    assert lib.f(n) == wanted


@pytest.mark.parametrize("kind", [lib.A, lib.B])
def test_kinds(kind):
    # of every kind
    assert lib.f(kind(), [
        1,
    ]) == o.LIMIT


@pytest.fixture
def graph():
    g = lib.Graph()
    g.add(LIMIT)
    return g


@pytest.fixture(params=["a", "b"])
def kind(request):
    return request.param


@pytest.fixture
def pair(graph, kind):
    yield lib.pair(graph, kind)


def test_fixture(monkeypatch):
    assert monkeypatch


def test_simple_fixture(graph):
    assert graph.size() == 1


def test_fixture_with_rows(kind):
    assert lib.f(kind)


def test_fixture_of_fixtures(pair):
    assert pair


def test_fixture_with_a_local(graph):
    g = 2
    assert graph.size() != g


@pytest.mark.group
def test_folder(tmp_path):
    assert lib.f(tmp_path)


@pytest.mark.skipif(True, reason="")
def test_mark():
    assert lib.f()
'''


def scripts(name: str) -> list[str]:
    found = {t.name: t for t in test_functions([page("lib/tests/test_a.py", SUITE)])}
    return list(stand_alone(found[name]))


CASES = {
    "test_simple_fixture": [
        "import lib\nLIMIT = 3\ng = lib.Graph()\ng.add(LIMIT)\nassert g.size() == 1\n"
    ],
    "test_fixture_with_rows": [
        "import lib\nkind = \"a\"\nassert lib.f(kind)\n",
        "import lib\nkind = \"b\"\nassert lib.f(kind)\n",
    ],
    "test_fixture_of_fixtures": [
        "import lib\nLIMIT = 3\ng = lib.Graph()\ng.add(LIMIT)\n"
        f"kind = \"{kind}\"\npair = lib.pair(g, kind)\nassert pair\n"
        for kind in "ab"
    ],
    "test_folder": [
        "import lib\nimport pathlib\nimport tempfile\ntmp_path = pathlib.Path(tempfile.mkdtemp())\n"
        "assert lib.f(tmp_path)\n"
    ],
    "TestThings.test_set_up": ["import lib\nG = lib.Graph()\nG.add(1)\nassert G.size() == 1\n"],
    "TestThings.test_clash": [
        "import lib\nG0 = lib.Graph()\nG0.add(1)\nG = G0.copy()\nassert G == G0\n"
    ],
    "TestThings.test_method": ["def double(x):\n    return x * 2\nassert double(2) == 4\n"],
    "TestThings.test_class_attribute": [
        'import lib\nLIMIT = 3\ndef build(n):\n    """A graph."""\n    return lib.make(n)\n'
        "K = build(LIMIT)\nassert lib.f(K) == 2\n"
    ],
    "test_rows": [
        "import lib\nassert lib.f(1) == \"a\"\n",
        "import lib\nassert lib.f(2) == \"b\"\n",
    ],
    "test_kinds": [
        "import lib\nfrom lib import other as o\nassert lib.f(lib.A(), [\n    1,\n]) == o.LIMIT\n",
        "import lib\nfrom lib import other as o\nassert lib.f(lib.B(), [\n    1,\n]) == o.LIMIT\n",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "wanted"), CASES.items(), ids=CASES.keys())
def test_function_stands_alone(name: str, wanted: list[str]) -> None:
    """Set-up, helpers, imports and rows are inlined: what is used, and nothing else."""
    assert scripts(name) == wanted
    for script in wanted:
        ast.parse(script)


@pytest.mark.parametrize(
    ("name", "why"),
    [("test_fixture", "fixture monkeypatch"), ("test_fixture_with_a_local", "local"), ("test_mark", "mark skipif")],
)
def test_what_needs_pytest_is_refused(name: str, why: str) -> None:
    """Fixtures and conditional marks can't be inlined, and the reason says so."""
    with pytest.raises(NotAloneError, match=why):
        scripts(name)


def test_unittest_cases_become_plain_asserts() -> None:
    """Methods of TestCase are written as asserts, over several lines too."""
    text = (
        "import unittest\nimport lib\n\n\nclass Things(unittest.TestCase):\n"
        "    def setUp(self):\n        self.n = 1\n\n"
        "    def test_it(self):\n        self.assertEqual(\n            lib.f(self.n),\n            [1],\n        )\n"
        "        self.assertTrue(lib.g())\n        self.assertIsNone(lib.h())\n"
        "        with self.assertRaises(ValueError):\n            lib.f(-1)\n"
        "        self.assertRaises(TypeError, lambda: lib.f(None))\n"
    )
    [test] = test_functions([page("tests/test_b.py", text)])
    [script] = stand_alone(test)
    assert script == (
        "import lib\nn = 1\nassert lib.f(n) == [1]\nassert lib.g()\nassert lib.h() is None\n"
        "with pytest.raises(ValueError):\n    lib.f(-1)\npytest.raises(TypeError, lambda: lib.f(None))\n"
    )


def test_inherited_tests_run_with_the_class_that_inherits() -> None:
    """A base class's tests are taken for the class that inherits them, from another module of the suite too."""
    base = page(
        "lib/tests/test_base.py",
        "import lib\n\n\nclass Base:\n    def test_x(self):\n        assert self.make() == 1\n",
    )
    text = "import lib\nfrom .test_base import Base\n\n\nclass TestB(Base):\n    make = lib.b\n"
    found = list(test_functions([base, page("lib/tests/test_derived.py", text)]))
    assert [t.name for t in found] == ["TestB.test_x"]
    assert list(stand_alone(found[0])) == ["import lib\nassert lib.b() == 1\n"]


def test_locals_of_set_up_and_methods_are_not_attributes() -> None:
    """A local of the set-up's isn't the attribute of its name; a method in which one name is both is refused."""
    suite = """
import lib


class TestThings:
    def setup_method(self):
        self.G = lib.f(1)
        G = lib.f(2)
        self.H = lib.g(G)

    def same(self, d=None):
        K = self.K
        return K == d

    def test_attribute(self):
        G = self.G
        assert lib.h(G, self.H) == 1

    def test_method(self):
        assert self.same(1)
"""
    attribute, method = test_functions([page("tests/test_x.py", suite)])
    (script,) = stand_alone(attribute)
    assert script == "import lib\nG0 = lib.f(1)\nG = lib.f(2)\nH = lib.g(G)\nassert lib.h(G0, H) == 1\n"
    with pytest.raises(NotAloneError, match="a local of an attribute's name"):
        list(stand_alone(method))
