"""Of what the maintainers changed in a test, that is taken over which the release made necessary."""

from __future__ import annotations

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Program
from synth.migrated.calls import Receivers
from synth.migrated.focus import Focus
from tests.synth.conftest import symbol

OLD = SymbolIndex([symbol("lib.f"), symbol("lib.g"), symbol("lib.h"), symbol("lib.gone")])
NEW = SymbolIndex([symbol("lib.f"), symbol("lib.g"), symbol("lib.h"), symbol("lib.now")])
FOCUS = Focus(
    OLD,
    NEW,
    [
        Change(old="o", new="n", symbol="lib.gone", kind="removed"),
        Change(old="o", new="n", symbol="lib.g", kind="signature"),
    ],
)
METHODS = Receivers(OLD).of(()), Receivers(NEW).of(())


def focused(old: str, new: str, failing: int | None = None, **how: bool) -> str | None:
    before, after = (Program(code=f"import lib\n\n{text.rstrip()}\n", test="assert x == 1\n") for text in (old, new))
    found = FOCUS.focused(before, after, failing, METHODS, **how)
    return None if found is None else found.program.code.removeprefix("import lib\n\n")


@pytest.mark.parametrize(
    ("old", "new", "made"),
    [
        ("a = lib.gone(2)\nx = lib.f(a)\n", "a = lib.now(2)\nx = lib.f(a)\n", "a = lib.now(2)\nx = lib.f(a)\n"),
        ("a = 5\nx = lib.gone(a)\n", "a = 6\nx = lib.now(a)\n", "a = 5\nx = lib.now(a)\n"),
        ("y = lib.h(1)\nx = lib.g(1, 2)\n", "x = lib.g(1, b=2)\n", "y = lib.h(1)\nx = lib.g(1, b=2)\n"),
        ("x = lib.gone([1])\n", "a = [1]\nx = lib.now(a)\n", "a = [1]\nx = lib.now(a)\n"),
        ("x = lib.g(1)\n", "x = dict(lib.g(1))\n", "x = dict(lib.g(1))\n"),
        (
            "try:\n    x = lib.gone(1)\nexcept ValueError:\n    x = 1\n",
            "a = 1\ntry:\n    x = lib.now(a)\nexcept ValueError:\n    x = 1\ntry:\n    y = 2\nexcept OSError:\n    y=3",
            "a = 1\ntry:\n    x = lib.now(a)\nexcept ValueError:\n    x = 1\n",
        ),
        ("x = lib.second_name(1)\n", "x = lib.now(1)\n", "x = lib.now(1)\n"),
        ("old = lib.gone\nx = old(1)\n", "x = lib.now(1)\n", "x = lib.now(1)\n"),
    ],
)
def test_statements_that_name_what_changed_are_taken_over(old: str, new: str, made: str) -> None:
    """Other sizes and checks left out stay as they were; what the new form needs comes along, what it doesn't goes."""
    assert focused(old, new) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x = lib.f(1)\n", "x = lib.h(1)\n"),
        ("x = lib.g(1)\n", "x = lib.h(1)\n"),
        ("x = lib.gone(1)\n", "found = lib.now(1)\n"),
        ("x = lib.f(5)\n", "x = lib.f(6)\n"),
    ],
)
def test_what_shows_no_change_is_no_migration(old: str, new: str) -> None:
    """Another function or another value is another test, and a result of another name leaves the check without one."""
    assert focused(old, new) is None


def test_the_line_that_fails_may_change() -> None:
    """Where nothing that is named has changed, the statement around the failing line is taken over."""
    assert focused("x = lib.f(1).a\n", "x = lib.f(1).b\n", 3) == "x = lib.f(1).b\n"


def test_another_test_may_bring_no_data_of_its_own() -> None:
    """A successor by likeness alone that holds other values shows another case."""
    pair = "x = lib.gone(1)\n", "x = lib.now(1, [7, 8])\n"
    assert focused(*pair) == pair[1]
    assert focused(*pair, same=False) is None


def test_what_is_prepared_may_come_along() -> None:
    """A changed statement that feeds what changed stays as it was, or is taken over where that is asked for."""
    pair = "a = 5\nx = lib.gone(a)\n", "a = {5: 1}\nx = lib.now(**a)\n"
    assert focused(*pair) == "a = 5\nx = lib.now(**a)\n"
    assert focused(*pair, fed=True) == pair[1]
