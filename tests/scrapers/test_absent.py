"""What a site says of an address that isn't there, held against its pages."""

from __future__ import annotations

import pytest

from scrapers.absent import absent_path, is_like, words_of

SAID = "# Nothing here\n\nThe page **{0}** was moved or never was. Try the search, or [start again](/). Ticket {1}.\n"
NAVIGATION = "Guide Install Tutorial Reference Changes " * 60
OTHERS = {
    "the same": (SAID.format("guide/start", "9a1"), True),
    "another title": (SAID.format("guide/start", 7).replace("Nothing here", "Sorry"), True),
    "without title": (SAID.format("guide/start", 7).partition("\n")[2], True),
    "a hint more": (SAID.format("guide/start", 7) + "Did you mean start?", True),
    "a page": ("# Start\n\nThe search is what most people try first, and this page tells how it was made.", False),
    "a page with the words in it": (SAID.format("guide/start", 7) + "This is what readers see. " * 12, False),
    "empty": ("", False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_says_the_same_is_told_from_what_has_words_of_its_own(name: str) -> None:
    """Titles, addresses and numbers apart; a hint more makes no page."""
    text, alike = OTHERS[name]
    absent = words_of(SAID.format("8f3a.html", 1), "8f3a.html")
    assert is_like(words_of(text, "guide/start/index.html"), absent, "guide/start/index.html") is alike


def test_much_that_all_pages_have_hides_no_page() -> None:
    """Where navigation is taken for text, two sentences of its own are enough."""
    absent = words_of(f"{NAVIGATION}\nThere is no such page.", "a.html")
    own = "Gives back the first thing that is longer than all that came before it, or nothing where none is. " * 2
    assert not is_like(words_of(f"{NAVIGATION}\n{own}", "b.html"), absent)
    assert is_like(words_of(f"{NAVIGATION}\nThere is no such page.", "b.html"), absent)


def test_a_title_alone_is_held_against_titles() -> None:
    """A page that is a heading is like another under the same one only."""
    absent = words_of("# Seite nicht gefunden\n", "8f3a/")
    assert is_like(words_of("# Seite nicht gefunden", "x/index.html"), absent)
    assert not is_like(words_of("# Erste Schritte", "x/index.html"), absent) and not is_like((), ())


def test_an_absent_address_is_spelled_as_the_pages_are() -> None:
    """Folders where the site has folders; never the same twice."""
    assert absent_path(["a/", "b/", "index.html"]).endswith("/")
    assert absent_path(["a.html", "b/"]).endswith(".html") and absent_path([""]) != absent_path([""])
