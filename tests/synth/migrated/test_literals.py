"""Planted and varied call sites: run once, then written with the values that came out."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import random

import pytest

from registry.records import Program
from synth.dataflow import flow
from synth.migrated.drift import Drift
from synth.migrated.literals import changes_of, holds_data
from synth.migrated.planting import Probe, settled
from synth.migrated.recording import Check, checks_of, recorded
from synth.migrated.site import Site
from synth.source import applied
from tests.synth.conftest import parted
from tests.synth.migrated.drift_world import World, made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("lib"))


@pytest.fixture(scope="module")
def drift(world: World) -> Drift:
    return world.drift()


@pytest.fixture(scope="module")
def sites(world: World, drift: Drift) -> list[Site]:
    return list(settled(drift.probes, verdicts(world, drift.probes)))


def verdicts(world: World, probes: list[Probe]):  # type: ignore[no-untyped-def]
    programs = [p.program for p in probes]
    wanted = [[c.expression for c in p.checks] for p in probes]
    return {v.program: v for v in world.run(programs, world.releases[1], wanted)}


def test_probes_do_not_know_their_values(drift: Drift) -> None:
    """A probe's checks compare with a placeholder, so nothing is claimed before a run."""
    assert drift.probes
    for probe in drift.probes:
        assert all(s.test.comparators[0].value is None for s in ast.parse(probe.program.test).body)  # type: ignore[attr-defined]


def test_sites_hold_the_values_that_came_out(world: World, sites: list[Site]) -> None:
    """With the recorded values the programs pass, in both operators."""
    assert {s.operator for s in sites} == {"planted", "varied"}
    assert {v.outcome for v in world.run([s.program() for s in sites], world.releases[1])} == {"passed"}


def test_what_holds_no_more_is_not_varied(world: World, drift: Drift) -> None:
    """A comparison that other literals make untrue shows nothing."""
    varied = [p for p in drift.probes if p.site.operator == "varied"]
    untrue = {str(i): {"expected": "None", "actual": "False"} for i in range(9)}
    told = {i: dataclasses.replace(v, values=untrue) for i, v in verdicts(world, varied).items()}
    assert varied and list(settled(varied, told)) == []


def test_a_planted_site_stands_in_another_file(drift: Drift, sites: list[Site]) -> None:
    """Its file is the host's, its family's own sites stand elsewhere, and both examples are its parents."""
    own = {(s.family, s.piece.example.file) for s in drift.found}
    planted = [s for s in sites if s.operator == "planted"]
    for site in planted:
        assert (site.family, site.piece.example.file) not in own
        assert site.donor is not None and site.donor.example.id in site.parents
        assert site.piece.example.id in site.parents
    assert any("# Returns " in s.prompt for s in planted)


def test_old_forms_go_along(world: World, sites: list[Site]) -> None:
    """A planted statement keeps the old form of its call, which passes at old and fails at new."""
    stale = [s.program(text) for s in sites if s.operator == "planted" for kind, text in s.stale]
    assert stale
    assert {v.outcome for v in world.run(stale, world.releases[0])} == {"passed"}
    assert "passed" not in {v.outcome for v in world.run(stale, world.releases[1])}


def test_a_varied_site_differs_in_a_literal_only(drift: Drift, sites: list[Site]) -> None:
    """Constants blanked, it is the site it came from."""

    def blank(code: str) -> str:
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                node.value = 0
        return ast.unparse(tree)

    known = {blank(s.program().code) for s in drift.found}
    varied = [s for s in sites if s.operator == "varied"]
    assert varied
    assert all(blank(s.program().code) in known for s in varied)
    assert not {s.program().code for s in varied} & {s.program().code for s in drift.found}


def test_rows_of_all_sites(world: World, drift: Drift) -> None:
    """Planted and varied sites get rows of their own, named by operator."""
    examples, _ = parted(drift.site_rows())
    assert {(e.operator or "").partition(":")[0] for e in examples if e.kind == "preference"} == {
        "mined", "planted", "varied",
    }  # fmt: skip


def test_values_that_tell_nothing_are_not_recorded() -> None:
    """Empty, unknown, long or unprintable values make no check."""
    checks = [Check("x")]
    assert recorded(checks, {0: "[1, 2]"}) == "assert x == [1, 2]\n"
    for value in ("None", "[]", "<Graph object>", repr("x" * 1000)):
        assert recorded(checks, {0: value}) is None
    assert recorded(checks, {}) is None


def test_checks_that_do_more_are_not_varied() -> None:
    """Only tests of comparisons with literals can be recorded anew."""
    assert checks_of(Program(code="", test="assert f(x) == 3\n")) == [Check("f(x)")]
    for test in ("assert x\n", "assert x == y\n", "assert x > 3\n", "y = 1\nassert x == 3\n"):
        assert checks_of(Program(code="", test=test)) is None


def test_one_literal_changes_throughout() -> None:
    """Every place of a value changes together; texts, booleans and small numbers stay."""
    code = 'n = 5\nx = f(5, "a", "name", True, 1)\n'
    made_of = {applied(code, edits) for edits in changes_of(code, random.Random(0))}
    assert len(made_of) == 2
    for text in made_of:
        five = ast.literal_eval(text.partition("\n")[0].removeprefix("n = "))
        assert f"f({five}, " in text and '"name", True, 1)' in text


def test_what_goes_elsewhere_needs_something_there(drift: Drift) -> None:
    """A planted statement reads what its host set up, so that no line of the host stands there for nothing."""
    planted = [p.site for p in drift.probes if p.site.operator == "planted"]
    for site in planted:
        lines = [n for n in ast.parse(site.program().code).body if isinstance(n, ast.Assign)]
        for line, later in itertools.pairwise(lines):
            assert flow(later).reads & flow(line).binds, site.program().code


@pytest.mark.parametrize(
    "code",
    [
        "n = 5\nx = [1, 2, 3, 4, 5]\n",
        "n = 5\nx = lib.ring(n) == 3\n",
        "for n in range(5):\n    x = n\n",
        "try:\n    x = lib.ring(5)\nexcept ValueError:\n    x = 2\n",
    ],
)
def test_data_is_not_varied(code: str) -> None:
    """Where values belong together, are compared, gone through or tried, one of them alone makes no sense."""
    assert holds_data(code)
    assert not holds_data("n = 5\nx = lib.ring(n, [1, 2])\n")
