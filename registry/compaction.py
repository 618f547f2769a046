"""`driftune compact` and `driftune gc`: many small files become few, beside readers and writers, and kill-safe.

`compact` leaves the generation that writers append to, copies all its rows into the next one as large files, and only
then tells readers to begin there; nothing is removed. `gc` removes what was left, once no reader can be using it. In
between, rows stand twice, and views show each id once. Killed at any point and started again, `compact` writes the
same files under the same names: a generation that was left does not change. A lake on an object store has no
generations: `registry.shared_compaction`.

Every row version is kept with its stamps (`_at, _run, _code`): `as_of` answers as before. But for bodies that nothing
was received as any more (`superseded`): what they say has been read, and they are most of what a site leaves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from registry import schemas
from registry.generations import Files, Generations, Retired, is_typed
from registry.identity import sha256_of
from registry.lake import Lake
from registry.lake_files import LakeFiles
from registry.records import Body
from registry.rewriting import Rewrite, as_one, bins
from registry.shared_compaction import merge, sweep
from registry.shared_files import SharedFiles
from registry.storage import storage

GRACE = dt.timedelta(hours=12)
"""How long a replaced file is kept for queries that began before: longer than any query over such a lake."""

_WRITING = dt.timedelta(hours=1)
"""What is younger may still be written, whatever the grace."""


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
    lake: Lake,
    *,
    grace: dt.timedelta = GRACE,
    without: Mapping[str, str] | None = None,
    times: pa.Table | None = None,
) -> Compacted:
    """Merges the lake's small files.

    Args:
        lake: The lake, created.
        grace: How long replaced files are kept.
        without: Table -> SQL condition over its columns: rows that are left behind, in every version.
        times: Columns `before` and `after`: another time for the rows of a time.
    """
    schemas.check_current(lake.files, lake.schema)
    lake.create()  # a catalogue that still lists a retired generation is made anew, and its grace begins now
    with lake.files.caring():
        bodies, left_behind = superseded(lake, grace)
        if bodies:
            conditions = [left_behind, *([without[Body.table]] if without and Body.table in without else [])]
            without = {**(without or {}), Body.table: " OR ".join(f"({each})" for each in conditions)}
        _collect(lake, grace)
        before, size = _count(lake.files)
        waits = _merge_all(lake, grace, Rewrite(without or {}, times))
        if waits is not None:
            return Compacted(before, before, size, size, waits)
        after, now = _count(lake.files)
        return Compacted(before, after, size, now, bodies=bodies)


def _merge_all(lake: Lake, grace: dt.timedelta, rewrite: Rewrite) -> str | None:
    """None where files were merged; else until when nothing is, or nothing where none are to be."""
    files = lake.files
    if isinstance(files, SharedFiles):
        return None if merge(files, rewrite) else ""
    state = files.generations()
    if state.retired:
        return _due(lake, state.retired[-1], grace).isoformat()
    if state.oldest == state.newest and not rewrite.needed and not _is_scattered(files, state.newest):
        return ""
    _move_rows(files, state, rewrite)
    lake.create()
    return None


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
    if isinstance(files, SharedFiles):
        gone, kept = sweep(files, grace, dry=dry)
        if not grace and not dry:
            files.forget_copies()
        return Collected(len(gone), sum(gone.values()), len(kept), max(kept.values()).isoformat() if kept else "")
    state = files.generations()
    due = [r for r in state.retired if not grace or _due(lake, r, grace) <= _now()]  # without grace, whatever the clock
    kept_back = [r for r in state.retired if r not in due]
    doomed = _half_written(lake, files, grace)
    for retired in due:
        doomed |= _files_of(files, retired.generation)
    if not dry:
        for path in doomed:
            with contextlib.suppress(FileNotFoundError):
                files.fs.rm_file(path)
        for retired in due:
            _remove_folders(files, retired.generation)
        if due:
            files.set_generations(dataclasses.replace(state, retired=tuple(kept_back)))
    waiting = sum(len(_files_of(files, r.generation)) for r in kept_back)
    until = _due(lake, kept_back[-1], grace).isoformat() if kept_back else ""
    return Collected(len(doomed), sum(doomed.values()), waiting, until)


def _move_rows(files: Files, state: Generations, rewrite: Rewrite) -> None:
    """Leaves the newest generation, unless a killed compaction has, and copies the rows of all older ones into it."""
    if state.oldest == state.newest or rewrite.needed:  # what a killed compaction has copied is gone through as well
        state = _turn(files, state)
    left = range(state.oldest, state.newest)
    for table in files.tables():
        for generation in left:
            _merge(files, table, generation, state.newest, rewrite)
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
    return any(len(found) > len(list(bins(found))) for found in listings)


def _merge(files: Files, table: str, old: int, new: int, rewrite: Rewrite) -> None:
    """Copies the rows of a table's generation into the next one."""
    for names in bins(files.with_rows(table, old)):
        paths = [files.path(table, old, name) for name in names]
        target = files.path(table, new, f"1-{old}-{sha256_of([*names, *rewrite.mark(table)])[:16]}.parquet")
        if len(paths) == 1 and not rewrite.touches(table):
            _take_over(files, paths[0], target)
        else:
            _write_merged(files, table, paths, target, rewrite)


def _take_over(files: Files, source: str, target: str) -> None:
    """The same file in another generation: a second name for it."""
    if files.fs.exists(target):
        return
    with storage("the lake", target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            Path(target).hardlink_to(source)
        except OSError:  # a filesystem without links
            partial = Path(target).with_name(f".{Path(target).name}.part")
            shutil.copyfile(source, partial)
            partial.replace(target)


def _write_merged(files: Files, table: str, paths: list[str], target: str, rewrite: Rewrite) -> None:
    """Writes the rows of several files as one."""
    files.put(target, as_one(table, paths, rewrite)[1], f"the lake's table {table}")


def _count(files: LakeFiles) -> tuple[dict[str, int], int]:
    """Table -> files with rows that readers list, and all their bytes."""
    if isinstance(files, SharedFiles):
        found = {t: list(files.listing(t).values()) for t in files.tables()}
    else:
        listed = files.generations().listed
        found = {t: [s for g in listed for s in files.with_rows(t, g).values()] for t in files.tables()}
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
    if generation:
        for table in files.tables():
            with contextlib.suppress(OSError):  # one that isn't there, or isn't empty, harms nobody
                Path(files.path(table, generation, "")).rmdir()


def _half_written(lake: Lake, files: Files, grace: dt.timedelta) -> dict[str, int]:
    """Path -> bytes of the files that killed writers left, in the lake and beside the catalogue."""
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
