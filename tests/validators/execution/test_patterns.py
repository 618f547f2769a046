"""Patterns of tests on texts of programs: what may take for ever is refused."""

from __future__ import annotations

import re
import time

import pytest

from validators.execution.patterns import search, tame

WILD = ["(x+x+)+y", "(x|xx)*y", "(x?){30}y", "x*x*x*x*y", "(x*){3}y", "(?:x{0,99}){4}y", "x?" * 25 + "y"]
TAME = [
    "", "no key", "x.*y", r"^invalid literal .*: '.+'$", r"[0-9]+ of \w+", "(foo|bar) .+ baz", "(?:ab?){3}", r"(x*)y\1",
    "(?i:not) found(?= here)", "x{1,50}y",
]  # fmt: skip


@pytest.mark.parametrize("pattern", WILD)
def test_pattern_that_may_not_end_is_refused(pattern: str) -> None:
    """A pattern on which backtracking explodes isn't tried by the supervisor."""
    with pytest.raises(ValueError, match="may take for ever"):
        tame(pattern)


@pytest.mark.parametrize("pattern", TAME)
def test_tame_pattern_finds_as_ever_and_fails_soon(pattern: str) -> None:
    """A tame pattern finds what `re` finds, and gives up on a text of millions made against it."""
    for text in ("invalid literal for int: 'xy'", "3 of four", "xxyxx", "foo  baz", "aababa", "not found here"):
        assert bool(search(tame(pattern), text)) is bool(re.search(pattern, text))
    began = time.thread_time()
    search(tame(pattern), "x" * 3_000_000)
    assert time.thread_time() - began < 10
