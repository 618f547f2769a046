"""Snapshots as data sets: Parquet, one file a split, with a card; what `datasets.load_dataset` reads.

    <home>/datasets/<commit>/README.md                 licences, sizes, columns; its head names the files of each split
    <home>/datasets/<commit>/data/train.parquet        and context, symbol, dev: what is held out stands apart
    <home>/datasets/<commit>/export.json               path, size and SHA-256 of each

Written once, under another name, and renamed. The commit hashes the snapshot, what was ever forgotten, and the form of
the files: once something is forgotten, every data set has another commit, and `driftune forget` removes what was
written before.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.card import all_of
from registry.errors import DriftuneError, RegistryError
from registry.identity import sha256_of, sha256_of_file
from registry.lake import Lake
from registry.records import Forgotten, Snapshot
from registry.storage import remove_tree, storage, write_file

VERSION = "export@1"
FOLDER = "datasets"
"""Where data sets lie in the home folder."""
TRAIN = "train"
_LISTING = "export.json"
SPLITS = (TRAIN, "context", "symbol", "dev")
_AT_ONCE = 50_000
"""Rows that are in memory at a time, on average: 15,000 are 40 MB, and a query over a lake takes 5 s for any number."""
_KEPT = 32
"""Data sets that stay on the disk."""
_SNAPSHOT = re.compile(r"[0-9a-f]{64}")
_WRITING = threading.Lock()
_LINE = threading.BoundedSemaphore(8)
"""Who writes or waits for it: each holds one of the threads that all of a server's rooms share."""

COLUMNS: Mapping[str, str] = {
    "id": "SHA-256 of the row's identity",
    "kind": "doc, test, task, drift, bug, edit, fim, chat, repair, locate, preference, text, syntax",
    "language": "Programming language",
    "code_old": "Old, buggy, rejected, unedited or corrupted code, or the stub; null where the kind has none",
    "code_new": "New, fixed, chosen, edited, original code, or the answer; null where the kind has none",
    "test": "The test that the new code passes",
    "parts": "All that the kind has, as JSON: prompt, turns, spans, the ids of its programs by role",
    "programs": "Its programs: role, id, code, test",
    "symbols": "Canonical paths that it shows or calls",
    "family": "The family of its change: what splits are made by",
    "change": "Id of the change that it shows",
    "generator": "What made it, with its version",
    "operator": "Mutation operator or codemod",
    "old_effect": "drift: what the old code does at the new version: fails, warns, differs",
    "written": "By an LLM: its model, and whether its terms allow training on it, as JSON; empty: by none",
    "licence": "SPDX expression over all that it was made of",
    "source_url": "Where its text comes from",
    "proof": "strong: compared outside the program's process; weak: within it; none: text",
    "outcome_old": "How the old code ended",
    "outcome_new": "How the new code ended",
}
"""Column -> what it holds."""

_ROWS = """
SELECT s.split, e.id, e.kind, e.language, o.code AS code_old, n.code AS code_new, n.test, e.parts::VARCHAR AS parts,
       coalesce(x.programs, []) AS programs, e.symbols, e.family, e.change,
       e.generator || '@' || e.generator_version AS generator, e.operator, e.old_effect,
       e.written::VARCHAR AS written, e.licence, e.source_url, coalesce(p.proof, 'none') AS proof,
       p.outcome_old, p.outcome_new
FROM snapshot_rows s JOIN examples e ON e.id = s.example
LEFT JOIN example_outcomes p ON p.example = e.id
LEFT JOIN programs o ON o.id = p.old_program LEFT JOIN programs n ON n.id = p.new_program
LEFT JOIN (
    SELECT r.example, list({{'role': r.role, 'id': q.id, 'code': q.code, 'test': q.test}} ORDER BY r.role) AS programs
    FROM example_programs r JOIN programs q ON q.id = r.program GROUP BY r.example
) x ON x.example = e.id
WHERE s.snapshot = '{snapshot}' AND starts_with(e.id, '{start}')
ORDER BY e.id
"""


@dataclass(frozen=True)
class Exported:
    """A file of a data set."""

    path: str
    size: int
    sha256: str


def forgotten(lake: Lake) -> list[str]:
    """Marks of all that was ever forgotten."""
    return sorted(f.digest for f in lake.read(Forgotten))


def commit_of(snapshot: Snapshot, gone: Sequence[str]) -> str:
    """The commit of a snapshot as a data set: 40 hex characters.

    Args:
        snapshot: The snapshot.
        gone: What `forgotten` gives.
    """
    return sha256_of([VERSION, snapshot.id, [*gone]])[:40]


def rows_in(snapshot: Snapshot, split: str) -> int:
    """The rows of a split, as they were when the snapshot was frozen."""
    return sum(int(counts.get(split, 0)) for counts in snapshot.counts.values())


def export(lake: Lake, snapshot: Snapshot, name: str) -> tuple[Path, list[Exported]]:
    """The folder and the files of a snapshot as a data set, written where it wasn't yet.

    Args:
        lake: The lake.
        snapshot: The snapshot.
        name: What the data set is called, for its card.

    Raises:
        RegistryError: It can't be written, or too many wait for it.
    """
    folder = lake.home / FOLDER / commit_of(snapshot, forgotten(lake))
    listing = folder / _LISTING
    if not listing.is_file():
        if not _LINE.acquire(blocking=False):
            raise RegistryError(f"The data set {name} is being written: ask again in a few seconds", retryable=True)
        try:
            with _WRITING:  # one at a time; who waited finds it
                if not listing.is_file():
                    _make_apart(lake, snapshot, name, folder)
                    _trim(folder.parent)
        finally:
            _LINE.release()
    held = json.loads(listing.read_bytes())
    return folder, [Exported(**row) for row in held["files"]]


def path_of(split: str) -> str:
    """The file of a split."""
    return f"data/{split}.parquet"


def _make_apart(lake: Lake, snapshot: Snapshot, name: str, folder: Path) -> None:
    """Writes a data set in a process of its own: the joins take half a gigabyte, which a server would keep."""
    command = [sys.executable, "-P", "-m", "registry.exports", lake.url, str(lake.home), snapshot.id, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise RegistryError(f"Can't write the data set {name} at {folder}: {why[0]}", path=str(folder), retryable=True)


def make(lake: Lake, snapshot: Snapshot, name: str, folder: Path) -> None:
    """Writes a data set into a folder that isn't there yet.

    Raises:
        ConfigurationError: It can't be written.
    """
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    with storage("a data set", folder):
        try:
            _write(lake, snapshot, name, part)
            with contextlib.suppress(OSError):  # another process has just made the same
                part.rename(folder)
        finally:
            remove_tree(part)


def _trim(home: Path) -> None:
    """Removes those that were written longest ago, where there are many: asked for again, they are written again."""
    written = sorted(home.glob(f"*/{_LISTING}"), key=lambda listing: listing.stat().st_mtime, reverse=True)
    for listing in written[_KEPT:]:
        remove_tree(listing.parent)


def drop(home: Path) -> None:
    """Removes all data sets that were written: rows that were forgotten may be in them."""
    remove_tree(home / FOLDER)


def _write(lake: Lake, snapshot: Snapshot, name: str, part: Path) -> None:
    (part / "data").mkdir(parents=True)
    rows = _write_rows(lake, snapshot, part)
    write_file(
        part / "README.md", card(snapshot, name, {split: rows[split] for split in SPLITS if rows[split]}).encode()
    )
    files = [
        {"path": path.relative_to(part).as_posix(), "size": path.stat().st_size, "sha256": sha256_of_file(path)}
        for path in sorted(part.rglob("*"))
        if path.is_file()
    ]
    write_file(part / _LISTING, json.dumps({"snapshot": snapshot.id, "files": files}).encode())


def _write_rows(lake: Lake, snapshot: Snapshot, part: Path) -> Counter[str]:
    """Writes the rows of each split, some at a time; no file where there are none."""
    rows, writers = Counter[str](), dict[str, pq.ParquetWriter]()
    with contextlib.ExitStack() as stack:
        for start in _starts(sum(rows_in(snapshot, split) for split in SPLITS)):
            found = lake.query(_ROWS.format(snapshot=_checked(snapshot.id), start=start))
            found = found.cast(_schema(found.schema))
            for split in SPLITS:
                table = found.filter(pc.equal(found["split"], split)).drop_columns(["split"])
                if table.num_rows:
                    if split not in writers:
                        writer = pq.ParquetWriter(part / path_of(split), table.schema, compression="zstd")
                        writers[split] = stack.enter_context(writer)
                    writers[split].write_table(table)
                    rows[split] += table.num_rows
    return rows


def _starts(rows: int) -> Iterator[str]:
    """Beginnings of ids, of which each has so many rows as may be in memory at once."""
    digits = 0
    while rows > _AT_ONCE * 16**digits and digits < 4:
        digits += 1
    yield from (f"{n:0{digits}x}" if digits else "" for n in range(16**digits))


def _checked(snapshot: str) -> str:
    if not _SNAPSHOT.fullmatch(snapshot):
        raise ValueError(f"{snapshot!r} is no id")
    return snapshot


def _schema(found: pa.Schema) -> pa.Schema:
    """A column that is null in all rows has the type of text, as it has in other splits."""
    fields = [pa.field(f.name, pa.string()) if pa.types.is_null(f.type) else f for f in found]
    return pa.schema([field.remove_metadata() for field in fields])


def card_data(snapshot: Snapshot, name: str, splits: Iterable[str]) -> dict[str, Any]:
    """The head of a data set's card, as the Hub and `datasets` read it.

    Args:
        snapshot: The snapshot.
        name: What the data set is called.
        splits: The splits that have rows.
    """
    return {
        "pretty_name": name,
        "license": "other",
        "license_name": all_of(sorted(snapshot.licences)) or "unknown",
        "language": ["code"],
        "tags": ["driftune", "code", snapshot.domain],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": path_of(split)} for split in splits],
            }
        ],
    }


def card(snapshot: Snapshot, name: str, rows: Mapping[str, int]) -> str:
    """The text of a data set's README.md: a head in YAML, which JSON is too."""
    head = json.dumps(card_data(snapshot, name, rows), indent=1, sort_keys=True)
    held_out = [split for split in rows if split != TRAIN]
    return "\n".join(
        [
            "---", head, "---", f"# {name}", "",
            f"What driftune made and ran for {snapshot.domain}: snapshot `{snapshot.id}`. Each row was proven by"
            " running it, and says its licence and its source.", "",
            *_table(("split", "rows"), rows.items()), "",
            f"Nothing may be trained on {', '.join(held_out)}: adapters are judged by them." if held_out else "", "",
            *_table(("licence", "rows"), sorted(snapshot.licences.items())), "",
            *_table(("column", "holds"), COLUMNS.items()), "",
        ]
    )  # fmt: skip


def _table(head: Sequence[str], rows: Any) -> list[str]:
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {a} | {b} |" for a, b in rows)]


def _main(url: str, home: str, snapshot: str, name: str, folder: str) -> int:
    """The process that `export` starts."""
    lake = Lake(url, Path(home), "export")
    try:
        [found] = lake.read(Snapshot, "id = $id", {"id": snapshot})
        make(lake, found, name, Path(folder))
    except DriftuneError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
