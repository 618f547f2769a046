"""A pool that is told to rest on weak proof."""

from __future__ import annotations

from registry.records import Program
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool


def test_weak_mode_says_so(bare: BuiltEnvironment) -> None:
    """With `strong=False` the same verdicts come with weak proof, also where values could be compared outside."""
    programs = [Program(code="x = 1", test=f"assert x == {n}") for n in (1, 2)]
    with Pool(1, strong=False) as pool:
        verdicts = list(pool.run(bare, programs, attempts=1))
    assert [(v.outcome, v.proof) for v in verdicts] == [("passed", "weak"), ("failed", "weak")]
