"""`check` finds what is planted in a lake, and nothing in a lake that is whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.checks import findings
from registry.lake import Lake
from registry.records import (
    Adapter,
    Forgotten,
    Page,
    Program,
    Record,
    Removal,
    Snapshot,
    SnapshotRow,
    Symbol,
    Verdict,
    Work,
)
from tests.registry.test_catalogue import ENVIRONMENTS, NEW, PAGE, Bench

ADAPTER = Adapter(
    domain="d", version=1, files=(), library_range="lib>=1", base="b", base_revision="r", fingerprint="f",
    snapshot="?", run="?",
)  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"), tmp_path)
    made.create()
    return made


def licensed() -> Bench:
    """A bench whose page has a licence."""
    bench = Bench()
    bench.rows = [dataclasses.replace(r, licence="MIT") if isinstance(r, Page) else r for r in bench.rows]
    return bench


def whole(lake: Lake) -> Bench:
    """Writes two rows whose programs have their verdicts."""
    bench = licensed()
    for n in range(2):
        answer, stub = bench.program(f"a{n}", {NEW.id: "passed"}), bench.program(f"s{n}", {NEW.id: "failed"})
        bench.example("doc", {"answer": answer, "stub": stub})
    bench.write(lake)
    return bench


def test_a_whole_lake_has_no_findings(lake: Lake) -> None:
    """Neither an empty lake nor one whose rows all hold is found fault with."""
    assert list(findings(lake)) == []
    whole(lake)
    assert list(findings(lake)) == []


def latest(lake: Lake) -> Snapshot:
    """The snapshot that was written last."""
    return lake.read(Snapshot, latest=1)[0]


def _other_text(lake: Lake) -> None:
    (path,) = (lake.home / "lake" / "programs").glob("2*.parquet")
    rows = pq.read_table(path)
    at = rows.schema.get_field_index("code")
    pq.write_table(rows.set_column(at, "code", pa.array(["other", *rows.column("code").to_pylist()[1:]])), path)


def _twice(lake: Lake) -> None:
    snapshot = latest(lake)
    bench = licensed()
    passed = {"answer": bench.program("a", {NEW.id: "passed"}), "stub": bench.program("s", {NEW.id: "failed"})}
    rows = [bench.example("doc", passed) for _ in range(2)]
    rows[1] = dataclasses.replace(rows[0], domain="other")
    lake.append([*bench.rows, *rows, *(SnapshotRow(snapshot=snapshot.id, example=e.id, split="dev") for e in rows)])


def _add(*rows: Callable[[Snapshot], Record]) -> Callable[[Lake], None]:
    def plant(lake: Lake) -> None:
        lake.append([make(latest(lake)) for make in rows])

    return plant


def _unlicensed(lake: Lake) -> None:
    bench = licensed()
    row = dataclasses.replace(bench.example("text", {}), licence=None)
    lake.append([row, SnapshotRow(snapshot=latest(lake).id, example=row.id, split="train")])


def _not_run(lake: Lake) -> None:
    bench = licensed()
    passed, never = bench.program("passes", {NEW.id: "passed"}), bench.program("never", {})
    row = bench.example("doc", {"answer": passed, "stub": never})
    lake.append([*bench.rows, SnapshotRow(snapshot=latest(lake).id, example=row.id, split="train")])


def _other_program(lake: Lake) -> None:
    bench = licensed()
    lake.append([bench.example("doc", {"answer": "gone"})])


def _other_kinds(lake: Lake) -> None:
    bench = licensed()
    texts = [bench.example("text", {}) for _ in range(3)]
    old = latest(lake)
    new = Snapshot(domain="d", rows_sha256="2", filters={}, parent=old.id)
    work = Work(key="x", stage="curate", domain="d", part="p@1", outputs=1, result={"snapshot": new.id})
    lake.append([*texts, new, work, *(SnapshotRow(snapshot=new.id, example=e.id, split="train") for e in texts)])


PLANTED: list[tuple[str, str, Callable[[Lake], None]]] = [
    ("shift", "d", _other_kinds),
    ("unique", "programs", _other_text),
    ("unique", "adapters", _add(lambda _: ADAPTER, lambda _: dataclasses.replace(ADAPTER, files=[{"path": "x"}]))),
    ("unique", "snapshot_rows", _twice),
    ("proofs", "other", lambda _: None),  # where nothing was ever validated
    ("references", "adapters.snapshot -> snapshots", _add(lambda _: ADAPTER)),
    ("references", "adapters.run -> runs", _add(lambda _: ADAPTER)),
    ("references", "symbols.release -> releases", _add(lambda _: Symbol(release="gone", path="p", kind="function"))),
    ("references", "snapshot_rows.example -> examples",
        _add(lambda s: SnapshotRow(snapshot=s.id, example="gone", split="dev"))),
    ("references", "verdicts.program -> programs", _add(lambda _: Verdict(
        program="gone", environment=next(iter(ENVIRONMENTS.values())).id, harness="1", policy="p", outcome="passed",
        proof="none"))),
    ("references", "example_programs.program -> programs", _other_program),
    ("proofs", "d", _not_run),
    ("licences", "d", _unlicensed),
]  # fmt: skip


def test_what_is_wrong_is_found_where_it_is(lake: Lake) -> None:
    """Each damage that is planted is found by its check at its place, and nothing else is found."""
    whole(lake)
    for _, _, plant in PLANTED:
        plant(lake)
    assert sorted((f.check, f.where) for f in findings(lake)) == sorted((check, where) for check, where, _ in PLANTED)


def test_a_verdict_that_turns_is_found(lake: Lake) -> None:
    """A row of the latest snapshot whose answer fails by now has lost its proof."""
    whole(lake)
    row = next(v for v in lake.read(Verdict) if v.outcome == "passed")
    lake.append([dataclasses.replace(row, outcome="failed")])
    assert [(f.check, f.rows) for f in findings(lake)] == [("proofs", 1)]


def test_forgotten_rows_are_not_missed(lake: Lake) -> None:
    """A row may name another that was taken out on purpose."""
    whole(lake)
    lake.append([Removal(example="gone", rule="licence", curation="before", domain="d")])
    _add(lambda s: SnapshotRow(snapshot=s.id, example="gone", split="dev"))(lake)
    assert [f.where for f in findings(lake)] == ["snapshot_rows.example -> examples"]
    lake.append([Forgotten(what="GPL-3.0-only", rows={"pages": [], "examples": ["gone", "other"]})])
    assert list(findings(lake)) == []


def test_a_page_as_an_older_scraper_found_it_is_not_judged(lake: Lake) -> None:
    """What counts of several pages with one address is the last, for licences and in a row's lineage."""
    lake.append([dataclasses.replace(PAGE, content_hash="older")])  # without a licence
    whole(lake)
    lake.append([dataclasses.replace(ADAPTER, snapshot=latest(lake).id)])
    assert {f.check for f in findings(lake)} == {"references"}  # the adapter's run is nowhere
    pages = lake.query("SELECT DISTINCT page, page_licence FROM lineage").to_pylist()
    assert pages == [{"page": PAGE.id, "page_licence": "MIT"}]


def test_a_small_shift_is_let_pass(lake: Lake) -> None:
    """How much a snapshot may change is a parameter."""
    whole(lake)
    _other_kinds(lake)
    assert {f.check for f in findings(lake, shift=1.0)} == set()


def test_many_rows_are_one_finding(lake: Lake) -> None:
    """A finding counts its rows and names the first, however many there are."""
    whole(lake)
    lake.append(
        [Symbol(release=f"gone{n}", path="p", kind="function") for n in range(50)] + [Program(code="", test="")]
    )
    (found,) = findings(lake)
    assert (found.rows, found.detail) == (50, "gone0 is the id of nothing there")
