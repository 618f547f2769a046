"""`driftune forget`: the command says what went and what holds some of it; a refresh leaves it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.authoring import write_stage
from flows.forgetting import forget_source, show_forgotten
from flows.house import House
from flows.run import run_stage
from registry.domain import Domain
from registry.errors import ConfigurationError, LockedError
from registry.lake import Lake
from registry.lock import domain_lock
from registry.records import Adapter, Call, Example, Page, Release, Snapshot, SnapshotRow, Symbol
from registry.settings import Settings
from synth.budget import BILLION, Scope
from synth.entries import Leave, Settled, Wish
from synth.journal import Journal
from tests.flows.test_guard import DOMAIN, write_site

GUIDE, API = "sphinx://lib/*/guide.html", "sphinx://lib/*/api.html"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home into which two versions of a site were scraped."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    for version in ("1.0", "2.0", "3.0"):
        write_site(tmp_path / version, 40)
    scrape(tmp_path)
    return tmp_path / "home"


def scrape(folder: Path, versions: str = '"1.0", "2.0"') -> None:
    (folder / "lib.toml").write_text(DOMAIN.format(folder=folder).replace('"1.0", "2.0"', versions))
    assert run_stage(str(folder / "lib.toml"), "scrape") == 0


def lake_of(home: Path) -> Lake:
    return Lake(str(home / "lake"), home)


def told(capsys: pytest.CaptureFixture[str], what: str, *, dry: bool = False) -> dict[str, Any]:
    capsys.readouterr()
    forget_source(what, dry=dry, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_refresh_leaves_out_what_was_forgotten(home: Path) -> None:
    """A later version's page of a forgotten address is not written, nor what is read from it; other pages are."""
    forget_source(GUIDE, dry=False, as_json=False)
    assert {p.path for p in lake_of(home).read(Page)} == {"api.html"}
    scrape(home.parent, '"2.0", "3.0"')
    lake = lake_of(home)
    [newest] = [r.id for r in lake.read(Release) if r.version == "3.0"]
    assert {p.path for p in lake.read(Page, "release = $r", {"r": newest})} == {"api.html"}
    assert len(lake.read(Symbol, "release = $r", {"r": newest})) == 40
    forget_source(API, dry=False, as_json=False)
    assert (lake_of(home).read(Page), lake_of(home).read(Symbol)) == ([], [])


def test_it_says_what_went_and_what_holds_some_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows by table, the snapshots and the adapters, the domains to run again; tried first, it changes nothing."""
    lake = lake_of(home)
    page = lake.read(Page, "path = 'guide.html'")[0]
    example = Example(domain="lib", kind="text", releases=(page.release,), parts={"text": "x"}, file="f", root="r",
                      generator="g", generator_version="1", parents=(page.id,), source_url=page.url)  # fmt: skip
    snapshot = Snapshot(domain="lib", rows_sha256="s", filters={})
    adapter = Adapter(domain="lib", version=1, files=(), library_range="lib>=2", base="tiny", base_revision="r",
                      fingerprint="f", snapshot=snapshot.id, run="r")  # fmt: skip
    lake.append([example, snapshot, SnapshotRow(snapshot=snapshot.id, example=example.id, split="train"), adapter])
    before = lake.fingerprint()
    tried = told(capsys, GUIDE, dry=True)
    assert lake.fingerprint() == before
    assert tried["rows"] == {"fetches": 2, "pages": 2, "examples": 1}
    assert tried["domains"] == ["lib"]
    assert tried["snapshots"] == [{"id": snapshot.id, "domain": "lib", "rows": 1}]
    assert tried["adapters"] == [{"id": adapter.id, "domain": "lib", "version": 1, "channels": []}]
    forget_source(GUIDE, dry=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"Forgot {GUIDE}: 2 fetches, 2 pages, 1 examples",
        f"Snapshot {snapshot.id[:12]} of lib holds 1 of its rows",
        "Adapter lib v1 was trained on some: it is not changed",
        "Next: driftune run lib, for a snapshot without it",
    ]
    show_forgotten(as_json=True)
    [row] = json.loads(capsys.readouterr().out)
    assert (row["what"], row["rows"], row["adapters"]) == (GUIDE, 5, [adapter.id])


def test_what_was_forgotten_leaves_the_journals_of_other_homes_with_their_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that no row was made of go, told or not, out of journal and lake; what they cost stays."""
    monkeypatch.setenv("DRIFTUNE_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "one"))
    domain = Domain.model_validate({"name": "lib", "library": {"name": "lib", "versions": ["1", "2"]}})
    other = House(domain, Settings(home=tmp_path / "two"))
    release = Release(library="lib", version="2", artifact_sha256="2")
    page = Page(release=release.id, url="pypi://lib/2/w/a.py", content_hash="h", path="a.py", kind="source")
    rows = [
        Example(domain="lib", kind="edit", releases=(release.id,), parts={"n": url}, file="f", root="r", generator="g",
                generator_version="1", source_url=url, written={"calls": [request]})
        for url, request in ((page.url, "gone"), ("pypi://lib/2/w/b.py", "kept"))
    ]  # fmt: skip
    with Journal(other.settings.journal) as journal:
        for request in ("gone", "kept", "failed", "untold"):
            told = journal.ask(Wish(request, "lib", "p", "m", "e", (Scope("run:r"),), 1, 1, 5))
            assert isinstance(told, Leave)
            journal.write([Settled(told.call, "ok", True, f"words {request}", money=5)])
        calls = journal.calls("lib")
        other.append([release, page, *rows, *(call for _, call in calls[:3])])
        journal.tell([number for number, _ in calls[:3]])
    forget_source("pypi://lib/*/*/a.py", dry=False, as_json=False)
    assert [batch.run() for batch in write_stage(other)] == [3]
    assert write_stage(other) == []
    found = {call.request: (call.text, call.money) for call in other.lake.read(Call)}
    cost = 5 / BILLION
    assert found == {"kept": ("words kept", cost), **dict.fromkeys(("gone", "failed", "untold"), ("", cost))}
    with Journal(other.settings.journal) as journal:
        answers = {request: journal.answer(request) is not None for request in found}
    assert answers == {"kept": True, "gone": False, "failed": False, "untold": False}


def test_of_what_is_not_there_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An order that finds nothing bars what comes, and says that it found nothing; nonsense is refused."""
    forget_source("GPL-3.0-only", dry=False, as_json=False)
    assert capsys.readouterr().out == "Nothing in the lake is of GPL-3.0-only: it is left out from now on\n"
    with pytest.raises(ConfigurationError, match="no source and no licence"):
        forget_source("lib", dry=False, as_json=False)


def test_nothing_is_forgotten_beside_a_run(home: Path) -> None:
    """A run has pages in memory and would write them again: the command says who runs, and takes nothing away."""
    before = lake_of(home).fingerprint()
    with domain_lock(Settings(home=home), "lib", "nightly"), pytest.raises(LockedError, match="run nightly"):
        forget_source(GUIDE, dry=False, as_json=False)
    assert lake_of(home).fingerprint() == before
