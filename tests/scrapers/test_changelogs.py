from __future__ import annotations

import time

import pytest

from registry.records import Page
from scrapers.changelogs import Entry, entries, symbols_named
from scrapers.changes import find_changes
from scrapers.lookup import Names
from tests.scrapers.conftest import page, scraped

MARKDOWN = """# Changelog

## 3.0

- Remove `f` in favor of `g`
- `g` now returns
  a generator

## 2.0

- Add `g`
"""
REST = """Version 3.0
-----------

* Expire old_f (#12)

2.0
---

* Older
"""


def changelog(path: str, text: str) -> Page:
    return page("r", path, text, "changelog")


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("CHANGELOG.md", MARKDOWN, ["Remove `f` in favor of `g`", "`g` now returns a generator"]),
        ("CHANGES.rst", REST, ["Expire old_f (#12)"]),
        (
            "doc/release/release_3.0.rst",
            "NetworkX 3.0\n====\n\n- Remove make_str (#5739)\n",
            ["Remove make_str (#5739)"],
        ),
        ("doc/release/release_2.0.rst", "- Remove make_str (#5739)\n", []),
        ("doc/release/migration_guide_from_2.x_to_3.0.rst", "Use arrays now.\n", ["Use arrays now."]),
    ],
)
def test_entries_between_two_versions(path: str, text: str, expected: list[str]) -> None:
    """Entries after the old version up to the new one are read, by heading or by the file's name."""
    assert [e.text for e in entries([changelog(path, text)], "2.0", "3.5")] == expected


SECTIONS = """Lib 3.0 Notes
=============

Compatibility notes
===================

``f`` gives tuples
------------------
It was a list in ``g``.

.. code-block:: python

Ask us.

Deprecations
============

* ``g`` is deprecated. Use ``h`` instead.

======== ==================
removed  what to use
======== ==================
old\\_h   Use ``h``
         instead.
k        No replacement.
======== ==================

| gone | now |
|------|-----|
| `m` | Use `h` instead. |
"""


def test_headings_sections_and_tables_are_read() -> None:
    """Paragraphs below a heading are one entry about what it names; items and rows are entries with their section."""
    found = entries([changelog("notes.rst", SECTIONS)], "2.0", "3.0")
    assert [(e.section, e.text) for e in found] == [
        ("Compatibility notes", "``f`` gives tuples. It was a list in ``g``. Ask us."),
        ("Deprecations", "``g`` is deprecated. Use ``h`` instead."),
        ("Deprecations", "``old_h``: Use ``h`` instead."),
        ("Deprecations", "``k``: No replacement."),
        ("Deprecations", "`m`: Use `h` instead."),
    ]
    names = Names(scraped("1.0", {"lib.py": "def f(): ...\ndef g(): ...\n"}).symbols)
    assert symbols_named(found[0], names) == ["lib.f"]
    assert found[0].is_behaviour
    assert found[1].deprecates


@pytest.mark.parametrize(
    ("text", "behaviour", "deprecates"),
    [
        ("``f`` now always returns a copy", True, False),
        ("``f`` is now three times faster", False, False),
        ("Deprecate ``f``", False, True),
        ("Deprecate ``f`` to change what it returns in 4.0", True, False),
        ("Expire the deprecation of ``f``", False, False),
        ("Remove the keyword ``a`` of ``f``, which no longer did anything", False, False),
        ("Fix the docs of ``f``", False, False),
    ],
)
def test_what_an_entry_says(text: str, behaviour: bool, deprecates: bool) -> None:
    """An entry tells of another behaviour, of a deprecation, or of neither."""
    entry = Entry(text, "3.0", "CHANGES.md")
    assert (entry.is_behaviour, entry.deprecates) == (behaviour, deprecates)


def test_a_version_of_thousands_of_digits_is_none() -> None:
    """A heading or a note may hold any digits: those that Python doesn't read as a number name no version."""
    digits = "9" * 5000
    text = f"## 3.{digits}\n\n- Nothing of any version\n\n## 3.0\n\n- Remove `f` in favor of `g`\n"
    assert [e.text for e in entries([changelog("CHANGES.md", text)], "2.0", "3.0")] == ["Remove `f` in favor of `g`"]
    old = scraped("1.0", {"lib.py": "def f(x):\n    pass\n"})
    new = scraped(
        "2.0", {"lib.py": f'def f(x):\n    """F.\n\n    .. versionchanged:: 1.{digits}\n       Other.\n    """\n'}
    )
    assert find_changes(old, new) == []


def test_what_names_symbols_is_read_in_time() -> None:
    """Backticks and brackets that end nowhere cost no more than their number."""
    old = scraped("1.0", {"lib.py": "def f(x):\n    pass\n"})
    since = time.process_time()
    assert symbols_named(Entry("`a(" * 50_000, "3.0", "CHANGES.md"), Names(old.symbols)) == []
    assert time.process_time() - since < 5


def test_entry_names_its_symbols() -> None:
    """Ticked names, snake_case names and those after the word `function` are looked up; other words are not."""
    code = "def old_f(): ...\ndef iterable(): ...\ndef join(): ...\nclass GraphView: ...\n"
    names = Names(scraped("1.0", {"lib/__init__.py": code}).symbols)
    text = "- Remove function iterable and old_f, join them in ``GraphView``\n"
    (entry,) = entries([changelog("release_3.0.rst", text)], "2.0", "3.0")
    assert symbols_named(entry, names) == ["lib.iterable", "lib.old_f", "lib.GraphView"]
    assert not entry.is_behaviour
