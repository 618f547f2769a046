"""What is odd in a test suite costs the tests that it concerns, never the others of the release."""

from __future__ import annotations

import pytest

from synth.mined.suites import test_functions
from synth.mined.test_examples import stand_alone_rows
from tests.synth.conftest import page

SOUND = "import lib\n\n\ndef test_sound():\n    assert lib.f(1) == 1\n"

COMPUTED_NAMES = """import lib
import pytest

NAMES = lib.names()


@pytest.mark.parametrize(NAMES, [(1, 2)])
def test_odd(a, b):
    assert lib.f(a) == b


@pytest.mark.parametrize(7, [(1, 2)])
def test_odder(a, b):
    assert lib.f(a) == b
"""

NO_SELF = """import lib
import pytest


class TestThings:
    @pytest.fixture
    def thing():
        return lib.make()

    def test_odd(self, thing):
        assert lib.f(thing) == 1
"""


def names(*texts: str) -> list[str]:
    pages = [page(f"lib/tests/test_{'abc'[i]}.py", text) for i, text in enumerate([*texts, SOUND])]
    return [row.test.name for row in stand_alone_rows(test_functions(pages))]


@pytest.mark.parametrize("odd", [COMPUTED_NAMES, NO_SELF])
def test_odd_tests_are_left_out(odd: str) -> None:
    """Computed names of parameters, and a method without `self` for a fixture: the rest is mined all the same."""
    assert names(odd) == ["test_sound"]


def test_a_class_may_be_named_like_its_base() -> None:
    """`from other import TestA; class TestA(TestA)` has the tests of both; a ring of such classes comes to an end."""
    base = "import lib\n\n\nclass TestA:\n    def test_base(self):\n        assert lib.f(2) == 2\n"
    own = "\n\nclass TestA(TestA):\n    n = 3\n\n    def test_own(self):\n        assert lib.f(self.n) == 3\n"
    heir = f"import lib\nfrom lib.tests.test_a import TestA\n{own}"
    assert names(base, heir) == ["TestA.test_base", "TestA.test_own", "TestA.test_base", "test_sound"]
    ring = f"import lib\nfrom lib.tests.test_b import TestA\n{own}"
    assert names(ring, heir)[-1] == "test_sound"
