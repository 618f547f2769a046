"""The lake: what is written is read back, once, by anyone, at any time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry import catalogue
from registry.arrow import from_table, to_table
from registry.compaction import collect, compact
from registry.errors import ConfigurationError
from registry.generations import Files
from registry.lake import Lake
from registry.records import RECORDS, Example, Page, Program, Record, Release, Run, Symbol, Verdict, Work

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"), tmp_path, "first")
    made.create()
    return made


def symbol(name: str, **more: Any) -> Symbol:
    return Symbol(release="r", path=f"lib.{name}", kind="function", **more)


SAMPLES: list[Record] = [
    Release(library="a", version="1", artifact_sha256="0", released_at=NOW, artifacts=({"name": "x", "sha256": "1"},)),
    Page(release="r", url="u", content_hash="h", kind="guide", path="p", fetched_at=NOW),
    symbol("f", aliases=("a", "b"), parameters=[{"name": "x", "default": None}]),
    Program(code="é\n", test="", files={"a/b.txt": "ü"}),
    Example(
        domain="d", kind="doc", releases=("r",), parts={"programs": {"answer": "p"}, "n": [1, None, True]}, file="f",
        root="r", generator="g", generator_version="1",
    ),
    Verdict(
        program="p", environment="e", harness="1", policy="k=2", outcome="passed", proof="strong", duration_s=0.25,
        exception={"type": "E"}, warnings=[{"category": "W"}], symbols_called=("lib.f",),
    ),
    Run(snapshot="s", base="b", base_revision="r", recipe={"lr": "1e-3"}, seed=1, domain="d", curve=[{"loss": 0.5}]),
]  # fmt: skip


def test_a_work_knows_the_rows_that_were_written_with_it(lake: Lake) -> None:
    """Read by its key are the rows it made as it made them, whatever was written of them since, before and after care.

    What was written without it, by a run that was killed or by another work, is not of it; done again, its last rows
    count, and changed rows that an earlier work made are there as that made them.
    """
    works = {name: Work(key=name, stage="synth", domain="d", part="p", outputs=1) for name in ("one", "two")}
    lake.append([symbol("half")])  # killed before the work was written
    lake.append([symbol("f"), symbol("g"), works["one"]])
    lake.append([symbol("f", doc="other"), symbol("h"), works["two"]])
    lake.append([symbol("h", doc="curated")])

    def made(key: str) -> dict[str, str]:
        return {s.path: s.doc for s in lake.read(Symbol, work=key)}

    for _ in range(2):
        assert made("one") == {"lib.f": "", "lib.g": ""}
        assert made("two") == {"lib.f": "other", "lib.h": ""}
        assert made("three") == {}
        compact(lake)
        collect(lake, grace=dt.timedelta(0))
    lake.append([symbol("g", doc="again"), works["one"]])
    assert made("one") == {"lib.g": "again"}
    assert lake.read(Symbol, "doc = $doc", {"doc": "again"}, work="two") == []


@pytest.mark.parametrize("record", SAMPLES, ids=lambda r: r.table)
def test_records_come_back_as_they_went_in(lake: Lake, record: Record) -> None:
    """A record read from the lake has the id, the digest and the columns of the one that was written."""
    lake.append([record])
    (back,) = lake.read(type(record))
    assert (back.id, back.digest) == (record.id, record.digest)
    times = [f.name for f in dataclasses.fields(record) if "datetime" in str(f.type)]
    assert all(getattr(back, name) == getattr(record, name) for name in times)


@given(code=TEXT, files=st.dictionaries(TEXT, TEXT, max_size=3), entry=st.none() | TEXT)
def test_any_text_survives(code: str, files: dict[str, str], entry: str | None) -> None:
    """Columns of text and of JSON hold any text: control characters, quotes, NUL, any plane of Unicode."""
    program = Program(code=code, test="", files=files, entry_point=entry)
    (back,) = from_table(to_table([program], Program, NOW, "run", "1"), Program)
    assert back == program
    assert (back.id, back.digest) == (program.id, program.digest)


@given(text=TEXT, loss=st.floats())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_json_can_be_queried(tmp_path: Path, text: str, loss: float) -> None:
    """Whatever text or number a JSON column holds, infinities and NaN too, the views over it answer."""
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    program = Program(code=text, test="", files={"a": text})
    run = Run(snapshot=text, base="b", base_revision="r", recipe={}, seed=0, domain="d", curve=[{"loss": loss}])
    lake.append([program, run])
    assert lake.query(f"SELECT code, files FROM programs WHERE id = '{program.id}'").to_pylist()[0]["code"] == text
    assert lake.query(f"SELECT curve->0->'loss' AS loss FROM runs WHERE id = '{run.id}'").num_rows == 1
    assert [r.digest for r in lake.read(Run, "id = $id", {"id": run.id})] == [run.digest]


def test_a_row_written_again_is_shown_once_in_its_latest_state(lake: Lake) -> None:
    """Appending is the only write: a view shows the current row of each id, `as_of` the one before."""
    lake.append([symbol("f", doc="old"), symbol("g")])
    before = lake.query("SELECT max(_at) AS at FROM symbols").to_pylist()[0]["at"]
    lake.append([symbol("f", doc="new")])
    lake.append([symbol("g")])
    assert {s.path: s.doc for s in lake.read(Symbol)} == {"lib.f": "new", "lib.g": ""}
    assert lake.query("SELECT count(*) AS n FROM symbols").to_pylist() == [{"n": 2}]
    old = lake.query(f"SELECT doc FROM symbols_as_of(TIMESTAMPTZ '{before.isoformat()}') WHERE path = 'lib.f'")
    assert old.to_pylist() == [{"doc": "old"}]


def test_rows_are_stamped(lake: Lake) -> None:
    """Every row says when, by which run and by which version of the code it was written."""
    lake.append([symbol("f")])
    (row,) = lake.query("SELECT _at, _run, _code FROM symbols").to_pylist()
    assert row["_run"] == "first"
    assert row["_code"]
    assert abs((dt.datetime.now(dt.UTC) - row["_at"]).total_seconds()) < 60


def test_read_selects_and_orders(lake: Lake) -> None:
    """Conditions take parameters, rows come by id, and `latest` gives the last written first."""
    for name in "cab":
        lake.append([symbol(name, doc=name)])
    assert [s.doc for s in lake.read(Symbol, "doc = $d OR doc = $e", {"d": "a", "e": "b"})] == [
        s.doc for s in sorted(lake.read(Symbol), key=lambda s: s.id) if s.doc in "ab"
    ]
    assert [s.doc for s in lake.read(Symbol, latest=1)] == ["b"]


def test_same_rows_are_the_same_lake(tmp_path: Path) -> None:
    """The fingerprint depends on ids and digests alone: not on files, order, repetition, time or run."""
    rows = [symbol(n) for n in "abcd"]
    one, two = (Lake(str(tmp_path / n / "lake"), tmp_path / n, n) for n in ("one", "two"))
    one.create()
    two.create()
    one.append(rows)
    for row in [*reversed(rows), rows[0]]:
        two.append([row])
    assert one.fingerprint() == two.fingerprint()
    two.append([symbol("a", doc="changed")])
    changed = {t for t, mark in two.fingerprint().items() if mark != one.fingerprint()[t]}
    assert changed == {"symbols"}
    assert set(one.fingerprint(["work"])) == {"work"}


def test_work_is_written_after_its_outputs(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that dies before its last file has left no memory of the work as done."""
    written = []
    whole = Files.write

    def record(self: Files, table: str, generation: int, name: str, rows: Any) -> None:
        written.append(table)
        whole(self, table, generation, name, rows)

    monkeypatch.setattr(Files, "write", record)
    work = Work(key="k", stage="synth", domain="d", part="p@1", outputs=2)
    lake.append([work, *SAMPLES])
    assert written[-1] == "work"
    assert list(lake.work("synth")) == ["k"]
    assert lake.work("train") == {}


def test_empty_lake_answers(lake: Lake) -> None:
    """Every table can be read and queried before anything is written, and making the lake again changes nothing."""
    files = sorted(p.stat().st_mtime_ns for p in lake.home.rglob("*") if p.is_file())
    lake.create()
    assert sorted(p.stat().st_mtime_ns for p in lake.home.rglob("*") if p.is_file()) == files
    assert all(lake.read(record) == [] for record in RECORDS)


@pytest.mark.parametrize("name", ["with space", "it's", "a[b]c", "star*", "ünï"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """The names of folders may hold spaces, quotes and what a glob or SQL would take for its own."""
    lake = Lake(str(tmp_path / name / "lake"), tmp_path / name)
    lake.create()
    lake.append([symbol("f")])
    assert [s.path for s in lake.read(Symbol)] == ["lib.f"]
    assert lake.query("SELECT count(*) AS n FROM symbols").to_pylist() == [{"n": 1}]


def test_moved_lake_is_catalogued_anew(tmp_path: Path) -> None:
    """The catalogue names absolute paths: where the folder has moved, it is made again."""
    lake = Lake(str(tmp_path / "a" / "lake"), tmp_path / "a")
    lake.create()
    lake.append([symbol("f")])
    (tmp_path / "a").rename(tmp_path / "b")
    moved = Lake(str(tmp_path / "b" / "lake"), tmp_path / "b")
    moved.create()
    assert moved.query("SELECT path FROM symbols").to_pylist() == [{"path": "lib.f"}]


def test_a_current_catalogue_is_not_opened(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has changed: nothing is read of it, and it stays the same file; what is written beside it may be lost."""
    before = lake.catalogue.stat().st_ino
    with monkeypatch.context() as closed:
        closed.setattr("registry.catalogue.duckdb.connect", lambda *_, **__: pytest.fail("It was opened"))
        lake.create()
    (lake.home / ".driftune.duckdb.mark").unlink()
    lake.create()
    assert lake.catalogue.stat().st_ino == before
    assert (lake.home / ".driftune.duckdb.mark").exists()


def test_a_newer_driftune_makes_the_catalogue_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a column more in a view, and with a view more."""
    sql, columns = catalogue.DERIVED["spend"]
    spend = (f"SELECT *, 1 AS more FROM ({sql})", columns | {"more": "One column more"})
    monkeypatch.setitem(catalogue.DERIVED, "spend", spend)
    lake.create()
    assert lake.query("SELECT more FROM spend").column_names == ["more"]
    monkeypatch.setitem(catalogue.DERIVED, "costs", ("SELECT * FROM spend", {}))
    monkeypatch.setattr(catalogue, "_ORDER", (*catalogue._ORDER, "costs"))
    lake.create()
    assert lake.query("SELECT more FROM costs").column_names == ["more"]


@pytest.mark.parametrize("harm", ["", "SQLite format 3", "missing"])
def test_a_catalogue_that_is_broken_or_missing_is_made_anew(lake: Lake, harm: str) -> None:
    """Emptied, overwritten, or taken away: views answer all the same."""
    size = lake.catalogue.stat().st_size
    lake.catalogue.unlink()
    if harm != "missing":
        lake.catalogue.write_bytes(harm.encode().ljust(size if harm else 0))
    lake.create()
    assert lake.query("SELECT count(*) AS n FROM symbols").to_pylist() == [{"n": 0}]


def test_bad_sql_is_one_line_and_the_users_error(lake: Lake) -> None:
    """A query that DuckDB refuses is a ConfigurationError of one line, and nothing can be written by one."""
    for sql in ("SELEC 1", "SELECT * FROM nowhere", "CREATE TABLE t (x INT)", "DROP VIEW symbols"):
        with pytest.raises(ConfigurationError, match="The query failed") as error:
            lake.query(sql)
        assert "\n" not in str(error.value)


def test_what_the_lake_says_begins_no_query_of_its_own(lake: Lake, tmp_path: Path) -> None:
    """A shared lake's domain that is called as a statement writes no file of who asks for the status of all."""
    name = f"x'; COPY (SELECT 1) TO '{tmp_path / 'written'}'; SELECT '"
    with pytest.raises(ConfigurationError, match="One query at a time: these are 3"):
        lake.query(f"SELECT * FROM reports WHERE run = '{name}'")
    assert lake.query("SELECT $name AS said", {"name": name}).to_pylist() == [{"said": name}]
    assert not (tmp_path / "written").exists()


READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for view in sys.argv[2:]:
    connection.sql(f"select * from {view}").fetchall()
print(connection.sql("select count(*) from symbols").fetchall()[0][0])
"""


def test_readers_never_meet_a_lock(lake: Lake, tmp_path: Path) -> None:
    """While rows are appended and the catalogue is made anew, another process in another folder reads all views."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            lake.append([symbol(f"f{number}")])
            lake.create()
            number += 1
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        views = ["lineage", "proofs", "funnel", "drift"]
        command = [sys.executable, "-c", READER, str(lake.home / "driftune.duckdb"), *views]
        seen = [int(subprocess.run(command, cwd="/", check=True, capture_output=True).stdout) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)
    assert seen[-1] > 0


FORKED = """
import os, pickle, sys
from pathlib import Path
from registry.lake import Lake
from registry.records import Symbol

lake = Lake(sys.argv[1], Path(sys.argv[2]))
count = len(lake.read(Symbol))
assert len(pickle.loads(pickle.dumps(lake)).read(Symbol)) == count
child = os.fork()
if not child:
    os._exit(len(lake.read(Symbol)) != count)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_lake_that_was_read_can_be_taken_along(lake: Lake) -> None:
    """In a forked process, and in one that it is sent to, it reads as before: no database's threads come along."""
    for part in range(8):
        lake.append([symbol(f"f{part}_{n}", doc="x" * 200) for n in range(500)])
    subprocess.run([sys.executable, "-c", FORKED, lake.url, str(lake.home)], check=True, timeout=60)


AHEAD = """
import sys
from pathlib import Path
from registry.lake import Lake
from registry.records import Work
from tests.registry.test_lake import symbol
work = Work(key="k", stage="curate", domain="d", part="p", outputs=0)
Lake(sys.argv[1], Path(sys.argv[2]), "ahead").append([symbol("f", signature="()"), work])
"""


def test_what_is_written_last_counts_though_a_clock_was_set_back(lake: Lake) -> None:
    """A run whose clock is two days ahead, then one whose clock is right: what the second wrote is what is there."""
    ahead = ["faketime", "-f", "+2d", sys.executable, "-c", AHEAD, lake.url, str(lake.home)]
    subprocess.run(ahead, check=True, cwd=Path(__file__).parents[2])
    work = Work(key="k", stage="curate", domain="d", part="p", outputs=1)
    later = Lake(lake.url, lake.home, "later")
    later.append([symbol("f", signature="(x)"), work])
    assert [each.signature for each in later.read(Symbol)] == ["(x)"]


def test_threads_may_make_a_lake_at_once(tmp_path: Path) -> None:
    """Each that makes the files of a new lake finds them whole, whoever was first."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: Lake(str(tmp_path / "lake"), tmp_path).create(), range(6)))
    assert Lake(str(tmp_path / "lake"), tmp_path).query("SELECT count(*) AS n FROM work").to_pylist() == [{"n": 0}]


def test_half_written_file_is_invisible(lake: Lake) -> None:
    """What stands under another suffix, as a writer killed halfway leaves it, is no part of the lake."""
    lake.append([symbol("f")])
    (whole,) = (lake.home / "lake" / "symbols").glob("2*.parquet")
    whole.with_name(f".{whole.name}.99.part").write_bytes(whole.read_bytes()[:100])
    assert len(lake.read(Symbol)) == 1


def test_full_disk_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    """Where nothing can be written, the error is one line that says what to do, and the catalogue is not harmed."""
    (tmp_path / "file").write_text("")
    lake = Lake(str(tmp_path / "file" / "lake"), tmp_path / "file")
    with pytest.raises(ConfigurationError, match="choose another folder"):
        lake.create()


def test_lake_on_an_object_store(tmp_path: Path) -> None:
    """A lake at an fsspec URL takes and gives the same records, without a local catalogue."""
    import fsspec

    fsspec.filesystem("memory").store.clear()
    lake = Lake("memory://bucket/lake", tmp_path)
    lake.create()
    lake.append([symbol("f"), symbol("g")])
    assert sorted(s.path for s in lake.read(Symbol)) == ["lib.f", "lib.g"]
    assert lake.query("SELECT path FROM symbols ORDER BY path").column(0).to_pylist() == ["lib.f", "lib.g"]
    assert not (tmp_path / "driftune.duckdb").exists()


def test_catalogue_can_not_be_written(lake: Lake) -> None:
    """The catalogue is read-only for everybody: a plain (writing) open of it would lock readers out."""
    path = lake.home / "driftune.duckdb"
    assert path.stat().st_mode & 0o222 == 0
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM symbols").fetchall() == [(0,)]


def test_of_records_with_one_id_in_one_append_the_first_is_kept(lake: Lake) -> None:
    """Two generators that make the same row leave the first one's, however often it is read."""
    assert lake.append([symbol("f", doc="first"), symbol("g"), symbol("f", doc="second")]) == 2
    assert [s.doc for s in lake.read(Symbol, "path = 'lib.f'")] == ["first"]


def test_rows_of_one_id_and_one_time_have_one_order(lake: Lake) -> None:
    """What was written before an append kept one row of an id is read the same way in every lake."""
    both = [symbol("f", doc=d) for d in ("a", "b")]
    for order in (both, both[::-1]):
        name = f"2{order[0].doc}.parquet"
        lake.files.write("symbols", 0, name, to_table(order, Symbol, NOW, "run", "1"))
        (kept,) = lake.read(Symbol)
        assert kept.digest == min(s.digest for s in both)
        (Path(lake.url) / "symbols" / name).unlink()


def test_rows_written_before_a_column_was_added_have_its_default(lake: Lake) -> None:
    """A lake of an older schema is read, queried and appended to: its rows have the new column's default."""
    old = Verdict(program="p", environment="e", harness="1", policy="k=2", outcome="passed", proof="strong")
    table = to_table([old], Verdict, NOW, "run", "1").drop_columns(["output", "values", "symbols_called"])
    with lake.files.appending() as generation:
        lake.files.write("verdicts", generation, "2old.parquet", table)
    lake.create()
    assert lake.query("SELECT output, outcome FROM verdicts").to_pylist() == [{"output": None, "outcome": "passed"}]
    lake.append([dataclasses.replace(old, program="q", output="said")])
    found = lake.read(Verdict)
    assert {(v.program, v.output, v.symbols_called) for v in found} == {("p", "", ()), ("q", "said", ())}


def test_an_append_is_drawn_and_written_in_pieces_of_one_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written while records are drawn; of an id the first is kept, also across files; all bear one time."""
    monkeypatch.setattr("registry.lake.PIECE", 10)
    seen = []

    def drawn() -> Iterator[Record]:
        for n in range(25):
            seen.append(len(lake.read(Symbol)))
            yield symbol(f"f{n}")
        yield symbol("f0", doc="later")
        yield Work(key="k", stage="scrape", domain="d", part="p", outputs=26)

    assert lake.append(drawn()) == 26
    assert (seen[9], seen[10], seen[24]) == (0, 10, 20)
    assert {row.doc for row in lake.read(Symbol)} == {""}
    assert len(lake.read(Symbol, work="k")) == 25
    assert lake.query('SELECT count(DISTINCT "_at") AS n FROM symbols').to_pylist() == [{"n": 1}]


def test_what_is_read_as_it_is_drawn_is_what_is_read(lake: Lake) -> None:
    """Each record once, in its last version; of a work the versions that it made."""
    lake.append([*(symbol(f"f{n}") for n in range(30)), Work(key="k", stage="s", domain="d", part="p", outputs=30)])
    lake.append(symbol(f"f{n}", doc="later") for n in range(0, 30, 3))
    for where, work in (("true", ()), ("true", ("k",)), ("path < 'lib.f2'", ("k",)), ("path = 'lib.f3'", ())):
        found = sorted(lake.each(Symbol, where, work=work), key=lambda row: row.id)
        assert [(row.id, row.digest) for row in found] == [
            (row.id, row.digest) for row in lake.read(Symbol, where, work=work)
        ]
    assert {row.doc for row in lake.each(Symbol, "path IN (SELECT unnest($p))", {"p": ["lib.f0"]})} == {"later"}
