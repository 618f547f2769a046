"""Results are stated where a call gives something else; flags of errors and warnings are no results."""

from __future__ import annotations

import pytest

from registry.records import Program
from synth.migrated.stated import stated

CODE = """import lib
import warnings
with warnings.catch_warnings(record=True) as caught1:
    warnings.simplefilter("always")
    found = lib.f(1)
warned1 = any(issubclass(w.category, FutureWarning) for w in caught1)
raised1 = found is None
raised_cost = lib.g(2)
"""


@pytest.mark.parametrize(("name", "given"), [("warned1", 0), ("raised1", 0), ("raised_cost", 1)])
def test_flags_are_no_results(name: str, given: int) -> None:
    """That a call warns or raises no more is not stated; a name that only begins like a flag's is a result."""
    program = Program(code=CODE, test=f"assert {name} == 3\n")
    assert len(list(stated(program, {0: "4"}))) == given


@pytest.mark.parametrize(
    ("before", "after"),
    [("True", "False"), ("{True}", "{True, False}"), ("[True]", "[]"), ("'7bc4dde9a09d0b94'", "'c045439172215f49'")],
)
def test_what_tells_nothing_is_no_result(before: str, after: str) -> None:
    """Whether something holds of a result isn't the result, and a hash can't be told: nothing of that is stated."""
    program = Program(code=CODE, test=f"assert found == {before}\n")
    assert list(stated(program, {0: after})) == []
