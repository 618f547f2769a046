"""Gaps, replaced tokens and edits keep to the boundaries that their rows claim."""

from __future__ import annotations

import pytest

from validators.scope import gap_fault, scope_fault, token_fault

CODE = "import lib\n\nG = lib.make(3, k=1)\nfor n in G:\n    G.add(n)\n    n += 1\nr = G.size()\n"
TEST = "assert r == 3\n"


@pytest.mark.parametrize(
    ("middle", "fits"),
    [
        ("r = G.size()", True),
        ("    G.add(n)\n    n += 1", False),
        ("G.add(n)\n    n += 1", True),
        ("3, k=1", True),
        ("k=1", True),
        ("3, k=", False),
        ("make(3, k=1)", False),
        ("G.add(n)\n    n += 1\nr = G.size()", False),
        ("for n in G:\n    G.add(n)\n    n += 1\nr = G.size()", True),
        ("assert r == 3", False),
        ("\n", False),
    ],
)
def test_gap_is_made_of_whole_nodes(middle: str, fits: bool) -> None:
    """A gap is whole statements of one block, or whole arguments of one call."""
    whole = f"{CODE.rstrip()}\n\n{TEST}"
    prefix, _, suffix = whole.partition(middle)
    assert (gap_fault(CODE, TEST, prefix, middle, suffix) == "") is fits


@pytest.mark.parametrize(
    ("call", "middle", "fits"),
    [
        ("lib.f((a + b), c)", "a + b), c", False),
        ("lib.f((a + b), c)", "(a + b), c", True),
        ("lib.f((a), (b))", "a), (b", False),
        ("lib.f((a), (b))", "(a), (b)", True),
        ("lib.f(((a)))", "((a))", True),
        ("lib.f(a, k=(b))", "a, k=(b)", True),
        ("lib.f(*(a), **(b))", "*(a), **(b)", True),
    ],
)
def test_gap_of_arguments_has_all_of_their_parentheses(call: str, middle: str, fits: bool) -> None:
    """A middle that opens or closes a parenthesis of an argument alone can't stand in a call."""
    prefix, _, suffix = f"r = {call}\n\n{TEST}".partition(middle)
    assert (gap_fault(f"r = {call}\n", TEST, prefix, middle, suffix) == "") is fits


def test_gap_belongs_to_its_program() -> None:
    """Pieces that don't make the program, and programs that don't parse, are no gaps."""
    assert gap_fault(CODE, TEST, "", CODE, "") != ""
    assert gap_fault("r = (\n", "", "r = ", "(", "\n\n") != ""


@pytest.mark.parametrize(
    ("original", "at", "was", "corrupted", "replaced", "fits"),
    [
        ("a = b + 1", 4, "b", "a = c + 1", "c", True),
        ("a = b + 1", 6, "+", "a = b - 1", "-", True),
        ("a = b + 1", 4, "b", "a = c - 1", "c", False),
        ("ab = 1", 0, "a", "cb = 1", "c", False),
        ("x = 12", 5, "2", "x = 13", "3", False),
        ("a = b", 4, "b", "a = b", "b", False),
    ],
)
def test_one_whole_token_is_replaced(
    original: str, at: int, was: str, corrupted: str, replaced: str, fits: bool
) -> None:
    """The programs differ in one token, which stands where the row says."""
    assert (token_fault(original, corrupted, at, was, replaced) == "") is fits


@pytest.mark.parametrize(
    ("after", "lines", "fits"),
    [
        ("a = 1\nb = 5\nc = 3\n", [[2, 2]], True),
        ("a = 1\nb = 5\nb += 1\nc = 3\n", [[2, 2]], True),
        ("a = 1\nb = 5\nc = 4\n", [[2, 2]], False),
        ("a = 1\nb = 5\nc = 4\n", [[2, 2], [3, 3]], True),
        ("a = 1\nx = 0\nb = 2\nc = 3\n", [[2, 1]], True),
        ("a = 1\nb = 2\nc = 3\nd = 4\n", [[4, 3]], True),
        ("a = 1\nb = 2\nc = 3\n", [[2, 2]], False),
        ("a = 1\nb = 2\nx = 0\nc = 3\n", [], False),
    ],
)
def test_edit_keeps_to_its_lines(after: str, lines: list[list[int]], fits: bool) -> None:
    """What stands outside the lines of the scope is the same before and after, and something is edited."""
    assert (scope_fault("a = 1\nb = 2\nc = 3\n", after, lines) == "") is fits
