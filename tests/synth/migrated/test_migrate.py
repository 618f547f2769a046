"""Codemods rewrite real old programs so that they pass at the new release."""

from __future__ import annotations

import dataclasses

import pytest

from registry.records import Program
from synth.migrated.acceptance import MOST_ALIKE
from synth.migrated.migrate import as_new
from synth.migrated.rules import Rule
from tests.synth.conftest import parted
from tests.synth.migrated.drift_world import World, made

MIGRATED = {
    "test_apart": "import lib\n\nitems = lib.ring(4)\nresult1 = lib.is_set_apart(items, [7])\n"
    "result2 = lib.is_set_apart(items, [2])\n",
    "test_filtered": "import lib\n\nitems = lib.ring(9)\nfound = lib.filtered(items, least=3, most=5)\n",
    "test_spread": "import lib\n\nitems = lib.ring(3)\nresult = lib.spread(items, 2, seed=5)\n",
    "test_corners": "import lib\n\nitems = lib.ring(3)\nfound = dict(lib.corners(items))\n",
    "test_merged": "import lib\nfrom lib import merged\n\nresult = merged([1], lib.ring(2))\n",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("lib"))


def test_rules_come_from_changes_and_from_migrations(world: World) -> None:
    """Renames and parameters come from Changes; what was put around a call is learnt from the suites' own hunks."""
    rules = {(r.kind, r.new, r.parameter, r.around) for r in world.drift().rules}
    assert {
        ("rename", "lib.tools.is_set_apart", "", ("", "")),
        ("keyword-only", "lib.tools.filtered", "least", ("", "")),
        ("removed-parameter", "lib.tools.merged", "label", ("", "")),
        ("position", "lib.tools.spread", "seed", ("", "")),
        ("wrap", "lib.shapes.corners", "", ("dict(", ")")),
    } <= rules


def test_old_programs_are_rewritten(world: World) -> None:
    """Broken tests become what the new API wants, with the author's names and layout."""
    assert {made.piece.name: made.program.code for made in world.drift().migrated} == MIGRATED


def test_rewritten_programs_pass(world: World) -> None:
    """Each forward row: old passes at old, not at new; its successor passes at new."""
    drift = world.drift()
    forward = list(drift._migration.updates(drift.migrated, drift.families))
    before, after = [u.old for u in forward], [u.new for u in forward]
    assert sorted(u.operator for u in forward) == [
        "forward:keyword-only", "forward:position", "forward:removed-parameter", "forward:rename", "forward:wrap",
    ]  # fmt: skip
    assert [v.outcome for v in world.run(before, world.releases[0])] == ["passed"] * 5
    assert "passed" not in [v.outcome for v in world.run(before, world.releases[1])]
    assert [v.outcome for v in world.run(after, world.releases[1])] == ["passed"] * 5


def test_rows_are_those_that_runs_prove(world: World) -> None:
    """An old program is one row, however many ways update it, with what the new release does to it."""
    drift = world.drift()
    examples = [e for e in parted([*drift.rows(), *drift.site_rows()])[0] if e.kind == "drift"]
    old = [e.parts["programs"]["old"] for e in examples]  # type: ignore[call-overload]
    assert len(set(old)) == len(old) > 5
    assert {"differs", "fails"} <= {e.old_effect for e in examples}


def test_what_runs_refute_is_a_row_without_effect(world: World) -> None:
    """An old program that no way brings up to date is counted: a row that proofs refuse; a proven way goes first."""
    drift = world.drift()
    good = next(drift._migration.updates(drift.migrated, drift.families))
    bad = dataclasses.replace(good, new=Program(code="import lib\nlib.nothing()\n", test=good.new.test))
    ways = {"refuted": [bad], "proven": [bad, good]}
    rows = {how: parted(drift._emitted(updates))[0] for how, updates in ways.items()}
    assert [(e.old_effect, dict(e.parts)["programs"]["new"]) for e in rows["refuted"]] == [(None, bad.new.id)]  # type: ignore[arg-type,index,call-overload]
    assert [(e.old_effect, dict(e.parts)["programs"]["new"]) for e in rows["proven"]] == [("differs", good.new.id)]  # type: ignore[arg-type,index,call-overload]


def test_what_is_refused_uses_up_nothing(world: World) -> None:
    """Restated results that no maintainer would take aren't counted among the few that tell one fact."""
    drift = world.drift()
    good = dataclasses.replace(next(drift._migration.updates(drift.migrated, drift.families)), restates=True)
    refused = dataclasses.replace(good, operator="forward:keyword+removed-parameter")
    assert [u.new for u in drift._accepted([*[refused] * MOST_ALIKE, good])] == [good.new]


def test_a_program_without_old_forms_is_left_alone(world: World) -> None:
    """No rule, no migration: None, not a copy."""
    piece = next(p for p in world.old_pieces if p.name == "test_doubled")
    assert world.drift()._migration.migrated(piece) is None


def test_rewritten_programs_are_pieces_of_the_new_release(world: World) -> None:
    """What was rewritten is searched for call sites as a program of the new release, file and licence kept."""
    found = world.drift().migrated
    moved = as_new(found, world.releases[1])
    assert [p.program for p in moved] == [made.program for made in found]
    assert {p.example.releases for p in moved} == {(world.releases[1],)}
    assert [p.example.file for p in moved] == [made.piece.example.file for made in found]


def test_rules_are_values() -> None:
    """Equal rules are equal, so that they can be counted."""
    assert Rule("rename", "a.b", "a.c", "x", "a.b") == Rule("rename", "a.b", "a.c", "x", "a.b")
    assert len({Rule("rename", "a.b", "a.c", "x", "a.b"), Rule("rename", "a.b", "a.c", "x", "a.b")}) == 1
