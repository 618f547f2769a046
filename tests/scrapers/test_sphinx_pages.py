"""Pages that a real Sphinx made of `sphinx_pages/source`; a slow test builds them anew and holds them against these."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from scrapers.documents import Document, Entry, Parsed
from scrapers.entries import parameters_in
from scrapers.sphinx import Sphinx

PAGES = Path(__file__).parent / "sphinx_pages"
THEMES = ("alabaster", "classic", "furo", "pydata_sphinx_theme", "sphinx_book_theme", "sphinx_rtd_theme")


def parsed(page: str, theme: str = "alabaster", folder: Path = PAGES) -> Parsed:
    facts = Sphinx().facts({"objects.inv": (PAGES / "alabaster" / "objects.inv").read_bytes()})
    html = (folder / theme / page).read_text(encoding="utf-8")
    return Sphinx().parse(Document(page, f"https://docs.example/{page}", html), facts.get(page))


@pytest.fixture(scope="module")
def entries() -> dict[str, Entry]:
    return {entry.path: entry for entry in parsed("api.html").entries}


@pytest.mark.parametrize("theme", THEMES[1:])
def test_a_page_is_the_same_in_every_theme(theme: str) -> None:
    """What a theme puts around a page, and how it marks code, changes nothing."""
    assert parsed("guide.html", theme) == parsed("guide.html")


def test_code_is_told_from_output_and_kept_as_it_is() -> None:
    """Blocks of any form have their language, and their text letter by letter."""
    markdown = parsed("guide.html").markdown
    for block in (
        "```pycon\n>>> x = [1,\n...      2]\n```\n\n```pycon\n>>> x\n[1, 2]\n```",
        "```python\nif x:\n\n    y  =  1\n\n\nz = 2\n```",
        '```pycon\n>>> a = """b\n...\n... c"""\n>>> print(a)\nb\n\nc\n```',
        "**The caption**\n\n```python\ndef f():\n    return 1\n```",
        "1. In a list:\n\n   ```python\n   g(1)\n\n   g(2)\n\n   * no item\n   ```",
        "**Note**\n\nIn a note:\n\n```pycon\n>>> note = '''```\n... fence\n... ```'''\n```",
        "In a quotation:\n\n```pycon\n>>> 1 +  1\n2\n```",
        "**Shell**\n\n```console\n$ run\n```",
        "**Old**\n\n```pycon\n>>> old = 1\n```\n\n**New**\n\n```pycon\n>>> new = 1\n```",
        "| Name | Means |\n| --- | --- |\n| a | one |\n| b | `\\|` |",
        ".. deprecated:: 1.2\n\n.. versionremoved:: 1.3\n   The old way.",
    ):
        assert block in markdown


def test_cells_of_a_notebook_are_told_from_what_they_put_out() -> None:
    """MyST-NB's cells are code, what was stored with them is output."""
    markdown = parsed("notebook.html").markdown
    assert "```python\nx = 1\n\nx + 1\n```\n\n```output\n2\n```" in markdown
    assert '```python\nprint("a\\n\\nb")\n```\n\n```output\na\n\nb\n```' in markdown


@pytest.mark.parametrize(
    ("path", "kind", "signature"),
    [
        ("lib", "module", None),
        ("lib.LIMIT", "attribute", None),
        ("lib.area", "function", "(shape: str, *, unit: str = 'm') -> float"),
        (
            "lib.Shape",
            "class",
            "(side: int | None = None, *points: tuple[int, ...], name: str = 'a  b', **more)",
        ),
        ("lib.Shape.area", "attribute", None),
        ("lib.Shape.inherited", "method", "(self, a, *, b=None)"),
        ("lib.Shape.unit", "method", "(cls, scale=1.5) -> Shape"),
        ("lib.Shape.parse", "method", "(text, /, sep=' -> ', *, strict=False)"),
        ("lib.Shape.moved", "method", "(self, by, missing=<object object>)"),
        ("lib.ShapeError", "class", None),
        (
            "lib.long",
            "function",
            "(a_rather_long_name=None, another_long_name=(1, 2), *, the_third_long_name='x', "
            "the_last_one: bool = False)",
        ),
        ("lib._extra.first", "function", "(items: list[T], default: T | None = None) -> T"),
        ("lib.extra.Table.put", "method", "(self, row[, at])"),
        ("lib.extra.Table.set", "method", "(self, row, at)"),
        ("lib.extra.Table.size", "attribute", None),
    ],
)
def test_entry_has_its_kind_and_signature(
    entries: dict[str, Entry], path: str, kind: str, signature: str | None
) -> None:
    """Every form of entry that autodoc and people write is read."""
    assert (entries[path].kind, entries[path].signature) == (kind, signature)


def test_entries_are_those_of_the_page(entries: dict[str, Entry]) -> None:
    """Nothing else is one: not what is kept out of the index, not another language's."""
    assert len(entries) == 16
    assert not any("hidden" in path or path == "lib.f" for path in entries)


def test_alias_is_mapped_to_the_canonical_path(entries: dict[str, Entry]) -> None:
    """`:canonical:` and the link to the source say where an object is defined."""
    assert entries["lib._extra.first"].aliases == ("lib.extra.first",)


def test_parameters_have_defaults_and_docs(entries: dict[str, Entry]) -> None:
    """Field lists become the parameters' docs; the parameters of overloads are those of the fullest."""
    shape, unit = entries["lib.area"].parameters
    assert shape["doc"] == "What is measured.\n\n.. versionchanged:: 1.2\n   Names are taken too."
    assert (unit["name"], unit["default"], unit["doc"].partition("\n")[0]) == ("unit", "'m'", "In which unit.")
    assert entries["lib.long"].parameters[1] == {
        "name": "another_long_name", "kind": "positional or keyword", "default": "(1, 2)",
        "doc": "the second, of two lines",
    }  # fmt: skip
    assert entries["lib.Shape.scaled"].parameters[1]["doc"] == "By how much, as in:\n\n```python\n2.5\n```"
    assert [p["default"] for p in entries["lib.Shape.moved"].parameters] == [None, None, "..."]
    assert [(p["name"], p["default"]) for p in entries["lib.extra.Table.put"].parameters][1:] == [
        ("row", None),
        ("at", "..."),
    ]


def test_notes_on_versions_are_directives(entries: dict[str, Entry]) -> None:
    """A note has its kind, version and text; that on a parameter says nothing of the function."""
    assert entries["lib.Shape"].doc.startswith("A shape.\n\n.. versionadded:: 1.1\n\n```pycon\n")
    assert entries["lib.Shape.moved"].deprecated == "Use `lib.Shape.scaled()` instead."
    assert entries["lib.area"].deprecated is None
    assert ".. deprecated:: 1.1\n         It is always metres." in entries["lib.area"].doc


def test_class_has_only_its_own_text(entries: dict[str, Entry]) -> None:
    """What stands in an entry of a member is not said again by its class."""
    assert "Moves it" not in entries["lib.Shape"].doc
    assert "Moves it" in parsed("api.html").markdown


def test_references_are_paths_of_symbols(entries: dict[str, Entry]) -> None:
    """A link to an API object is its path; where the text is another, both stand there."""
    assert "Measured by `lib.area()`, made by `lib.Shape`, kept in `lib.LIMIT`" in parsed("api.html").markdown
    assert entries["lib.Shape.moved"].doc.startswith(
        "Moves it; see `lib.Shape.scaled()` and `the shape` (`lib.Shape`)."
    )


def test_examples_are_recovered_letter_by_letter(entries: dict[str, Entry]) -> None:
    """What the docstring has as example is what the entry has, but for doctest's marks, which Sphinx leaves out."""
    source = (PAGES / "source" / "lib.py").read_text(encoding="utf-8")
    examples = source.partition("Examples\n    --------\n")[2].partition('    """')[0]
    blocks = [textwrap.dedent(block).strip("\n") for block in examples.split("\n\n")]
    blocks = [block.replace("<BLANKLINE>", "").replace("\\\\", "\\") for block in blocks]
    assert len(blocks) == 2
    assert all(f"```pycon\n{block}\n```" in entries["lib.area"].doc for block in blocks)


def test_an_index_is_no_optional_parameter() -> None:
    """Brackets with a comma hold optional parameters; those of a base class or an annotation hold none."""
    assert [(p["name"], p["default"]) for p in parameters_in("(a[, b[, c]])")] == [
        ("a", None),
        ("b", "..."),
        ("c", "..."),
    ]
    assert parameters_in("(dict, MutableMapping[KT, VT])") == []


def test_notebook_of_nbsphinx_is_code_and_output() -> None:
    """Cells are code, what they put out is output, and their numbers are neither (nbsphinx 0.9.8, no pandoc)."""
    html = (PAGES / "nbsphinx" / "notebook.html").read_text(encoding="utf-8")
    text = Sphinx().parse(Document("notebook.html", "", html), None).markdown
    assert text.startswith(
        "# Walks\n\nA walk is *long*.\n\n```ipython3\ndef walk(n):\n    total = 0\n\n    for i in range(n):\n"
        "        total += i\n    return total\n\nwalk(4)\n```\n\n```output\n6\n```\n\n```ipython3\nprint('a')\n"
    )
    assert text.count("```output\n") == 4
    assert "[1]:" not in text


@pytest.mark.parametrize(
    ("signature", "parameters"),
    [
        ("(name or flags...[, action][, nargs])", ["*name_or_flags", "action=...", "nargs=..."]),
        ("([iterable-or-mapping])", ["iterable_or_mapping=..."]),
        (r"(context, \*, name=None, \*\*more)", ["context", "name=None", "**more"]),
        ("(sep=',', x=[1, 2])", ["sep=','", "x=[1, 2]"]),
        ("(type cls, seq, bool degrees=False)", ["cls", "seq", "degrees=False"]),
        ("(format, v1, ...)", ["format", "v1", "*args"]),
        ("(dest=value, ...)", ["dest=value", "**kwargs"]),
        ("(class, classinfo)", ["class_", "classinfo"]),
        ("(path, arg0, ..., env)", []),
        ("(control, (left, right))", []),
        ("(socket.socket)", []),
        ("(" + "a, " * 100_000 + "...)", []),
    ],
)
def test_heads_that_people_write_are_read(signature: str, parameters: list[str]) -> None:
    """Alternatives, optional parts in brackets, escaped stars and dots are parameters; what can't be one gives none."""
    stars = {"variadic positional": "*", "variadic keyword": "**"}
    found = [
        f"{stars[p['kind']]}{p['name']}"
        if p["kind"] in stars
        else p["name"] + (f"={p['default']}" if p["default"] is not None else "")
        for p in parameters_in(signature)
    ]
    assert found == parameters


@pytest.mark.parametrize(
    ("heads", "parameters"),
    [
        (["f(object, name)", "f(object, name, default)"], [("object", None), ("name", None), ("default", "...")]),
        (["f(object, /)", "f(object, sentinel, /)"], [("object", None), ("sentinel", "...")]),
        (["f(stop)", "f(start, stop, step=1)"], [("start", None), ("stop", None), ("step", "1")]),
        (["f()", "f(x)"], [("x", "...")]),
        (["f(?)", "f(x)"], [("x", None)]),
    ],
)
def test_what_an_overload_lacks_can_be_left_out(heads: list[str], parameters: list[tuple[str, str | None]]) -> None:
    """A parameter at the end that one head has and another has not isn't required."""
    terms = "".join(
        f'<dt class="sig"{id_}>{head}</dt>' for head, id_ in zip(heads, [' id="lib.f"', "", ""], strict=False)
    )
    page = f'<dl class="py function">{terms}<dd><p>Does.</p></dd></dl>'
    (entry,) = Sphinx().parse(Document("a.html", "", page), None).entries
    assert [(p["name"], p["default"]) for p in entry.parameters] == parameters


def test_formula_shown_as_a_picture_is_text() -> None:
    """sphinx.ext.imgmath writes a formula nowhere but in the picture's `alt`; other pictures say nothing."""
    page = '<body><p>So <img class="math" src="a.png" alt="E = mc^2"/> holds <img src="b.png" alt="logo"/>.</p></body>'
    assert Sphinx().parse(Document("a.html", "", page), None).markdown == "So \\(E = mc^2\\) holds .\n"


def test_note_on_what_will_be_removed_is_a_deprecation() -> None:
    """Python's own documentation says when a deprecated object will be removed; the note has the first version."""
    note = "Deprecated since version 3.9, will be removed in version 3.14: "
    page = (
        '<dl class="py function"><dt class="sig sig-object py" id="a.f">f()</dt><dd>'
        f'<div class="deprecated-removed"><p><span class="versionmodified">{note}</span>Use g.</p></div></dd></dl>'
    )
    found = Sphinx().parse(Document("a.html", "", page), None)
    assert found.entries[0].deprecated == "Use g."
    assert ".. deprecated:: 3.9\n   Use g." in found.markdown


def test_a_page_that_documents_modules_alone_is_a_guide() -> None:
    """What a module's docstring shows is the page's text: it is read where no other entry's text is around."""
    html = (
        '<main><h1>Sets</h1><span class="target" id="module-lib.sets"></span><p>Made by <code>of</code>.</p>{}</main>'
    )
    entry = '<dl class="py function"><dt class="sig" id="lib.sets.of">lib.sets.of()</dt><dd><p>One.</p></dd></dl>'
    facts = [["module-lib.sets", "lib.sets", "py:module", 0], ["lib.sets.of", "lib.sets.of", "py:function", 1]]
    kinds = {}
    for path, inner in (("alone.html", ""), ("both.html", entry)):
        found = Sphinx().parse(Document(path, path, html.format(inner)), facts)
        kinds[path] = found.kind, [e.path for e in found.entries]
    assert kinds == {"alone.html": ("guide", ["lib.sets"]), "both.html": ("api", ["lib.sets", "lib.sets.of"])}


def test_footnote_is_no_part_of_the_word_before_it() -> None:
    """A reference to a footnote is in brackets, also where only a style sheet puts them there."""
    page = '<body><p>text<a class="footnote-reference brackets" href="#id2">1</a> and more</p></body>'
    assert Sphinx().parse(Document("a.html", "", page), None).markdown == "text[1] and more\n"
