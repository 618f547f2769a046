from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, SourceError
from scrapers.sites import SiteLimits, is_page, read_site
from scrapers.sources import Scraped
from scrapers.sphinx import SphinxSource

PACKAGE = "python-attr-doc"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real Sphinx site: Debian's package of attrs' documentation, downloaded and unpacked, not installed."""
    folder = tmp_path_factory.mktemp("site")
    download = ["apt-get", "download", PACKAGE]
    if subprocess.run(download, cwd=folder, capture_output=True).returncode:
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)
        subprocess.run(download, cwd=folder, check=True, capture_output=True)
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder)], check=True, capture_output=True)
    return folder / "usr" / "share" / "doc" / PACKAGE / "html"


@pytest.fixture(scope="module")
def attrs(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    spec = {"location": str(site), "licence": "MIT"}
    return SphinxSource().scrape(spec, "attrs", "22.2.0", tmp_path_factory.mktemp("cache"))


def inventory(site: Path) -> list[tuple[str, str]]:
    """(name, role) of the Python objects that Sphinx itself lists in objects.inv, each under its documented name."""
    data = (site / "objects.inv").read_bytes()
    body = zlib.decompress(data.split(b"\n", 4)[4]).decode()
    rows = [line.split(" ", 4) for line in body.splitlines()]
    return [(name, role) for name, role, priority, *_ in rows if role.startswith("py:") and priority != "-1"]


def test_every_object_of_the_inventory_is_a_symbol(site: Path, attrs: Scraped) -> None:
    """What Sphinx lists in objects.inv and what the pages give is the same."""
    listed = {name for name, role in inventory(site) if role != "py:module"}
    found = {s.path for s in attrs.symbols}
    assert len(found) > 60
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


def test_site_over_http_is_the_same_site(site: Path, tmp_path: Path, serve) -> None:
    """Read over HTTP, the linked pages are those of the folder; the second time each is asked for by its validator."""
    served = serve(site)
    limits = SiteLimits(pause_s=0)
    first = read_site(served.url, tmp_path, limits)
    assert [(d.path, d.html) for d in first] == [(d.path, d.html) for d in read_site(str(site), tmp_path)]
    assert served.unchanged == []
    assert read_site(served.url, tmp_path, limits) == first
    assert sorted(served.unchanged) == sorted(f"/{d.path}" for d in first if d.path != "index.html")


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
    found = SphinxSource().scrape({"location": f"{served.url}/docs/"}, "lib", "1.0", tmp_path / "cache")
    assert [(p.path, p.title, p.licence) for p in found.pages] == [
        ("in.html", "In", None),
        ("index.html", "Start", None),
    ]
    assert "/outside.html" not in served.asked


def test_site_larger_than_the_limits_is_refused(site: Path, tmp_path: Path) -> None:
    """More pages or bytes than the limits allow is an error that says so."""
    for limits in (SiteLimits(pages=3), SiteLimits(page_bytes=100), SiteLimits(total_bytes=1000)):
        with pytest.raises(SourceError, match="larger than the limits"):
            SphinxSource(limits).scrape({"location": str(site)}, "attrs", "22.2.0", tmp_path)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({}, ConfigurationError, "has no location"),
        ({"location": "nowhere"}, ConfigurationError, "No folder 'nowhere'"),
        ({"location": "ftp://example.invalid/"}, ConfigurationError, "starts with http"),
        ({"location": "http://127.0.0.1:9/"}, SourceError, "can't be read"),
        ({"location": "tests", "licence": "free"}, SourceError, "No HTML page"),
    ],
)
def test_wrong_location_is_one_clear_error(
    spec: dict[str, str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    """A missing or wrong location says what to set."""
    with pytest.raises(error, match=message):
        SphinxSource().scrape(spec, "lib", "1.0", tmp_path)


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
