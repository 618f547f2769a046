"""A hostile site, scraped as documentation: each address ends as its own row, or the whole as a clear error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.scraping import releases, scrape_stage, scraped
from registry.errors import SourceError
from registry.records import Body, Fetch
from registry.web import Access, Answer, Web, WebLimits
from scrapers.crawl import Crawl
from scrapers.documents import Document, Format, get_format, names
from scrapers.sites import SiteLimits, facts_of, site_at
from tests.hostile_site.cases import ALL, FRIENDS, INDEXES, LIMIT, NAMES, PAGES
from tests.hostile_site.server import HERE, Case, HostileSite

DOMAIN = """
licences = ["MIT"]
[[library]]
name = "lib"
versions = ["1.0", "2.0"]
[[library.source]]
kind = "{kind}"
location = "{url}"
licence = "MIT"
private = ["127.0.0.1"]
hosts = {hosts}
pages = 300
depth = 3
pause_s = 0
"""
READ_OTHERWISE = {
    "to/friend": "outside", "to/trailing-dot": "outside", "gzip-unnamed": "not-html", "nul.html": "not-html",
    "binary.html": "not-html", "image.html": "not-html",
}  # fmt: skip
"""What comes, and is no page of the site."""
READ_FIRST = {"objects.inv", "sitemap.xml", "search/search_index.json", "llms.txt"}


@pytest.fixture
def site() -> Iterator[HostileSite]:
    """All cases on one server, without the files that a format reads first."""
    with HostileSite([case for case in ALL if case.name not in READ_FIRST], NAMES) as served:
        yield served


@pytest.fixture
def opened(site: HostileSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], House]:
    """Opens its domain anew; requests end after six seconds, and waits between attempts at once."""

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("flows.asking.Web", partial(Web, resolve=site.resolve, sleep=at_once))
    limits = partial(WebLimits, seconds=6.0, attempts=3, faults=1_000)
    monkeypatch.setattr("flows.asking.WebLimits", lambda **_own: limits(body_bytes=LIMIT))
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))

    def domain(kind: str) -> House:
        text = DOMAIN.format(kind=kind, url=f"{site.url}/", hosts=list(FRIENDS))
        (tmp_path / "lib.toml").write_text(text.replace("'", '"'))
        return open_house(str(tmp_path / "lib.toml"))

    return domain


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_each_address_ends_as_its_own_row(site: HostileSite, opened: Callable[[str], House]) -> None:
    """Nothing is lost and nothing hangs; what came is a page or has a fault; nobody was led inside."""
    perform(scrape_stage, opened("sphinx"))
    house = opened("sphinx")
    rows = {row.url.removeprefix(site.url): row for row in house.lake.read(Fetch)}
    for case in ALL:
        if case.linked and case.name not in READ_FIRST:
            wanted = READ_OTHERWISE.get(case.name, case.outcome)
            assert (case.name, rows[case.link].outcome) == (case.name, wanted), rows[case.link].detail
            assert bool(rows[case.link].detail) == (wanted != "ok" or case.name == "many-links.html")
    assert "47,999 more links" in rows["/many-links.html"].detail
    pages = {page.path for page in scraped(house, releases(house)[1]).pages}
    assert {row.path for row in rows.values() if row.outcome == "ok" and not row.fault} - pages <= {""}
    assert site.trapped == 0 and not Path("/tmp/escaped.html").exists()
    assert not list(Path(house.settings.root).rglob("*escaped*"))


READ = [(kind, case) for kind in names() for case in INDEXES if case.target[1:] in get_format(kind).indexes]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "case"), READ, ids=[f"{kind}-{case.name}" for kind, case in READ])
def test_a_hostile_index_ends_as_rows_or_a_clear_error(kind: str, case: Case) -> None:
    """It is read in time and leads nowhere else; the pages are found without it, or the site is said to have none."""
    form, since = get_format(kind), time.process_time()
    pages = [page for page in PAGES if page.name in ("index", "api.html")]
    with HostileSite([case, *pages]) as site:
        try:
            crawl, rows = asyncio.run(_looked(site, form))
        except SourceError as error:
            assert "can't be read" in str(error)
        else:
            facts = form.facts(crawl.indexes)
            for row, body in rows:
                if body is not None and row.path not in crawl.indexes:
                    form.parse(Document(row.path, row.url, body.text), facts_of(facts, row.path))
            assert {row.outcome for row, _ in rows} <= {"ok", "missing", "broken", "not-html", "too-many"}
        assert site.trapped == 0 and not any("passwd" in request.target for request in site.requests)
    assert time.process_time() - since < 10


async def _looked(site: HostileSite, form: Format) -> tuple[Crawl, list[tuple[Fetch, Body | None]]]:
    place = site_at(f"{site.url}/", None, "")
    limits = WebLimits(body_bytes=LIMIT, pause_s=0)
    async with Web(Access(private=(HERE,)), limits, resolve=site.resolve) as web:

        async def ask(path: str, known: Fetch | None) -> Answer:
            return await web.get(f"{place.base}{path}")

        crawl = Crawl(place, form, ask, limits=SiteLimits(pages=50))
        return crawl, [row async for row in crawl.rows()]
