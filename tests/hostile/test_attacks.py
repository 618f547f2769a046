"""The conformance suite on every wall: no attack forges, escapes, stays or spoils."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.records import Program
from validators.execution import conformance, worker
from validators.execution.conformance import ATTACKS, Finding, attacks, examine, how_many, weak_winners
from validators.execution.environments import BuiltEnvironment
from validators.execution.host import descendants
from validators.execution.pool import Pool

pytestmark = pytest.mark.timeout(1800)  # all attacks behind Docker: three minutes on two quiet cores


@pytest.fixture(scope="module")
def findings(make: Callable[[], Pool], tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """All of the suite on one wall."""
    return list(examine(make, tmp_path_factory.mktemp("conformance")))


def test_wall_stands_every_attack(findings: list[Finding]) -> None:
    """No attack is falsely passed, gets out, leaves anything or ends the harness, and honest programs run."""
    assert [f"{f.group}: {f.check}: {f.detail}" for f in findings if not f.ok] == []
    for mode in ("strong", "calls", "weak"):
        assert {f.check for f in findings if f.group == mode} == {a.name for a in attacks()}
    assert len(findings) == how_many()


def test_list_of_what_weak_proof_cannot_stop_is_exact(findings: list[Finding]) -> None:
    """Every attack that wins in weak mode is listed with its reason, and every listed one wins: it is sharp."""
    assert {f.check for f in findings if f.won and f.group == "weak"} == weak_winners()


def test_there_are_enough_attacks() -> None:
    """At least seventy-five attacks are tried, all of them Python: none is harmless only because of a typing error."""
    found = attacks()
    assert len(found) >= 75
    assert len({a.title for a in found}) == len(found)
    assert {conformance.PROBE, *weak_winners()} <= {a.name for a in found}
    for attack in found:
        compile(attack.code, attack.name, "exec", dont_inherit=True)
    assert (Path(__file__).parent / "attacks").resolve() == ATTACKS


def test_weak_list_is_told_to_readers() -> None:
    """What weak proof can't stop stands in the worker's header in the words of the list, and in the docs by name."""
    header = " ".join((worker.__doc__ or "").split())
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "proof.md").read_text(encoding="utf-8")
    told = page.partition("## What weak proof can't stop")[2]
    for reason in conformance.WEAK:
        assert reason in header
        assert reason in told
    assert set(re.findall(r"`([a-z_]+)`", told)) == weak_winners()


def test_pool_leaves_no_process(make: Callable[[], Pool], bare: BuiltEnvironment) -> None:
    """Closing a pool ends everything that it started."""
    before = descendants()
    with make() as other:
        programs = [Program(code=f"x = {i}", test=f"assert x == {i}") for i in range(4)]
        assert {v.outcome for v in other.run(bare, programs)} == {"passed"}
    assert descendants() == before


def test_numbers_of_processes_are_given_again(make: Callable[[], Pool], bare: BuiltEnvironment) -> None:
    """A server outlives more jobs than it has process numbers, also with a bomb among them."""
    bomb = Program(code="import os\nwhile True: os.fork()", test="assert 1 == x")
    programs = [Program(code=f"x = {i}", test=f"assert x == {i}") for i in range(400)]
    with make() as own:
        found = list(own.run(bare, [*programs, bomb, *programs[:20]], attempts=1, timeout_s=5.0))
        (server,) = own._servers.alive
    assert [v.outcome for v in found if v.program != bomb.id] == ["passed"] * 420
    assert found[400].outcome != "passed"
    assert server._number > 400


@pytest.mark.parametrize("part", ["code", "test"])
def test_endless_names_are_not_parsed(part: str, pool: Pool, bare: BuiltEnvironment) -> None:
    """A program that imports a name for which Python's own parser takes minutes is an error at once."""
    text = "import " + "a." * 200_000 + "b"
    began = time.monotonic()
    (verdict,) = pool.run(bare, [Program(**{"code": "x = 1", "test": "assert x == 1", part: text})], attempts=1)
    assert (verdict.outcome, verdict.detail) == ("error", "It imports a name of 200 parts")
    assert time.monotonic() - began < 60
