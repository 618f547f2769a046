"""A lake that an earlier commit of this repository wrote: read, asked, migrated, and gone on with.

`lake_schema_4.tar.xz` was written by commit 9362056, schema 4: its `driftune run` over more-itertools (`SMALL` of
tests/flows/runs.py with 12 tests and 3 fim, edits and locate), and its `driftune compact`.
"""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path

import pytest

from flows.house import open_house
from flows.migration import migrate
from flows.run import run_domain, show_plan
from flows.upgrades import PERHAPS, SURELY, rekeyed, upgrade_lines
from registry import schemas
from registry.checks import findings
from registry.compaction import compact
from registry.errors import ConfigurationError, RegistryError
from registry.lake import Lake, open_lake
from registry.records import RECORDS, SCHEMA, Annotation, Example, Work
from registry.settings import Settings
from tests.flows.runs import driftune, small_domain

REJECTED = Annotation(example="0" * 64, domain="more-itertools", verdict="rejected", why="x")
WRITTEN = Path(__file__).with_name("lake_schema_4.tar.xz")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with that lake."""
    with tarfile.open(WRITTEN) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def opened(home: Path) -> Lake:
    lake = Lake(str(home / "lake"), home, "test")
    lake.create()
    return lake


def files(home: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in sorted((home / "lake").rglob("*")) if p.is_file()}


def test_an_older_lake_is_read_as_it_is(home: Path) -> None:
    """Every row is there, and has the id and the digest it had when it is hashed anew by today's records."""
    lake = opened(home)
    assert (lake.schema, SCHEMA) == (4, 5)
    for record in RECORDS:
        rows = lake.read(record)
        anew = [dataclasses.replace(row) for row in rows]
        assert [(r.id, r.digest) for r in anew] == [(r.id, r.digest) for r in rows], record.table
    assert (len(lake.read(Example)), len(lake.read(Work))) == (999, 17)
    assert list(findings(lake)) == []
    assert schemas.grown(lake.files)["examples"] == ("written",)


def test_nothing_is_written_into_it_before_it_is_migrated(home: Path) -> None:
    """A run, and whoever else would write, is refused with what to do; the lake stays as it was."""
    opened(home)
    before = files(home)
    refused = r"of schema 4, and this driftune writes 5: .*driftune migrate --dry-run, then run driftune migrate"
    for write in (
        lambda: opened(home).append([REJECTED]),
        lambda: compact(opened(home)),
        lambda: run_domain(str(small_domain(home)), as_json=True),
    ):
        with pytest.raises(ConfigurationError, match=refused):
            write()
    assert files(home) == before


def test_it_is_migrated_after_a_look_at_what_would_change(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run writes nothing; after `migrate` the lake holds the same rows, and is written to."""
    wanted, before = opened(home).fingerprint(), files(home)
    migrate(dry=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["current"], said["done"]) == (4, 5, False)
    assert said["columns"]["examples"] == ["written"]
    assert files(home) == before
    migrate(dry=False, as_json=False)
    assert "went from schema 4 to 5" in capsys.readouterr().out
    lake = opened(home)
    assert lake.fingerprint() == wanted
    assert lake.append([REJECTED]) == 1
    migrate(dry=False, as_json=False)
    assert capsys.readouterr().out.startswith("Nothing to do")


def test_a_newer_lake_is_refused(home: Path) -> None:
    """What a newer driftune wrote might mean something else: every command says so in a line, and changes nothing."""
    schemas.mark(Lake(str(home / "lake"), home).files, SCHEMA + 1)
    before = files(home)
    refused = f"is of schema {SCHEMA + 1}, and driftune 0.1.0 knows {SCHEMA}: upgrade driftune"
    for ask in (
        lambda: run_domain(str(small_domain(home)), as_json=True),
        lambda: migrate(dry=True, as_json=True),
        open_lake,
    ):
        with pytest.raises(ConfigurationError, match=refused):
            ask()
    done = driftune(home, "status")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert files(home) == before


def test_a_mark_that_cannot_be_read_is_said(home: Path) -> None:
    """A damaged `schema.json` is no reason to guess."""
    (home / "lake" / schemas.MARK).write_text('{"schema": "five"}')
    with pytest.raises(RegistryError, match=r"schema\.json doesn't say of which schema the lake is"):
        open_lake()


def test_a_plan_says_what_an_upgrade_makes_anew(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything runs: which parts work otherwise, what is done again in any case, and what that took before."""
    domain = str(small_domain(home))
    house = open_house(domain)
    again = {each.step: each for each in rekeyed(house)}
    assert again["scrape"].changed.startswith("pypi 3 -> ")
    assert again["derive"].changed.startswith("migrate 7 -> ")
    assert {step: each.again for step, each in again.items()} == {
        "scrape": SURELY, "compare": SURELY, "mine": PERHAPS, "validate": PERHAPS, "derive": SURELY, "curate": SURELY,
        "train": SURELY, "evaluate": SURELY,
    }  # fmt: skip
    assert again["validate"].rows > 1000
    assert 5 < again["validate"].seconds < 120
    show_plan(domain, as_json=False)
    said = capsys.readouterr().out
    assert "\n".join(upgrade_lines(list(again.values()))) in said
    assert "The lake is of schema 4, and this driftune writes 5: run driftune migrate first" in said
    show_plan(domain, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["schema"] == 4
    assert {row["stage"] for row in rows if "upgrade" in row} >= {"scrape", "validate mined", "train"}


@pytest.mark.slow
def test_where_all_parts_have_worked_nothing_is_said(small_run: tuple[Path, Path]) -> None:
    """On a home of today's driftune a plan says nothing of an upgrade."""
    domain, home = small_run
    assert rekeyed(open_house(str(domain), settings=Settings(home=home))) == []
