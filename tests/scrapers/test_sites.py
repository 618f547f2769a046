"""Looking at a site that does everything wrong, and at folders: each address ends as a row, and the look ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.names import SymbolIndex
from registry.records import Body, Fetch
from registry.web import Access, Answer, Web, WebLimits
from scrapers.binding import Binding, bind
from scrapers.crawl import Ask, Crawl
from scrapers.documents import Document, Job, get_format
from scrapers.reading import read_site
from scrapers.sites import Site, SiteLimits, file_answer, site_at
from tests.hostile_site.cases import FRIENDS, LIMIT, NAMES, PAGES, WAY
from tests.hostile_site.replies import answer
from tests.hostile_site.server import HERE, Case, HostileSite

LINKED = [case for case in (*WAY, *PAGES) if case.linked and case.outcome and not case.host]
MEMBERS = ("ok", "not-html", "outside", "broken")
"""What becomes of an address that gave something."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileSite]:
    links = "".join(f'<a href="{case.link}">x</a>' for case in LINKED)
    with HostileSite((*WAY, *PAGES, Case("", "", answer(f"<html><body>{links}</body></html>"))), NAMES) as site:
        yield site


def looked(crawl: Crawl) -> list[tuple[Fetch, Body | None]]:
    async def all_rows() -> list[tuple[Fetch, Body | None]]:
        return [row async for row in crawl.rows()]

    return asyncio.run(all_rows())


@pytest.mark.slow
def test_every_address_of_a_hostile_site_ends_as_its_own_row(hostile: HostileSite) -> None:
    """Each linked case has a row with what the client made of it; what came is parsed, and nothing hangs or raises."""
    site = site_at(f"{hostile.url}/", None, "")
    found: list[tuple[Fetch, Body | None]] = []

    async def look() -> None:
        async def no_wait(_seconds: float) -> None:
            await asyncio.sleep(0)

        limits = WebLimits(body_bytes=LIMIT, seconds=8, per_host=24, pause_s=0, attempts=3, faults=10_000)
        access = Access(hosts=FRIENDS, private=(HERE,))
        async with Web(access, limits, resolve=hostile.resolve, sleep=no_wait) as web:

            async def ask(path: str, _known: Fetch | None) -> Answer:
                return await web.get(f"{site.base}{path}")

            crawl = Crawl(site, get_format("sphinx"), ask, limits=SiteLimits(pages=400, silent=10_000))
            found.extend([row async for row in crawl.rows()])

    asyncio.run(look())
    rows = {fetch.url: fetch for fetch, _ in found}
    for case in LINKED:
        row = rows[f"{site.base}{case.link.lstrip('/')}"]
        assert row.outcome == case.outcome or (case.outcome == "ok" and row.outcome in MEMBERS), (case.name, row)
        assert bool(row.detail) == (row.outcome != "ok" or case.name == "many-links.html")
    assert hostile.trapped == 0
    assert len(rows) <= 403
    texts = [(fetch, body.text) for fetch, body in found if body is not None]
    jobs = [Job(Document(fetch.path, fetch.url, text)) for fetch, text in texts]
    bounds = bind(Binding("sphinx", "release", None, SymbolIndex(())), jobs)
    assert len(bounds) == len(texts) > 20
    assert not any("\0" in (bound.page.markdown if bound.page else "") for bound in bounds)


def in_folder(site: Site, limits: SiteLimits) -> Ask:
    async def ask(path: str, known: Fetch | None) -> Answer:
        return file_answer(site, path, known, limits)

    return ask


def test_what_a_folder_must_not_give_is_a_row(tmp_path: Path) -> None:
    """A link out of the folder, a file that is too large, one that isn't there and one that is no text."""
    folder = tmp_path / "site"
    folder.mkdir()
    (tmp_path / "secret.html").write_text("<p>secret</p>")
    (folder / "index.html").write_text("<main><h1>Start</h1></main>")
    (folder / "large.html").write_text("<p>x</p>" * 500)
    (folder / "binary.html").write_bytes(bytes(range(32)) * 9)
    (folder / "linked.html").symlink_to(tmp_path / "secret.html")
    limits = SiteLimits(page_bytes=1000)
    site = site_at(str(folder), None, "sphinx://lib/1.0")
    crawl = Crawl(site, get_format("sphinx"), in_folder(site, limits), limits=limits)
    found = {fetch.path: fetch.outcome for fetch, _ in looked(crawl)}
    assert found == {
        "objects.inv": "missing",
        "index.html": "ok",
        "large.html": "too-large",
        "binary.html": "not-html",
        "linked.html": "refused",
    }
    assert set(crawl.pages) == {"index.html"}


@pytest.mark.parametrize(
    ("location", "base"),
    [
        ("HTTP://Docs.Example.org:80/Lib", "http://docs.example.org/Lib/"),
        ("http://docs.example.org/a b/dö/index.html?x=1#y", "http://docs.example.org/a%20b/d%C3%B6/"),
    ],
)
def test_an_address_is_spelled_as_requests_spell_it(location: str, base: str) -> None:
    """However a person writes it: what answers come from is compared with it, letter by letter."""
    assert site_at(location, None, "").base == base


def test_no_redirect_leads_to_what_is_forgotten() -> None:
    """An old address of a page that is to be forgotten gives nothing of it: it is a row, without its text."""
    site = site_at("http://127.0.0.1/", None, "")

    async def ask(path: str, _known: Fetch | None) -> Answer:
        led = "secret.html" if path == "old.html" else path
        links = b"".join(b'<a href="%s">x</a>' % name for name in (b"old.html", b"secret.html", b"other.html"))
        return Answer(f"{site.base}{path}", f"{site.base}{led}", 200, "ok", body=b"<p>words</p>" + links)

    crawl = Crawl(site, get_format("sphinx"), ask, barred=lambda url: url.endswith("secret.html"))
    found = {fetch.url.removeprefix(site.base): (fetch.outcome, body is not None) for fetch, body in looked(crawl)}
    assert found["old.html"] == ("outside", False)
    assert "secret.html" not in found
    assert sorted(crawl.pages) == ["index.html", "other.html"]


def test_any_file_name_is_a_page(tmp_path: Path) -> None:
    """Letters that mean something else in an address: each file is its own page, and the next look finds it as well."""
    for name in ("a b", "d%20c", "q?x", "h#y", "dö"):
        (tmp_path / f"{name}.html").write_text(f"<main><h1>{name}</h1></main>")
    site = site_at(str(tmp_path), None, "sphinx://lib/1.0")
    crawl = Crawl(site, get_format("sphinx"), in_folder(site, SiteLimits()))
    looked(crawl)
    assert sorted(crawl.pages) == ["a b.html", "d%2520c.html", "d%C3%B6.html", "h%23y.html", "q%3Fx.html"]
    assert {file_answer(site, path, None, SiteLimits()).outcome for path in crawl.pages} == {"ok"}


def test_what_the_limits_leave_out_is_said(tmp_path: Path) -> None:
    """Of more pages than the limit allows the first are read, and a row says how many there are beyond it."""
    for name in "abcde":
        (tmp_path / f"{name}.html").write_text(f"<main><h1>{name}</h1></main>")
    site = site_at(str(tmp_path), None, "sphinx://lib/1.0")
    limits = SiteLimits(pages=3)
    crawl = Crawl(site, get_format("sphinx"), in_folder(site, limits), limits=limits)
    [over] = [fetch for fetch, _ in looked(crawl) if fetch.outcome == "too-many"]
    assert over.detail.startswith("2 more")
    assert sorted(crawl.pages) == ["a.html", "b.html", "c.html"]


@pytest.mark.parametrize(
    ("data", "content_type", "wanted"),
    [
        ("<p>é</p>".encode(), "", "é"),
        ("<p>é</p>".encode("latin-1"), "text/html; charset=ISO-8859-1", "é"),
        ('<meta charset="windows-1252"><p>“é”</p>'.encode("cp1252"), "text/html", "“é”"),
        ("<p>日本</p>".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        ("\ufeff<p>é</p>".encode("utf-16"), "text/html; charset=utf-8", "é"),
        ("<p>é</p>".encode(), "text/html; charset=no-such-thing", "é"),
        ("<p>“é”</p>".encode("cp1252"), "text/html; charset=iso-8859-1", "“é”"),
        (b"<p>+ADw-a+AD4-</p>", "text/html; charset=utf-7", "+ADw-a"),
        (b"<p>\\x41</p>", "text/html; charset=unicode_escape", "\\x41"),
        (b"<p>a-z9</p>", "text/html; charset=punycode", "a-z9"),
        (b"<p>a\0b\xff</p>", "text/html", "abÿ"),
    ],
)  # fmt: skip
def test_charsets_are_found_as_browsers_do(data: bytes, content_type: str, wanted: str) -> None:
    """The mark first, then the server, then the page, then UTF-8; what says what isn't so costs no page."""
    from scrapers.texts import decoded_page

    assert wanted in decoded_page(data, content_type)


def test_a_site_is_read_without_a_lake(tmp_path: Path) -> None:
    """A folder as a whole: its pages, its symbols, and the licence that its own page holds the text of."""
    entry = '<dl class="py function"><dt class="sig" id="lib.f"><span>lib.f</span>(a)</dt><dd><p>Does it.</p></dd></dl>'
    (tmp_path / "api.html").write_text(f"<div role='main'><h1>API</h1>{entry}</div>")
    mit = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated"
    mit += ' documentation files (the "Software"), to deal in the Software without restriction. MIT License'
    (tmp_path / "license.html").write_text(f"<div role='main'><h1>License</h1><p>The MIT License</p><p>{mit}</p></div>")
    found = read_site("sphinx", str(tmp_path), "Lib", "1.0", url="https://docs.example.org/lib")
    assert [symbol.path for symbol in found.symbols] == ["lib.f"]
    assert [page.url for page in found.pages] == [
        "https://docs.example.org/lib/api.html",
        "https://docs.example.org/lib/license.html",
    ]
    assert found.release.library == "lib"
