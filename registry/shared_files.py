"""The files of a lake on an object store, where many machines write, read and merge at once, and nobody locks.

    <lake>/<table>/<time>-<run>-<n>.parquet     what was appended: it never changes
    <lake>/<table>/1-merged-<random>.parquet    rows of several such files
    <lake>/_merges/00000007.json                which merged files there are, and which files nobody reads any more

A reader lists a table's files, and then reads the record with the highest number: he reads what is listed but for what
it says is replaced, and the merged files that it names. A record is created only if absent, so of two who merge at once
one is refused. What it says is replaced goes after a while (`registry.shared_compaction`); until then whoever began to
read before the record was there finds it.

Files don't change, so a small one is fetched once and kept in the home; of a large one a query fetches what it needs.
Who holds a domain is the only one to write of it: what such a run has listed it takes for what there is, for a second.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import glob
import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa

from registry.arrow import as_parquet, typed_name
from registry.errors import RegistryError
from registry.identity import sha256_of
from registry.lock import check_held, held_since
from registry.objects import Stored
from registry.objects_s3 import S3Objects
from registry.storage import write_file
from registry.turns import clock, store_time

T = TypeVar("T")

SMALL = 16 << 20
"""Bytes up to which a file is fetched as a whole, and kept."""

COPIES = "copies"
"""Folder of copies in a home."""
RECORDS_OF_MERGES = "_merges"
RECORDS_S = 24 * 3600.0
"""Seconds that a record stays at least: so long its number is nobody else's."""
_MERGED = "1-merged-"
_TRIES = 5
_SEEN_S = 1.0
"""Seconds for which who holds a domain may not see what others write of theirs: a stage lists some tables ten times."""
_AT_ONCE = 8
"""Files that are fetched, or tables that are listed, at a time."""
_IN_USE_S = 3600.0
"""Seconds that the copy of a file stays at least after it was used: a query that began then may still read it."""


@dataclass(frozen=True)
class Merges:
    """What the record with the highest number says.

    Attributes:
        number: Its number; 0 where there is none.
        made: Path -> bytes of the merged files that are read.
        replaced: Path of a file that isn't read any more -> number of the record that said so first.
    """

    number: int = 0
    made: Mapping[str, int] = field(default_factory=dict)
    replaced: Mapping[str, int] = field(default_factory=dict)

    def after(self, made: Mapping[str, int], replaced: Iterable[str]) -> Merges:
        """The next record: with these merged files, and without those that they take the place of."""
        gone = dict.fromkeys(replaced, self.number + 1)
        kept = {path: size for path, size in {**self.made, **made}.items() if path not in gone}
        return Merges(self.number + 1, kept, {**self.replaced, **gone})

    def without(self, removed: Collection[str]) -> Merges:
        """The next record: these files are gone."""
        left = {path: number for path, number in self.replaced.items() if path not in removed}
        return dataclasses.replace(self, number=self.number + 1, replaced=left)


class SharedFiles:
    """The files of a lake on an object store.

    Args:
        url: fsspec URL of the lake.
        home: Local folder; copies are kept in it.
        run: Name of the run that appends: one that has lost a domain doesn't.
    """

    local = False
    clock = "the store's clock"
    ahead = dt.timedelta(hours=1)
    """By how much the lake's last time may be ahead of the clock: only an earlier driftune's can be."""

    def __init__(self, url: str, home: Path, run: str = "") -> None:
        self.objects = S3Objects(url)
        self.root = self.objects.url
        self.run = run
        self._copies = home / COPIES / sha256_of(self.root)[:16]
        self._newest = Merges()
        self._asked = clock()
        self._looks: dict[str, tuple[float, object, Any]] = {}
        self._changes: dict[str, object] = {}  # what marks the last thing written to a table
        self._zero: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Another machine counts from another moment."""
        return self.__dict__ | {"_zero": None}

    def now(self) -> dt.datetime:
        """The time now, by the `clock` that stamps what is appended: asked once, whatever the machine's shows."""
        if self._zero is None:
            self._zero = store_time(self.objects) - clock()
        return dt.datetime.fromtimestamp(self._zero + clock(), dt.UTC)

    @property
    def fs(self) -> Any:
        """The filesystem, through which DuckDB reads large files."""
        return self.objects.fs

    def tables(self) -> list[str]:
        """The names of the tables that have a folder, those of newer versions of driftune too."""
        return [name for name in self.objects.names("") if name[0] not in "._" and "." not in name]

    def merges(self) -> Merges:
        """What the record with the highest number says now."""
        self._asked = clock()
        while numbers := self.numbers():
            if numbers[-1] == self._newest.number:
                return self._newest
            with contextlib.suppress(FileNotFoundError):  # a higher one was made meanwhile, and this one has gone
                said = json.loads(self.objects.read(record_path(numbers[-1])))
                self._newest = Merges(numbers[-1], said["made"], said["replaced"])
                return self._newest
        return Merges()

    def numbers(self) -> list[int]:
        """Numbers of the records that there are."""
        return sorted(int(name.removesuffix(".json")) for name in self.objects.names(RECORDS_OF_MERGES))

    def say(self, merges: Merges) -> bool:
        """Makes a record; false where another has made one with this number, or may have in the time since `merges`."""
        if clock() - self._asked > RECORDS_S / 2:  # it slept: what had this number may be gone
            return False
        self._looks.clear()
        said = {"made": dict(merges.made), "replaced": dict(merges.replaced), "by": os.urandom(8).hex()}
        return self.objects.create(record_path(merges.number), json.dumps(said).encode())

    def listing(self, table: str) -> dict[str, int]:
        """Path -> bytes of the files with rows that a reader of a table reads."""
        return self._read_now(self._appended(table), self.merges(), table)

    def sources(self, tables: Collection[str]) -> dict[str, list[str]]:
        """Table -> what a query reads of it: files of this machine, and URLs of those that are too large to be kept."""
        for _ in range(_TRIES):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                known, listed = self._newest, dict(zip(tables, pool.map(self._listed, tables), strict=True))
            # after the listing: what it says is replaced is never missed then
            merges = self._seen(RECORDS_OF_MERGES, self.merges)
            if merges.number != known.number:  # what was listed before it may say otherwise, or be gone
                self._looks.clear()
                continue
            read = {table: self._read_now(found, merges, table) for table, found in listed.items()}
            with contextlib.suppress(FileNotFoundError):  # replaced, and removed at once, since it was listed
                for table, found in read.items():
                    copied = self._copied(table)
                    self._fetch(path for path, size in found.items() if size <= SMALL and path not in copied)
                    self._tidy(copied - found.keys() - merges.replaced.keys())
                    self._check_large(found, merges)
                return {table: [self._source(path, size) for path, size in read[table].items()] for table in tables}
            self._looks.clear()
        raise RegistryError(f"Files of {self.root} are removed faster than they can be read: try again", retryable=True)

    def readable(self, found: Mapping[str, int]) -> list[str]:
        """Where to read some files of a table, by their sizes: here, or by their URLs.

        Raises:
            FileNotFoundError: One is gone.
        """
        copied = self._copied(next(iter(found)).partition("/")[0])
        self._fetch(path for path, size in found.items() if size <= SMALL and path not in copied)
        return [str(self._used(path)) if size <= SMALL else f"{self.root}/{path}" for path, size in found.items()]

    def patterns(self, table: str) -> list[str]:
        """What a query reads of a table, as globs; the first is empty, and has the schema."""
        return self._typed([table])[table] + self.sources([table])[table]

    def all_patterns(self, tables: Collection[str]) -> dict[str, list[str]]:
        """Table -> what a query reads of it, as globs."""
        typed, sources = self._typed(tables), self.sources(tables)
        return {table: typed[table] + sources[table] for table in tables}

    def make_typed(self, schemas: Mapping[str, pa.Schema]) -> None:
        """Gives each table an empty file of its schema, in the home: a query has one to read, and knows all columns."""
        for table, schema in schemas.items():
            place = self._copies / table / typed_name(schema)
            if not place.exists():
                write_file(place, as_parquet(schema.empty_table()), "the lake's copies")

    def youngest(self, table: str) -> str | None:
        """The file of a table that was appended last, as `fs` names it."""
        names = sorted(self.listing(table))
        return f"{self.objects.place}/{names[-1]}" if names else None

    def said(self, name: str) -> bytes | None:
        """What a small file beside the tables says; None where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return self.objects.read(name)
        return None

    def say_beside(self, name: str, data: bytes, _what: str) -> None:
        """Writes a small file beside the tables; and the first record: looking for none takes twice as long."""
        self.objects.put(name, data)
        self.say(Merges(1))

    @contextlib.contextmanager
    def appending(self) -> Iterator[int]:
        """Where to append to: always the same place.

        Raises:
            LockedError: Another run has taken over a domain that this one held.
        """
        check_held(self.run)
        yield 0

    @contextlib.contextmanager
    def caring(self) -> Iterator[None]:
        """Nobody is held off: who comes second is refused when he says what he has done."""
        yield

    turning = caring

    def write(self, table: str, _generation: int, name: str, rows: pa.Table) -> None:
        """Writes a file of rows; it appears whole or not at all."""
        self.put_file(f"{table}/{name}", as_parquet(rows))

    def put_file(self, path: str, data: bytes) -> None:
        """Writes a file, and keeps a copy where it is small: who writes rows mostly reads them next."""
        self.objects.put(path, data)
        self._changes[path.partition("/")[0]] = object()
        if len(data) <= SMALL:
            write_file(self._copies / path, data, "the lake's copies")

    def merged_path(self, table: str) -> str:
        """Where to write a merged file: under a name that nobody else has."""
        return f"{table}/{_MERGED}{os.urandom(8).hex()}.parquet"

    def forget_copies(self) -> None:
        """Removes the copies of all files that are gone, also such as a query may still read."""
        merges = self.merges()
        for table in (folder.name for folder in self._copies.iterdir()):
            self._tidy(self._copied(table) - self.listing(table).keys() - merges.replaced.keys(), in_use_s=0)

    def stored(self) -> list[Stored]:
        """Every file with rows, whether it is read or not."""
        found = (stored for table in self.tables() for stored in self.objects.walk(table))
        return [stored for stored in found if _holds_rows(stored.path)]

    def _listed(self, table: str) -> dict[str, int]:
        def look() -> dict[str, int]:
            found = self._appended(table)
            self._looks.pop(RECORDS_OF_MERGES, None)  # the record that goes with a listing is looked at after it
            return found

        return self._seen(table, look)

    def _seen(self, name: str, look: Callable[[], T]) -> T:
        """What a look gives: the last one's, where who holds a domain looked lately, and nothing was written since."""
        now, change = clock(), self._changes.get(name)
        when, before, seen = self._looks.get(name, (-math.inf, None, None))
        if held_since(self.run) < when and now - when < _SEEN_S and before is change:
            return cast(T, seen)
        found = look()
        self._looks[name] = now, change, found
        return found

    def _appended(self, table: str) -> dict[str, int]:
        found = {stored.path: stored.size for stored in self.objects.walk(table)}
        return {path: size for path, size in sorted(found.items()) if _holds_rows(path) and not is_merged(path)}

    def _read_now(self, appended: Mapping[str, int], merges: Merges, table: str) -> dict[str, int]:
        made = {path: size for path, size in merges.made.items() if path.startswith(f"{table}/")}
        return {path: size for path, size in {**made, **appended}.items() if path not in merges.replaced}

    def _typed(self, tables: Iterable[str]) -> dict[str, list[str]]:
        return {t: [glob.escape(str(p)) for p in sorted((self._copies / t).glob("0-*.parquet"))] for t in tables}

    def _source(self, path: str, size: int) -> str:
        return glob.escape(str(self._used(path)) if size <= SMALL else f"{self.root}/{path}")

    def _used(self, path: str) -> Path:
        """Where the copy of a file is, which is in use from now on.

        Raises:
            FileNotFoundError: It has made room meanwhile.
        """
        copy = self._copies / path
        os.utime(copy)
        return copy

    def _check_large(self, found: Mapping[str, int], merges: Merges) -> None:
        """Looks for the files that aren't fetched, but for those that the record names.

        Raises:
            FileNotFoundError: One was replaced since it was listed, and is gone.
        """
        for path, size in found.items():
            if size > SMALL and path not in merges.made and self.objects.stat(path) is None:
                raise FileNotFoundError(path)

    def _copied(self, table: str) -> set[str]:
        """Paths of the files of a table that are kept here."""
        found = (Path(folder, name) for folder, _, names in os.walk(self._copies / table) for name in names)
        return {path.relative_to(self._copies).as_posix() for path in found if _holds_rows(path.name)}

    def _fetch(self, paths: Iterable[str]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._fetch_one, paths):
                pass

    def _fetch_one(self, path: str) -> None:
        write_file(self._copies / path, self.objects.read(path), "the lake's copies")

    def _tidy(self, gone: Iterable[str], in_use_s: float = _IN_USE_S) -> None:
        """Removes copies of what is gone: what was forgotten isn't to be found here either."""
        before = time.time() - in_use_s
        for copy in (self._copies / path for path in gone):
            with contextlib.suppress(FileNotFoundError):
                if copy.stat().st_mtime <= before:
                    copy.unlink()


def trim_copies(home: Path, wanted: int) -> int:
    """Removes copies of lakes' files in a home, used longest ago first; how many bytes, as many as are wanted or less.

    They are fetched again. Those that a query may still read stay.
    """
    before, removed = time.time() - _IN_USE_S, 0
    copies = [path for path in (home / COPIES).rglob("*.parquet") if _holds_rows(path.name)]
    for used, size, path in sorted(_seen_at(copies)):
        if removed >= wanted or used > before:
            break
        path.unlink(missing_ok=True)
        removed += size
    return removed


def _seen_at(copies: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    for path in copies:
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def record_path(number: int) -> str:
    """Where a record of merges is."""
    return f"{RECORDS_OF_MERGES}/{number:08d}.json"


def is_merged(path: str) -> bool:
    """Whether a file is one that a compaction wrote."""
    return path.rpartition("/")[2].startswith(_MERGED)


def _holds_rows(path: str) -> bool:
    """Whether a file isn't one of the empty ones that an earlier driftune put into each table."""
    name = path.rpartition("/")[2]
    return name.endswith(".parquet") and not name.startswith("0-")
