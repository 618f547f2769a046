"""`driftune compact`, `gc` and `check`: what they say, and what a scheduler is told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.care import check_lake, collect_garbage, compact_lake
from registry.lake import Lake
from registry.records import Body, Example, Fetch, Page, Verdict
from tests.flows.runs import all_that_is_kept
from tests.registry.test_catalogue import CHANGE, NEW, OLD, Bench


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A home with one drift row in a snapshot."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    bench = Bench()
    bench.rows = [dataclasses.replace(r, licence="MIT") if isinstance(r, Page) else r for r in bench.rows]
    old, new = bench.program("o", {OLD.id: "passed", NEW.id: "error"}), bench.program("n", {NEW.id: "passed"})
    bench.example("drift", {"old": old, "new": new}, change=CHANGE.id)
    bench.filters = {"licences": ["MIT"]}
    bench.write(lake)
    return lake


def test_compact_and_gc_say_what_they_did(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Files before and after, then what waits for its grace, then what is gone."""
    for n in range(3):
        lake.append([dataclasses.replace(CHANGE, symbol=f"lib.{n}")])
    compact_lake(12, as_json=False)
    assert "Merged " in capsys.readouterr().out
    compact_lake(12, as_json=False)
    assert "Nothing done: queries may still read" in capsys.readouterr().out
    collect_garbage(12, dry=False, as_json=False)
    assert "Removed 0 files (0.0 MB); " in capsys.readouterr().out
    collect_garbage(0, dry=True, as_json=True)
    would = json.loads(capsys.readouterr().out)
    collect_garbage(0, dry=False, as_json=True)
    assert json.loads(capsys.readouterr().out) == would
    compact_lake(12, as_json=False)
    assert "Nothing to do" in capsys.readouterr().out
    compact_lake(12, as_json=False, clock_is_right=True)
    assert capsys.readouterr().out == "Nothing to do: no row is ahead of now\n"


def test_gc_drops_what_a_site_gave_once(
    lake: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how many bodies no fetch refers to; then they are gone from the view, and from the disk a grace later."""
    for text in ("old", "new"):
        body = Body(sha256=text * 8, coding="text", text=f"<p>{text} words</p>")
        lake.append([body, Fetch(site="s/", url="s/a", outcome="ok", sha256=body.sha256)])
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    monkeypatch.setattr("registry.compaction._now", lambda: later)
    for dry in (True, False):
        collect_garbage(12, dry=dry, as_json=False)
        assert "1 bodies that nothing is received as any more" in capsys.readouterr().out
    assert [body.text for body in lake.read(Body)] == ["<p>new words</p>"]
    assert "old words" in all_that_is_kept(lake.home / "lake")
    collect_garbage(0, dry=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["bodies"] == 0
    assert "old words" not in all_that_is_kept(lake.home / "lake")


def test_check_of_a_whole_lake_exits_with_0(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is wrong the exit code is 0 and the array of findings empty."""
    assert check_lake(0.2, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert check_lake(0.2, as_json=False) == 0
    assert "Nothing is wrong" in capsys.readouterr().out


def test_check_judges_every_row_again(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A row whose old code passes at the new version by now has lost its proof, one under another licence its place."""
    (wrong,) = (v for v in lake.read(Verdict) if v.outcome == "error")
    (row,) = lake.read(Example)
    lake.append([dataclasses.replace(wrong, outcome="passed"), dataclasses.replace(row, licence="GPL-3.0-only")])
    assert check_lake(0.2, as_json=True) == 3
    proof, licence = json.loads(capsys.readouterr().out)
    assert (proof["check"], proof["where"], proof["rows"]) == ("proofs", "d", 1)
    assert "passes at the new release too" in proof["detail"]
    assert (licence["check"], "GPL-3.0-only" in licence["detail"]) == ("licences", True)


def test_a_scheduler_sees_it_by_the_exit_code(lake: Lake) -> None:
    """`driftune check` ends with 3 and names the row."""
    lake.append([dataclasses.replace(CHANGE, old="gone", symbol="lib.x")])
    done = subprocess.run([sys.executable, "-m", "flows.cli", "check"], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "gone is the id of nothing there" in " ".join(done.stdout.split())
