"""The mass-removal guard: a login page, a broken theme or a broken rule stops a run before anything is written."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from flows.guard import guard_rows
from flows.house import House
from flows.run import run_stage
from registry.domain import Domain
from registry.errors import GuardError
from registry.lake import Lake
from registry.records import Example, Page, Record, Release, Removal, Snapshot, SnapshotRow, Symbol
from registry.settings import Settings
from tests.flows.runs import driftune
from validators.curation.rejected import REJECTED

ENTRY = '<dl class="py function"><dt class="sig" id="lib.{0}"><span>lib.{0}</span>(a)</dt><dd><p>{1}</p></dd></dl>'
LOGIN = "<html><body><div role='main'><h1>Sign in</h1><p>Please sign in to go on.</p></div></body></html>"
DOMAIN = """
licences = ["MIT"]
[[library]]
name = "lib"
versions = ["1.0", "2.0"]
[[library.source]]
kind = "sphinx"
location = "{folder}/{{version}}"
licence = "MIT"
"""


def write_site(folder: Path, functions: int, words: int = 100) -> None:
    """A site of one API page and one guide, as Sphinx writes them."""
    entries = "".join(ENTRY.format(f"f{n}", "It does something. ") for n in range(functions))
    folder.mkdir(exist_ok=True)
    for name, text in (("api", entries), ("guide", "<p>" + "some words " * words * 10 + "</p>")):
        (folder / f"{name}.html").write_text(f"<html><body><div role='main'><h1>{name}</h1>{text}</div></body></html>")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "lib.toml").write_text(DOMAIN.format(folder=tmp_path))
    write_site(tmp_path / "1.0", 40)
    return tmp_path


def scrape(site: Path, *, accept_removals: bool = False) -> None:
    assert run_stage(str(site / "lib.toml"), "scrape", accept_removals=accept_removals) == 0


def held(site: Path) -> dict[str, int]:
    """Version -> symbols, of what the lake holds."""
    lake = Lake(str(site / "home" / "lake"), site / "home")
    versions = {r.id: r.version for r in lake.read(Release)}
    counts = dict.fromkeys(versions.values(), 0)
    for symbol in lake.read(Symbol):
        counts[versions[symbol.release]] += 1
    return counts


def test_a_login_page_stops_the_run_and_the_mended_site_is_read_again(site: Path) -> None:
    """A version all of whose pages ask to sign in is not written, and the next run, when it is mended, goes on."""
    write_site(site / "2.0", 40)
    for page in (site / "2.0").glob("*.html"):
        page.write_text(LOGIN)
    done = driftune(site / "home", "scrape", str(site / "lib.toml"))
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "Of the symbols of lib 1.0 -> 2.0 40 of 40 would be gone (100%" in line
    hint = shlex.split(line.partition("driftune ")[2])
    assert hint == ["scrape", str(site / "lib.toml"), "--accept-removals"]
    assert held(site) == {"1.0": 40}
    write_site(site / "2.0", 39)
    scrape(site)
    assert held(site) == {"1.0": 40, "2.0": 39}


@pytest.mark.parametrize("versions", [["1.0"], ["1.0", "2.0"]])
def test_a_login_page_at_the_first_version_stops_the_run(site: Path, versions: list[str]) -> None:
    """There is nothing to compare it with, and the next version would only seem to have grown: it is not written."""
    write_site(site / "2.0", 40)
    for page in (page for version in versions for page in (site / version).glob("*.html")):
        page.write_text(LOGIN)
    with pytest.raises(GuardError, match=r"lib 1\.0 has 0 symbols and \d+ characters of text"):
        scrape(site)
    assert held(site) == {}
    write_site(site / "1.0", 40)
    write_site(site / "2.0", 40)
    scrape(site)
    assert held(site) == {"1.0": 40, "2.0": 40}


def test_a_first_version_without_text_or_symbols_is_asked_about_once(site: Path) -> None:
    """Entries with hardly any text, or text without entries: a person can say that it is right, for both versions."""
    for version in ("1.0", "2.0"):
        write_site(site / version, 0)
    with pytest.raises(GuardError, match="has 0 symbols"):
        scrape(site)
    scrape(site, accept_removals=True)
    scrape(site)
    (site / "lib.toml").write_text(DOMAIN.format(folder=site).replace("1.0", "0.8").replace("2.0", "0.9"))
    write_site(site / "0.8", 1, 0)
    with pytest.raises(GuardError, match=r"1 symbols and \d\d characters"):
        scrape(site)


def test_what_it_says_to_do_can_be_done(site: Path) -> None:
    """The command line that it ends with names the domain as the person did, also where its path has spaces."""
    folder = site / "my domains"
    folder.mkdir()
    (site / "lib.toml").rename(folder / "lib.toml")
    write_site(site / "2.0", 30)
    with pytest.raises(GuardError) as told:
        run_stage(str(folder / "lib.toml"), "scrape")
    hint = shlex.split(str(told.value).partition("driftune ")[2])
    assert driftune(site / "home", *hint).returncode == 0
    assert held(site) == {"1.0": 40, "2.0": 30}


def test_a_person_can_say_that_it_is_right(site: Path) -> None:
    """A release that truly lost a quarter of its symbols is read when that is accepted, and not asked about again."""
    write_site(site / "2.0", 30)
    with pytest.raises(GuardError, match="10 of 40"):
        scrape(site)
    scrape(site, accept_removals=True)
    assert held(site) == {"1.0": 40, "2.0": 30}
    scrape(site)


def test_a_broken_theme_is_seen_by_its_text(site: Path) -> None:
    """Pages that have their entries, and lost most of their text, stop the run as well."""
    write_site(site / "1.0", 40, 1000)
    write_site(site / "2.0", 40, 10)
    with pytest.raises(GuardError, match="characters of text"):
        scrape(site)


def test_the_share_is_the_domains(site: Path) -> None:
    """What may go unasked is set in the domain's file."""
    write_site(site / "2.0", 30)
    (site / "lib.toml").write_text(DOMAIN.format(folder=site) + "[guard]\nremovals = 0.3\n")
    scrape(site)


# ------------------------------------------------------------------------------------------------ rows of a snapshot


class Curations:
    """A lake with a snapshot, and curations after it."""

    def __init__(self, home: Path) -> None:
        domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
        self.house = House(domain, Settings(home=home))
        self.known: dict[str, Example] = {}

    def rows(self, kind: str, count: int, releases: tuple[str, ...] = ("new",)) -> list[Example]:
        made = [
            Example(domain="d", kind=kind, releases=releases, parts={"n": n}, file="f", root="r", generator="g",
                    generator_version="1")
            for n in range(count)
        ]  # fmt: skip
        self.known |= {e.id: e for e in made}
        return made

    def curated(self, rows: list[Example], out: list[Removal] | None = None) -> list[Record]:
        snapshot = Snapshot(domain="d", rows_sha256=str(len(rows)), filters={})
        return [snapshot, *(SnapshotRow(snapshot=snapshot.id, example=e.id, split="train") for e in rows), *(out or [])]

    def write(self, rows: list[Record]) -> str:
        self.house.lake.append([*self.known.values(), *rows])
        return rows[0].id

    def guard(self, rows: list[Record], parent: str | None, known: dict[str, Example] | None = None) -> None:
        guard_rows(self.house, rows, self.known if known is None else known, parent)


@pytest.fixture
def curations(tmp_path: Path) -> Curations:
    return Curations(tmp_path)


def test_a_curation_that_drops_a_fifth_of_a_kind_asks(curations: Curations) -> None:
    """A rule gone wild that takes over 20% of one kind's rows stops the curation; 20% don't, nor does a growth."""
    docs, bugs = curations.rows("doc", 100), curations.rows("bug", 1000)
    parent = curations.write(curations.curated([*docs, *bugs]))
    curations.guard(curations.curated([*docs[:80], *bugs]), parent)
    with pytest.raises(GuardError, match=r"doc rows of the last snapshot of d 21 of 100 would be gone \(21%") as told:
        curations.guard(curations.curated([*docs[:79], *bugs, *curations.rows("bug", 2000)]), parent)
    assert "driftune run d --accept-removals" in str(told.value)
    curations.house.command = "curate"
    with pytest.raises(GuardError, match="driftune curate d --accept-removals"):
        curations.guard(curations.curated(bugs), parent)
    curations.house.accept_removals = True
    curations.guard(curations.curated(docs[:1]), parent)


def test_the_first_curation_and_few_rows_are_not_asked_about(curations: Curations) -> None:
    """Without a snapshot before it, and of fewer than twenty rows, nothing can be said."""
    few = curations.rows("doc", 19)
    curations.guard(curations.curated([]), None)
    curations.guard(curations.curated([]), curations.write(curations.curated(few)))


def test_what_a_person_ordered_is_not_asked_about(curations: Curations) -> None:
    """Rows that were rejected by a person, or forgotten (so that the lake has them no more), don't count."""
    docs, forgotten = curations.rows("doc", 100), [Page(release="r", url="u", content_hash=str(n), kind="k", path="p")
                                                   for n in range(50)]  # fmt: skip
    before = curations.curated(docs)
    before += [SnapshotRow(snapshot=before[0].id, example=page.id, split="train") for page in forgotten]
    parent = curations.write(before)
    out = [Removal(example=e.id, rule=REJECTED, curation="c", domain="d") for e in docs[:50]]
    curations.guard(curations.curated(docs[50:], out=out), parent)
    with pytest.raises(GuardError):
        curations.guard(curations.curated(docs[50:]), parent)


def test_pairs_of_releases_are_compared_for_the_same_releases_only(curations: Curations) -> None:
    """With another release to train for drift is another: only rows that speak of one release are compared then."""
    drift, docs = curations.rows("drift", 100, ("old", "new")), curations.rows("doc", 100)
    old = curations.rows("test", 1, ("old",))
    parent = curations.write(curations.curated([*drift, *docs]))
    with pytest.raises(GuardError, match="drift"):
        curations.guard(curations.curated(docs), parent)
    later = curations.rows("doc", 100, ("newer",))
    working = {e.id: e for e in [*docs, *later]}
    curations.guard(curations.curated(later), parent, working)
    with pytest.raises(GuardError, match="doc"):
        curations.guard(curations.curated([*old, *later[:79]]), parent, working | {e.id: e for e in old})


def test_texts_that_were_cut_count_as_texts(curations: Curations) -> None:
    """Curation makes cut texts anew: those of the snapshot before are read from the lake, and their share is kept."""
    whole = curations.rows("text", 30)
    parent = curations.write(curations.curated(whole))
    curations.known.clear()
    with pytest.raises(GuardError, match="text rows"):
        curations.guard(curations.curated([]), parent)
