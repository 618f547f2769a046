"""`driftune compact` and `driftune gc`: many small files become few, beside readers and writers, and kill-safe.

`compact` leaves the generation that writers append to, copies all its rows into the next one as large files, and only
then tells readers to begin there; nothing is removed. `gc` removes what was left, once no reader can be using it. In
between, rows stand twice, and views show each id once. Killed at any point and started again, `compact` writes the
same files under the same names: a generation that was left does not change.

Every row version is kept with its stamps (`_at, _run, _code`): `as_of` answers as before. But for bodies that nothing
was received as any more (`superseded`): what they say has been read, and they are most of what a site leaves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from registry import schemas
from registry.arrow import schema
from registry.errors import ConfigurationError
from registry.generations import Files, Generations, Retired, is_typed
from registry.identity import sha256_of
from registry.lake import Lake
from registry.records import RECORDS, Body
from registry.storage import storage

TARGET = 64 << 20
"""Bytes of a merged file, about; a file of half as much is taken over as it is."""

GRACE = dt.timedelta(hours=12)
"""How long a replaced file is kept for queries that began before: longer than any query over such a lake."""

_WRITING = dt.timedelta(hours=1)
"""What is younger may still be written, whatever the grace."""

_ROW_GROUP = 20_000
"""Rows in a group: rows are ordered by id, so one id is found in one group."""

_SCHEMAS = {record.table: schema(record) for record in RECORDS}


@dataclass(frozen=True)
class Compacted:
    """What a compaction did.

    Attributes:
        before: Table -> files with rows that a reader listed before.
        after: The same, after.
        bytes_before: Their bytes.
        bytes_after: The same, after.
        waits: ISO time from which `gc` may remove what the last compaction replaced: nothing was done before that.
        bodies: Bodies that were left behind, as no fetch refers to them any more.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]
    bytes_before: int
    bytes_after: int
    waits: str = ""
    bodies: int = 0


@dataclass(frozen=True)
class Collected:
    """What a garbage collection removed, or would remove.

    Attributes:
        files: How many files.
        bytes: Their bytes.
        kept: Replaced files that queries may still read.
        until: ISO time from which these may go, empty where there are none.
    """

    files: int
    bytes: int
    kept: int = 0
    until: str = ""


def compact(
    lake: Lake, *, alone: bool = False, grace: dt.timedelta = GRACE, without: Mapping[str, str] | None = None
) -> Compacted:
    """Merges the lake's small files.

    Args:
        lake: The lake, created.
        alone: Nobody else writes: needed on an object store, which has no lock to hold writers off with.
        grace: How long replaced files are kept.
        without: Table -> SQL condition over its columns: rows that are left behind, in every version.

    Raises:
        ConfigurationError: The lake is on an object store, and `alone` isn't set.
    """
    files = lake.files
    schemas.check_current(files, lake.schema)
    if not files.local and not alone:
        raise ConfigurationError(
            f"Can't hold writers off from {lake.url}: compact it with --alone while no run writes to it", lake=lake.url
        )
    lake.create()  # a catalogue that still lists a retired generation is made anew, and its grace begins now
    with files.caring():
        _collect(lake, grace)
        state = files.generations()
        before, size = _count(files, state)
        bodies, left_behind = superseded(lake, grace)
        if bodies:
            conditions = [left_behind, *([without[Body.table]] if without and Body.table in without else [])]
            without = {**(without or {}), Body.table: " OR ".join(f"({each})" for each in conditions)}
        if state.retired:
            return Compacted(before, before, size, size, waits=_due(lake, state.retired[-1], grace).isoformat())
        if state.oldest == state.newest and not without and not _is_scattered(files, state.newest):
            return Compacted(before, before, size, size)
        _move_rows(files, state, without or {})
        lake.create()
        after, now = _count(files, files.generations())
        return Compacted(before, after, size, now, bodies=bodies)


def superseded(lake: Lake, grace: dt.timedelta = GRACE) -> tuple[int, str]:
    """How many bodies no fetch refers to any more, and the SQL condition for their rows.

    A body that comes again is appended again, together with its fetch: that row is younger than the condition says.

    Args:
        lake: The lake, created.
        grace: How old they are at least.
    """
    rows = lake.query("""SELECT id, "_at" FROM bodies WHERE sha256 NOT IN (SELECT sha256 FROM fetches) ORDER BY id""")
    before = _now() - max(grace, _WRITING)
    old = [(row["id"], row["_at"]) for row in rows.to_pylist() if row["_at"] < before]
    if not old:
        return 0, ""
    ids = ", ".join(f"'{name}'" for name, _ in old)
    return len(old), f"""id IN ({ids}) AND "_at" <= TIMESTAMPTZ '{max(at for _, at in old).isoformat()}'"""


def collect(lake: Lake, *, grace: dt.timedelta = GRACE, dry: bool = False) -> Collected:
    """Removes the files that nothing refers to: replaced ones, and what killed writers left half-written.

    Args:
        lake: The lake, created.
        grace: How long they are kept after they were replaced or begun.
        dry: Only count.
    """
    lake.create()
    with lake.files.caring():
        return _collect(lake, grace, dry=dry)


def _collect(lake: Lake, grace: dt.timedelta, *, dry: bool = False) -> Collected:
    files = lake.files
    state = files.generations()
    due = [r for r in state.retired if not grace or _due(lake, r, grace) <= _now()]  # without grace, whatever the clock
    kept = [r for r in state.retired if r not in due]
    doomed = _half_written(lake, grace)
    for retired in due:
        doomed |= _files_of(files, retired.generation)
    if not dry:
        for path in doomed:
            with contextlib.suppress(FileNotFoundError):
                files.fs.rm_file(path)
        for retired in due:
            _remove_folders(files, retired.generation)
        if due:
            files.set_generations(dataclasses.replace(state, retired=tuple(kept)))
    waiting = sum(len(_files_of(files, r.generation)) for r in kept)
    return Collected(
        len(doomed), sum(doomed.values()), waiting, _due(lake, kept[-1], grace).isoformat() if kept else ""
    )


def _move_rows(files: Files, state: Generations, without: Mapping[str, str]) -> None:
    """Leaves the newest generation, unless a killed compaction has, and copies the rows of all older ones into it."""
    if state.oldest == state.newest or without:  # what a killed compaction has copied is gone through as well
        state = _turn(files, state)
    left = range(state.oldest, state.newest)
    for table in files.tables():
        for generation in left:
            _merge(files, table, generation, state.newest, without.get(table, ""))
    retired = tuple(Retired(generation, _now().isoformat()) for generation in left)
    files.set_generations(Generations(state.newest, state.newest, retired))


def _turn(files: Files, state: Generations) -> Generations:
    """Writers go on to the next generation; the one after that is made ready, with its empty typed files."""
    ahead = state.newest + 1
    for table in files.tables():
        for name in files.listing(table, ahead):
            if is_typed(name):
                _take_over(files, files.path(table, ahead, name), files.path(table, ahead + 1, name))
    turned = Generations(state.oldest, ahead)
    with files.turning():
        files.set_generations(turned)
    return turned


def _is_scattered(files: Files, generation: int) -> bool:
    """Whether merging would leave fewer files."""
    listings = [files.with_rows(table, generation) for table in files.tables()]
    return any(len(found) > len(list(_bins(found))) for found in listings)


def _bins(found: Mapping[str, int]) -> Iterator[list[str]]:
    """Names of files to merge with each other; a large one stands alone."""
    small: list[str] = []
    size = 0
    for name, length in sorted(found.items()):
        if length >= TARGET // 2:
            yield [name]
            continue
        small.append(name)
        size += length
        if size >= TARGET:
            yield small
            small, size = [], 0
    if small:
        yield small


def _merge(files: Files, table: str, old: int, new: int, without: str) -> None:
    """Copies the rows of a table's generation into the next one."""
    for names in _bins(files.with_rows(table, old)):
        paths = [files.path(table, old, name) for name in names]
        target = files.path(table, new, f"1-{old}-{sha256_of([*names, without])[:16]}.parquet")
        if len(paths) == 1 and not without:
            _take_over(files, paths[0], target)
        else:
            _write_merged(files, table, paths, target, without)


def _take_over(files: Files, source: str, target: str) -> None:
    """The same file in another generation: a second name for it on a disk, a copy elsewhere."""
    if files.fs.exists(target):
        return
    if not files.local:
        files.fs.cp_file(source, target)
        return
    with storage("the lake", target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            Path(target).hardlink_to(source)
        except OSError:  # a filesystem without links
            partial = Path(target).with_name(f".{Path(target).name}.part")
            shutil.copyfile(source, partial)
            partial.replace(target)


def _write_merged(files: Files, table: str, paths: list[str], target: str, without: str) -> None:
    """Writes the rows of several files as one, ordered by id, each version of a row once."""
    shown = paths if files.local else [files.fs.unstrip_protocol(p) for p in paths]
    listed = ", ".join("'" + p.replace("'", "''") + "'" for p in shown)
    keep = f"WHERE ({without}) IS NOT TRUE" if without else ""
    query = f"""
        SELECT * FROM (SELECT * FROM read_parquet([{listed}], union_by_name = true) {keep}
        QUALIFY row_number() OVER (PARTITION BY id, digest, "_at", "_run") = 1) ORDER BY id, "_at"
    """  # noqa: S608 (paths of our own, and a condition from our own code)
    buffer = io.BytesIO()
    with duckdb.connect(config={"temp_directory": ""}) as connection:
        if not files.local:
            connection.register_filesystem(files.fs)
        rows = connection.sql(query).to_arrow_table()
        known = _SCHEMAS.get(table, rows.schema)
        fields = [known.field(f.name) if f.name in known.names else f for f in rows.schema]
        typed = rows.cast(pa.schema(fields, metadata=known.metadata))
        pq.write_table(typed, buffer, compression="zstd", row_group_size=_ROW_GROUP)
    files.put(target, buffer.getvalue(), f"the lake's table {table}")


def _count(files: Files, state: Generations) -> tuple[dict[str, int], int]:
    """Table -> files with rows that readers list, and all their bytes."""
    found = {t: [s for g in state.listed for s in files.with_rows(t, g).values()] for t in files.tables()}
    return {t: len(sizes) for t, sizes in found.items()}, sum(map(sum, found.values()))


def _due(lake: Lake, retired: Retired, grace: dt.timedelta) -> dt.datetime:
    """When a retired generation may go: the catalogue that doesn't list it has been there for as long as well."""
    since = dt.datetime.fromisoformat(retired.at)
    if lake.catalogue.exists():
        since = max(since, dt.datetime.fromtimestamp(lake.catalogue.stat().st_mtime, dt.UTC))
    return since + grace


def _files_of(files: Files, generation: int) -> dict[str, int]:
    """Path -> bytes of all files of a generation."""
    found = ((t, name, size) for t in files.tables() for name, size in files.listing(t, generation).items())
    return {files.path(table, generation, name): size for table, name, size in found}


def _remove_folders(files: Files, generation: int) -> None:
    if generation and files.local:
        for table in files.tables():
            with contextlib.suppress(OSError):  # one that isn't there, or isn't empty, harms nobody
                Path(files.path(table, generation, "")).rmdir()


def _half_written(lake: Lake, grace: dt.timedelta) -> dict[str, int]:
    """Path -> bytes of the files that killed writers left, in the lake and beside the catalogue."""
    files = lake.files
    if not files.local:
        return {}
    folders = [Path(files.path(t, g, "x")).parent for t in files.tables() for g in files.generations().listed]
    before = (_now() - max(grace, _WRITING)).timestamp()
    left = {}
    for path in (p for folder in [Path(files.root), lake.home, *folders] for p in folder.glob(".*.part")):
        with contextlib.suppress(FileNotFoundError):  # renamed as it is looked at: its writer lives
            if (seen := path.stat()).st_mtime < before:
                left[str(path)] = seen.st_size
    return left


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
