"""Snapshots as data sets: what is in their files, and that nothing forgotten stays in them."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from registry import exports
from registry.errors import RegistryError
from registry.forgetting import Order, forget, trace
from registry.lake import Lake
from registry.records import Example, Program, Record, Snapshot, SnapshotRow

ROWS = 40


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a snapshot of ROWS rows to train on, and one that is held out; the last test forgets one."""
    folder = tmp_path_factory.mktemp("exports")
    made = Lake(str(folder / "lake"), folder / "home", "tests")
    made.create()
    made.append(rows_of(ROWS))
    return made


def rows_of(count: int) -> list[Record]:
    """A snapshot's records."""
    records: list[Record] = []
    examples = []
    for number in range(count + 1):
        program = Program(code=f"x = {number}", test=f"assert x == {number}")
        examples.append(
            Example(
                domain="lib", kind="doc", releases=("new",), parts={"programs": {"answer": program.id}}, file="f",
                root=str(number), generator="g", generator_version="1", licence="MIT" if number else "BSD-3-Clause",
                source_url=f"https://docs.example/{number}",
            )
        )  # fmt: skip
        records += [program, examples[-1]]
    snapshot = Snapshot(domain="lib", rows_sha256="s", filters={}, licences={"MIT": count, "BSD-3-Clause": 1},
                        counts={"doc": {"train": count, "dev": 1}})  # fmt: skip
    splits = ["dev", *["train"] * count]
    placed = zip(examples, splits, strict=True)
    return [*records, snapshot, *(SnapshotRow(snapshot=snapshot.id, example=e.id, split=s) for e, s in placed)]


def snapshot_of(lake: Lake) -> Snapshot:
    """The one snapshot."""
    [snapshot] = lake.read(Snapshot)
    return snapshot


def exported(lake: Lake) -> tuple[Path, dict[str, str]]:
    """The folder of the data set, and its files with their hashes."""
    folder, files = exports.export(lake, snapshot_of(lake), "ns/lib")
    return folder, {file.path: file.sha256 for file in files}


def test_each_split_is_a_file_of_its_own(lake: Lake) -> None:
    """Each row is there once, in its own split's file, with all that the card promises."""
    whole, files = exported(lake)
    assert sorted(files) == ["README.md", "data/dev.parquet", "data/train.parquet"]
    tables = {split: pq.read_table(whole / exports.path_of(split)) for split in ("train", "dev")}
    assert {split: table.num_rows for split, table in tables.items()} == {"train": ROWS, "dev": 1}
    assert all(table.column_names == list(exports.COLUMNS) for table in tables.values())
    assert tables["train"].schema == tables["dev"].schema
    assert exported(lake) == (whole, files)


@pytest.mark.slow
def test_rows_that_are_too_many_at_once_are_all_there(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written some at a time, each row is there once."""
    whole, _ = exported(lake)
    rows = pq.read_table(whole / exports.path_of("train")).sort_by("id").to_pylist()
    exports.drop(lake.home)
    monkeypatch.setattr(exports, "_AT_ONCE", 3)
    exports.make(lake, snapshot_of(lake), "ns/lib", whole)
    again, _ = exported(lake)
    table = pq.ParquetFile(again / exports.path_of("train"))
    assert table.num_row_groups > 8
    assert table.read().sort_by("id").to_pylist() == rows


def test_the_card_says_licences_sizes_columns_and_what_is_held_out(lake: Lake) -> None:
    """Its head is YAML that names a file for each split that has rows."""
    import yaml

    folder, _ = exported(lake)
    _, head, body = (folder / "README.md").read_text().split("---\n", 2)
    data = yaml.safe_load(head)
    assert data["license_name"] == "BSD-3-Clause AND MIT"
    assert [entry["split"] for entry in data["configs"][0]["data_files"]] == ["train", "dev"]
    assert f"| train | {ROWS} |" in body
    assert "Nothing may be trained on dev" in body
    assert all(f"| {column} |" in body for column in exports.COLUMNS)


def test_few_data_sets_stay_on_the_disk(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one is written, those that were written longest ago go."""
    exports.drop(lake.home)
    for number in range(3):
        listing = lake.home / exports.FOLDER / f"older-{number}" / "export.json"
        listing.parent.mkdir(parents=True)
        listing.write_text("{}")
        os.utime(listing, (number, number))
    monkeypatch.setattr(exports, "_KEPT", 2)
    folder, _ = exported(lake)
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "older-2"}


def test_those_who_wait_for_a_data_set_are_few(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a thread that a server's other rooms need: the next is told to ask again."""
    monkeypatch.setattr(exports, "VERSION", "waiting")
    places = [exports._LINE.acquire(blocking=False) for _ in range(9)]
    try:
        assert places == [True] * 8 + [False]
        with pytest.raises(RegistryError, match="ask again") as told:
            exports.export(lake, snapshot_of(lake), "driftune/lib")
        assert told.value.retryable
    finally:
        exports._LINE.release(8)


def test_what_is_forgotten_is_in_no_data_set(lake: Lake) -> None:
    """The files that held it are gone, the commit is another, and what is written then is without it."""
    before, _ = exported(lake)
    order = Order("https://docs.example/7")
    forget(lake, order, trace(lake, order), by="ann")
    assert not before.exists()
    after, _ = exported(lake)
    assert after.name != before.name
    rows = pq.read_table(after / exports.path_of("train")).to_pylist()
    assert len(rows) == ROWS - 1
    assert "https://docs.example/7" not in {row["source_url"] for row in rows}
