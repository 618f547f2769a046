"""`driftune run --all` over small real libraries of an index of the test's own: in turn, killed, held, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from flows.batches import perform
from flows.house import open_house
from flows.stages import STAGES, finish
from registry.errors import LockedError
from registry.lake import Lake
from registry.lock import domain_lock
from registry.records import RECORDS
from registry.settings import Settings
from tests.flows.runs import ROOT, environment, kill_when
from tests.flows.test_nightly import training
from tests.flows.test_untrained import MODULE
from tests.indexed import own_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

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


@contextmanager
def holding(home: Path, domain: str) -> Iterator[None]:
    """Holds a domain's lock, as soon as the run of a killed command has ended, as it does by itself."""
    for _ in range(300):
        with suppress(LockedError), domain_lock(Settings(home=home), domain, "by-hand"):
            yield
            return
        time.sleep(0.1)
    raise AssertionError("A killed command's run goes on")


def alone(folder: Path, home: Path) -> Lake:
    """The lake of each domain run by itself, without an engine."""
    for name in NAMES:
        with closing(open_house(str(folder / "domains" / f"{name}.toml"), settings=Settings(home=home))) as house:
            for stage in STAGES.values():
                perform(stage, house)
            finish(house)
    return Lake(str(home / "lake"), home)


def test_killed_held_left_and_paused_all_domains_come_to_their_ends(folder: Path, tmp_path: Path) -> None:
    """Killed in its midst, and after runs in which one was held, left or paused: the same lake as by each alone.

    One that can't be read is refused, and one that another run holds is passed over, which ends no other; where the
    night's money is spent no training begins; one that is paused runs where it is named; by weight the last is first.
    """
    home = tmp_path / "home"
    code, plan = told(folder, home, "plan", "--all")
    assert (code, [row["domain"] for row in plan]) == (0, ["bee", "ant", "dog"])
    assert plan[0]["begins"].startswith("scrape")
    killed = start(folder, home, "run", "--all")
    kill_when(killed, lambda: any((home / "lake" / "examples").glob("2*.parquet")))
    with holding(home, "ant"):
        Lake(str(home / "lake"), home).append([training(5.0)])
        code, found = told(folder, home, "run", "--all", DRIFTUNE_NIGHTLY_COST="5")
    rows = {row["name"]: row for row in found["domains"]}
    assert (code, list(rows)[-1]) == (3, "ant")
    assert {name: row["exit_code"] for name, row in rows.items()} == {"ant": 2, "bee": 3, "dog": 2}
    assert rows["ant"]["held"] and f"process {os.getpid()}" in rows["ant"]["error"]
    assert rows["bee"]["left"] and "has cost 5 of 5" in rows["bee"]["error"]
    assert "dog.toml" in rows["dog"]["error"]
    assert told(folder, home, "pause", "ant")[0] == 0
    code, found = told(folder, home, "run", "--all")
    rows = {row["name"]: row for row in found["domains"]}
    assert (code, list(rows["ant"]["told"]), rows["bee"]["told"]["decision"]) == (3, ["paused"], "undecided")
    code, found = told(folder, home, "run", *NAMES)
    assert (code, {row["name"]: row["told"]["changed"] for row in found["domains"]}) == (4, {"ant": True, "bee": False})
    tables = {record.table for record in RECORDS} - {"runs", "work"}  # a training of another, and the pause
    wanted, together = (
        lake.fingerprint(tables) for lake in (alone(folder, tmp_path / "alone"), Lake(str(home / "lake"), home))
    )
    assert {table for table in wanted if wanted[table] != together[table]} == set()
