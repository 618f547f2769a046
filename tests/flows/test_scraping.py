"""Sources beside the first: their pages and symbols are of the same release, and one symbol stays one."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.preflight import check
from flows.scraping import SCRAPER_VERSION, releases, scrape_key, scrape_stage, scraped, source_keys
from flows.stages import STAGES
from registry.errors import ConfigurationError
from registry.identity import work_key
from registry.records import Page, Release, Symbol
from registry.settings import Settings
from scrapers.symbols import find_symbols
from tests.indexed import own_index

ENTRY = '<dl class="py function"><dt class="sig" id="lib.{0}"><span>lib.{0}</span>(x, y)</dt><dd><p>{1}</p></dd></dl>'
DOMAIN = """
licences = ["MIT"]
[[library]]
name = "lib"
versions = ["1.0", "2.0"]
[[library.source]]
kind = "pypi"
[[library.source]]
kind = "sphinx"
location = "{folder}/{{version}}"
licence = "MIT"
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A package scraped at two versions, with a documentation site beside it that nobody has read yet."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "lib.toml").write_text(DOMAIN.format(folder=tmp_path))
    made = open_house(str(tmp_path / "lib.toml"))
    for version in made.library.versions:
        release = Release(library="lib", version=version, artifact_sha256=version * 16)
        page = Page(release=release.id, url="pypi://lib/a", content_hash="0", kind="source", path="a", markdown="a = 1")
        known = [
            Symbol(release=release.id, path="lib.core.f", kind="function", aliases=("lib.f",), signature="(x)",
                   doc="From the package.", page=page.id),
            Symbol(release=release.id, path="lib.core.g", kind="function", aliases=("lib.g",), signature="(x)", line=7,
                   page=page.id),
        ]  # fmt: skip
        key = scrape_key(made, made.library.source[0], version)
        made.finish("scrape", "pypi@1", [key], [release, page, *known], time.monotonic(), {"release": release.id})
        (tmp_path / version).mkdir()
        text = "".join(ENTRY.format(name, f"{name} from the site.") for name in "fgh") + "<p>some words</p>" * 30
        (tmp_path / version / "api.html").write_text(f"<div role='main'><h1>API</h1>{text}</div>")
    return made


def test_a_further_source_is_of_the_first_ones_release(house: House) -> None:
    """What a site adds hangs on the package's release; the package's signature and text win where it has any."""
    assert perform(scrape_stage, house) == 2
    opened = open_house(house.reference)
    release = releases(opened)[1]
    assert len(opened.lake.read(Release)) == 2
    found = scraped(opened, release)
    [site] = [page for page in found.pages if page.path == "api.html"]
    assert {page.release for page in found.pages} == {release.id}
    said = {symbol.path: (symbol.signature, symbol.doc, symbol.page == site.id) for symbol in found.symbols}
    assert said == {
        "lib.core.f": ("(x)", "From the package.", False),
        "lib.core.g": ("(x)", "g from the site.", True),
        "lib.h": ("(x, y)", "h from the site.", True),
    }
    current = opened.lake.read(Symbol, "release = $id", {"id": release.id})
    assert current == sorted(found.symbols, key=lambda symbol: symbol.id)


def test_a_package_stands_before_the_sites(house: House) -> None:
    """After one it would add nothing that the site has, and would be missed when the site's page goes."""
    turned = house.library.model_copy(update={"source": house.library.source[::-1]})
    other = House(house.domain.model_copy(update={"library": (turned,)}), house.settings)
    with pytest.raises(ConfigurationError, match=r"The sources of lib are sphinx, pypi: put those that are no"):
        check(other, ["scrape"])


def test_a_package_alone_keeps_its_keys(house: House) -> None:
    """A source beside it changes nothing of what a package's own work is known by: homes aren't made anew."""
    alone = house.domain.library[0].model_copy(update={"source": house.library.source[:1]})
    other = House(house.domain.model_copy(update={"library": (alone,)}), house.settings)
    release = releases(house)[0]
    assert source_keys(other, release) == source_keys(house, release)[:1]
    plain = {"library": "lib", "version": release.version, "source": {"kind": "pypi", "url": None}}
    assert source_keys(other, release) == [work_key([], f"pypi@{SCRAPER_VERSION}", plain)]


MODULE = '''"""Sums, as of {version}. {text}"""


def add(a, b=1):
    """The sum of two numbers.

    >>> import lib
    >>> lib.add(2, 3)
    5
    """
    return a + b
'''
INDEXED = """
[[library]]
name = "lib"
versions = ["1.0", "1.1"]
[[library.source]]
index = "{url}"
[sandbox]
workers = 1
"""


@pytest.mark.slow
def test_a_newer_scraper_that_gives_the_same_leaves_all_else_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both releases are read anew, and nothing is compared, mined, run, derived or curated; other words redo that."""
    (tmp_path / "made").mkdir()
    file = tmp_path / "lib.toml"
    after = ["compare", "mine", "validate mined", "derive", "validate derived", "curate"]
    with own_index(tmp_path / "made") as index:
        for version in ("1.0", "1.1"):
            text = MODULE.format(version=version, text="It adds. " * 30)
            index.add("lib", version, {"lib.py": text}, "License-Expression: MIT\n")
        file.write_text(INDEXED.format(url=index.url))
        with closing(open_house(str(file), settings=Settings(home=tmp_path / "home"))) as house:
            assert [perform(STAGES[name], house) > 0 for name in ("scrape", *after)] == [True] * (len(after) + 1)
            monkeypatch.setattr("flows.scraping.SCRAPER_VERSION", "newer")
            assert all("again: scraper or settings" in batch.title for batch in scrape_stage(house))
            assert perform(scrape_stage, house) == 2
            assert {name: perform(STAGES[name], house) for name in after} == dict.fromkeys(after, 0)
            monkeypatch.setattr("flows.scraping.SCRAPER_VERSION", "newest")
            monkeypatch.setattr("scrapers.pypi.find_symbols", lambda *given: list(find_symbols(*given))[1:])
            assert perform(scrape_stage, house) == 2
            assert perform(STAGES["compare"], house) == 1
            assert perform(STAGES["mine"], house) == 1
