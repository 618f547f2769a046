"""What a site's first files name is read too: sitemaps, lists of versions; and pages that stand in them alone."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

import pytest

from registry.records import Body, Fetch
from registry.web import Answer
from scrapers.crawl import Crawl
from scrapers.documents import get_format
from scrapers.sites import SiteLimits, facts_of, site_at
from scrapers.stated import match_version, stated_version

BASE = "https://docs.test/en/latest/"
PAGE = "<html><body><main><h1>{0}</h1><p>Words of {0}.</p></main></body></html>"
Served = Mapping[str, str | bytes]


def looked(
    kind: str, served: Served, base: str = BASE, limits: SiteLimits | None = None, moved: str = ""
) -> tuple[Crawl, list[str], list[Fetch]]:
    """A look at what a server has, by full address; what was asked for, and the rows."""
    asked: list[str] = []

    async def ask(path: str, _known: Fetch | None) -> Answer:
        address = f"{moved or site.base}{path}".replace("/latest/../", "/")
        asked.append(address)
        if address not in served:
            return Answer(address, address, 404, "missing", "There is no such page")
        data = served[address]
        body = data.encode() if isinstance(data, str) else data
        return Answer(address, address, 200, "ok", content_type="text/html", body=body)

    async def rows() -> list[tuple[Fetch, Body | None]]:
        return [row async for row in crawl.rows()]

    site = site_at(base, None, "")
    crawl = Crawl(site, get_format(kind), ask, limits=limits or SiteLimits())
    return crawl, asked, [fetch for fetch, _ in asyncio.run(rows())]


def sitemap(*places: str, of: str = "url") -> str:
    root = "urlset" if of == "url" else "sitemapindex"
    return f"<{root}>" + "".join(f"<{of}><loc>{place}</loc></{of}>" for place in places) + f"</{root}>"


def test_sitemaps_that_a_sitemap_names_are_read() -> None:
    """Below the site's address as they are named, in CDATA too; those of where it is published beside it; no third."""
    served = {
        f"{BASE}sitemap.xml": sitemap(f"{BASE}maps/a.xml", "https://published.test/b.xml", of="sitemap"),
        f"{BASE}maps/a.xml": sitemap(f"\n<![CDATA[ {BASE}one.html ]]>\n"),
        f"{BASE}b.xml": sitemap(f"{BASE}two.html", f"{BASE}b.xml").replace("sitemapindex", "x"),
        **{f"{BASE}{name}.html": PAGE.format(name) for name in ("one", "two")},
    }
    crawl, asked, _ = looked("site", served)
    assert set(crawl.pages) == {"one.html", "two.html"}
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("third", ["sitemap.xml", "maps/a.xml", "maps/b.xml"])
def test_sitemaps_that_name_each_other_end(third: str) -> None:
    """A circle, or a sitemap of sitemaps below one, is read once, and names no pages."""
    served = {
        f"{BASE}sitemap.xml": sitemap(*(f"{BASE}{name}" for name in ("maps/a.xml", third)), of="sitemap"),
        f"{BASE}maps/a.xml": sitemap(f"{BASE}maps/a.xml", f"{BASE}maps/b.xml", f"{BASE}sitemap.xml", of="sitemap"),
        f"{BASE}maps/b.xml": sitemap(f"{BASE}sitemap.xml", of="sitemap"),
        BASE: PAGE.format("start"),
    }
    crawl, asked, _ = looked("site", served)
    assert set(crawl.pages) == {"index.html"} and len(asked) == len(set(asked)) < 10


def test_sitemaps_are_bounded_together() -> None:
    """Fifty at most, and no more bytes than the limit of all: what is beyond is a row that says so."""
    many = [f"{BASE}{n}.xml" for n in range(200)]
    large = sitemap(f"{BASE}one.html") + " " * (15 << 20)
    served = {f"{BASE}sitemap.xml": sitemap(*many, of="sitemap"), f"{BASE}one.html": PAGE.format("one")}
    crawl, asked, rows = looked("site", {**served, **dict.fromkeys(many[:8], large)})
    assert sum(address in many for address in asked) == 50 and set(crawl.pages) == {"one.html"}
    broken = [row for row in rows if row.outcome == "broken"]
    assert len(broken) == 4 and all("67,108,864 bytes" in row.detail for row in broken)


def test_the_list_of_versions_tells_what_latest_is() -> None:
    """Of a site at …/latest/ mike's list, one folder above, is asked for once: it says which version that is."""
    versions = '[{"version": "1.6", "title": "1.6.1", "aliases": ["latest"]}, {"version": "1.5", "aliases": []}]'
    served = {"https://docs.test/en/versions.json": versions, BASE: PAGE.format("start")}
    crawl, asked, rows = looked("mkdocs", served)
    assert asked.count("https://docs.test/en/versions.json") == 1
    stated = stated_version(crawl.indexes, (), BASE)
    assert stated.version == "1.6.1"
    assert [match_version(stated, v).outcome for v in ("1.6.1", "1.5")] == ["agrees", "differs"]
    assert {row.path for row in rows if row.outcome == "ok"} == {"../versions.json", "index.html"}


def test_a_theme_is_asked_for_its_versions_only_where_the_inventory_says_none() -> None:
    """Sphinx writes an empty line of a project that has no version in its settings."""
    head = "# Sphinx inventory version 2\n# Project: lib\n# Version: {}\n# The remainder is compressed using zlib.\n"
    for version, wanted in (("", 1), ("1.2", 0)):
        served: dict[str, str | bytes] = {BASE: PAGE.format("start")}
        served[f"{BASE}objects.inv"] = head.format(version).encode() + zlib.compress(b"")
        assert sum(a.endswith("_static/switcher.json") for a in looked("sphinx", served)[1]) == wanted


def test_a_site_that_sends_everybody_to_https_is_that_site() -> None:
    """Pages and links of the same address over TLS are its own; those of another host or folder aren't."""
    secure = BASE
    served = {
        secure: PAGE.format("start") + f'<a href="{secure}one.html">1</a><a href="two.html">2</a>'
        '<a href="https://other.test/en/latest/x.html">x</a><a href="https://docs.test/en/1.0/y.html">y</a>',
        **{f"{secure}{name}.html": PAGE.format(name) for name in ("one", "two")},
    }
    crawl, asked, rows = looked("site", served, base=BASE.replace("https", "http"), moved=secure)
    assert set(crawl.pages) == {"index.html", "one.html", "two.html"}
    assert not any("x.html" in address or "y.html" in address for address in asked)
    assert {row.url.partition(":")[0] for row in rows} == {"http"}
    back = looked("site", {BASE.replace("https", "http"): PAGE.format("x"), **served}, moved=BASE)[0]
    assert set(back.pages) == {"index.html", "one.html", "two.html"}, "TLS isn't left for the same page in the clear"


FULL = "Preface.\n\n# Start\n\nInstall it.\n\n```\n# no heading\n```\n\n# Use\n\nCall it.\n\n# Use\n\nAgain.\n"


def test_chapters_of_a_full_text_are_pages() -> None:
    """A text that says no addresses and has several first headings: a page each, asked for once, as one file."""
    crawl, asked, rows = looked("llms_txt", {f"{BASE}llms-full.txt": FULL})
    assert sorted(crawl.pages) == ["llms-full.txt#start", "llms-full.txt#use", "llms-full.txt#use-2"]
    assert not any("#" in address for address in asked)
    form, facts = get_format("llms_txt"), get_format("llms_txt").facts(crawl.indexes)
    assert "Preface.\n\n# Start" in facts_of(facts, "llms-full.txt#start") and len(facts) == 3
    assert "no heading" in facts_of(facts, "llms-full.txt#start")
    assert len({row.sha256 for row in rows if "#" in row.path}) == 3
    one = {"llms-full.txt": b"# Lib\n\n## Start\n\n## Use\n"}
    assert form.given(one) == {} and form.pages(one) == ["llms-full.txt"]
