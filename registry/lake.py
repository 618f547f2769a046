"""The lake of datasets: immutable Parquet files, appended to; a view shows the current row of each id.

Layout: `<lake>/<table>/<time>-<run>-<n>.parquet`, and an empty typed file in each table; once small files have been
merged, in folders below (`registry.generations`). A file is written under another name and renamed, so no reader ever
sees half of one. Appending is the only write. What is done is remembered in the table `work`, written after its
outputs: killed in between, the outputs are written once more, with the same ids, and the views show them once. A work
is appended together with its outputs, so they bear the same `_at` and `_run`: that tells which rows a work made.

Times never go back, and rows bear the time at which their append began: another domain's rows that were appended
meanwhile are later, so for as long as an append takes (minutes, of what is drawn) `as_of` may still get rows.
"""

from __future__ import annotations

import atexit
import datetime as dt
import itertools
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from registry import schemas
from registry.arrow import from_table, schema, to_table
from registry.catalogue import build, current, files_sql, statements
from registry.errors import ConfigurationError
from registry.identity import sha256_of
from registry.lake_files import files_of
from registry.records import RECORDS, SCHEMA, Annotation, Page, Record, Work
from registry.settings import Settings
from registry.shared_files import SharedFiles
from registry.storage import storage

R = TypeVar("R", bound=Record)

PIECE = 5000
"""Rows that an append holds in memory, and writes into one file of each table."""

_AT_ONCE = 1000
"""Rows that are made into records at once."""

TICK = dt.timedelta(microseconds=1)
"""By how much two appends differ at least: a time has no more digits."""

_MINUTE = dt.timedelta(minutes=1)
_MARK = 32
"""Hexadecimal digits of an id that tell it from all others of an append."""


class Lake:
    """Reads and appends records.

    Args:
        url: fsspec URL of the lake, or a folder.
        home: Local folder for the catalogue `driftune.duckdb`.
        run: Name of the run, stamped on every row (`_run`).
    """

    def __init__(self, url: str, home: Path, run: str = "adhoc") -> None:
        self.url = url
        self.home = home
        self.run = run
        self.code = version("driftune")
        self.files = files_of(url, home, run)
        self._count = itertools.count()
        self._last: dt.datetime | None = None
        self._databases: dict[int, duckdb.DuckDBPyConnection] = {}
        self._views: dict[int, tuple[dict[str, list[str]], duckdb.DuckDBPyConnection]] = {}
        _lakes.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """A lake that is sent to another process opens its own database there."""
        return self.__dict__ | {"_databases": {}, "_views": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _lakes.add(self)

    def close(self) -> None:
        """Lets go of this process's database; reading opens one again."""
        if (database := self._databases.pop(os.getpid(), None)) is not None:
            database.close()
        if (views := self._views.pop(os.getpid(), None)) is not None:
            views[1].close()

    @cached_property
    def schema(self) -> int:
        """The schema that the lake is of (`registry.schemas`)."""
        return schemas.schema_of(self.files)

    def create(self) -> None:
        """Makes the empty typed file of every table, and the catalogue, where they are missing or outdated.

        Raises:
            ConfigurationError: The lake is of a newer schema.
        """
        schemas.check_known(self.files, self.schema)
        schemas.settle(self.files, self.schema)
        self.files.make_typed({record.table: schema(record) for record in RECORDS})
        if self.files.local:
            with storage("the catalogue", self.home):
                build(self.catalogue, self._patterns())

    @property
    def catalogue(self) -> Path:
        """The file of views."""
        return self.home / "driftune.duckdb"

    def _patterns(self) -> dict[str, list[str]]:
        return self.files.all_patterns([record.table for record in RECORDS])

    def append(self, records: Iterable[Record]) -> int:
        """Appends records of any kinds as they are drawn, so many at a time; the number of rows written.

        All of them bear one time. Of records with the same id the first is kept: a view shows one row of an id, and
        these are equally recent. Works should come last: they say that what they made is there.

        Raises:
            ConfigurationError: The lake is of another schema than today's: it is to be migrated first. Or a clock that
                was far ahead has written to it, or the clock is far behind.
        """
        schemas.check_current(self.files, self.schema)
        at = self._now()
        known: set[bytes] = set()
        piece: list[Record] = []
        for record in records:
            mark = bytes.fromhex(record.id[:_MARK])
            if mark not in known:
                known.add(mark)
                piece.append(record)
            if len(piece) == PIECE:
                self._write(piece, at)
                piece.clear()
        self._write(piece, at)
        return len(known)

    def _now(self) -> dt.datetime:
        """The time for what is appended now: after all that was done here before, also where a clock was set back.

        Else what is written later would be taken for what stood there before it.
        """
        now = self.files.now()
        if self._last is None:
            files = [files_sql(self.files.patterns(record.table)) for record in (Work, Annotation)]
            times = " UNION ALL ".join(f'SELECT max("_at") AS last FROM {each}' for each in files)
            with self._connect() as connection:
                [(found,)] = connection.execute(f"SELECT max(last) FROM ({times})").fetchall()
            self._last = found or dt.datetime.min.replace(tzinfo=dt.UTC)
        if (gap := self._last - now) > self.files.ahead:
            last, self._last = self._last, None  # looked at again by the next append: it may be put right by then
            raise ConfigurationError(
                f"The lake at {self.files.root} was last written to on {last:%Y-%m-%d %H:%M} UTC, which is"
                f" {gap - gap % _MINUTE} ahead of {self.files.clock}: what is written now would be as well."
                " Set the clock right if it is wrong; if it is right, have those rows put before now with driftune"
                " compact --clock-is-right",
                last=last.isoformat(),
            )
        self._last = max(now, self._last + TICK)
        return self._last

    def times(self, now: dt.datetime) -> tuple[dt.datetime | None, list[dt.datetime]]:
        """The last time up to now that rows bear, None where none does; and all times that are ahead of it."""
        found = " UNION ALL ".join(f'SELECT "_at" FROM {files_sql(patterns)}' for patterns in self._patterns().values())
        with self._connect() as connection:
            before = f'SELECT max("_at") FROM ({found}) WHERE "_at" <= $now'
            [(last,)] = connection.execute(before, {"now": now}).fetchall()
            ahead = f'SELECT DISTINCT "_at" FROM ({found}) WHERE "_at" > $now ORDER BY 1'
            return last, [at for (at,) in connection.execute(ahead, {"now": now}).fetchall()]

    def _write(self, records: Iterable[Record], at: dt.datetime) -> None:
        """Writes one file a table, in the tables' order."""
        by_table: dict[type[Record], list[Record]] = {}
        for record in records:
            by_table.setdefault(type(record), []).append(record)
        if by_table:
            with self.files.appending() as generation:
                for kind in sorted(by_table, key=RECORDS.index):
                    name = f"{at:%Y%m%dT%H%M%S%f}-{self.run}-{os.getpid()}-{next(self._count)}.parquet"
                    rows = to_table(by_table[kind], kind, at, self.run, self.code)
                    self.files.write(kind.table, generation, name, rows)

    def read(
        self,
        record: type[R],
        where: str = "true",
        parameters: Mapping[str, Any] | None = None,
        *,
        latest: int = 0,
        work: str | Sequence[str] = (),
        pages_of: Sequence[str] | None = None,
    ) -> list[R]:
        """The current records of a kind that satisfy an SQL condition, ordered by id.

        Args:
            record: The kind.
            where: Condition over the record's columns; `$name` refers to `parameters`.
            parameters: Values of the condition's parameters.
            latest: Only so many, the last written first; 0 for all.
            work: Only those that the work of this key made, or of these keys, as they made them; empty for all.
            pages_of: Of pages, or of what stands on pages: only those that works of these keys made, each of the page
                that its result names; a symbol that stands on several is given once for each. None for all.
        """
        order = f'"_at" DESC, id LIMIT {latest}' if latest else "id"
        among = self._made_by() if work else "true" if pages_of is None else self._page_made_by(record)
        works = [work] if isinstance(work, str) else list(work)
        wanted: dict[str, Any] = {"work": works} if work else {} if pages_of is None else {"works": list(pages_of)}
        each = "id" if pages_of is None or record is Page else "id, page"
        rows = current(record, self.files.patterns(record.table), among, each)
        query = f"SELECT * FROM ({rows}) WHERE {where} ORDER BY {order}"
        with self._connect() as connection:
            return from_table(connection.sql(query, params={**wanted, **(parameters or {})}).to_arrow_table(), record)

    def each(
        self,
        record: type[R],
        where: str = "true",
        parameters: Mapping[str, Any] | None = None,
        *,
        work: Sequence[str] = (),
    ) -> Iterator[R]:
        """The records of a kind that satisfy a condition, in no order, read as they are drawn.

        Nothing that hangs on how many there are is held in memory, but of those with several versions.

        Args:
            record: The kind.
            where: Condition over the record's columns. Unlike with `read`, of the versions of a row that satisfy it the
                last is given: columns that are part of the identity are the same in all.
            parameters: Values of the condition's parameters.
            work: Only those that the works of these keys made, as they made them; empty for all.
        """
        patterns = self.files.patterns(record.table)
        among = f"({where})" + (f" AND {self._made_by()}" if work else "")
        names = ", ".join(f'"{name}"' for name in schema(record).names)
        several = f"SELECT hash(id) FROM {files_sql(patterns)} WHERE {among} GROUP BY hash(id) HAVING count(*) > 1"
        query = f"""
            WITH several AS MATERIALIZED ({several})
            SELECT {names} FROM {files_sql(patterns)} WHERE {among} AND hash(id) NOT IN (FROM several)
            UNION ALL ({current(record, patterns, f"{among} AND hash(id) IN (FROM several)")})
        """
        wanted = dict(parameters or {}) | ({"work": list(work)} if work else {})
        with self._connect() as connection:
            for batch in connection.sql(query, params=wanted).to_arrow_reader(_AT_ONCE):
                yield from from_table(pa.Table.from_batches([batch]), record)

    def _made_by(self) -> str:
        """SQL condition for the versions of rows that were written with a work of a key in `$work`."""
        works = current(Work, self.files.patterns(Work.table))
        return f"""("_at", "_run") IN (SELECT ("_at", "_run") FROM ({works}) WHERE "key" IN (SELECT unnest($work)))"""

    def _page_made_by(self, record: type[Record]) -> str:
        """SQL condition for the versions of rows of a page that were written with its work, of a key in `$works`."""
        works = current(Work, self.files.patterns(Work.table))
        page = "id" if record is Page else "page"
        made = f"""SELECT ("_at", "_run", result ->> '$.page') FROM ({works}) WHERE "key" IN (SELECT unnest($works))"""
        return f"""("_at", "_run", {page}) IN ({made})"""

    def stream(self, record: type[R], where: str, parameters: Mapping[str, Any], rows: int) -> Iterator[list[R]]:
        """Records in the order of the files, so many rows at a time: of what is too much to be read at once.

        Every version of a row that satisfies the condition is given, so it should be of a kind that has but one.
        """
        names = ", ".join(f'"{name}"' for name in schema(record).names)
        query = f"SELECT {names} FROM {files_sql(self.files.patterns(record.table))} WHERE {where}"
        with self._connect() as connection:
            for batch in connection.sql(query, params=dict(parameters)).to_arrow_reader(rows):
                yield from_table(pa.Table.from_batches([batch]), record)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, is_a_persons: bool = False) -> pa.Table:
        """The result of one read-only query over the catalogue's views; columns of JSON are marked (`is_json`).

        What stands in a shared lake, as a domain's name, is a parameter's value and no part of a query's text. Should
        some get into it all the same, it begins no query of its own, which could write any file.

        Args:
            sql: The query; `$name` refers to `parameters`.
            parameters: Values of the query's parameters.
            is_a_persons: Whether somebody typed it, and nothing was put into it: then it may be several, as a setting
                and what is asked under it; the last one's result is given.

        Raises:
            ConfigurationError: DuckDB refuses the query, or it is several and not a person's.
        """
        try:
            with self.views() as connection:
                if not is_a_persons and (count := len(connection.extract_statements(sql))) > 1:
                    raise ConfigurationError(f"One query at a time: these are {count}", sql=sql)
                found = connection.sql(sql, params=dict(parameters) if parameters else None)
                return pa.table({}) if found is None else _mark_json(found.to_arrow_table(), found)
        except duckdb.Error as error:
            first = str(error).strip().splitlines()[0]
            raise ConfigurationError(f"The query failed: {first}", sql=sql) from error

    def work(self, stage: str | None = None) -> dict[str, Work]:
        """What is done: work by key, of one stage or of all."""
        where = "stage = $stage" if stage else "true"
        return {w.key: w for w in self.read(Work, where, {"stage": stage} if stage else None)}

    def migrate(self) -> None:
        """Takes the lake to today's schema: older driftunes that know of schemas refuse it from then on.

        Raises:
            ConfigurationError: It is of a newer one.
        """
        schemas.check_known(self.files, self.schema)
        with self.files.caring(), self.files.turning():
            schemas.mark(self.files, SCHEMA)
        del self.schema
        self.create()

    def fingerprint(self, tables: Iterable[str] | None = None) -> dict[str, str]:
        """Table -> hash over the sorted ids and digests of its rows: equal where two lakes are the same."""
        wanted = set(tables) if tables is not None else {r.table for r in RECORDS}
        marks = {}
        with self._connect() as connection:
            for record in RECORDS:
                if record.table in wanted:
                    rows = connection.execute(
                        f"SELECT id, digest FROM ({current(record, self.files.patterns(record.table))}) ORDER BY id"
                    ).fetchall()
                    marks[record.table] = sha256_of([list(row) for row in rows])
        return marks

    def views(self) -> duckdb.DuckDBPyConnection:
        """A connection to the views: to their file, or to those made for a lake that DuckDB reads in process alone."""
        if self.files.local:
            return duckdb.connect(str(self.catalogue), read_only=True)
        patterns, (known, connection) = self._patterns(), self._views.get(os.getpid(), (None, None))
        if connection is None or known != patterns:
            connection = self._open()
            for statement in statements(patterns):
                connection.execute(statement)
            self._views[os.getpid()] = patterns, connection
        return connection.cursor()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Of one database for all that is read, which holds nothing: opening it takes 18 ms of CPU, a cursor 0.3.

        Each process has its own: that of a parent waits forever for threads that a fork doesn't copy, also to close.
        """
        if (pid := os.getpid()) not in self._databases:
            self._databases.setdefault(pid, self._open())
        return self._databases[pid].cursor()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"enable_external_file_cache": False})  # else it would hold files' bytes
        if isinstance(self.files, SharedFiles):
            connection.register_filesystem(self.files.fs)
        return connection


_lakes: weakref.WeakSet[Lake] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What is still held when Python has ended, by an error's frames or a cycle, is told as leaked, line by line."""
    for lake in list(_lakes):
        lake.close()


def open_lake(run: str = "adhoc") -> Lake:
    """The lake that the environment names, with its tables' files and catalogue made where they are missing."""
    settings = Settings()
    lake = Lake(settings.lake_url, settings.root, run)
    lake.create()
    return lake


def _mark_json(table: pa.Table, relation: duckdb.DuckDBPyRelation) -> pa.Table:
    """Marks the columns that DuckDB holds for JSON: in Arrow they are text like any other."""
    json = {i for i, kind in enumerate(relation.types) if str(kind) == "JSON"}
    fields = [f.with_metadata({"duckdb": "JSON"}) if i in json else f for i, f in enumerate(table.schema)]
    return table.cast(pa.schema(fields)) if json else table


def is_json(field: pa.Field) -> bool:
    """Whether a column of a query's result holds JSON as text."""
    return bool((field.metadata or {}).get(b"duckdb") == b"JSON")
