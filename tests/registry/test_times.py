"""Rows of a clock that was far ahead: they stop whoever would follow them, are found, and put before now."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.checks import findings
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Symbol, Work
from registry.times import put_right
from tests.registry.dying import DYING
from tests.registry.test_lake import symbol


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"), tmp_path, "first")
    made.create()
    return made


def test_what_a_clock_far_ahead_wrote_is_put_right(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing follows it into the future; put before now, in order, its rows stand as before, after older ones."""
    works = {name: Work(key=name, stage="s", domain="d", part="p", outputs=1) for name in ("old", "one", "two")}
    lake.append([symbol("f", doc="old"), works["old"]])
    year = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    monkeypatch.setattr(lake.files, "now", lambda: year)
    for name in ("one", "two"):
        lake.append([symbol("f", doc=name), symbol(name), works[name]])
    later = Lake(lake.url, lake.home, "later")
    with pytest.raises(
        ConfigurationError, match=r"36\d days, 2?\d:\d\d:00 ahead of this machine's clock.*compact --clock-is-right"
    ):
        later.append([symbol("g")])
    [found] = [each for each in findings(later) if each.check == "times"]
    assert (found.rows, "--clock-is-right" in found.detail) == (2, True)
    digests = later.fingerprint()
    assert (put_right(later), put_right(later)) == (2, 0)
    right = Lake(lake.url, lake.home, "right")
    right.append([symbol("last")])
    stamps = right.query("SELECT path, _at FROM symbols ORDER BY _at, path").to_pylist()
    assert [row["path"] for row in stamps] == ["lib.one", "lib.f", "lib.two", "lib.last"]
    assert stamps[-1]["_at"] <= dt.datetime.now(dt.UTC)
    assert {s.doc for s in right.read(Symbol, work="one", where="path = 'lib.f'")} == {"one"}
    right.files.fs.rm_file(right.files.fs.glob(f"{right.files.root}/symbols/*/*right*.parquet")[0])
    assert right.fingerprint() == digests
    assert not [each for each in findings(right) if each.check == "times"]


KILLED = (
    DYING
    + """
from registry.times import put_right
lake = Lake(str(home / "lake"), home, "care")
lake.create()
lake.files.fs.rm_file = step(lake.files.fs.rm_file)
put_right(lake)
"""
)
"""Putting rows right in a process that kills itself at its nth change of the disk."""


@pytest.mark.slow
def test_killed_at_any_moment_the_same_again_puts_them_right(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is what it was at every moment, and with its work in the end."""
    year = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    monkeypatch.setattr(lake.files, "now", lambda: year)
    for name in ("one", "two"):
        lake.append([symbol("f", doc=name), symbol(name), Work(key=name, stage="s", domain="d", part="p", outputs=1)])
    before = lake.fingerprint()
    for last in (23, 24, 0):  # each amid the tables
        command = [sys.executable, "-c", KILLED, str(lake.home), str(last)]
        ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
        assert ended.returncode == (-9 if last else 0), ended.stderr
        assert lake.fingerprint() == before
    assert {s.doc for name in ("one", "two") for s in lake.read(Symbol, "path = 'lib.f'", work=name)} == {"one", "two"}
    assert lake.times(dt.datetime.now(dt.UTC))[1] == []
