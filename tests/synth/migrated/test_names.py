"""Results of a part of a program are named as if it were all there is."""

from __future__ import annotations

import pytest

from synth.migrated.names import renumbered


@pytest.mark.parametrize(
    ("texts", "after"),
    [
        (["result2 = f()\n", "assert result2"], ["result = f()\n", "assert result"]),
        (["result2 = f()\nresult5 = g()\n", "assert result5"], ["result1 = f()\nresult2 = g()\n", "assert result2"]),
        (["result = f()\nresult2 = g()\n"], ["result = f()\nresult2 = g()\n"]),
    ],
)
def test_results_are_counted_from_one(texts: list[str], after: list[str]) -> None:
    """A part of a program shows nothing of results that went."""
    assert renumbered(texts) == after
