"""A documentation site that lives: asked again, it costs what has changed; killed or down, it loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.scraping import compare_key, compare_stage, releases, scrape_stage, scraped, symbols
from registry.errors import GuardError, SourceError
from registry.records import Fetch, Page, Record, Symbol
from scrapers.sphinx import Sphinx
from tests.flows.served_sites import ServedSite, serving

DOMAIN = """
licences = ["MIT"]
[[library]]
name = "lib"
versions = ["1.0", "2.0"]
[[library.source]]
kind = "sphinx"
location = "{url}"
licence = "MIT"
private = ["127.0.0.1"]
pause_s = 0
"""
COUNT = 30


@pytest.fixture
def site() -> Iterator[ServedSite]:
    """A site of thirty pages and an index."""
    with serving(ServedSite()) as served:
        served.fill(COUNT)
        yield served


@pytest.fixture
def opened(site: ServedSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], House]:
    """Opens the domain of the site anew, as each run does."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "lib.toml").write_text(DOMAIN.format(url=site.url))
    return lambda: open_house(str(tmp_path / "lib.toml"))


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the pages that are parsed, in order."""
    seen: list[str] = []
    parse = Sphinx.parse

    def counted(self: Sphinx, document, facts):
        seen.append(document.path)
        return parse(self, document, facts)

    monkeypatch.setattr(Sphinx, "parse", counted)
    return seen


def written(house: House, record: type[Record]) -> int:
    """Files that a table has."""
    return len(list((house.settings.root / "lake" / record.table).glob("2*")))


def digests(house: House) -> dict[str, str]:
    return {s.path: s.digest for s in symbols(house, releases(house)[1])}


def test_an_unchanged_site_costs_next_to_nothing(
    site: ServedSite, opened: Callable[[], House], parses: list[str]
) -> None:
    """Asked again, every page is asked by its validator, none is parsed or written, and under 2% of the bytes come."""
    site.pages = {path: html.replace("</footer>", "</footer>" + "<!-- much of a page is no text -->" * 300)
                  for path, html in site.pages.items()}  # fmt: skip
    perform(scrape_stage, opened())
    first = site.sent
    assert len(parses) == 2 * (COUNT + 1)
    site.reset()
    parses.clear()
    before = opened().lake.fingerprint()
    files = {r.table: written(opened(), r) for r in (Page, Symbol, Fetch)}
    perform(scrape_stage, opened())
    assert parses == []
    assert sorted(site.asked) == sorted(2 * ["objects.inv", "index.html", *(f"part{n}.html" for n in range(COUNT))])
    assert site.sent < 0.02 * first
    assert opened().lake.fingerprint() == before
    assert files == {r.table: written(opened(), r) for r in (Page, Symbol, Fetch)}


def test_a_changed_page_is_parsed_alone_and_touches_only_its_symbols(
    site: ServedSite, opened: Callable[[], House], parses: list[str]
) -> None:
    """One page with other words: one parse a version, its two symbols have new digests, the release is the same."""
    perform(scrape_stage, opened())
    perform(compare_stage, opened())
    before, key, release = digests(opened()), compare_key(opened()), releases(opened())[1].id
    parses.clear()
    site.reset()
    site.write("part3.html", "Does something else.", 3)
    perform(scrape_stage, opened())
    assert parses == ["part3.html"] * 2
    after = digests(opened())
    assert {path for path in before if before[path] != after[path]} == {"lib.f3", "lib.g3"}
    assert len(after) == len(before) == 2 * COUNT
    assert releases(opened())[1].id == release
    assert compare_key(opened()) != key
    [page] = [p for p in scraped(opened(), releases(opened())[1]).pages if p.path == "part3.html"]
    assert "Does something else." in page.markdown
    site.write("part3.html", "Does 3.", 3)
    perform(scrape_stage, opened())
    assert (digests(opened()), compare_key(opened())) == (before, key), "as it was again"
    current = opened().lake.read(Symbol, "release = $id", {"id": release})
    assert {s.path: s.digest for s in current} == before, "views show that too"


def test_another_theme_redoes_nothing(site: ServedSite, opened: Callable[[], House], parses: list[str]) -> None:
    """A timestamp in the footer and another theme: all pages are parsed again, and nothing hangs on another key."""
    perform(scrape_stage, opened())
    perform(compare_stage, opened())
    before, key = digests(opened()), compare_key(opened())
    parses.clear()
    site.fill(COUNT, built="midnight", theme="dark")
    perform(scrape_stage, opened())
    assert len(parses) == 2 * (COUNT + 1)
    assert (digests(opened()), compare_key(opened())) == (before, key)
    assert perform(compare_stage, opened()) == 0


def test_a_page_that_is_gone_is_no_longer_current_and_a_server_that_is_down_takes_nothing(
    site: ServedSite, opened: Callable[[], House]
) -> None:
    """404 supersedes a page and its symbols; 403, on one page or on all, leaves everything as it was, with a row."""
    perform(scrape_stage, opened())
    before = digests(opened())
    site.status = {"part1.html": 404, "part2.html": 403}
    perform(scrape_stage, opened())
    assert set(before) - set(digests(opened())) == {"lib.f1", "lib.g1"}
    rows = {f.path: (f.outcome, f.status, bool(f.sha256)) for f in opened().lake.read(Fetch)}
    assert rows["part1.html"] == ("missing", 404, False)
    assert rows["part2.html"] == ("failed", 403, True)
    left = digests(opened())
    site.status = dict.fromkeys(site.pages, 403)
    with pytest.raises(SourceError, match="can't be read") as told:
        perform(scrape_stage, opened())
    assert told.value.retryable
    assert digests(opened()) == left
    site.status = {}
    perform(scrape_stage, opened())
    assert digests(opened()) == before


def test_a_site_that_loses_much_at_once_is_asked_about(site: ServedSite, opened: Callable[[], House]) -> None:
    """A quarter of its pages gone stops the run and nothing is superseded, until a person says that it is right."""
    perform(scrape_stage, opened())
    before = digests(opened())
    site.status = {f"part{n}.html": 410 for n in range(COUNT // 4 + 1)}
    with pytest.raises(GuardError, match=r"lib 1\.0 since it was read last 16 of 60 would be gone"):
        perform(scrape_stage, opened())
    assert digests(opened()) == before
    house = opened()
    house.accept_removals = True
    perform(scrape_stage, house)
    assert len(digests(opened())) == len(before) - 16
