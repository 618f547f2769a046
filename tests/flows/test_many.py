"""`driftune run --all` over small real libraries of an index of the test's own: in turn, killed, held, refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flows.batches import perform
from flows.house import open_house
from flows.stages import STAGES, finish
from registry.lake import Lake
from registry.lock import domain_lock
from registry.records import RECORDS
from registry.settings import Settings
from tests.flows.prefect_place import own_server
from tests.flows.runs import ROOT, environment, kill_when
from tests.flows.test_nightly import training
from tests.flows.test_untrained import MODULE
from tests.indexed import own_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DOMAIN = """\
[[library]]
name = "{name}"
versions = ["1.0", "1.1"]

[[library.source]]
index = "{url}"

[sandbox]
workers = 1
attempts = 1

[priority]
weight = {weight}

[train]
price = 1.0
"""
NAMES = ("ant", "bee")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `domains/`: three small libraries, and a file that can't be read; their index answers meanwhile."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "made").mkdir()
    (folder / "domains").mkdir()
    with own_index(folder / "made") as index:
        for weight, name in enumerate(NAMES, 1):
            for version in ("1.0", "1.1"):
                text = MODULE.format(version=version, text="It adds. " * 30, mean="mean").replace("lib", name)
                index.add(name, version, {f"{name}.py": text}, "License-Expression: MIT\n")
            file = folder / "domains" / f"{name}.toml"
            file.write_text(DOMAIN.format(name=name, url=index.url, weight=weight))
        (folder / "domains" / "dog.toml").write_text("[[library]]\nname = 3\n")
        yield folder


def start(folder: Path, home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Starts a command where the folder's `domains/` is."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=folder,
        env=environment(home, PYTHONPATH=str(ROOT), **more), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def told(folder: Path, home: Path, *arguments: str, **more: str) -> tuple[int, Any]:
    """Exit code and JSON of a command."""
    with start(folder, home, *arguments, "--json", **more) as process:
        out, err = process.communicate(timeout=500)
    assert out, err
    return process.returncode, json.loads(out)


def alone(folder: Path, home: Path) -> Lake:
    """The lake of each domain run by itself, without an engine."""
    for name in NAMES:
        with closing(open_house(str(folder / "domains" / f"{name}.toml"), settings=Settings(home=home))) as house:
            for stage in STAGES.values():
                perform(stage, house)
            finish(house)
    return Lake(str(home / "lake"), home)


def test_killed_left_paused_and_held_all_domains_come_to_their_ends(folder: Path, tmp_path: Path) -> None:
    """Killed in its midst, left for want of money, paused, held for a while: the lake is the one that each gives alone.

    By weight the last is the first; one that can't be read ends no other; one that is paused runs where it is named;
    one that another run holds is passed over, and tried again when all others have ended.
    """
    home = tmp_path / "home"
    code, plan = told(folder, home, "plan", "--all")
    assert (code, [row["domain"] for row in plan]) == (0, ["bee", "ant", "dog"])
    assert plan[0]["begins"].startswith("scrape")
    killed = start(folder, home, "run", "--all")
    kill_when(killed, lambda: any((home / "lake" / "examples").glob("2*.parquet")))
    Lake(str(home / "lake"), home).append([training(5.0)])
    assert told(folder, home, "pause", "ant")[0] == 0
    with own_server(tmp_path / "engine") as address:
        more = {"PREFECT_API_URL": address}
        code, found = told(folder, home, "run", "--all", DRIFTUNE_NIGHTLY_COST="5", **more)
        rows = {row["name"]: row for row in found["domains"]}
        assert (code, {name: row["exit_code"] for name, row in rows.items()}) == (3, {"ant": 0, "bee": 3, "dog": 2})
        assert rows["bee"]["left"] and "has cost 5 of 5" in rows["bee"]["error"]
        assert "dog.toml" in rows["dog"]["error"]
        assert list(rows["ant"]["told"]) == ["paused"]
        done = works(home)
        with domain_lock(Settings(home=home), "ant", "by-hand"):
            run = start(folder, home, "run", *NAMES, "--json", **more)
            wait_until(lambda: works(home) > done or run.poll() is not None)  # it was refused before bee had its turn
        out, err = run.communicate(timeout=500)
    rows = json.loads(out)["domains"]
    assert [(row["name"], row["told"]["changed"]) for row in rows] == [("bee", True), ("ant", True)], err
    assert (run.returncode, rows[0]["told"]["decision"]) == (4, "undecided")
    tables = {record.table for record in RECORDS} - {"runs", "work"}  # a training of another, and the pause
    lakes = alone(folder, tmp_path / "alone"), Lake(str(home / "lake"), home)
    wanted, together = (lake.fingerprint(tables) for lake in lakes)
    assert {table for table in wanted if wanted[table] != together[table]} == set()


def works(home: Path) -> int:
    """Files of finished works."""
    return len(list((home / "lake" / "work").glob("2*.parquet")))


def wait_until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)
