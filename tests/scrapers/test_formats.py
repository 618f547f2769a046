"""The formats mkdocs, site and llms_txt on what real makers of sites made, and on broken ones."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapers.documents import Document, Entry, Format, Parsed, get_format, names
from scrapers.sitemaps import MAPS, SEARCH

SITES = Path(__file__).parent / "sites"
ADDRESS = "http://127.0.0.1:8000/"
INSTALLED = "# Tabs\n\nInstall it:\n\n**pip**\n\n```sh\npip install acme\n```\n\n**uv**\n\n```sh\nuv add acme\n```\n"


def parsed(kind: str, page: str, facts: object = None) -> Parsed:
    """What a format makes of one of the pages."""
    return get_format(kind).parse(Document(page, f"{ADDRESS}{page}", (SITES / page).read_text()), facts)


def indexes(folder: str) -> dict[str, bytes]:
    """The files of a site that name its pages."""
    known = (SEARCH, "objects.inv", *MAPS)
    return {name: (SITES / folder / name).read_bytes() for name in known if (SITES / folder / name).exists()}


@pytest.fixture(scope="module")
def api() -> dict[str, Entry]:
    """What mkdocstrings documents on two pages, by path."""
    facts = get_format("mkdocs").facts(indexes("material"))
    found = [parsed("mkdocs", f"material/{p}", facts.get(p)) for p in ("api/index.html", "api_plain/index.html")]
    assert [f.kind for f in found] == ["api", "api"]
    return {entry.path: entry for f in found for entry in f.entries}


# ---------------------------------------------------------------------------------------------------- mkdocs, as built


@pytest.mark.parametrize("theme", ["material", "readthedocs"])
@pytest.mark.parametrize("kind", ["mkdocs", "site"])
def test_each_tab_keeps_its_label(theme: str, kind: str) -> None:
    """A tab's label stands before its code, whatever the theme, and nothing of the theme is left."""
    text = parsed(kind, f"{theme}/guide/tabs/index.html").markdown
    assert text == f"{INSTALLED}\nOr as a tool.\n\n**Windows**\n\nNothing but words here.\n"


@pytest.mark.parametrize("theme", ["material", "readthedocs"])
def test_code_has_title_language_and_annotations(theme: str) -> None:
    """Line numbers go, a title stands before, an annotation's mark is its number in the list behind."""
    text = parsed("mkdocs", f"{theme}/guide/code/index.html").markdown
    code = "import acme\n\nn = acme.count([1, 2])  # (1)\nprint(n)  # (2)"
    assert f"**count.py**\n\n```py\n{code}\n```\n\n1. This counts **two** things. See `count`.\n" in text
    assert "```pycon\n>>> acme.count([])\n0\n\n>>> for x in [1]:\n...     acme.tell(x)\n'one'\n```" in text
    assert '```toml\n[acme]\nname = "a"\n\n[acme.more]\nn = 1\n```' in text
    assert "**Deprecated**\n\nUse `tell` instead." in text


def test_notes_tables_and_folded_parts_are_text() -> None:
    """Admonitions keep their title, folded parts their text, tables their cells, and widgets are left out."""
    found = parsed("mkdocs", "material/index.html")
    assert "**Before you begin**\n\nYou need Python 3.11.\n\n```python\nimport acme\n```" in found.markdown
    assert "This is closed at first, and still content." in found.markdown
    assert "| `tell` | a \\| b |" in found.markdown
    around = ("cookie", "helpful", "feedback", "edit this page", "made with", "skip to")
    assert not [word for word in around if word in found.markdown.lower()]
    assert (found.title, found.kind, found.fault) == ("Acme", "guide", None)
    assert parsed("mkdocs", "material/changelog/index.html").kind == "changelog"


def test_every_object_of_the_inventory_is_an_entry(api: dict[str, Entry]) -> None:
    """All objects of mkdocstrings are found, each of its kind."""
    facts = get_format("mkdocs").facts(indexes("material"))
    assert {name for rows in facts.values() for _, name, _, _ in rows} == set(api)
    kinds = {"acme.core": "module", "acme.core.Counter": "class", "acme.core.count": "function"}
    kinds |= {
        "acme.core.Counter.add": "method",
        "acme.core.Counter.double": "attribute",
        "acme.core.LIMIT": "attribute",
    }
    assert {path: api[path].kind for path in kinds} == kinds


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        (
            "acme.core.positional",
            "(a: int, b: str = 'x', /, c: float = 1.5, *args: int, key: Callable[[int], str] | None = None)"
            " -> dict[str, list[int]]",
        ),
        ("acme.core.Counter", "(start: int = 0)"),
        ("acme.core.Counter.add", "(n: int) -> 'Counter'"),
        ("acme.other.find", "(name: str, default=None)"),
        ("acme.core.LIMIT", None),
    ],
)
def test_signatures_are_as_written(api: dict[str, Entry], path: str, signature: str | None) -> None:
    """A signature is read from a block of its own or from the heading; a class has that of its `__init__`."""
    assert api[path].signature == signature


def test_parameters_have_kind_default_and_text(api: dict[str, Entry]) -> None:
    """From the signature, with what a table or a list says of each."""
    rows = [dict(p) for p in api["acme.core.count"].parameters]
    assert rows == [
        {"name": "things", "kind": "positional or keyword", "default": None, "doc": "What is counted."},
        {"name": "most", "kind": "keyword-only", "default": "LIMIT", "doc": "The most."},
        {"name": "names", "kind": "keyword-only", "default": "('a', 'b')", "doc": "Their names, `a | b`."},
        {"name": "options", "kind": "variadic keyword", "default": "{}", "doc": "More."},
    ]
    assert [p["doc"] for p in api["acme.other.find"].parameters] == ["What.", "Else."]


def test_text_of_an_object_is_its_own(api: dict[str, Entry]) -> None:
    """Neither its head nor what it contains is part of it; examples are; references are paths."""
    assert api["acme.core"].doc == "What counts."
    assert api["acme.core.count"].doc.startswith("Count things.\n\nParameters:")
    assert api["acme.core.count"].doc.endswith("```pycon\n>>> count([1, 2])\n2\n```")
    assert api["acme.core.tell"].doc.endswith("Use `acme.core.count` instead.")
    deprecated = {path: e.deprecated for path, e in api.items() if e.deprecated}
    assert deprecated == {
        "acme.core.tell": "Deprecated since 1.1 Use `acme.core.count` instead.",
        "acme.core.Counter.reset": "Deprecated: make a new one.",
    }


def test_listings_of_source_are_left_out(api: dict[str, Entry]) -> None:
    """The listing that mkdocstrings folds in goes, whatever the theme calls it; another folded part stays."""
    assert not [e.path for e in api.values() if "Source code" in e.doc]
    page = (
        "<main><div class='doc doc-object doc-function'><h2 id=a.b class='doc doc-heading'><code>b(x)</code></h2><div>"
        "<p>Does it.</p><details class=quote><summary>Source code in <code>a.py</code></summary><pre>def b(x)</pre>"
        "</details><details class=example><summary>Example</summary><pre>b(1)</pre></details></div></div></main>"
    )
    (entry,) = get_format("mkdocs").parse(Document("a", ADDRESS, page), None).entries
    assert (entry.path, entry.signature) == ("a.b", "(x)")
    assert entry.doc == "Does it.\n\n**Example**\n\n```\nb(1)\n```"


def test_pages_are_those_of_all_indexes() -> None:
    """The search index, the inventory and the sitemap name the same pages, by path, also where the host is another."""
    found = get_format("mkdocs").pages(indexes("material"))
    named = {"", "guide/tabs/", "guide/code/", "api/", "api_plain/", "changelog/"}
    assert {path for path in found if "://" not in path} == named
    only = {name: data for name, data in indexes("material").items() if name == "sitemap.xml"}
    assert {path for path in get_format("mkdocs").pages(only) if "://" not in path} == named
    packed = {"sitemap.xml.gz": gzip.compress(only["sitemap.xml"])}
    assert get_format("site").pages(packed) == get_format("site").pages(only)


# --------------------------------------------------------------------------------------------------------- other sites


@pytest.mark.parametrize(
    ("page", "tabs", "code"),
    [
        (
            "vitepress/guide/start.html",
            ("npm", "yarn"),
            "```ts\nimport { count } from 'acme'\n\ncount([1, 2]) // 2\n```",
        ),
        (
            "docusaurus/guide/start/index.html",
            ("npm", "Yarn"),
            "**count.js**\n\n```js\nimport {count} from 'acme';\n\ncount([1, 2]); // 2\n```",
        ),
    ],
)
def test_pages_of_other_makers_are_read(page: str, tabs: tuple[str, str], code: str) -> None:
    """Headings, notes, tabs, code letter by letter and tables of VitePress and Docusaurus, and nothing around them."""
    found = parsed("site", page)
    note = "NOTE" if "vitepress" in page else "note"
    assert found.markdown == (
        f"# Start\n\n**{note}**\n\nYou need Node.\n\n**{tabs[0]}**\n\n```sh\nnpm i acme\n```\n\n**{tabs[1]}**\n\n"
        f"```sh\nyarn add acme\n```\n\n{code}\n\n| Name | Says |\n| --- | --- |\n| `count` | how many |\n"
    )
    assert (found.title, found.fault) == ("Start", None)


def test_main_part_is_found_where_nothing_marks_it() -> None:
    """Without `main` or `article`, it is where most of the text is that is no link."""
    words = " ".join(["Trees are connected graphs without a cycle."] * 20)
    links = "".join(f"<li><a href='{n}'>A page about something else, {n}</a></li>" for n in range(200))
    page = (
        f"<body><div id=top>Site</div><div class=left><ul>{links}</ul></div><div class=x><div class=y><h1>Trees</h1>"
        f"<p>{words}</p><pre class='language-py'>f(1)</pre></div><div class=feedback>Helpful?</div></div></body>"
    )
    found = get_format("site").parse(Document("trees", f"{ADDRESS}trees", page), None)
    assert found.markdown == f"# Trees\n\n{words}\n\n```py\nf(1)\n```\n"


# ------------------------------------------------------------------------------------------------------------ llms.txt

LIST = b"""# Acme\n\n> It counts.\n\n## Docs\n\n- [Start](/docs/start.md): begin\n- [API](http://127.0.0.1:8000/docs/api)
- [Logo](logo.png)\n- [Full](llms-full.txt)\n"""
FULL = b"""# Start\n\nSource: http://127.0.0.1:8000/docs/start\n\nBegin here.\n\n```md\nSource: http://127.0.0.1:8000/no\n```\n
---\n\n# API\nURL: http://127.0.0.1:8000/docs/api\n\n## `acme.count(things, *, most=10) -> int`\n\nCounts.\n"""


def test_llms_txt_names_pages() -> None:
    """Links of `llms.txt` and sources of `llms-full.txt` are pages, images are none; else that file is one."""
    form = get_format("llms_txt")
    pages = form.pages({"llms.txt": LIST.replace(b"](/docs", b"](docs"), "llms-full.txt": FULL})
    assert pages == ["docs/start.md", f"{ADDRESS}docs/api", f"{ADDRESS}docs/start"]
    assert form.pages({"llms-full.txt": b"# All\n\nText.\n"}) == ["llms-full.txt"]


def test_llms_full_is_split_at_its_sources() -> None:
    """Each page has its own text, with the title above its source; a source shown in code splits nothing."""
    form = get_format("llms_txt")
    facts = form.facts({"llms-full.txt": FULL})
    start, api = (
        form.parse(Document(path, f"{ADDRESS}{path}", "<html><body>Something else</body></html>"), facts[path])
        for path in ("docs/start", "docs/api.md")
    )
    assert start.markdown == "# Start\n\nBegin here.\n\n```md\nSource: http://127.0.0.1:8000/no\n```\n"
    assert (start.title, start.entries, api.title, api.kind) == ("Start", (), "API", "api")
    (entry,) = api.entries
    assert (entry.path, entry.kind, entry.signature) == ("acme.count", "function", "(things, *, most=10) -> int")
    assert [p["name"] for p in entry.parameters] == ["things", "most"]


def test_markdown_is_kept_as_it_is() -> None:
    """Only comments go that no reader sees; those in code stay; HTML is read as HTML."""
    form = get_format("llms_txt")
    text = "# A\n\n<!-- hidden -->\nB *c*.\n\n```html\n<!-- shown -->\n\n\n<p>\n```\n"
    assert form.parse(Document("a.md", "", text), None).markdown == text.replace("<!-- hidden -->", "")
    page = "<!DOCTYPE html><html><body><main><h1>A</h1><p>B</p></main></body></html>"
    assert form.parse(Document("a", "", page), None).markdown == "# A\n\nB\n"


# --------------------------------------------------------------------------------------------------- anything at all

PAGES = [p.read_text() for p in sorted(SITES.rglob("*.html"))]
PIECES = st.sampled_from(
    [
        "<div class='tabbed-set'><div class=tabbed-labels><label>a</label>",
        "<div class='doc doc-object doc-function'>",
        "<h2 class='doc doc-heading' id='a.b'><code>b(x=1, *, y)</code>",
        "<div class=doc-signature><pre>f(",
        "</div>",
        "<tr class='doc-section-item'><td><code>x</code>",
        "<details class=deprecated><summary>Deprecated",
        "<pre># (1)!",
        "<div style='display:none'>",
        "<p hidden>",
        "<ul role=tablist><li>",
        "<br>",
        "<loc>http://127.0.0.1/a</loc>",
        "# a.b(c)",
        "Source: http://127.0.0.1/x",
        "```",
        "<!--",
        "-->",
        "](",
        "<meta http-equiv=refresh content=0>",
    ]
) | st.just("\n")
ANYTHING = st.one_of(
    st.text(max_size=80),
    st.lists(PIECES | st.text(max_size=12), max_size=20).map("".join),
    st.tuples(st.sampled_from(PAGES), st.integers(0, 30_000), st.text(max_size=20)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 50 :]
    ),
)


@settings(max_examples=40, deadline=None)
@given(ANYTHING, st.sampled_from(["mkdocs", "site", "llms_txt"]), st.none() | st.just([["a", "a.b", "py:method", 1]]))
def test_any_page_gives_something(text: str, kind: str, facts: object) -> None:
    """No page raises, however broken, and what comes is clean text."""
    found = get_format(kind).parse(Document("a/index.html", ADDRESS, text), facts)
    assert "\0" not in found.markdown
    assert found.markdown.encode()
    assert isinstance(found.title, str)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200) | ANYTHING.map(lambda text: text.encode("utf-8", "replace")), st.booleans())
def test_any_index_gives_paths(data: bytes, packed: bool) -> None:
    """Whatever stands in an index, packed or not, cut off or not: paths come of it, none that leads out."""
    body = gzip.compress(data)[: -4 if len(data) % 2 else None] if packed else data
    for kind in ("mkdocs", "site", "llms_txt"):
        form = get_format(kind)
        given_indexes = {name: body for name in form.indexes if name != "objects.inv"}
        pages = form.pages(given_indexes)
        assert not [p for p in pages if ".." in p.split("/") and "://" not in p]
        assert isinstance(form.facts(given_indexes), dict)


BOMBS = {
    "sitemap.xml": b"<!DOCTYPE x ["
    + b"".join(b'<!ENTITY a%d "&a%d;&a%d;">' % (n + 1, n, n) for n in range(40))
    + b"]><loc>http://127.0.0.1/&a40;</loc>",
    "sitemap.xml.gz": gzip.compress(b"<loc>" + b" " * (100 << 20)),
    "sitemap-0.xml": b"<loc>" + b"a " * 500_000 + (b"<loc>" + b" " * 2000) * 300,
    SEARCH: b'{"docs":' + b"[" * 100_000,
    "llms.txt": (b"](" + b" " * 2000) * 300 + b"<!-- " * 100_000,
    "llms-full.txt": (b"# " + b" " * 2000 + b"\n") * 300 + b"<!-- " * 100_000 + b"Source: http://127.0.0.1/a\n" * 3000,
}  # fmt: skip


LARGE = {
    "sitemap.xml.gz": gzip.compress(b"<urlset>" + b" " * (60 << 20)),
    SEARCH: b'{"docs":[' + b"{}," * 2_000_000 + b'{"location":"a/","text":"\\"location\\":\\"b/\\""}]}',
}


@pytest.mark.parametrize("name", LARGE)
def test_index_needs_little_more_memory_than_it_has(name: str) -> None:
    """Neither what it unpacks to nor what a reader would make of its brackets is held."""
    tracemalloc.start()
    try:
        found = [
            path for kind in ("mkdocs", "site", "llms_txt") for path in get_format(kind).pages({name: LARGE[name]})
        ]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found in ([], ["a/"]) and peak < 30 << 20


@pytest.mark.parametrize("name", BOMBS)
def test_index_that_is_a_bomb_costs_little(name: str) -> None:
    """Entities, packed blanks, deep nesting and runs of blanks take seconds at most, and name no page."""
    since = time.process_time()
    for kind in ("mkdocs", "site", "llms_txt"):
        form = get_format(kind)
        assert len(form.pages({name: BOMBS[name]})) <= 3
        form.facts({name: BOMBS[name]})
    assert time.process_time() - since < 10


CROWDS = (
    "<div class='doc doc-object doc-function'><h2 class=doc-heading id=a.b><code>b(x)</code></h2>"
    "<p><span class=doc-section-title>Parameters:</span></p>"
    + "<div class=doc-section-item><div class=doc-md-description>x" * 900
    + "<code>x</code>" * 20_000,
    "<div class='doc doc-object doc-class'><h2 class='doc doc-heading' id=a.b>b" * 900,
    "<div class=tabbed-set><div><label>" * 600 + "x" * 100_000,
    "<div>" * 1500 + "word " * 100_000,
    "<p style='" + "color:rgba(1" * 50_000 + "'>x",
    "<a>" * 50_000 + "<article>" * 20_000,
    "<pre>(1)!" + " " * 100_000 + "x",
)


@pytest.mark.parametrize("page", CROWDS, ids=range(len(CROWDS)))
def test_time_grows_with_the_page(page: str) -> None:
    """What is nested or repeated as nobody writes it takes seconds at most."""
    since = time.process_time()
    for kind in ("mkdocs", "site"):
        get_format(kind).parse(Document("a", ADDRESS, page), None)
    assert time.process_time() - since < 5


def test_formats_are_formats() -> None:
    """Every name in the table is a Format."""
    assert {"sphinx", "mkdocs", "llms_txt", "site"} <= set(names())
    assert all(isinstance(get_format(name), Format) for name in names())
