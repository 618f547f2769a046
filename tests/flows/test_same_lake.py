"""The same lake by one process, and by four that were killed; what people decide holds in it over a refresh."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.lake import Lake
from registry.records import Example, Page, SnapshotRow, Verdict
from tests.flows.runs import driftune, kill_when, query, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DOMAIN = """\
[[library]]
name = "inflection"
versions = ["0.4.0", "0.5.1"]

[synth]
mutants = 2
locate = 100

[sandbox]
memory_mb = 256
"""
STAGES = ("scrape", "synth", "validate", "synth", "validate", "curate")


def verdict_files(home: Path) -> int:
    return len(list((home / "lake" / "verdicts").glob("2*.parquet")))


def made(home: Path, domain: Path, workers: int, *options: str, kills: Sequence[int] = ()) -> Lake:
    """A lake from docs to snapshot, by so many processes; stages of these numbers are killed at a first verdict."""
    more = {"DRIFTUNE_SANDBOX__WORKERS": str(workers)}
    for number, stage in enumerate(STAGES):
        if number in kills:
            before = verdict_files(home)
            kill_when(start(home, stage, str(domain), **more), lambda before=before: verdict_files(home) > before)
        done = driftune(home, stage, str(domain), *(options if stage == "curate" else ()), **more)
        assert done.returncode == 0, done.stderr
    return Lake(str(home / "lake"), home)


@dataclass(frozen=True)
class Made:
    """A domain's file, and its lake made by one process."""

    domain: Path
    lake: Lake


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("alone")
    domain = folder / "inflection.toml"
    domain.write_text(DOMAIN)
    return Made(domain, made(folder / "home", domain, 1))


def rows_of(lake: Lake) -> tuple[str, set[str]]:
    """The latest snapshot's id, and the ids of its rows."""
    [latest] = lake.query("SELECT snapshot FROM latest_snapshots").to_pylist()
    found = lake.query(f"SELECT example FROM snapshot_rows WHERE snapshot = '{latest['snapshot']}'")
    return latest["snapshot"], set(found.column("example").to_pylist())


def test_four_processes_and_a_kill_give_the_lake_of_one(alone: Made, tmp_path: Path) -> None:
    """Generation and validation by four processes, killed while they validate, give the same ids and digests."""
    lake = made(tmp_path / "home", alone.domain, 4, kills=(2,))
    assert {e.kind for e in lake.read(Example)} >= {"doc", "test", "bug", "syntax", "fim", "edit", "locate", "text"}
    assert lake.read(SnapshotRow)
    wanted, found = alone.lake.fingerprint(), lake.fingerprint()
    assert {table for table in wanted if wanted[table] != found[table]} == set()


def test_an_upgraded_lake_is_a_fresh_one(alone: Made, tmp_path: Path) -> None:
    """Settings that make other rows, and fewer, leave none of the old ones; changed back, the old snapshot is back.

    A generator's version is part of the work's key as a setting is (`test_candidates`).
    """
    other = tmp_path / "inflection.toml"
    other.write_text(DOMAIN.replace("mutants = 2", "mutants = 1\nseed = 1"))
    fresh = made(tmp_path / "fresh", other, 1)
    shutil.copytree(alone.lake.home, tmp_path / "upgraded")
    before = rows_of(alone.lake)
    upgraded = made(tmp_path / "upgraded", other, 1, "--accept-removals")
    assert rows_of(upgraded) == rows_of(fresh) != before
    counts = "SELECT kind, generated, ran, proven, kept, in_snapshot FROM funnel ORDER BY ALL"
    assert upgraded.query(counts).equals(fresh.query(counts))
    assert before[1] - rows_of(fresh)[1] <= {e.id for e in upgraded.read(Example)}
    ran = {v.id for v in upgraded.read(Verdict)}
    assert rows_of(made(tmp_path / "upgraded", alone.domain, 1, "--accept-removals")) == before
    assert upgraded.query(counts).equals(alone.lake.query(counts))
    assert {v.id for v in upgraded.read(Verdict)} == ran


def test_what_people_decide_holds_over_a_refresh(alone: Made, tmp_path: Path) -> None:
    """A rejected row is removed as such; of a forgotten page nothing is left or comes back when all is made anew."""
    home, domain = tmp_path / "home", str(alone.domain)
    shutil.copytree(alone.lake.home, home)
    lake = Lake(str(home / "lake"), home)
    [row] = query(home, "select example from curated where kind = 'test' and split is not null order by 1 limit 1")
    [page] = query(home, "select source_url as url from examples where source_url like '%/README.rst' limit 1")
    assert driftune(home, "annotate", row["example"][:16], "--reject", "It tests nothing").returncode == 0
    done = driftune(home, "forget", page["url"])
    assert done.returncode == 0, done.stderr
    assert "Snapshot" in done.stdout
    for stage in STAGES:
        done = driftune(home, stage, domain)
        assert done.returncode == 0, done.stderr
    removed = query(home, f"select rule, detail from removals where example = '{row['example']}'")
    assert removed == [{"rule": "rejected", "detail": "It tests nothing"}]
    assert not [p for p in lake.read(Page) if p.url == page["url"]]
    assert not [e for e in lake.read(Example) if e.source_url == page["url"]]
    assert lake.read(Example)
