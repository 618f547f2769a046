"""Compaction and garbage collection of a lake on an object store, beside any number of writers, readers and its like.

A compaction writes merged files under names of its own and then one record that names them, with those they take the
place of. Where another has said something meanwhile its record isn't made: it begins again. So nothing that is read is
ever missing, and nothing hangs on when: a collection that is about to remove what a killed compaction left says so in a
record first, after which that compaction, should it still live, is refused. Its number is taken for a day at least, and
who slept for half of that makes no record.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from registry.errors import RegistryError
from registry.objects import Stored
from registry.rewriting import Rewrite, as_one, bins
from registry.shared_files import RECORDS_OF_MERGES, RECORDS_S, Merges, SharedFiles, is_merged, record_path
from registry.turns import store_time

_TRIES = 5
_AT_ONCE = 8
_WRITING_S = 3600.0
"""Seconds that a merged file which no record names stays: its compaction may still be under way, and begin again."""


def merge(files: SharedFiles, rewrite: Rewrite) -> bool:
    """Merges small files of each table; whether there was anything to do.

    Args:
        files: The lake's.
        rewrite: What is changed of their rows.

    Raises:
        RegistryError: Others merge all the time.
    """
    for _ in range(_TRIES):
        merges = files.merges()
        made: dict[str, int] = {}
        replaced: list[str] = []
        with contextlib.suppress(FileNotFoundError):  # another has merged it, and had it removed at once
            for table in files.tables():
                for found in _together(files, table, rewrite):
                    made |= _merged(files, table, found, rewrite)
                    replaced += found
            if not replaced:
                return False
            if files.say(merges.after(made, replaced)):
                return True
        for path in made:  # which nobody knows of
            files.objects.delete(path)
    raise _busy(files)


def _together(files: SharedFiles, table: str, rewrite: Rewrite) -> Iterator[dict[str, int]]:
    """Path -> bytes of files that become one."""
    found = files.listing(table)
    return ({path: found[path] for path in paths} for paths in bins(found) if len(paths) > 1 or rewrite.touches(table))


def _merged(files: SharedFiles, table: str, found: Mapping[str, int], rewrite: Rewrite) -> dict[str, int]:
    """Writes the rows of several files as one: its path and bytes; nothing where none is left."""
    count, data = as_one(table, files.readable(found), rewrite, files.fs)
    if not count:
        return {}
    path = files.merged_path(table)
    files.put_file(path, data)
    return {path: len(data)}


def sweep(files: SharedFiles, grace: dt.timedelta, *, dry: bool) -> tuple[dict[str, int], dict[str, dt.datetime]]:
    """Removes what was replaced, and what killed compactions left; what went with its bytes, and what may go when.

    Args:
        files: The lake's.
        grace: How long replaced files are kept, by the store's times; without any they go whatever its clock says, and
            with them all that no record names: rows that were forgotten may be in it.
        dry: Remove nothing.

    Raises:
        RegistryError: Others merge, or collect, all the time.
    """
    for _ in range(_TRIES):
        merges = files.merges()
        stored = {each.path: each for each in files.stored()}
        said = {each.path: each.time for each in files.objects.walk(RECORDS_OF_MERGES)}
        if not merges.replaced and not any(is_merged(path) for path in stored.keys() - merges.made.keys()):
            return {}, {}
        now = store_time(files.objects)
        until = {path: said.get(record_path(n), 0.0) + grace.total_seconds() for path, n in merges.replaced.items()}
        due = {path for path, end in until.items() if not grace or end <= now}
        left = _left(stored, merges, now - max(grace.total_seconds(), _WRITING_S) if grace else math.inf)
        kept = {path: dt.datetime.fromtimestamp(end, dt.UTC) for path, end in until.items() if path not in due}
        gone = {path: stored[path].size for path in sorted({*due, *left} & stored.keys())}
        stale = {path for path, time in said.items() if time <= now - RECORDS_S}
        if dry or not (due or left) or _removed(files, merges, due, left, stale):
            return gone, kept
    raise _busy(files)


def _left(stored: Mapping[str, Stored], merges: Merges, before: float) -> set[str]:
    """Merged files that no record names, written before a time of the store's."""
    named = {*merges.made, *merges.replaced}
    return {path for path, each in stored.items() if is_merged(path) and path not in named and each.time <= before}


def _removed(files: SharedFiles, merges: Merges, due: set[str], left: set[str], stale: set[str]) -> bool:
    """Whether nobody else has said anything meanwhile: then they are gone."""
    if left:  # from now on who wrote them is refused
        merges = merges.after({}, left)
        if not files.say(merges):
            return False
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(files.objects.delete, {*due, *left}):
            pass
    last = merges.without({*due, *left})
    if files.say(last):  # else the next collection finds that they are gone
        for path in stale - {record_path(number) for number in (last.number, *last.replaced.values())}:
            files.objects.delete(path)
    return True


def _busy(files: SharedFiles) -> RegistryError:
    return RegistryError(f"Others merge files of {files.root} all the time: try again later", retryable=True)
