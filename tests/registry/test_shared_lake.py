"""A lake on S3: several machines write, merge and collect at once; no row is lost, doubled or missed by a reader."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from registry import checks, shared_compaction, shared_files
from registry.compaction import collect, compact
from registry.errors import ConfigurationError, DriftuneError
from registry.forgetting import Order, forget, trace
from registry.lake import Lake
from registry.lock import domain_lock
from registry.objects import Stored
from registry.objects_s3 import S3Objects
from registry.records import Page, Program, Release, Symbol, Work
from registry.rewriting import Rewrite
from registry.settings import Settings
from registry.shared_files import RECORDS_S, SharedFiles
from registry.times import put_right
from registry.turns import clock
from tests.registry.dying import STEP

NOW = dt.timedelta(0)


def symbol(name: str, **more: Any) -> Symbol:
    return Symbol(release="r", path=f"lib.{name}", kind="function", **more)


@pytest.fixture
def url(bucket: str, tmp_path: Path) -> str:
    """A lake's place of this test's own."""
    return f"{bucket}/{tmp_path.name}/lake"


def opened(url: str, home: Path, run: str = "first") -> Lake:
    """The lake, as a machine with this home sees it."""
    lake = Lake(url, home, run)
    lake.create()
    return lake


@pytest.fixture
def lake(url: str, tmp_path: Path) -> Lake:
    made = opened(url, tmp_path / "one")
    for n in range(3):
        made.append([symbol(f"f{n}"), symbol("same", doc=str(n)), Program(code=f"x = {n}", test="")])
    return made


def files_of(lake: Lake) -> SharedFiles:
    assert isinstance(lake.files, SharedFiles)
    return lake.files


def test_who_holds_a_domain_lists_a_table_once_a_second(
    lake: Lake, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He sees at once what he has written himself, and all that was written before he took the domain."""
    listed: list[str] = []
    walk = S3Objects.walk

    def counted(self: S3Objects, folder: str) -> Iterator[Stored]:
        listed.append(folder)
        return walk(self, folder)

    monkeypatch.setattr(S3Objects, "walk", counted)
    monkeypatch.setattr(shared_files, "_SEEN_S", 60.0)
    settings = Settings(home=tmp_path / "one", lake=url, lease_s=60.0)
    other = opened(url, tmp_path / "two", "second")

    def seen(lists: int) -> set[str]:
        before = len(listed)
        found = {each.path.removeprefix("lib.") for each in lake.read(Symbol)}
        assert len(listed) - before == lists
        return found

    old = seen(1)
    other.append([symbol("before")])
    with domain_lock(settings, "lib", "first"):
        assert seen(1) == old | {"before"}
        other.append([symbol("others")])
        assert seen(0) == old | {"before"}
        lake.append([symbol("own")])
        assert seen(1) == old | {"before", "others", "own"}
        other.append([symbol("after")])
    assert seen(1) == old | {"before", "others", "own", "after"}
    other.append([symbol("again")])
    with domain_lock(settings, "lib", "first"):
        before = seen(1)
        assert "again" in before
        compact(other)
        collect(other, grace=NOW)
        lake.append([symbol("later")])
        assert seen(2) == before | {"later"}, "what was merged meanwhile, and is gone, is read as merged"


@pytest.mark.slow
def test_merging_changes_files_and_nothing_else(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On both machines rows, stamps and earlier states are what they were, before and after the old files go."""
    other = opened(lake.url, tmp_path / "two", "second")
    before = lake.fingerprint(["programs"])
    [first] = lake.query("SELECT min(_at) AS at FROM symbols").to_pylist()
    asked = f"SELECT doc, _at FROM symbols_as_of(TIMESTAMPTZ '{first['at'].isoformat()}') ORDER BY path"
    then = lake.query(asked).to_pylist()
    done = compact(lake)
    assert (done.before["symbols"], done.after["symbols"], compact(other).after) == (3, 1, done.after)
    other.append([symbol("late")])
    assert len(lake.read(Symbol)) == 5
    kept = collect(lake)
    assert (kept.files, kept.kept) == (0, 6)
    assert dt.datetime.fromisoformat(kept.until) > dt.datetime.now(dt.UTC) + dt.timedelta(hours=11)
    monkeypatch.setattr(shared_compaction, "RECORDS_S", 0.0)  # a day later
    assert collect(other, grace=NOW).files == 6
    for each in (lake, other):
        assert each.fingerprint(["programs"]) == before
        assert each.query(asked).to_pylist() == then
        assert {s.path for s in each.read(Symbol)} == {"lib.f0", "lib.f1", "lib.f2", "lib.late", "lib.same"}
    assert len(files_of(lake).numbers()) == 1, "records that nothing refers to are gone too"


def test_of_two_who_merge_at_once_one_is_refused(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second begins again; what it wrote in vain is gone, and rows are merged once."""
    other = opened(lake.url, tmp_path / "two", "second")
    written: list[str] = []
    whole = SharedFiles.put_file

    def put_file(self: SharedFiles, path: str, data: bytes) -> None:
        whole(self, path, data)
        written.append(path)
        if len(written) == 1:
            compact(other)

    monkeypatch.setattr(SharedFiles, "put_file", put_file)
    compact(lake)
    merges = files_of(lake).merges()
    assert (merges.number, len(merges.made)) == (2, 2)
    assert len(written) > 2
    assert {each.path for each in files_of(lake).stored() if "merged" in each.path} == set(merges.made)
    assert len(lake.read(Symbol)) == 4


def test_a_collection_takes_from_a_compaction_that_died_and_refuses_one_that_lives(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merged files that no record names go, without a grace at once; a compaction that was but slow is refused then."""
    other = opened(lake.url, tmp_path / "two", "second")
    slow = iter([True])
    whole = SharedFiles.say

    def say(self: SharedFiles, merges: Any) -> bool:
        if next(slow, False):
            assert collect(other, grace=NOW).files == 2
        return whole(self, merges)

    monkeypatch.setattr(SharedFiles, "say", say)
    compact(lake)
    assert len(lake.read(Symbol)) == len(other.read(Symbol)) == 4


def test_what_others_merged_and_removed_meanwhile_is_merged_no_more(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `forget` does, without any grace: a compaction that had listed it begins again, and nothing is lost."""
    other = opened(lake.url, tmp_path / "two", "second")
    slow = iter([True])
    whole = SharedFiles.readable

    def readable(self: SharedFiles, found: Mapping[str, int]) -> list[str]:
        if next(slow, False):
            shared_compaction.merge(files_of(lake), Rewrite())
            shared_compaction.sweep(files_of(lake), NOW, dry=False)
        return whole(self, found)

    monkeypatch.setattr(SharedFiles, "readable", readable)
    shared_compaction.merge(files_of(other), Rewrite())
    slept = files_of(other).merges().after({}, ["symbols/slept.parquet"])
    monkeypatch.setattr("registry.shared_files.clock", lambda: clock() + RECORDS_S)
    assert not files_of(other).say(slept)
    assert len(lake.read(Symbol)) == len(other.read(Symbol)) == 4
    assert {each.path for each in files_of(lake).stored() if "merged" in each.path} == set(files_of(lake).merges().made)


@pytest.mark.slow
def test_large_files_are_read_where_they_are(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large to be kept in the home is read through S3, with the same answers."""
    before = {s.digest for s in lake.read(Symbol)}
    monkeypatch.setattr("registry.shared_files.SMALL", 10)
    other = opened(lake.url, tmp_path / "two", "second")
    assert {s.digest for s in other.read(Symbol)} == before
    assert compact(other).after["symbols"] == 1
    assert {s.digest for s in other.read(Symbol)} == before
    assert not [path for path in (tmp_path / "two" / "copies").rglob("*.parquet") if not path.name.startswith("0-")]


@pytest.mark.slow
def test_what_is_forgotten_is_in_no_file_and_no_copy(lake: Lake, tmp_path: Path) -> None:
    """Beside other writers, who lose nothing; the copies of this home go with it."""
    release = Release(library="lib", version="1", artifact_sha256="x")
    page = Page(release=release.id, url="pypi://lib/1/a.py", content_hash="h", path="a.py", title="secret words",
                kind="source", markdown="secret words", licence="MIT")  # fmt: skip
    other = opened(lake.url, tmp_path / "two", "second")
    lake.append([release, page, symbol("of page", page=page.id)])
    other.append([symbol("stays")])
    forget(lake, Order("pypi://lib"), trace(lake, Order("pypi://lib")), by="me")
    assert lake.read(Page) == []
    assert {s.path for s in other.read(Symbol)} == {"lib.f0", "lib.f1", "lib.f2", "lib.same", "lib.stays"}
    assert list((tmp_path / "one" / "copies").rglob("*/pages/2*.parquet")) == []
    assert not [each for each in files_of(lake).stored() if each.path.startswith("pages/")]


@pytest.mark.slow
def test_a_lake_of_an_earlier_driftune_is_read(url: str, tmp_path: Path) -> None:
    """Files that its compactions put into folders of generations are read and merged with the rest."""
    lake = opened(url, tmp_path / "one")
    lake.append([symbol("f"), symbol("g")])
    [path] = files_of(lake).listing("symbols")
    objects = S3Objects(url)
    data = objects.read(path)
    objects.delete(path)
    objects.put("symbols/1/1-0-abc.parquet", data)
    objects.put("symbols/1/0-abc.parquet", b"an empty one")
    objects.put("generations.json", b'{"oldest": 1, "newest": 1, "retired": []}')
    later = opened(url, tmp_path / "two")
    later.append([symbol("h")])
    assert compact(later).after["symbols"] == 1
    collect(later, grace=NOW)
    assert [s.path for s in opened(url, tmp_path / "three").read(Symbol, "path > 'lib.g'")] == ["lib.h"]
    assert len(later.read(Symbol)) == 3


def test_a_large_file_that_went_since_it_was_listed_is_not_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced and removed before the record was read: all is listed again, as a query would find it missing."""
    monkeypatch.setattr("registry.shared_files.SMALL", 10)
    other = opened(lake.url, tmp_path / "two", "second")
    slow = iter([True])
    whole = SharedFiles.merges

    def merges(self: SharedFiles) -> Any:
        if self is other.files and next(slow, False):
            shared_compaction.merge(files_of(lake), Rewrite())
            shared_compaction.sweep(files_of(lake), NOW, dry=False)
        return whole(self)

    monkeypatch.setattr(SharedFiles, "merges", merges)
    assert len(other.read(Symbol)) == 4


def test_the_time_of_rows_is_the_stores(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a machine's clock shows; rows of an earlier driftune's, far ahead of it, are put before now."""
    with monkeypatch.context() as patch:
        ahead = time.time() + 2 * 3600
        patch.setattr("registry.shared_files.store_time", lambda _objects: ahead)
        opened(lake.url, tmp_path / "two", "ahead").append(
            [symbol("f0", doc="ahead"), Work(key="k", stage="s", domain="d", part="p", outputs=1)]
        )
    later = opened(lake.url, tmp_path / "three", "later")
    with pytest.raises(ConfigurationError, match=r"(1:59|2:00):00 ahead of the store's clock"):
        later.append([symbol("late")])
    assert put_right(later) == 1
    assert later.append([symbol("late")]) == 1
    assert [s.path for s in later.read(Symbol, latest=2)] == ["lib.late", "lib.f0"]
    assert later.read(Symbol, '"_at" > now()') == []


def test_who_may_only_read_checks_by_the_own_clock(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store tells its time by a write: where that is refused rows that are ahead are found, and it is said how."""
    with monkeypatch.context() as patch:
        patch.setattr("registry.shared_files.store_time", lambda _objects: time.time() + 7200)
        opened(lake.url, tmp_path / "two", "ahead").append([symbol("f0", doc="ahead")])
    reader = opened(lake.url, tmp_path / "reader")

    def denied(path: str, *_: object, **__: object) -> None:
        raise PermissionError(f"Access Denied: {path}")

    monkeypatch.setattr(reader.files.objects.fs, "pipe_file", denied)
    with pytest.raises(DriftuneError, match="Access Denied"):
        reader.files.now()
    [found] = checks._ahead(reader)
    assert found.detail.startswith("Rows are ahead of this machine's clock (the store's clock can't be asked: ")


def test_a_lake_goes_with_a_job_to_another_process(lake: Lake) -> None:
    """What is sent has no open client or database of this process."""
    assert len(pickle.loads(pickle.dumps(lake)).read(Symbol)) == 4


def test_a_store_that_can_not_be_reached_is_one_line(url: str, tmp_path: Path) -> None:
    """A bucket that isn't there is said, with what to do."""
    with pytest.raises(DriftuneError, match="nowhere"):
        opened("s3://nowhere/lake", tmp_path / "one").append([symbol("f")])


WRITER = """
import sys, time
from pathlib import Path
from registry.lake import Lake
from registry.records import Symbol, Work
url, home, seen, name = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
lake = Lake(url, home, name)
lake.create()
for n in range(150):  # then all is read, merged and collected beside each other
    lake.append([Symbol(release="r", path=f"lib.{name}{n}", kind="function"),
                 Work(key=f"{name}{n}", stage="s", domain=name, part="p@1", outputs=1)])
    seen.with_suffix(".part").write_text(str(n + 1))
    seen.with_suffix(".part").replace(seen)  # so many rows are committed: every later reader must see them
    time.sleep(0.3)
"""

READER = """
import sys
from pathlib import Path
from registry.lake import Lake
from registry.records import Symbol, Work
url, home, end = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
seen = {Path(path).stem: Path(path) for path in sys.argv[4:]}
lake = Lake(url, home, "reader")
lake.create()
reads = 0
while not end.exists():
    committed = {name: int(path.read_text()) for name, path in seen.items()}
    for record, column in ((Symbol, "path"), (Work, "key")):
        found = [getattr(row, column).removeprefix("lib.") for row in lake.read(record)]
        assert len(found) == len(set(found))
        for name, count in committed.items():
            assert {f"{name}{n}" for n in range(count)} <= set(found), (name, count, len(found))
    reads += 1
print(reads)
"""

CARER = f"""
import os, signal, sys, datetime as dt
from pathlib import Path
from registry import shared_compaction, shared_files
from registry.compaction import collect, compact
from registry.errors import RegistryError
from registry.lake import Lake
from registry.lock import domain_lock
from registry.objects import Stored
from registry.objects_s3 import S3Objects
url, home, last, grace = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), dt.timedelta(seconds=float(sys.argv[4]))
shared_compaction._WRITING_S = 5.0
{STEP}
for name in ("create", "put", "delete"):
    setattr(S3Objects, name, step(getattr(S3Objects, name)))
lake = Lake(url, home, "care")
lake.create()
for act in (compact, collect):
    try:
        act(lake, grace=grace)
    except RegistryError as error:
        print(error)
print(steps)
"""

GRACE_S = 6
"""Longer than a query over the files below takes, also where six processes share a core."""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def beside(url: str, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str], dict[str, Path]]]:
    """A lake with two machines that write, and a third that checks that it never misses or doubles a row."""
    seen = {name: tmp_path / name for name in ("a", "b")}
    end = tmp_path / "end"
    for path in seen.values():
        path.write_text("0")
    opened(url, tmp_path / "home")
    writers = [start(WRITER, url, tmp_path / f"home-{name}", path, name) for name, path in seen.items()]
    reader = start(READER, url, tmp_path / "home-reader", end, *seen.values())
    try:
        yield url, reader, seen
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        end.touch()
        if reader.poll() is None:
            reader.communicate(timeout=60)


@pytest.mark.slow
def test_writers_and_readers_beside_two_who_merge_and_are_killed(
    beside: tuple[str, subprocess.Popen[str], dict[str, Path]], tmp_path: Path
) -> None:
    """Killed at each of its changes, beside another of its like, compaction loses no row, and no reader misses one."""
    url, reader, seen = beside
    killed, whole = 0, 0
    for last in itertools.cycle((3, 99, 1)):
        pair = [start(CARER, url, tmp_path / f"care{n}", last + n, GRACE_S) for n in range(2)]
        for each in pair:
            _, errors = each.communicate(timeout=120)
            assert each.returncode in (0, -9), errors
            killed, whole = killed + (each.returncode == -9), whole + (each.returncode == 0)
        assert reader.poll() is None, reader.communicate()[1]
        if killed > 1 and whole > 1:
            break
    committed = {name: int(path.read_text()) for name, path in seen.items()}
    lake = opened(url, tmp_path / "last", "last")
    compact(lake)
    found = {s.path for s in lake.read(Symbol)}
    for name, count in committed.items():
        assert {f"lib.{name}{n}" for n in range(count)} <= found
    assert min(committed.values()) > 5
    assert files_of(lake).merges().number > 2
    (tmp_path / "end").touch()
    out, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert int(out) > 3
