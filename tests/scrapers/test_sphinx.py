from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, SourceError
from registry.web import Access
from scrapers.reading import read_site
from scrapers.sites import is_page
from scrapers.sources import Scraped
from tests.scrapers.debian import unpacked

HERE = Access(private=("127.0.0.1",))

PACKAGE = "python-attr-doc"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Sphinx site: Debian's package of attrs' documentation, downloaded and unpacked, not installed."""
    folder = unpacked(PACKAGE, tmp_path_factory.mktemp("site"))
    return folder / "usr" / "share" / "doc" / PACKAGE / "html"


@pytest.fixture(scope="module")
def attrs(site: Path) -> Scraped:
    return read_site("sphinx", str(site), "attrs", "22.2.0", licence="MIT")


def inventory(site: Path) -> list[tuple[str, str]]:
    """(name, role) of the Python objects that Sphinx itself lists in objects.inv, each under its documented name."""
    data = (site / "objects.inv").read_bytes()
    body = zlib.decompress(data.split(b"\n", 4)[4]).decode()
    rows = [line.split(" ", 4) for line in body.splitlines()]
    return [(name, role) for name, role, priority, *_ in rows if role.startswith("py:") and priority != "-1"]


def test_every_object_of_the_inventory_is_a_symbol(site: Path, attrs: Scraped) -> None:
    """What Sphinx lists in objects.inv and what the pages give is the same."""
    listed = {name for name, role in inventory(site) if role != "py:module"}
    found = {name for s in attrs.symbols for name in (s.path, *s.aliases)}
    assert len(attrs.symbols) > 60
    assert listed - found == set()


def test_signatures_docs_and_deprecations_are_read(attrs: Scraped) -> None:
    """An API entry has its signature, its parameters, its text and its deprecation note."""
    symbols = {s.path: s for s in attrs.symbols}
    define = symbols["attrs.define"]
    assert define.kind == "function"
    assert define.signature is not None
    assert define.signature.startswith("(maybe_cls=None, *, these=None")
    assert define.parameters[1] == {"name": "these", "kind": "keyword-only", "default": "None"}
    assert define.doc.startswith("Define an `attrs` class.")
    validators = symbols["attr.get_run_validators"]
    assert "Use `attrs.validators.get_disabled()` instead" in (validators.deprecated or "")
    assert ".. deprecated:: 21.3.0\n   It will not be removed" in validators.doc
    assert symbols["attr.ib"].deprecated is None
    assert [s.path for s in attrs.symbols if s.signature not in {None, "()"} and not s.parameters] == []


def test_pages_are_markdown_with_their_code(attrs: Scraped) -> None:
    """Pages keep headings and code blocks with their language, and lose navigation and permalinks."""
    pages = {p.path: p for p in attrs.pages}
    assert {"api.html", "examples.html", "init.html", "changelog.html"} <= pages.keys()
    assert not any(name in pages for name in ("genindex.html", "search.html"))
    assert pages["api.html"].kind == "api"
    assert pages["changelog.html"].kind == "changelog"
    init = pages["init.html"]
    assert init.title == "Initialization"
    assert init.markdown.startswith("# Initialization\n")
    assert "```pycon\n>>> import inspect\n>>> from attrs import define\n" in init.markdown
    assert "```python\npt = Point(**row.attributes)\n```" in init.markdown
    assert not any("¶" in p.markdown or "<div" in p.markdown for p in attrs.pages)


def test_pages_have_licence_address_and_digest(attrs: Scraped) -> None:
    """Every page has an address without a path of this machine, a licence and a digest."""
    assert {p.licence for p in attrs.pages} == {"MIT"}
    assert all(p.url == f"sphinx://attrs/22.2.0/{p.path}" for p in attrs.pages)
    assert all(len(row.digest) == 64 for row in (*attrs.pages, *attrs.symbols, attrs.release))


def test_site_over_http_is_the_same_site(site: Path, attrs: Scraped, serve) -> None:
    """Read over HTTP, the pages and symbols are those of the folder."""
    served = serve(site)
    found = read_site("sphinx", served.url, "attrs", "22.2.0", licence="MIT", access=HERE)
    assert [(p.path, p.content_hash) for p in found.pages] == [(p.path, p.content_hash) for p in attrs.pages]
    assert [(s.path, s.signature, s.doc) for s in found.symbols] == [
        (s.path, s.signature, s.doc) for s in attrs.symbols
    ]


def test_crawl_stays_below_its_address(tmp_path: Path, serve) -> None:
    """Links and redirects that leave the site's own address are not followed."""
    (tmp_path / "docs").mkdir()
    links = "".join(
        f'<a href="{to}">x</a>' for to in ("in.html", "../outside.html", "away.html", "http://127.0.0.1:9/")
    )
    (tmp_path / "docs" / "index.html").write_text(f"<main><h1>Start</h1>{links}</main>", encoding="utf-8")
    (tmp_path / "docs" / "in.html").write_text("<main><h1>In</h1><a href='missing.html'>x</a></main>", encoding="utf-8")
    (tmp_path / "outside.html").write_text("<main><h1>Out</h1></main>", encoding="utf-8")
    served = serve(tmp_path)
    found = read_site("sphinx", f"{served.url}/docs/", "lib", "1.0", access=HERE)
    assert [(p.path, p.title, p.licence) for p in found.pages] == [
        ("in.html", "In", None),
        ("index.html", "Start", None),
    ]
    assert "/outside.html" not in served.asked[:4]


@pytest.mark.parametrize(
    ("location", "licence", "error", "message"),
    [
        ("nowhere", None, ConfigurationError, "No folder 'nowhere'"),
        ("ftp://127.0.0.1/", None, ConfigurationError, "starts with http"),
        ("http://127.0.0.1:9/", None, SourceError, "can't be read"),
        ("scripts", None, SourceError, "can't be read"),
        ("docs", "free", ConfigurationError, "no SPDX expression"),
    ],
)
def test_wrong_location_is_one_clear_error(
    location: str, licence: str | None, error: type[Exception], message: str
) -> None:
    """A missing or wrong location says what to set."""
    with pytest.raises(error, match=message):
        read_site("sphinx", location, "lib", "1.0", licence=licence)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a/b.html", True),
        ("", True),
        ("genindex-A.html", False),
        ("_modules/a.html", False),
        ("a.png", False),
        ("dir/", True),
    ],
)
def test_pages_are_told_from_what_sphinx_generates(path: str, wanted: bool) -> None:
    """Indexes, source listings and other files are no pages."""
    assert is_page(path) is wanted
