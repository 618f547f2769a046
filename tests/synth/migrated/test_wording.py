"""A drift row says what its run showed and what the library's notes say, and nothing of other symbols."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.material import Piece, Update
from synth.migrated.wording import Wording
from tests.synth.conftest import symbol

INDEX = SymbolIndex(
    [
        symbol("lib.Bag.add", "method"),
        symbol("lib.tools.gather"),
        symbol("lib.tools.spread"),
        symbol("lib.tools.cut"),
        symbol("lib.GoneError"),
    ]
)
PIECE = Piece(Example(domain="lib", kind="test", releases=("o",), parts={}, file="t.py", root="r", generator="g",
                      generator_version="1"), Program(code="", test=""))  # fmt: skip
UPDATE = Update(
    Program(code="import lib\n\nx = lib.gather([1])\n", test=""), Program(code="x = lib.gather(items=[1])\n", test=""),
    (PIECE,), "r", ("pairs", "1"), "same:whole", ("lib.tools.gather",), None, None,
)  # fmt: skip
BROKE = "With lib 2 this code no longer gives what it gave with lib 1: lib.tools.gather has changed. Update it."


def asked(text: str = "", source: str = "changelog", effect: str = "differs", said: str = "", **more: Any) -> str:
    change = Change(
        old="o", new="n", symbol="lib.tools.gather", kind="signature", evidence=[{"source": source, "text": text}]
    )
    wording = Wording([change], (INDEX, INDEX), ("lib 1", "lib 2"))
    return wording.prompt(replace(UPDATE, change=change.id, **more), effect, said)


def test_a_note_of_the_change_is_told() -> None:
    """A changelog line about the symbol stands in the prompt."""
    assert asked("gather takes items by keyword now.") == f"{BROKE}\ngather takes items by keyword now."


@pytest.mark.parametrize(
    "note", ["gather_all_items", "The `scale` parameter was renamed `factor`.", "Deprecated since 1.5.0.", "Uses less."]
)
def test_a_note_is_a_sentence_about_what_differs(note: str) -> None:
    """A bare name, the note of another parameter and a bare version number are no hints."""
    assert asked(note) == BROKE
    assert asked("The :meth:`gather` takes `items` by keyword.").endswith("The `gather` takes `items` by keyword.")


def test_what_nobody_knows_is_not_said() -> None:
    """Of a maintainers' pair that names several symbols none is said to have changed."""
    told = asked(symbols=("lib.tools.gather", "lib.tools.spread"))
    assert told == "With lib 2 this code no longer gives what it gave with lib 1. Update it."


def test_other_symbols_are_not_named() -> None:
    """A note that names something else of the library is left out: that may be held out."""
    assert asked("gather and spread take items by keyword now.") == BROKE


@pytest.mark.parametrize("named", ["`cut`", "lib.cut()", ":func:`~lib.cut`"])
def test_short_names_are_names_too(named: str) -> None:
    """A name of three letters is one of the library where it stands as code, and a word of English elsewhere."""
    assert asked(f"gather takes what {named} takes.") == BROKE
    assert asked("gather was cut to fewer items.").endswith("gather was cut to fewer items.")


def test_what_finders_say_is_no_note() -> None:
    """Evidence of tools and runs isn't wording."""
    assert asked("(items) -> (*, items)", "signature") == BROKE


@pytest.mark.parametrize(
    ("effect", "said", "prompt"),
    [
        ("fails", "TypeError: gather() takes", "With lib 2 this code fails:\nTypeError: gather() takes\nUpdate it."),
        ("warns", "UserWarning: use\n items", "With lib 2 this code warns:\nUserWarning: use items\nUpdate it."),
        ("fails", "TypeError: call spread() for it",
         "With lib 2 this code fails at its use of `gather` (TypeError). Update it."),
        ("fails", "KeyError", "With lib 2 this code fails at its use of `gather` (KeyError). Update it."),
        ("fails", "KeyError: no spread", "With lib 2 this code fails:\nKeyError: no spread\nUpdate it."),
        ("fails", "GoneError: gather went", "With lib 2 this code fails:\nGoneError: gather went\nUpdate it."),
        ("fails", "", BROKE),
    ],
)  # fmt: skip
def test_what_the_run_said_is_told(effect: str, said: str, prompt: str) -> None:
    """The error or warning stands in the prompt on one line; its kind and place where that names another symbol."""
    assert asked(effect=effect, said=said) == prompt


def test_a_result_that_differs_is_said_to() -> None:
    """Where the call stays as it is, the prompt says that its result is another."""
    told = "lib.tools.gather gives another result with lib 2 than with lib 1. Update what this code expects."
    assert asked(restates=True) == told


def test_of_a_method_the_name_is_told() -> None:
    """Which class an object is of, the code doesn't show: a view's `add` is not said to be that of `Bag`."""
    told = asked(restates=True, symbols=("lib.Bag.add",))
    assert told == "`add` gives another result with lib 2 than with lib 1. Update what this code expects."
