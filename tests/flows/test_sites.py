"""A documentation site that lives: asked again, it costs what has changed; killed or down, it loses nothing."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.scraping import compare_key, compare_stage, releases, scrape_key, scrape_stage, scraped, sites, symbols
from flows.sites import Looked
from flows.stages import ask_sites, complete, complete_key
from registry.errors import ConfigurationError, GuardError, SourceError
from registry.forgetting import Order, forget, trace
from registry.records import Body, Example, Fetch, Page, Record, Release, Symbol
from scrapers.sphinx import Sphinx
from tests.flows.served_sites import ServedSite, serving
from tests.registry.dying import DYING

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
COUNT = 12
MIT_0 = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction."""


@pytest.fixture
def site() -> Iterator[ServedSite]:
    """A site of a dozen pages and an index."""
    with serving(ServedSite()) as served:
        served.fill(COUNT)
        yield served


@pytest.fixture
def opened(site: ServedSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], House]:
    """Opens the domain of the site anew, as each run does."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTUNE_TRIES", "1")  # a site that is down is waited for elsewhere
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
    """Asked again, every page is asked by its validator, none is parsed or written, and under 2% of the bytes come.

    One more address is asked for, which surely isn't there: another one at each look.
    """
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
    known = ["objects.inv", "index.html", *(f"part{n}.html" for n in range(COUNT))]
    assert sorted(path for path in site.asked if path in known) == sorted(2 * known)
    assert len(set(site.asked).difference(known)) == 2 == len(site.asked) - 2 * len(known)
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


LOST = """<html><head><title>{0} – Beispiel</title></head><body><div role="main"><h1>Leider nichts: {0}</h1>
<p>Unter ADDRESS liegt bei uns heute, {1}, nichts mehr. Vielleicht hilft die Suche weiter, oder das Verzeichnis aller
Seiten, das jede Nacht neu geschrieben wird. Anfrage {1}f3.</p></div></body></html>"""


def test_a_page_that_says_what_an_absent_one_does_is_none(
    site: ServedSite, opened: Callable[[], House], parses: list[str]
) -> None:
    """A server that answers 200 to all: pages it has no more go, in whatever language it says so, and come back."""
    site.fill(3)
    site.pages["index.html"] = site.pages["index.html"].replace("<nav>", '<nav><a href="lost.html">x</a>')
    site.absent = LOST.format("Fehler", 1)
    perform(scrape_stage, opened())
    rows = {f.path: f for f in opened().lake.read(Fetch)}
    assert str(rows["lost.html"].fault).startswith("soft-404") and rows["part1.html"].fault is None
    assert {p.path for p in scraped(opened(), releases(opened())[1]).pages} == {
        "index.html", *(f"part{n}.html" for n in range(3)),
    }  # fmt: skip
    before, count = opened().lake.fingerprint(), len(digests(opened()))
    parses.clear()
    site.absent = LOST.format("Nichts da", 2)
    site.status = {"lost.html": 304}
    perform(scrape_stage, opened())
    assert [path for path in parses if path in site.pages] == []
    kept = site.pages.pop("part1.html")
    perform(scrape_stage, opened())
    assert len(digests(opened())) == count - 2
    site.pages["part1.html"] = kept
    perform(scrape_stage, opened())
    assert len(digests(opened())) == count
    assert set(opened().lake.fingerprint()) == set(before)


def test_a_page_that_a_killed_run_wrote_doesn_t_stay_when_it_is_as_it_was(
    site: ServedSite, opened: Callable[[], House], parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between a page's rows and the site's state, then the page goes back: views show what the site shows."""
    perform(scrape_stage, opened())
    before, release = digests(opened()), releases(opened())[1].id
    site.write("part3.html", "Does something else.", 3)
    with monkeypatch.context() as killed:
        killed.setattr(House, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            perform(scrape_stage, opened())
    site.write("part3.html", "Does 3.", 3)
    parses.clear()
    perform(scrape_stage, opened())
    current = opened().lake.read(Symbol, "release IN (SELECT unnest($r))", {"r": [r.id for r in releases(opened())]})
    assert {s.path: s.digest for s in current if s.release == release} == before == digests(opened())
    assert not any(s.doc == "Does something else." for s in current)
    assert parses == ["part3.html"]
    parses.clear()
    perform(scrape_stage, opened())
    assert parses == []


def _die(*_: object, **__: object) -> int:
    raise KeyboardInterrupt


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


def test_of_a_symbol_on_two_pages_the_one_that_says_more_counts(site: ServedSite, opened: Callable[[], House]) -> None:
    """Which page was parsed last decides nothing: another theme on one of them leaves the symbol as it was."""
    site.fill(2)
    site.write("part1.html", "Does nought, and says more of it.", 0)
    perform(scrape_stage, opened())
    before = digests(opened())
    for name, text in (("part0.html", "Does 0."), ("part1.html", "Does nought, and says more of it.")):
        site.write(name, text, 0, theme="dark")
        perform(scrape_stage, opened())
        assert digests(opened()) == before
    assert {s.doc for s in symbols(opened(), releases(opened())[1])} == {"Does nought, and says more of it."}


def test_a_look_of_tomorrow_is_one_of_a_clock_that_was_wrong(
    site: ServedSite, opened: Callable[[], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that was asked while the clock was a day ahead is asked again, not left alone until then."""
    perform(scrape_stage, opened())
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    monkeypatch.setattr("flows.sites.SiteVersion.looked", lambda _self: Looked(tomorrow, "another run", ""))
    assert str(sites(opened())[0].due()).startswith("last asked")


def test_a_site_in_a_lake_on_an_object_store(
    site: ServedSite, opened: Callable[[], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no local catalogue a site is read, and asked again, all the same."""
    fsspec.filesystem("memory").store.clear()
    monkeypatch.setenv("DRIFTUNE_LAKE", "memory://bucket/lake")
    site.fill(1)
    assert perform(scrape_stage, opened()) == perform(scrape_stage, opened()) == 2
    assert set(digests(opened())) == {"lib.f0", "lib.g0"}


def test_names_that_a_sites_examples_use_are_its_symbols_and_go_with_them(
    site: ServedSite, opened: Callable[[], House]
) -> None:
    """A site alone tells by its examples that `lib.core.walk` is `lib.walk`; what hangs on it is redone."""
    keys = []
    for text, names in (("lb.walk(1)", ("lib.walk",)), ("lb.core.walk(1)", ())):
        shown = f"<pre>&gt;&gt;&gt; import lib as lb\n&gt;&gt;&gt; {text}\n2</pre>"
        site.write("part0.html", f"Walks.</p>{shown}<p>", 0)
        site.pages["part0.html"] = site.pages["part0.html"].replace("lib.f0", "lib.core.walk")
        perform(scrape_stage, house := opened())
        new = releases(house)[1]
        assert {s.path: s.aliases for s in symbols(house, new)}["lib.core.walk"] == names
        assert [s.digest for s in scraped(house, new).symbols] == [digests(house)[p] for p in sorted(digests(house))]
        keys.append(compare_key(house))
    assert keys[0] != keys[1]


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
    with pytest.raises(GuardError, match=r"lib 1\.0 since it was read last 8 of 24 would be gone"):
        perform(scrape_stage, opened())
    assert digests(opened()) == before
    house = opened()
    house.accept_removals = True
    perform(scrape_stage, house)
    assert len(digests(opened())) == len(before) - 8


@pytest.mark.slow
def test_what_nobody_needs_to_ask_for_is_not_asked_for(
    site: ServedSite, opened: Callable[[], House], parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer parser parses what was received, a look that is fresh enough is taken for one; the plan says so first."""
    file = Path(opened().reference)
    perform(scrape_stage, opened())
    before, key = digests(opened()), compare_key(opened())
    file.write_text(file.read_text() + "refresh_h = 1\n")
    site.reset()
    parses.clear()
    assert perform(scrape_stage, opened()) == 0
    assert [planned.plan() for planned in sites(opened())] == ["is left alone: asked lately"] * 2
    monkeypatch.setattr(Sphinx, "version", "newer")
    assert "13 pages that are parsed again: sphinx@newer" in sites(opened())[0].plan()
    assert perform(scrape_stage, opened()) == 2
    assert (len(parses), site.asked) == (2 * (COUNT + 1), [])
    assert (digests(opened()), compare_key(opened())) == (before, key)
    file.write_text(file.read_text().replace("pause_s = 0", "pause_s = 0.001"))
    assert "how it is asked has changed" in sites(opened())[0].plan()
    file.write_text(file.read_text().replace("refresh_h = 1", "refresh_h = 0"))
    assert "is asked what has changed of 13 pages" in sites(opened())[0].plan()
    assert site.asked == []


def test_a_run_that_was_complete_asks_before_it_says_so(site: ServedSite, opened: Callable[[], House]) -> None:
    """Where nothing has changed on the site there is nothing to do, without an engine; where a page has, there is."""
    house = opened()
    perform(scrape_stage, house)
    house.finish("refresh", "refresh", [complete_key(house)], [], 0.0, {"decision": "rejected"})
    assert complete(house) == "rejected"
    house = opened()
    assert complete(house) is None
    ask_sites(house)
    house.domain = house.domain.model_copy(update={"deadlines": {"train": 1.0}})  # decides nothing that is made
    assert complete(house) == "rejected"
    site.status = dict.fromkeys(site.pages, 403)
    house = opened()
    ask_sites(house)
    assert complete(house) is None, "the stage says what is wrong with the site"
    site.status = {}
    site.write("part3.html", "Does something else.", 3)
    house = opened()
    ask_sites(house)
    assert complete(house) is None


def test_a_site_of_another_version_is_refused(site: ServedSite, opened: Callable[[], House]) -> None:
    """A site that says 3.7 where 1.0 is asked for is one clear error, unless the domain says that it is right."""
    site.pages["index.html"] = site.pages["index.html"].replace(
        "<title>lib</title>", "<title>lib 3.7 documentation</title>"
    )
    with pytest.raises(ConfigurationError, match=r"is of another version\. Asked for 1\.0, the site says 3\.7"):
        perform(scrape_stage, opened())
    assert opened().lake.read(Page) == []
    file = Path(opened().reference)
    file.write_text(file.read_text() + "version_check = false\n")
    assert perform(scrape_stage, opened()) == 2


@pytest.mark.slow
def test_what_is_forgotten_of_a_site_stays_out_and_the_package_keeps_its_word(
    site: ServedSite, opened: Callable[[], House]
) -> None:
    """A page goes with what was received of it and what it added to a package's symbol, and is not asked again."""
    file = Path(opened().reference)
    first = "[[library.source]]"
    file.write_text(file.read_text().replace(first, f'{first}\nkind = "pypi"\n{first}'))
    house = opened()
    for version in house.library.versions:
        release = Release(library="lib", version=version, artifact_sha256=version * 16)
        page = Page(release=release.id, url="pypi://lib/a", content_hash="0", kind="source", path="a", markdown="a = 1")
        known = Symbol(release=release.id, path="lib.core.f3", kind="function", aliases=("lib.f3",), page=page.id)
        key = scrape_key(house, house.library.source[0], version)
        house.finish("scrape", "pypi@1", [key], [release, page, known], 0.0, {"release": release.id})
    assert perform(scrape_stage, opened()) == 1, "of an address without a version only the newest release is read"
    release = releases(opened())[1]
    by_path = {s.path: s for s in symbols(opened(), release)}
    assert (by_path["lib.core.f3"].doc, "lib.f3" in by_path, "lib.f4" in by_path) == ("Does 3.", False, True)
    lake = opened().lake
    order = Order(f"{site.url}part3.html")
    forget(lake, order, trace(lake, order), by="a test")
    site.reset()
    perform(scrape_stage, opened())
    assert "part3.html" not in site.asked
    by_path = {s.path: s for s in symbols(opened(), release)}
    assert (by_path["lib.core.f3"].doc, "lib.g3" in by_path) == ("", False)
    for record in (Fetch, Body, Page, Symbol, Example):
        rows = opened().lake.read(record)
        assert not any("Does 3." in str(row) or "part3" in getattr(row, "url", "") for row in rows), record


@pytest.mark.slow
def test_what_is_forgotten_is_not_asked_about(site: ServedSite, opened: Callable[[], House]) -> None:
    """A page with most of the site's text, then the whole site: the next run leaves out what is meant to be gone."""
    site.fill(2)
    site.pages["part1.html"] = site.pages["part1.html"].replace("</dl>", "</dl>" + "<p>many more words</p>" * 1_000, 1)
    perform(scrape_stage, opened())
    for address, left in ((f"{site.url}part1.html", {"lib.f0", "lib.g0"}), (site.url, set())):
        lake = opened().lake
        forget(lake, Order(address), trace(lake, Order(address)), by="a test")
        site.reset()
        perform(scrape_stage, opened())
        assert set(digests(opened())) == left
    assert site.asked == []


@pytest.mark.slow
def test_a_licence_that_is_forgotten_stays_out_of_a_site_that_only_shows_it(
    site: ServedSite, opened: Callable[[], House]
) -> None:
    """The licence is known once its page is read: none of the site's pages is taken, now and at every later run."""
    file = Path(opened().reference)
    file.write_text(file.read_text().replace('licence = "MIT"\n', ""))
    site.fill(1)
    site.pages["license.html"] = f"<main><h1>License</h1><p>{MIT_0}</p></main>"
    site.pages["index.html"] = site.pages["index.html"].replace("<nav>", '<nav><a href="license.html">License</a>')
    perform(scrape_stage, opened())
    lake = opened().lake
    assert {page.licence for page in lake.read(Page)} == {"MIT-0"}
    forget(lake, Order("MIT-0"), trace(lake, Order("MIT-0")), by="a test")
    for _ in range(2):
        perform(scrape_stage, opened())
        assert scraped(opened(), releases(opened())[1]).pages == ()
        assert opened().lake.read(Page) == []


DIES = f"""{DYING}
from flows import asking, site_pages
from flows.batches import perform
from flows.house import open_house
from flows.scraping import scrape_stage
asking._ROWS, site_pages._ROWS, site_pages._SHARD = 10, 20, 8
site_pages.bind = step(site_pages.bind)
perform(scrape_stage, open_house(sys.argv[3]))
"""
"""A run that dies at its nth file or its nth parse."""


@pytest.mark.slow
def test_killed_while_it_fetches_parses_or_writes_the_same_command_goes_on(
    site: ServedSite, opened: Callable[[], House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL at eight places, each followed by the same command: the same lake, and what arrived isn't sent again."""
    perform(scrape_stage, opened())
    wanted = opened().lake.fingerprint()
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "killed"))
    home = opened().settings.root
    assert opened().lake.read(Fetch) == []
    for last in (3, 6, 9, 12, 4, 7, 5, 2):
        known = {f.path for f in opened().lake.read(Fetch) if f.sha256}
        site.full.clear()
        command = [sys.executable, "-c", DIES, str(home), str(last), opened().reference]
        assert subprocess.run(command, capture_output=True, timeout=120).returncode == -signal.SIGKILL
        assert known.isdisjoint(site.full)
    perform(scrape_stage, opened())
    found = opened().lake.fingerprint()
    assert {table for table in wanted if wanted[table] != found[table]} == set()


def test_a_file_that_is_both_index_and_page_is_read_again_as_both(
    site: ServedSite, opened: Callable[[], House]
) -> None:
    """`llms-full.txt` alone: it names itself as the site's page; unchanged, nothing comes, and nothing is written."""
    file = Path(opened().reference)
    file.write_text(file.read_text().replace('"sphinx"', '"llms_txt"'))
    site.pages = {"llms-full.txt": "# lib.f(x)\n\nDoes it – well.\n" + "some words to read\n" * 40}
    perform(scrape_stage, opened())
    found = scraped(opened(), releases(opened())[1])
    assert [(page.path, "Does it – well." in page.markdown) for page in found.pages] == [("llms-full.txt", True)]
    before, files = opened().lake.fingerprint(), written(opened(), Body)
    site.full.clear()
    perform(scrape_stage, opened())
    assert (site.full, opened().lake.fingerprint(), written(opened(), Body)) == ([], before, files)
