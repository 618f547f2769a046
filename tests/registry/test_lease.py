"""A domain of a lake on S3 has one holder among machines; one that is killed is followed, one that lost it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry import lock
from registry.errors import LockedError
from registry.lease import Lease
from registry.lock import check_held, domain_lock, locked_domains
from registry.objects import FolderObjects
from registry.objects_s3 import S3Objects
from registry.settings import Settings

LEASE_S = 2.0

HOLDER = """
import os, sys
from pathlib import Path
from registry.lock import domain_lock
from registry.settings import Settings
settings = Settings(home=Path(sys.argv[1]), lake=sys.argv[2], lease_s=float(sys.argv[3]))
with domain_lock(settings, "networkx", "first-run"):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lake(bucket: str, tmp_path: Path) -> str:
    """A lake's place of this test's own."""
    return f"{bucket}/{tmp_path.name}"


def machine(folder: Path, lake: str, name: str) -> Settings:
    """What another machine would have set: a home of its own, the same lake."""
    return Settings(home=folder / name, lake=lake, lease_s=LEASE_S)


def hold(settings: Settings, *before: str) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the domain, begun by what stands before the command, and its number."""
    command = [*before, sys.executable, "-c", HOLDER, str(settings.root), settings.lake_url, str(settings.lease_s)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str], number: int) -> None:
    os.kill(number, signal.SIGKILL)
    process.communicate()


def test_another_machine_is_told_at_once_who_holds_a_domain(lake: str, tmp_path: Path) -> None:
    """By name, process and machine; another domain is free, and the same one as soon as it is given back."""
    one, two = (machine(tmp_path, lake, name) for name in ("one", "two"))
    with domain_lock(one, "networkx", "first-run"):
        told = f"run first-run .process {os.getpid()} on"
        with pytest.raises(LockedError, match=told), domain_lock(two, "networkx", "second-run"):
            pass
        with domain_lock(two, "pandas", "second-run"):
            assert locked_domains(two) == {"networkx", "pandas"}
    with domain_lock(two, "networkx", "second-run"):
        check_held("second-run")


def test_of_many_who_want_a_lease_one_has_it(lake: str) -> None:
    """However close they come, and the numbers only grow."""

    def wanted(n: int) -> Lease:
        return Lease(S3Objects(lake), "_locks/d", {"run": str(n), "place": str(n)}, 60)

    for turn in (1, 2):
        many = [wanted(n) for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            refused = list(pool.map(lambda each: each.take(), many))
        [winner] = [each for each, other in zip(many, refused, strict=True) if other is None]
        assert winner.number == turn
        winner.end()


def test_who_slept_while_several_had_it_has_it_no_more(tmp_path: Path) -> None:
    """Numbers below the last one are free again, as they were removed: whoever slept takes none of them."""
    objects = FolderObjects(tmp_path)

    def holder(name: str) -> Lease:
        return Lease(objects, "_locks/d", {"run": name, "place": name}, 60)

    first, second, third = map(holder, ("first", "second", "third"))
    assert first.take() is None
    objects.put("_locks/d/00000001.json", first._content(ended=True))  # as one that has run out: it is to be had
    assert second.take() is None
    second.end()
    assert third.take() is None
    first._until = 0.0
    taken = first.check()
    assert taken is not None and taken["run"] == "third"
    assert objects.names("_locks/d") == ["00000003.json"]
    third.end()
    first.end()


@pytest.mark.parametrize("said", [1e9, float("nan"), "long", -1])
def test_no_lease_is_believed_to_last_for_more_than_a_day(tmp_path: Path, said: object) -> None:
    """Whatever stands in it, by mistake or malice: after a day without a sign of life it is to be had."""
    objects, path = FolderObjects(tmp_path), "_locks/d/00000001.json"
    objects.put(path, json.dumps({"run": "other", "place": "other", "lease_s": said}).encode())
    mine = Lease(objects, "_locks/d", {"run": "mine", "place": "mine"}, 60)
    for hours, free in ((23, False), (25, True)):
        os.utime(tmp_path / path, (time.time() - hours * 3600,) * 2)
        assert (mine.take() is None) == free
    mine.end()


@pytest.mark.slow
def test_a_killed_holder_is_followed(lake: str, tmp_path: Path) -> None:
    """By a run of its own home at once; by another machine after the lease, whatever the clocks of both show."""
    one, two = (machine(tmp_path, lake, name) for name in ("one", "two"))
    faketime = shutil.which("faketime")
    assert faketime, "apt-get install faketime"
    first = hold(one, faketime, "--exclude-monotonic", "-f", "-1d")
    try:
        for _ in range(7):  # for longer than the lease
            with pytest.raises(LockedError, match="run first-run"), domain_lock(two, "networkx", "second-run"):
                pass
            time.sleep(0.6)
    finally:
        kill(*first)
    kill(*hold(one, faketime, "--exclude-monotonic", "-f", "+1d"))
    with pytest.raises(LockedError, match="run first-run"), domain_lock(two, "networkx", "second-run"):
        pass
    time.sleep(LEASE_S + 3)
    with domain_lock(two, "networkx", "second-run"):
        check_held("second-run")


@pytest.mark.slow
def test_who_lost_a_lease_writes_no_more(lake: str, tmp_path: Path) -> None:
    """One that slept for too long has it again where nobody wanted it, and is refused where another took it."""
    one, two = (machine(tmp_path, lake, name) for name in ("one", "two"))
    with domain_lock(one, "networkx", "first-run"):
        [lease] = lock._LEASES["first-run"].values()
        stop(lease)
        time.sleep(LEASE_S + 3)
        check_held("first-run")
        assert lease.number == 2
        time.sleep(LEASE_S + 3)
        with domain_lock(two, "networkx", "second-run"), pytest.raises(LockedError, match="taken over by run second"):
            check_held("first-run")


def stop(lease: Lease) -> None:
    """Gives no more sign of life, as a machine that sleeps."""
    lease._over.set()
    lease._thread.join()
