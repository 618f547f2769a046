"""Calls that give something else at the other release are found, told and, where a codemod can, restored."""

from __future__ import annotations

import pytest

from registry.records import Example
from synth.migrated.behaviour import FOUND, suspects
from synth.migrated.drift import Drift
from tests.synth.conftest import parted
from tests.synth.migrated.drift_world import World, made

OLD = {
    "lib/__init__.py": "from lib.tools import *\n",
    "lib/tools.py": '''
def clipped(n, most=10):
    """Returns the number, at most ten."""
    return min(n, most)


def tripled(n):
    """Returns three times the number."""
    return 3 * n


def ends(items):
    """Returns the first and the last item."""
    return [items[0], items[-1]]
''',
}
NEW = {
    "lib/__init__.py": OLD["lib/__init__.py"],
    "lib/tools.py": OLD["lib/tools.py"]
    .replace("most=10", "most=5")
    .replace("[items[0], items[-1]]", "[items[-1], items[0]]"),
}
TESTS = {
    "lib/tests/test_tools.py": """
import lib


def test_clipped():
    found = lib.clipped(5)
    assert found == 5


def test_ends():
    found = lib.ends([7, 8, 9])
    assert found == [7, 9]


def test_tripled():
    found = lib.tripled(5)
    assert found == 15
"""
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("lib"), (OLD, NEW), (TESTS, TESTS))


@pytest.fixture(scope="module")
def drift(world: World) -> Drift:
    made_of = world.drift()
    pages = world.old.pages, world.new.pages
    made_of.behaviour.suspects = suspects([], pages, world.indexes[0])
    return made_of


def test_what_has_another_source_is_suspected(world: World) -> None:
    """A function whose own body differs may act differently; defaults are told by changes of the signature."""
    pages = world.old.pages, world.new.pages
    assert suspects([], pages, world.indexes[0]) == {"lib.tools.ends"}
    known = suspects(world.changes, pages, world.indexes[0])
    assert known == {"lib.tools.clipped", "lib.tools.ends"}


def test_results_that_differ_are_stated(world: World, drift: Drift) -> None:
    """The old program states what the call gave, the new one what it gives; each passes at its release alone."""
    (checked,) = [d for d in drift.behaviour.differences if d.operator == "checked"]
    assert checked.symbol == "lib.tools.ends"
    assert checked.old.code.endswith("found = lib.ends([7, 8, 9])\nexpected = [7, 9]\n")
    assert checked.new.code.endswith("expected = [9, 7]\n")
    assert [v.outcome for v in world.run([checked.old, checked.new], world.releases[0])] == ["passed", "failed"]
    assert [v.outcome for v in world.run([checked.old, checked.new], world.releases[1])] == ["failed", "passed"]


def test_varied_literals_find_more(world: World) -> None:
    """A program that passes at both releases gives something else with another number; the old default restores it."""
    drift = world.drift()
    drift.behaviour.suspects = suspects(world.changes, (world.old.pages, world.new.pages), world.indexes[0])
    varied = [d for d in drift.behaviour.differences if d.operator == "varied"]
    assert {d.symbol for d in varied} == {"lib.tools.clipped"}
    restored = [m for m in drift.migrated if m.piece.name == "test_clipped"]
    assert restored and all("most=10" in m.program.code for m in restored)
    examples, _ = parted(drift.rows())
    assert {e.operator for e in examples} >= {"behaviour:checked", "behaviour:varied", "forward:default"}
    assert {e.old_effect for e in examples if isinstance(e, Example)} == {"differs"}


def test_runs_tell_of_changes_that_no_note_tells_of(drift: Drift) -> None:
    """A symbol without a Change gets one, with programs as evidence."""
    learnt = drift.learnt()
    (new,) = [c for c in learnt if c.kind == "behaviour"]
    assert new.symbol == "lib.tools.ends"
    assert [e["source"] for e in new.evidence] == [FOUND]


def test_what_is_learnt_once_serves_the_knowing_too(world: World) -> None:
    """Who knows the learnt changes rewrites nothing anew, whether it was asked for before or not."""
    drift = world.drift()
    other = drift.knowing(world.changes[:1], world.families)
    assert other.migrated is drift.migrated
    assert other.changes == world.changes[:1]
