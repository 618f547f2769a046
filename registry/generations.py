"""Generations: where the files of a lake in a folder lie, so that small ones can be merged beside readers and writers.

A query lists a folder and opens its files later, some more than once. So a file that a view still lists can't be
removed at any moment without failing some query. Hence the files lie in generations: `<table>/` holds the files of
generation 0, `<table>/<n>/` those of generation n, and `generations.json` says which there are:

* a reader lists `oldest` to `newest + 1`: what was opened before the next turn sees what is appended after it;
* a writer appends to `newest`, and holds a shared lock while it does, so that a generation that was left gets no
  more files. Readers hold no lock;
* `retired` ones are listed by no new reader, are wholly contained in the others, and go when no old reader is left.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import glob
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa

from registry.arrow import as_parquet, typed_name
from registry.lock import check_held
from registry.storage import storage, write_file

_STATE = "generations.json"
_WRITERS = ".writers.lock"
_CARE = ".care.lock"


@dataclass(frozen=True)
class Retired:
    """A generation that no new reader lists.

    Attributes:
        generation: Its number.
        at: Since when, as ISO text.
    """

    generation: int
    at: str


@dataclass(frozen=True)
class Generations:
    """What `generations.json` says.

    Attributes:
        oldest: The first that a reader lists.
        newest: The one that writers append to.
        retired: Those that may go once no reader is left that lists them.
    """

    oldest: int = 0
    newest: int = 0
    retired: tuple[Retired, ...] = ()

    @property
    def listed(self) -> range:
        """The generations that a reader lists; the last is the next one's, still empty."""
        return range(self.oldest, self.newest + 2)


class Files:
    """The files of a lake in a folder.

    Args:
        url: The folder, or its fsspec URL.
        run: Name of the run that appends: one that has lost a domain doesn't.

    Attributes:
        fs: The filesystem.
        root: The lake's folder on it.
    """

    local = True
    clock = "this machine's clock"
    ahead = dt.timedelta(days=3)
    """By how much the lake's last time may be ahead of the clock, which may be wrong: hours and days pass."""

    def __init__(self, url: str, run: str = "") -> None:
        self.run = run
        self.fs, self.root = fsspec.core.url_to_fs(url)

    def now(self) -> dt.datetime:
        """The time now, by the `clock` that stamps what is appended."""
        return dt.datetime.now(dt.UTC)

    def generations(self) -> Generations:
        """Which generations there are now."""
        try:
            state: dict[str, Any] = json.loads(self.fs.cat_file(f"{self.root}/{_STATE}"))
        except (FileNotFoundError, NotADirectoryError):
            return Generations()
        return Generations(state["oldest"], state["newest"], tuple(Retired(**r) for r in state["retired"]))

    def set_generations(self, state: Generations) -> None:
        """Writes which generations there are; what a reader lists must be there before."""
        self.put(f"{self.root}/{_STATE}", json.dumps(asdict(state)).encode(), "the lake's generations")

    def patterns(self, table: str) -> list[str]:
        """Globs of the files that a reader of a table lists; what is no wildcard is escaped."""
        root = glob.escape(self.root)  # a folder's name is no pattern
        return [_folder(f"{root}/{table}", g) + "/*.parquet" for g in self.generations().listed]

    def tables(self) -> list[str]:
        """The names of the tables that have a folder, those of newer versions of driftune too."""
        if not self.fs.isdir(self.root):
            return []
        found = self.fs.ls(self.root, detail=True)
        return sorted(n for f in found if f["type"] == "directory" and (n := _name(f))[0] not in "._")

    def listing(self, table: str, generation: int) -> dict[str, int]:
        """Name -> bytes of the files that a table has in a generation, the typed and half-written ones too."""
        folder = _folder(f"{self.root}/{table}", generation)
        if not self.fs.isdir(folder):
            return {}
        names = sorted(e.name for e in os.scandir(folder) if not e.is_dir())
        sizes = ((name, _size(Path(folder, name))) for name in names)  # others rename theirs as they are listed
        return {name: size for name, size in sizes if size is not None}

    def with_rows(self, table: str, generation: int) -> dict[str, int]:
        """Name -> bytes of the whole files with rows that a table has in a generation."""
        found = self.listing(table, generation)
        return {n: size for n, size in found.items() if n.endswith(".parquet") and not is_typed(n)}

    def path(self, table: str, generation: int, name: str) -> str:
        """Where a file lies, as the filesystem names it."""
        return _folder(f"{self.root}/{table}", generation) + "/" + name

    def all_patterns(self, tables: Collection[str]) -> dict[str, list[str]]:
        """Table -> globs of its files."""
        return {table: self.patterns(table) for table in tables}

    def make_typed(self, schemas: Mapping[str, pa.Schema]) -> None:
        """Gives each table an empty file of its schema in each generation: no glob is empty, no column unknown."""
        for generation in self.generations().listed:
            for table, schema in schemas.items():
                name = typed_name(schema)
                if not self.fs.exists(self.path(table, generation, name)):
                    self.write(table, generation, name, schema.empty_table())

    def write(self, table: str, generation: int, name: str, rows: pa.Table) -> None:
        """Writes a file of rows; it appears whole or not at all."""
        self.put(self.path(table, generation, name), as_parquet(rows), f"the lake's table {table}")

    def youngest(self, table: str) -> str | None:
        """The file of a table that was appended last, as `fs` names it."""
        for generation in reversed(self.generations().listed):
            if names := sorted(self.with_rows(table, generation)):
                return self.path(table, generation, names[-1])
        return None

    def said(self, name: str) -> bytes | None:
        """What a small file beside the tables says; None where there is none."""
        try:
            return Path(self.root, name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def say_beside(self, name: str, data: bytes, what: str) -> None:
        """Writes a small file beside the tables."""
        self.put(f"{self.root}/{name}", data, what)

    @contextlib.contextmanager
    def appending(self) -> Iterator[int]:
        """The generation to append to: while the block runs it is not left. A lock that dies with its holder.

        Raises:
            LockedError: Another run has taken over a domain that this one held.
        """
        check_held(self.run)
        with self._locked(_WRITERS, fcntl.LOCK_SH):
            yield self.generations().newest

    @contextlib.contextmanager
    def turning(self) -> Iterator[None]:
        """Within the block nobody appends, so the newest generation can be left."""
        with self._locked(_WRITERS, fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def caring(self) -> Iterator[None]:
        """Within the block nobody else turns, merges or removes; others wait."""
        with self._locked(_CARE, fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        path = Path(self.root) / name
        with storage("the lake's lock", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        with file:
            fcntl.flock(file, how)
            yield

    def put(self, path: str, data: bytes, what: str) -> None:
        """Writes a file that appears whole or not at all."""
        write_file(Path(path), data, what)


def is_typed(name: str) -> bool:
    """Whether a file of this name is one that only carries the schema."""
    return name.startswith("0-") or name == "0.parquet"


def _size(path: Path) -> int | None:
    """Its bytes, None where it has just gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rsplit("/", 1)[-1]


def _folder(table: str, generation: int) -> str:
    return f"{table}/{generation}" if generation else table
