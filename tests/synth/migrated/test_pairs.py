"""The same example at two versions gives drift rows that runs prove."""

from __future__ import annotations

import pytest

from registry.records import Program
from synth.material import Update
from synth.migrated.pairs import Pairs, broken, differ, matched, only_listens
from tests.synth.conftest import parted
from tests.synth.migrated.drift_world import World, made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("lib"))


@pytest.fixture(scope="module")
def updates(world: World) -> list[Update]:
    pairs = Pairs(world.changes, *world.indexes, world.families)
    hurt = broken(world.old_pieces, world.outcomes, world.releases, {})
    return list(pairs.updates(hurt, world.new_pieces, world.messages, world.releases))


def test_what_still_passes_is_not_broken(world: World) -> None:
    """Only examples that pass at the old release and not at the new one are taken."""
    names = [p.name for p in broken(world.old_pieces, world.outcomes, world.releases, {})]
    assert names == ["test_corners", "test_apart", "test_merged", "test_filtered", "test_spread"]


def test_a_new_warning_is_a_break(world: World) -> None:
    """An old example that passes at both but warns at the new release only counts as broken there."""
    piece = next(p for p in world.old_pieces if p.name == "test_doubled")
    told = {(piece.program.id, world.releases[1]): "doubled is deprecated"}
    assert broken([piece], world.outcomes, world.releases, told) == [piece]
    told[piece.program.id, world.releases[0]] = "doubled is deprecated"
    assert broken([piece], world.outcomes, world.releases, told) == []


def test_pairs_are_proven_by_runs(world: World, updates: list[Update]) -> None:
    """Of every whole pair the old program passes at old and not at new, and the new one passes at new."""
    whole = [u for u in updates if u.operator == "same:whole"]
    before, after = [u.old for u in whole], [u.new for u in whole]
    assert len(whole) == 5
    assert {v.outcome for v in world.run(before, world.releases[0])} == {"passed"}
    assert "passed" not in {v.outcome for v in world.run(before, world.releases[1])}
    assert {v.outcome for v in world.run(after, world.releases[1])} == {"passed"}


def test_a_pair_is_cut_to_its_checks(updates: list[Update]) -> None:
    """A test with two checks gives a pair for each, with the code that the check needs."""
    cut = [u.new for u in updates if u.operator == "same:check"]
    assert [p.test.count("assert") for p in cut] == [1, 1]
    assert cut[1].code == "import lib\n\nitems = lib.ring(4)\nresult2 = lib.is_set_apart(items, [2])\n"


def test_rows_say_what_they_show(world: World) -> None:
    """A row names family, change, effect, file, licence and parents; rows of one example share their root."""
    examples = [e for e in parted(world.drift().rows())[0] if (e.operator or "").startswith("same:")]
    row = next(e for e in examples if e.operator == "same:whole" and e.family == "lib.is_set_apart")
    assert row.change == next(c.id for c in world.changes if c.kind == "renamed")
    assert (row.kind, row.releases, row.licence) == ("drift", world.releases, "MIT")
    assert (row.file, row.old_effect) == ("lib/tests/test_tools.py", "fails")
    assert "name 'set_apart'" in dict(row.parts)["prompt"]  # type: ignore[arg-type]
    assert {p.example.id for p in (*world.old_pieces, *world.new_pieces) if p.name == "test_apart"} < set(row.parents)
    assert len({e.root for e in examples if e.family == "lib.is_set_apart"}) == 1
    assert next(e for e in examples if e.family == "lib.corners").old_effect == "differs"


def test_a_test_moved_to_another_file_is_found(world: World) -> None:
    """A successor of the same name in another file is matched."""
    import dataclasses

    old = next(p for p in world.old_pieces if p.name == "test_filtered")
    new = next(p for p in world.new_pieces if p.name == "test_filtered")
    moved = dataclasses.replace(new, example=dataclasses.replace(new.example, file="lib/tests/test_other.py"))
    (match,) = matched([old], [moved], frozenset({moved.program.id}))
    assert (match.how, match.new) == ("moved", moved)


def test_layout_is_no_difference() -> None:
    """Programs that differ in layout only are no pair."""
    one, other = Program(code="a = f( 1)\n", test=""), Program(code="a = f(1)\n", test="")
    assert not differ(one, other)
    assert differ(one, Program(code="a = g(1)\n", test=""))


def test_a_successor_that_catches_a_warning_is_none() -> None:
    """Where the new test only listens to the deprecation, it shows no new form."""
    before = Program(code="import lib\nx = lib.f()\n", test="assert x\n")
    after = Program(code="import lib, warnings\nwith warnings.catch_warnings():\n    x = lib.f()\n", test="assert x\n")
    assert only_listens(before, after)
    assert not only_listens(after, after)
