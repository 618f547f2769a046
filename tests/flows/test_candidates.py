"""What a curation looks at: the rows that the works of today's versions and settings made, and no others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from flows import curation, scraping, synthesis
from flows.candidates import candidates
from flows.curation import curate_stage
from flows.house import House
from flows.scraping import compare_key, releases, scrape_key
from flows.synthesis import changes, derive_key, mine_key
from registry.domain import Domain
from registry.errors import ConfigurationError
from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Page, Release, Symbol
from registry.settings import Settings

OLD, NEW = (Release(library="lib", version=v, artifact_sha256=v * 64) for v in "12")
GONE = Change(old=OLD.id, new=NEW.id, symbol="lib.f", kind="removed")


def house(home: Path, name: str = "d", **synth: Any) -> House:
    text = {"name": name, "library": {"name": "lib", "versions": ["1", "2"]}, "synth": synth}
    return House(Domain.model_validate(text), Settings(home=home))


@pytest.fixture
def scraped(tmp_path: Path) -> Path:
    """A home in which two releases are scraped and compared."""
    made = house(tmp_path)
    for release in (OLD, NEW):
        key = scrape_key(made, made.library.source[0], release.version)
        made.finish("scrape", "pypi", [key], [release], 0.0, {"release": release.id})
    made.finish("scrape", "changes", [compare_key(made)], [GONE], 0.0)
    return tmp_path


def row(name: str, version: str = "1", kind: str = "text", **more: Any) -> Example:
    return Example(
        domain="d", kind=kind, releases=(NEW.id,), parts={"text": name}, file=name, root=name, generator="g",
        generator_version=version, **more,
    )  # fmt: skip


def mine(made: House, *rows: Example) -> None:
    for release in releases(made):
        found = [r for r in rows if r.releases == (release.id,)]
        made.finish("synth", "g", [mine_key(made, release)], found, 0.0)


def derive(made: House, *rows: Example | Change) -> None:
    made.finish("synth", "d", [derive_key(made)], rows, 0.0)


def digests(*rows: Example | Change) -> list[str]:
    return [r.digest for r in sorted(rows, key=lambda r: r.id)]


def test_rows_of_an_older_version_are_superseded_until_it_is_back(
    scraped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator's new version supersedes the rows it makes no more; with the version back, so are its own rows."""
    first, second = [row("a"), row("b")], [row("b", "2"), row("c", "2")]
    mine(house(scraped), *first)
    derive(house(scraped))
    assert digests(*candidates(house(scraped)).values()) == digests(*first)
    with monkeypatch.context() as upgraded:
        upgraded.setattr(synthesis, "mine_part", lambda: "g@2")
        assert not candidates(house(scraped))
        mine(house(scraped), *second)
        assert digests(*candidates(house(scraped)).values()) == digests(*second)
    assert digests(*candidates(house(scraped)).values()) == digests(*first)
    assert len(house(scraped).lake.read(Example)) == 3


def test_what_an_older_scraper_found_is_superseded_until_it_is_back(
    scraped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scraper's new version supersedes pages and symbols, and what hangs on them is made anew; they come back."""

    def found(made: House, name: str, licence: str) -> None:
        for release in (OLD, NEW):
            page = Page(
                release=release.id, url=f"{release.version}/a.py", content_hash=name, kind="source", path="a.py"
            )
            symbols = [Symbol(release=release.id, path=path, kind="function", doc=name) for path in ("lib.f", name)]
            key = scrape_key(made, made.library.source[0], release.version)
            rows = [dataclasses.replace(release, licence=licence), page, *symbols]
            made.finish("scrape", "pypi", [key], rows, 0.0, {"release": release.id})

    def keys(made: House) -> list[str]:
        return [compare_key(made), *(mine_key(made, release) for release in releases(made))]

    def seen() -> list[tuple[Any, ...]]:
        made = house(scraped)
        sides = [scraping.scraped(made, release) for release in releases(made)]
        return [
            (s.release.licence, [p.content_hash for p in s.pages], [(x.path, x.doc) for x in s.symbols]) for s in sides
        ]

    found(house(scraped), "lib.g", "MIT")
    first = [("MIT", ["lib.g"], [("lib.f", "lib.g"), ("lib.g", "lib.g")])] * 2
    before = keys(house(scraped))
    assert seen() == first
    with monkeypatch.context() as upgraded:
        upgraded.setattr(scraping, "SCRAPER_VERSION", "upgraded")
        with pytest.raises(ConfigurationError, match="run driftune scrape d first"):
            seen()
        found(house(scraped), "lib.h", "BSD-3-Clause")
        assert seen() == [("BSD-3-Clause", ["lib.h"], [("lib.f", "lib.h"), ("lib.h", "lib.h")])] * 2
        assert not {*before} & {*keys(house(scraped))}
    assert seen() == first
    assert keys(house(scraped)) == before
    assert len(house(scraped).lake.read(Page)) == 4


@pytest.mark.parametrize("order", [(5, 1), (1, 5)])
def test_only_what_the_settings_give_is_curated(scraped: Path, order: tuple[int, ...]) -> None:
    """Of rows made under several settings, whichever came last, those of today's are candidates."""
    mine(house(scraped), row("a"))
    for mutants in order:
        derive(house(scraped, mutants=mutants), *(row(f"bug {n}", kind="bug") for n in range(mutants)))
    for mutants in order:
        assert len(candidates(house(scraped, mutants=mutants))) == 1 + mutants


def test_what_a_curation_writes_is_no_candidate(scraped: Path) -> None:
    """Rows are taken as generators made them: not with what a curation found, and not what it cut."""
    made, drift = house(scraped), row("a", kind="drift")
    mine(made)
    derive(made, drift)
    cut = row("part of a", operator="cut")
    made.finish("curate", "c", ["k"], [dataclasses.replace(drift, old_effect="fails"), cut], 0.0)
    assert [e.old_effect for e in made.lake.read(Example, "kind = 'drift'")] == ["fails"]
    assert digests(*candidates(made).values()) == digests(drift)


def test_what_is_not_learnt_any_more_of_a_change_is_gone(scraped: Path) -> None:
    """A Change is as comparing found it, with what deriving under today's settings learnt, and no others' findings."""
    learnt = dataclasses.replace(GONE, replacement="lib.g")
    acts = dataclasses.replace(GONE, symbol="lib.h", kind="behaviour")
    one, other = (house(scraped, seed=seed) for seed in (1, 2))
    for made in (one, other):
        mine(made)
    assert digests(*changes(one)) == digests(GONE)
    derive(one, learnt, acts)
    assert digests(*changes(one)) == digests(learnt, acts)
    assert digests(*changes(other)) == digests(GONE)


def test_what_another_domain_learnt_of_a_change_stays(scraped: Path) -> None:
    """Of two domains with the same releases, one learns nothing of a change: views show what the other one learnt.

    What the domain itself learnt before goes, and so does what the other one doesn't learn any more.
    """
    learnt = dataclasses.replace(GONE, replacement="lib.g")
    one, other = (house(scraped, name) for name in ("d", "e"))
    for made in (one, other):
        mine(made)

    def derived(made: House, *rows: Change) -> list[Change]:
        """What is shown once a domain has learnt just this."""
        rows += tuple(synthesis._taken_back(made, {row.id for row in rows}))
        made.finish("synth", synthesis.DERIVE_PART, [derive_key(made)], rows, 0.0)
        return made.lake.read(Change)

    assert digests(*derived(one, learnt)) == digests(learnt)
    assert digests(*derived(other)) == digests(learnt)
    assert digests(*changes(other)) == digests(GONE)
    assert digests(*derived(one)) == digests(GONE)
    assert digests(*derived(other, learnt)) == digests(learnt)
    assert digests(*derived(other)) == digests(GONE)


def test_a_curation_waits_for_what_the_settings_give(scraped: Path) -> None:
    """Between a setting and the synthesis it asks for, a curation says what to run: most rows would be missing."""
    made = house(scraped)
    with pytest.raises(ConfigurationError, match="run driftune synth d first"):
        curate_stage(made)


def test_curation_names_families_as_derivation_does(tmp_path: Path) -> None:
    """Where modules are private both go by the public path: what is held out is looked for by that name."""
    text = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"], "private": ["lib.core"]}}
    made = House(Domain.model_validate(text), Settings(home=tmp_path))
    inner = [
        Symbol(release=r.id, path="lib.core.Box", kind="class", aliases=("lib.api.types.Box",)) for r in (OLD, NEW)
    ]
    change = Change(old=OLD.id, new=NEW.id, symbol="lib.core.Box", kind="signature")
    for release, symbol in zip((OLD, NEW), inner, strict=True):
        key = scrape_key(made, made.library.source[0], release.version)
        made.finish("scrape", "pypi", [key], [release, symbol], 0.0, {"release": release.id})
    made.finish("scrape", "changes", [compare_key(made)], [change], 0.0)
    mine(made, row("a"))
    derive(made)
    lot = curation._lot(made, {"a": row("a")}, {}, [])
    [material] = synthesis._materials(made, [NEW])
    derived = Families([change], SymbolIndex([inner[0]], ["lib.core"]), material.index)
    assert list(lot.families.by_name) == list(derived.by_name) == ["lib.api.types.Box"]
