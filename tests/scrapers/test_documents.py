from __future__ import annotations

import pytest

from registry.errors import ConfigurationError
from scrapers.documents import BUILT_IN, Document, Entry, Format, Parsed, get_format


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_format_reads_an_empty_page(name: str) -> None:
    """Each name in the table is a format, and a page without anything has no entry."""
    read = get_format(name)
    assert isinstance(read, Format)
    assert read.version
    assert read.facts({}) == {}
    assert read.pages({}) == []
    parsed = read.parse(Document("a.html", "https://docs.example/a.html", ""), None)
    assert isinstance(parsed, Parsed)
    assert parsed.entries == ()


def test_unknown_format_names_those_there_are() -> None:
    """A wrong name is the user's error."""
    with pytest.raises(ConfigurationError, match=r"No format 'sfinx': there are .*sphinx"):
        get_format("sfinx")


def test_entry_becomes_the_symbol_of_a_release_and_page() -> None:
    """An entry and its symbol say the same."""
    row = {"name": "a", "kind": "positional or keyword", "default": None}
    entry = Entry(path="lib.f", kind="function", aliases=("f",), signature="(a)", parameters=(row,), doc="F.")
    symbol = entry.symbol("1" * 64, "2" * 64)
    assert (symbol.release, symbol.page) == ("1" * 64, "2" * 64)
    assert all(getattr(symbol, name) == getattr(entry, name) for name in ("path", "kind", "aliases", "signature"))
    assert list(symbol.parameters) == [row]
