"""A site that says it is of another version than the one asked for: said, left out, and read once it agrees."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.run import run_stage
from flows.scraping import releases, scrape_stage, scraped, site_failures, site_warnings, sites, symbols
from flows.stages import ask_sites
from flows.summary import show_summary
from registry.errors import ConfigurationError, GuardError
from tests.flows.runs import all_that_is_kept
from tests.flows.served_sites import ServedSite, serving
from tests.indexed import own_index

DOMAIN = """
[[library]]
name = "lib"
versions = ["1.0", "2.0"]
{first}
[[library.source]]
kind = "sphinx"
location = "{url}"
licence = "MIT"
private = ["127.0.0.1"]
pause_s = 0
{check}
"""
PACKAGE = '[[library.source]]\nindex = "{}"\n'
MODULE = '"""Many words. ' + "They say little. " * 20 + '"""\n\ndef f0(x):\n    return x\n'


class Documented:
    """A domain of `lib` that reads its package, and a site that shows one version, whatever is asked."""

    def __init__(self, site: ServedSite, folder: Path, index: str) -> None:
        self.site, self.file = site, folder / "lib.toml"
        self.first = PACKAGE.format(index)
        self.set("")

    def set(self, check: str, *, alone: bool = False) -> None:
        self.file.write_text(DOMAIN.format(url=self.site.url, first="" if alone else self.first, check=check))

    def show(self, version: str, text: str = "Does {}.") -> None:
        """Has the site be that of a version."""
        for n in range(3):
            self.site.write(f"part{n}.html", text.format(n), n)
            titled = f"<title>Part {n} — lib {version} documentation</title>"
            self.site.pages[f"part{n}.html"] = self.site.pages[f"part{n}.html"].replace(
                f"<title>Part {n}</title>", titled
            )

    def scrape(self) -> House:
        house = open_house(str(self.file))
        perform(scrape_stage, house)
        return open_house(str(self.file))


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Documented]:
    """The domain, its index and its site of three pages."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "made").mkdir()
    with own_index(tmp_path / "made") as index, serving(ServedSite()) as site:
        for version in ("1.0", "2.0"):
            index.add("lib", version, {"lib.py": MODULE}, "License-Expression: MIT\n")
        site.fill(3)
        yield Documented(site, tmp_path, index.url)


def names(house: House) -> set[str]:
    return {symbol.path for symbol in symbols(house, releases(house)[1])}


def told(house: House) -> str:
    out = io.StringIO()
    show_summary(house, changed=False, output=out)
    return " ".join(out.getvalue().split())


def test_another_version_s_pages_are_left_out_and_said(documented: Documented) -> None:
    """The run goes on with the package; summary and view name both versions, and no page of the site is taken."""
    documented.show("3.1")
    house = documented.scrape()
    assert names(house) == {"lib", "lib.f0"}
    assert not [p for p in scraped(house, releases(house)[1]).pages if p.url.startswith("http")]
    assert f"Not read: {documented.site.url} (lib 2.0, sphinx). Asked for 2.0, the site says 3.1 (title)" in told(house)
    [row] = house.lake.query("SELECT version, pages, said FROM sites").to_pylist()
    assert (row["version"], row["pages"]) == ("differs", 0)
    assert "the site says 3.1" in row["said"]


def test_a_site_is_read_while_it_is_of_the_version(documented: Documented) -> None:
    """One that comes to it late is read then, by itself; when it goes on, what was read stays; both are said."""
    documented.show("1.0")
    assert "the site says 1.0" in " ".join(site_warnings(documented.scrape()))
    documented.show("2.0")
    house = documented.scrape()
    assert site_warnings(house) == []
    before = names(house)
    assert "lib.g2" in before
    documented.show("3.1", "Does something else, {}.")
    house = documented.scrape()
    assert names(house) == before
    assert "the site says 3.1" in " ".join(site_warnings(house))
    pages = [p.markdown for p in scraped(house, releases(house)[1]).pages if p.url.startswith("http")]
    assert len(pages) >= 3
    assert not any("something else" in text for text in pages)


@pytest.mark.slow
def test_one_changed_page_does_not_speak_for_the_site(documented: Documented) -> None:
    """A page on the next release that names it in its title, as the only new one, takes no site for that release's."""
    documented.show("2.0")
    documented.scrape()
    page = documented.site.pages["part1.html"]
    documented.site.pages["part1.html"] = page.replace("lib 2.0", "lib 3.1").replace("Does 1", "Did 1")
    house = documented.scrape()
    assert site_warnings(house) == []
    assert any("Did 1" in p.markdown for p in scraped(house, releases(house)[1]).pages)


@pytest.mark.slow
def test_a_newer_scraper_of_the_package_forgets_nothing_of_the_site(
    documented: Documented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read while the site was of the version stays, and a site that shrinks meanwhile is asked about."""
    documented.site.fill(12)
    house = documented.scrape()
    before = names(house)
    monkeypatch.setattr("flows.scraping.SCRAPER_VERSION", "newer")
    documented.site.status = {f"part{n}.html": 404 for n in range(6)}
    ask_sites(open_house(str(documented.file)))
    with pytest.raises(GuardError, match="since it was read last"):
        documented.scrape()
    documented.site.status = {}
    documented.show("3.1", "Does something else, {}.")
    assert names(documented.scrape()) == before


def test_a_domain_can_take_it_all_the_same(documented: Documented) -> None:
    """version_check = false takes the pages, and says so; taken back, they are left out again."""
    documented.show("3.1")
    documented.scrape()
    documented.set("version_check = false")
    house = documented.scrape()
    assert "lib.g2" in names(house)
    assert "Read all the same, as version_check is false" in " ".join(site_warnings(house))
    documented.set("")
    assert "lib.g2" not in names(documented.scrape())


def test_a_site_that_says_no_version_is_taken_and_that_is_said(documented: Documented) -> None:
    """Not known isn't wrong: the pages are read, and a person is told."""
    house = documented.scrape()
    assert "lib.g2" in names(house)
    assert "Whether the site documents 2.0 isn't known: it doesn't say" in told(house)


def test_a_login_that_a_site_repeats_is_nowhere_in_the_home(
    documented: Documented, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docs behind a token that every page shows: they are read, and the token is in no file of the home."""
    monkeypatch.setenv("DOCS_TOKEN", "pl4nted-s3cret-9d2c")
    documented.site.login = "Bearer pl4nted-s3cret-9d2c"
    documented.show("2.0")
    documented.set('credentials = "env:DOCS_TOKEN"')
    house = documented.scrape()
    pages = [p.markdown for p in scraped(house, releases(house)[1]).pages if p.url.startswith("http")]
    assert len(pages) >= 3
    assert all("You are ***" in text for text in pages)
    kept = all_that_is_kept(tmp_path / "home")
    assert "You are ***" in kept
    assert "pl4nted" not in kept


def test_a_site_alone_of_another_version_is_an_error(documented: Documented) -> None:
    """Where the release could be read from nothing else, the run ends with that line."""
    documented.set("", alone=True)
    documented.show("3.1")
    with pytest.raises(ConfigurationError, match=r"is of another version\. Asked for 1\.0, the site says 3\.1"):
        documented.scrape()


def test_a_site_beside_the_package_that_is_down_doesn_t_end_the_run(
    documented: Documented, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a failure that is said (exit code 3), in the view too; the package is read, and the site once it is up."""
    pages, documented.site.pages = documented.site.pages, {}
    assert run_stage(str(documented.file), "scrape") == 3
    assert (
        f"Not read, and the run goes on without it: {documented.site.url} (lib 2.0, sphinx)" in capsys.readouterr().out
    )
    house = open_house(str(documented.file))
    assert names(house) == {"lib", "lib.f0"}
    assert [site.due() for site in sites(house)] == ["not read yet"]
    assert "Not read, and the run goes on without it" in told(house)
    (row,) = house.lake.query("SELECT pages, down FROM sites").to_pylist()
    assert row["pages"] == 0
    assert row["down"].startswith(f"{documented.site.url} can't be read")
    documented.site.pages = pages
    ask_sites(house)
    assert names(house) == {"lib", "lib.f0", "lib.g0", "lib.f1", "lib.g1", "lib.f2", "lib.g2"}
    documented.site.pages = {}
    house = documented.scrape()
    assert "Not read, and what was read of it before stays" in told(house)
    assert len(names(house)) == 7
    documented.site.pages = pages
    house = documented.scrape()
    assert site_failures(house) == []
    assert house.lake.query("SELECT pages, down FROM sites").to_pylist() == [{"pages": 4, "down": None}]
