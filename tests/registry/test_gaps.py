"""What is left of a program where a gap in it stays empty."""

from __future__ import annotations

import pytest

from registry.gaps import emptied


@pytest.mark.parametrize(
    ("code", "gap", "left"),
    [
        ("r = G.degree(ns, weight=None)\n", "ns, weight=None", "r = G.degree()\n"),
        ("r = f(G, 3)[1]\n", "G, 3", "r = f()[1]\n"),
        ("def g():\n    return f(3)\n", "f(3)", "def g():\n    return \n"),
        ("for n in G:\n    f(n)\n    g(n)\nr = 1\n", "f(n)\n    g(n)", "for n in G:\n    pass\nr = 1\n"),
        ("G = f(3)\nr = G\n", "G = f(3)", "pass\nr = G\n"),
        ("if x:\n    pass\nelse:\n    f(x)\n", "f(x)", "if x:\n    pass\nelse:\n    pass\n"),
        ("r = (f(3))\n", "f(3)", "r = ()\n"),
        ("r = f(3)\n", "f(3)", None),
        ("while f(3):\n    g()\n", "f(3)", None),
        ("r = f(", "f(", None),
    ],
)
def test_gap_is_left_empty_by_the_least_that_parses(code: str, gap: str, left: str | None) -> None:
    """Statements leave `pass`, arguments a call without any, returned values `return`; nothing else can be left out."""
    start = code.index(gap)
    assert emptied(code, start, start + len(gap)) == left
