"""What a deprecation is about: the object, a parameter, or a case of use; held against real notes read by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scrapers.documents import Document
from scrapers.markup import tree_of
from scrapers.mkdocs_writer import MkDocsWriter
from scrapers.notes import deprecation_of
from scrapers.scope import Scope, scope_of
from scrapers.sphinx import Sphinx

REAL: list[dict[str, Any]] = json.loads((Path(__file__).parent / "truth" / "notes.json").read_text(encoding="utf-8"))
"""Notes of Debian's manuals and of installed packages, judged by reading; `held_out`: after the patterns were made."""

ENTRY = (
    '<dl class="py function"><dt class="sig" id="lib.f">lib.f(<em class="sig-param">x=None</em>)</dt><dd><p>Does.'
    '</p><div class="deprecated"><p><span class="versionmodified">Deprecated since version 3.9: </span>{}</p></div>'
    "</dd></dl>"
)


@pytest.mark.parametrize("held_out", [False, True])
def test_real_notes_are_read_as_a_person_reads_them(held_out: bool) -> None:
    """Of real notes one in fifty at most is read as one on the object, or not, where a person says otherwise."""
    rows = [row for row in REAL if row.get("held_out", False) is held_out]
    assert len(rows) > 100
    wrong = [
        row["text"]
        for row in rows
        if scope_of(row["text"], row["path"], row["parameters"]).whole is not (row["about"] == "whole")
    ]
    assert len(wrong) <= len(rows) / 50, wrong


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("*x* is deprecated.", "x"),
        ("The *x* parameter.", "x"),
        ("The ``x`` and ``y`` arguments are deprecated, use ``z``.", "x"),
        ("Passing None for *x* is deprecated.", ""),
        ("It is deprecated to call `f()` twice.", ""),
        ("`f()` is deprecated if x is None.", ""),
        ("Using this function is deprecated.", None),
        ("The :func:`~lib.f` function is deprecated; use :func:`g`.", None),
        ("Use *y* instead.", None),
        ("", None),
    ],
)
def test_subject_of_the_sentence_is_what_goes(text: str, subject: str | None) -> None:
    """A parameter is named, a case of use is not, and what says nothing of its subject is about the object."""
    assert scope_of(text, "lib.f", ["x"]) == Scope(whole=subject is None, subject=subject or "")


@pytest.mark.parametrize(
    ("markdown", "rest", "deprecated"),
    [
        ("Use <code>g</code>.", "Use ``g``.", True),
        ("<em>x</em> does nothing.", "*x* does nothing.", False),
        ("Passing None for <em>x</em> is deprecated.", "Passing None for *x* is deprecated.", False),
        ("<strong>Gone</strong> soon.", "**Gone** soon.", True),
    ],
)
def test_site_and_package_agree_on_what_a_note_is_about(markdown: str, rest: str, deprecated: bool) -> None:
    """The same note deprecates the object on its page and in its docstring, or in neither."""
    page = Sphinx().parse(Document("a.html", "", ENTRY.format(markdown)), None)
    assert (page.entries[0].deprecated is not None) is deprecated
    doc = f"Does.\n\n.. deprecated:: 3.9\n   {rest}\n\nParameters\n----------\nx : object\n"
    assert (deprecation_of(doc, "", "lib.f", ["x"]) is not None) is deprecated


def test_case_in_an_admonition_deprecates_no_object() -> None:
    """A note of a MkDocs page is read by the same rules."""
    made = {}
    for said in ("Use <code>g</code>.", "Passing None is deprecated."):
        note = f'<details class="deprecated"><summary>Deprecated</summary><p>{said}</p></details>'
        html = f'<div class="doc doc-object doc-function"><h3 id="lib.f" class="doc doc-heading">f</h3>{note}</div>'
        writer = MkDocsWriter()
        writer.write(tree_of(html)[0])
        made[said] = [entry.deprecated for entry in writer.entries()]
    assert made == {"Use <code>g</code>.": ["Deprecated Use `g`."], "Passing None is deprecated.": [None]}


def test_a_module_has_its_text_and_its_deprecation() -> None:
    """What stands between a module's anchor and the next heading or entry is said of the module."""
    note = (
        '<div class="deprecated-removed"><p><span class="versionmodified">Deprecated since 3.4: </span>Use b.</p></div>'
    )
    entry = '<dl class="py function"><dt class="sig" id="lib.a.f">lib.a.f()</dt><dd><p>One.</p></dd></dl>'
    html = f'<main><section id="module-lib.a"><h1>A</h1>{note}<p>Does A.</p>{entry}<p>After.</p></section></main>'
    facts = [["module-lib.a", "lib.a", "py:module", 0], ["lib.a.f", "lib.a.f", "py:function", 1]]
    found = {e.path: e for e in Sphinx().parse(Document("a.html", "a.html", html), facts).entries}
    assert found["lib.a"].doc == ".. deprecated:: 3.4\n   Use b.\n\nDoes A."
    assert found["lib.a"].deprecated == "Use b."
