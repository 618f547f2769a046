"""A drift row says what the library's own notes say of the change, and nothing of other symbols."""

from __future__ import annotations

import pytest

from registry.names import SymbolIndex
from registry.records import Change
from synth.wording import Wording
from tests.synth.conftest import symbol

INDEX = SymbolIndex([symbol("lib.tools.gather"), symbol("lib.tools.spread"), symbol("lib.tools.cut")])


def asked(text: str, source: str = "changelog") -> str:
    change = Change(
        old="o", new="n", symbol="lib.tools.gather", kind="signature", evidence=[{"source": source, "text": text}]
    )
    return Wording([change], INDEX).prompt("lib.gather", change.id, ("lib.tools.gather",))


def test_a_note_of_the_change_is_told() -> None:
    """A changelog line about the symbol stands in the prompt."""
    assert asked("gather takes items by keyword now.") == (
        "Update this code: lib.gather has changed. gather takes items by keyword now."
    )


def test_other_symbols_are_not_named() -> None:
    """A note that names something else of the library is left out: that may be held out."""
    assert asked("gather and spread take items by keyword now.") == "Update this code: lib.gather has changed."


@pytest.mark.parametrize("named", ["`cut`", "lib.cut()", ":func:`~lib.cut`"])
def test_short_names_are_names_too(named: str) -> None:
    """A name of three letters is one of the library where it stands as code, and a word of English elsewhere."""
    assert asked(f"gather takes what {named} takes.") == "Update this code: lib.gather has changed."
    assert asked("gather was cut to fewer items.").endswith("gather was cut to fewer items.")


def test_what_finders_say_is_no_note() -> None:
    """Evidence of tools and runs isn't wording."""
    assert asked("(items) -> (*, items)", "signature") == "Update this code: lib.gather has changed."
