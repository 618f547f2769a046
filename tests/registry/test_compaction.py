"""Compaction and garbage collection: no row is lost, none is missed by a reader, whenever they are killed."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.compaction import collect, compact, superseded
from registry.generations import Files, Generations
from registry.identity import sha256_of_bytes
from registry.lake import Lake
from registry.records import Body, Fetch, Program, Symbol, Work
from tests.registry.dying import DYING

NOW = dt.timedelta(0)


def symbol(name: str, **more: Any) -> Symbol:
    return Symbol(release="r", path=f"lib.{name}", kind="function", **more)


def opened(home: Path, run: str = "first") -> Lake:
    lake = Lake(str(home / "lake"), home, run)
    lake.create()
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = opened(tmp_path)
    for n in range(5):
        made.append([symbol(f"f{n}"), symbol("same", doc=str(n)), Program(code=f"x = {n}", test="")])
    return made


def merged(lake: Lake, table: str) -> pa.Table:
    """The rows of the file that the first compaction made."""
    (path,) = (lake.home / "lake" / table / "1").glob("1-*.parquet")
    return pq.read_table(path)


def count(lake: Lake, table: str = "symbols") -> int:
    """Files with rows that readers list."""
    return sum(len(lake.files.with_rows(table, g)) for g in lake.files.generations().listed)


def test_compaction_changes_files_and_nothing_else(lake: Lake) -> None:
    """Five files become one; ids, digests and stamps are what they were, and a second time there is nothing to do."""
    before, stamps = lake.fingerprint(), lake.query("SELECT id, _at, _run, _code FROM symbols ORDER BY id").to_pylist()
    done = compact(lake)
    assert (done.before["symbols"], done.after["symbols"]) == (5, 1)
    assert lake.fingerprint() == before
    assert lake.query("SELECT id, _at, _run, _code FROM symbols ORDER BY id").to_pylist() == stamps
    collect(lake, grace=NOW)
    assert lake.fingerprint() == before
    again = compact(lake)
    assert again.before == again.after
    assert lake.files.generations() == Generations(1, 1)


def test_earlier_states_outlive_compaction(lake: Lake) -> None:
    """Every version of a row is kept: `as_of` answers as before, also when the old files are gone."""
    times = [r["_at"] for r in lake.query("SELECT DISTINCT _at FROM symbols ORDER BY _at").to_pylist()]
    asked = f"SELECT path, doc FROM symbols_as_of(TIMESTAMPTZ '{times[2].isoformat()}') ORDER BY path"
    before = lake.query(asked).to_pylist()
    assert {"path": "lib.same", "doc": "2"} in before
    compact(lake)
    collect(lake, grace=NOW)
    assert lake.query(asked).to_pylist() == before


def test_replaced_files_stay_for_queries_that_run(lake: Lake) -> None:
    """`gc` keeps what a compaction replaced until its grace is over; until then nothing is compacted again."""
    compact(lake)
    kept = collect(lake)
    assert kept.files == 0
    assert kept.kept > 5
    assert dt.datetime.fromisoformat(kept.until) > dt.datetime.now(dt.UTC) + dt.timedelta(hours=11)
    lake.append([symbol("late")])
    assert compact(lake).waits == kept.until
    assert collect(lake, grace=NOW, dry=True).files == kept.kept
    assert collect(lake, grace=NOW).files == kept.kept
    assert compact(lake).after["symbols"] == 1


def test_new_queries_read_no_replaced_file(lake: Lake) -> None:
    """Once compaction is done, a query that begins answers without the old files: their removal can't disturb it."""
    compact(lake)
    for old in (lake.home / "lake" / "symbols").glob("2*.parquet"):
        old.write_bytes(b"no Parquet")
    assert len(lake.read(Symbol)) == 6
    assert lake.query("SELECT count(*) AS n FROM symbols").to_pylist() == [{"n": 6}]


def test_what_was_opened_before_sees_what_is_written_after(lake: Lake) -> None:
    """A connection that stays open over a compaction sees its rows, and those appended afterwards."""
    with duckdb.connect(str(lake.catalogue), read_only=True) as connection:
        compact(lake)
        lake.append([symbol("late")])
        assert connection.sql("SELECT count(*) FROM symbols").fetchall() == [(7,)]


def test_what_was_opened_before_ends_as_the_guide_says(lake: Lake) -> None:
    """Once what it lists is removed, a connection that was opened before the last compaction has to be opened again."""
    guide = " ".join((Path(__file__).parents[2] / "docs" / "how-to" / "care.md").read_text().split())
    told = re.search(r'has been open since before the last compaction, .* ends with "(.+?)" once', guide)
    assert told
    with duckdb.connect(str(lake.catalogue), read_only=True) as connection:
        compact(lake)
        connection.sql("FROM symbols").fetchall()
        collect(lake, grace=NOW)
        with pytest.raises(duckdb.IOException, match=told[1]):
            connection.sql("FROM symbols").fetchall()
    with duckdb.connect(str(lake.catalogue), read_only=True) as connection:
        assert len(connection.sql("FROM symbols").fetchall()) == 6


def test_large_files_are_taken_over_as_they_are(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large already isn't written again: the next generation has a second name for it."""
    monkeypatch.setattr("registry.rewriting.TARGET", 10)
    lake.append([Work(key="k", stage="s", domain="d", part="p@1", outputs=0)])
    lake.files.set_generations(Generations(0, 1))  # as a compaction killed after it turned leaves it
    compact(lake)
    assert count(lake) == 5
    (path,) = (lake.home / "lake" / "work" / "1").glob("1-*.parquet")
    assert path.stat().st_nlink == 2
    assert collect(lake, grace=NOW).files > 5
    assert len(lake.read(Symbol)) == 6


def test_rows_can_be_left_behind(lake: Lake) -> None:
    """`without` drops rows in every version, whatever the number of files."""
    compact(lake, without={"symbols": "path = 'lib.same'"})
    collect(lake, grace=NOW)
    assert sorted(s.path for s in lake.read(Symbol)) == [f"lib.f{n}" for n in range(5)]
    assert "lib.same" not in merged(lake, "symbols").column("path").to_pylist()
    assert len(lake.read(Program)) == 5


def received(lake: Lake, text: str, path: str = "a.html") -> str:
    """A page of a site gives a text, as a look at it writes that down; the text's hash."""
    digest = sha256_of_bytes(text.encode())
    lake.append(
        [Body(sha256=digest, coding="text", text=text), Fetch(site="s/", url=f"s/{path}", outcome="ok", sha256=digest)]
    )
    return digest


def test_bodies_that_nothing_is_received_as_any_more_go(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an address gives now stays, also where that came long ago, what is young, and what comes again meanwhile."""
    received(lake, "two pages say it", "b.html")
    hashes = [received(lake, text) for text in ("first", "two pages say it", "last")]
    assert superseded(lake, NOW) == (0, ""), "they are younger than an hour"
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    monkeypatch.setattr("registry.compaction._now", lambda: later)
    count, which = superseded(lake)
    received(lake, "first", "c.html")
    assert (count, len(lake.read(Body, f"NOT ({which})"))) == (1, 3)
    received(lake, "more", "c.html")
    assert compact(lake).bodies == 1
    assert {body.sha256 for body in lake.read(Body)} == {*hashes[1:], sha256_of_bytes(b"more")}
    assert lake.query("SELECT count(*) AS n FROM bodies_as_of(now())").to_pylist() == [{"n": 3}]
    assert compact(lake, grace=NOW).bodies == 0


def test_a_newer_versions_table_and_column_survive(lake: Lake) -> None:
    """What an older driftune doesn't know, a table or a column, is compacted with the rest."""
    files = lake.files
    for n in range(2):
        old = pq.read_table(sorted((lake.home / "lake" / "symbols").glob("2*first*.parquet"))[n])
        later = old.set_column(old.schema.get_field_index("_run"), "_run", pa.array(["later"] * old.num_rows))
        files.write("symbols", 0, f"29{n}.parquet", later.append_column("newer", pa.array(["x"] * old.num_rows)))
        unknown = {"id": [str(n)], "digest": ["d"], "_at": [dt.datetime.now(dt.UTC)], "_run": ["r"]}
        files.write("later", 0, f"2{n}.parquet", pa.table(unknown))
    compact(lake)
    collect(lake, grace=NOW)
    assert merged(lake, "symbols").column("newer").to_pylist().count("x") == 4
    assert merged(lake, "later").num_rows == 2


def test_half_written_files_go(lake: Lake) -> None:
    """What a killed writer left under another suffix is removed when it is old; a younger one may still be written."""
    half = lake.home / "lake" / "symbols" / ".2x.parquet.99.part"
    half.write_bytes(b"PAR1")
    assert collect(lake, grace=NOW).files == 0
    os.utime(half, (time.time() - 7200,) * 2)
    assert collect(lake).files == 0
    assert collect(lake, grace=NOW).files == 1
    assert not half.exists()


WRITER = """
import sys, time
from pathlib import Path
from registry.lake import Lake
from registry.records import Symbol, Work
home, seen = Path(sys.argv[1]), Path(sys.argv[2])
lake = Lake(str(home / "lake"), home, "writer")
for n in range(10**6):
    lake.append([Symbol(release="r", path=f"lib.w{n}", kind="function"),
                 Work(key=f"w{n}", stage="s", domain="d", part="p@1", outputs=1)])
    seen.with_suffix(".part").write_text(str(n + 1))
    seen.with_suffix(".part").replace(seen)  # so many rows are committed: every later reader must see them
    time.sleep(0.1)  # files enough: every query opens them all
"""

READER = """
import sys, time
from pathlib import Path
import duckdb
from registry.lake import Lake
home, seen, end = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
lake = Lake(str(home / "lake"), home, "reader")
reads = 0
def hold(connection):
    committed = int(seen.read_text())
    counts = "count(*), count(distinct path), (select count(*) from work)"
    ours = "symbols where starts_with(path, 'lib.w')"
    rows, distinct, work = connection.sql(f"select {counts} from {ours}").fetchall()[0]
    assert rows == distinct, (rows, distinct)
    assert rows >= committed and work >= committed, (committed, rows, work)
while not end.exists():
    with duckdb.connect(str(home / "driftune.duckdb"), read_only=True) as fresh:
        hold(fresh)
    with lake._connect() as connection:
        from registry.catalogue import current
        from registry.records import Symbol, Work
        for record in (Symbol, Work):
            source = current(record, lake.files.patterns(record.table))
            connection.execute(f"create or replace temp view {record.table} as {source}")
        hold(connection)
    reads += 2
print(reads)
"""

KILLED = (
    DYING
    + """
lake = Lake(str(home / "lake"), home, "compaction")
lake.files.fs.rm_file = step(lake.files.fs.rm_file)
compaction.compact(lake, grace=compaction.dt.timedelta(seconds=float(sys.argv[3])))
"""
)
"""Compaction in a process that kills itself at its nth change of the disk."""

GRACE_S = 8
"""Longer than a query over the files below takes, also where five processes share a core."""


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[tuple[Lake, subprocess.Popen[str]]]:
    """A lake with a writer in another process, and a reader that checks that it never misses a row."""
    lake = opened(tmp_path)
    for n in range(4):
        lake.append([symbol(f"f{n}"), Program(code=f"x = {n}", test="")])
    seen, end = tmp_path / "seen", tmp_path / "end"
    seen.write_text("0")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(seen)], env=environment)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path), str(seen), str(end)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while int(seen.read_text()) < 5:
            time.sleep(0.05)
        yield lake, reader
    finally:
        writer.kill()
        writer.wait()
        end.touch()
        if reader.poll() is None:
            reader.communicate(timeout=180)


@pytest.mark.slow
def test_readers_and_a_writer_beside_a_compaction_that_is_killed(
    beside: tuple[Lake, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Killed at every third change it makes to the disk, compaction loses no row, and no reader misses or meets one."""
    lake, reader = beside
    killed, last = 0, 1
    while lake.files.generations().oldest < 2:  # until two compactions have come to their end
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(last), str(GRACE_S)]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
        assert done.returncode in (0, -9), done.stderr
        killed += done.returncode == -9
        last += 3 * (done.returncode == -9)
    assert killed > 6
    assert reader.poll() is None, reader.communicate()[1]
    rows = int((tmp_path / "seen").read_text())
    time.sleep(GRACE_S)
    assert not compact(lake, grace=dt.timedelta(seconds=GRACE_S)).waits
    assert sum(s.path.startswith("lib.w") for s in lake.read(Symbol)) >= rows
    assert {s.path for s in lake.read(Symbol)} >= {f"lib.f{n}" for n in range(4)}
    (tmp_path / "end").touch()
    out, errors = reader.communicate(timeout=180)
    assert reader.returncode == 0, errors
    assert int(out) > 10


def test_a_compaction_waits_for_an_append_that_began(lake: Lake) -> None:
    """A generation is left only when nobody is appending to it, so it gets no file after it was copied."""
    import threading

    turned = threading.Event()
    files = Files(lake.url)

    def turn() -> None:
        with files.turning():
            turned.set()

    thread = threading.Thread(target=turn)
    with lake.files.appending() as generation:
        thread.start()
        assert not turned.wait(0.2)
        assert generation == 0
    thread.join()
    assert turned.is_set()
