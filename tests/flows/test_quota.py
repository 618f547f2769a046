"""What a home may take on the disk: caches make room, then a run stops before a stage."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from flows.batches import Batch, perform_all
from flows.doctor import _disk
from flows.house import House
from flows.quota import taken
from registry.domain import Domain
from registry.errors import ConfigurationError
from registry.settings import Settings
from validators.execution.cache import DONE, Lease

MB = 1 << 20


def fill(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def environment(home: Path, name: str, used: float) -> Path:
    """An environment of 2 MB that was used at a time."""
    folder = home / "sandbox" / "environments" / name
    fill(folder / "lib.so", 2 * MB)
    (folder / DONE).write_text(json.dumps({"bytes": 2 * MB}))
    os.utime(folder / DONE, (used, used))
    return folder


def run(home: Path, disk_mb: int) -> None:
    """Performs a stage of one batch."""
    domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
    made = House(domain, Settings(home=home, disk_mb=disk_mb))
    perform_all(made, [Batch("Something", 1, lambda: 1)], lambda _title, do: do())


def test_environments_make_room_those_used_longest_ago_first(tmp_path: Path) -> None:
    """As many go as are needed; one that is in use stays, and so does all that is no cache."""
    old, held, new = (environment(tmp_path, name, used) for name, used in (("a", 2e9), ("b", 1e9), ("c", 3e9)))
    kept = fill(tmp_path / "lake" / "examples" / "rows.parquet", 3 * MB)
    lease = Lease.of(held)
    run(tmp_path, 8)
    assert lease is not None
    assert (old.exists(), held.exists(), new.exists(), kept.exists()) == (False, True, True, True)
    assert taken(tmp_path) <= 8 * MB


def test_copies_of_a_lakes_files_make_room(tmp_path: Path) -> None:
    """They are fetched again; those that a query may read just now stay, and empty ones with a table's columns."""
    used = {"2-old": 3 * 3600, "2-older": 5 * 3600, "2-now": 60, "0-typed": 9 * 3600}
    folder = tmp_path / "copies" / "lake" / "examples"
    copies = {name: fill(folder / f"{name}.parquet", 2 * MB) for name in used}
    for name, ago in used.items():
        os.utime(copies[name], (time.time() - ago,) * 2)
    run(tmp_path, 7)
    assert {name for name, path in copies.items() if path.exists()} == {"2-old", "2-now", "0-typed"}
    with pytest.raises(ConfigurationError, match="takes 4 MB"):
        run(tmp_path, 3)


def test_a_file_of_two_names_counts_once(tmp_path: Path) -> None:
    """As those that a compaction has taken over into the next generation."""
    kept = fill(tmp_path / "lake" / "rows.parquet", 2 * MB)
    before = taken(tmp_path)
    (tmp_path / "lake" / "1").mkdir()
    (tmp_path / "lake" / "1" / "1-0-rows.parquet").hardlink_to(kept)
    assert before >= 2 * MB
    assert taken(tmp_path) < before + MB


def test_where_no_room_can_be_made_a_run_stops_before_its_stage(tmp_path: Path) -> None:
    """The lake alone is over the quota: one line says how much, of what, and what to do."""
    fill(tmp_path / "lake" / "examples" / "rows.parquet", 3 * MB)
    run(tmp_path, 0)
    with pytest.raises(ConfigurationError, match=r"takes 3 MB of DRIFTUNE_DISK_MB 2 MB.*driftune gc"):
        run(tmp_path, 2)


@pytest.mark.parametrize(("disk_mb", "level"), [(2, "missing"), (8, "ok")])
def test_the_doctor_tells_the_quota(tmp_path: Path, disk_mb: int, level: str) -> None:
    """What the home takes of it, and what to do where that is too much."""
    fill(tmp_path / "lake" / "examples" / "rows.parquet", 3 * MB)
    [found] = [f for f in _disk(Settings(home=tmp_path, disk_mb=disk_mb)) if f.part == "disk quota"]
    assert (found.level, f"3 MB of DRIFTUNE_DISK_MB {disk_mb} MB" in found.found) == (level, True)
    assert bool(found.advice) == (level == "missing")
