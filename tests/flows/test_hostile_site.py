"""A hostile site, scraped as documentation: each address ends as its own row, or the whole as a clear error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.scraping import releases, scrape_stage, scraped
from registry.records import Fetch
from registry.web import Web, WebLimits
from tests.hostile_site.cases import ALL, FRIENDS, LIMIT, NAMES
from tests.hostile_site.server import HostileSite

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
INDEXES = {"objects.inv", "sitemap.xml", "search/search_index.json", "llms.txt"}


@pytest.fixture
def site() -> Iterator[HostileSite]:
    """All cases on one server, without the files that a format reads first."""
    with HostileSite([case for case in ALL if case.name not in INDEXES], NAMES) as served:
        yield served


@pytest.fixture
def opened(site: HostileSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], House]:
    """Opens its domain anew; requests end after six seconds, and waits between attempts at once."""

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("flows.asking.Web", partial(Web, resolve=site.resolve, sleep=at_once))
    limits = partial(WebLimits, seconds=6.0, attempts=3, faults=1_000)
    monkeypatch.setattr("flows.asking.WebLimits", lambda body_bytes: limits(body_bytes=LIMIT))
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
        if case.linked and case.name not in INDEXES:
            wanted = READ_OTHERWISE.get(case.name, case.outcome)
            assert (case.name, rows[case.link].outcome) == (case.name, wanted), rows[case.link].detail
            assert bool(rows[case.link].detail) == (wanted != "ok")
    pages = {page.path for page in scraped(house, releases(house)[1]).pages}
    assert {row.path for row in rows.values() if row.outcome == "ok" and not row.fault} - pages <= {""}
    assert site.trapped == 0 and not Path("/tmp/escaped.html").exists()
    assert not list(Path(house.settings.root).rglob("*escaped*"))
