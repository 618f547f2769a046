"""What a compaction writes: which files are merged with which, and the rows of several files as one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from registry.arrow import schema
from registry.catalogue import files_sql
from registry.records import RECORDS

TARGET = 64 << 20
"""Bytes of a merged file, about; a file of half as much is taken over as it is."""

_ROW_GROUP = 20_000
"""Rows in a group: rows are ordered by id, so one id is found in one group."""


@dataclass(frozen=True)
class Rewrite:
    """What is changed of the rows that are merged; nothing where it says nothing.

    Attributes:
        without: Table -> SQL condition over its columns: rows that are left behind, in every version.
        times: Columns `before` and `after`: another time for the rows of a time.
    """

    without: Mapping[str, str] = field(default_factory=dict)
    times: pa.Table | None = None

    @property
    def needed(self) -> bool:
        """Whether it changes anything."""
        return bool(self.without) or self.times is not None

    def touches(self, table: str) -> bool:
        """Whether it may change rows of a table."""
        return table in self.without or self.times is not None

    def mark(self, table: str) -> list[str]:
        """What it does to a table, for the names of files that it writes."""
        times = [] if self.times is None else [str(self.times["after"][0])]
        return [self.without.get(table, ""), *times]


_SCHEMAS = {record.table: schema(record) for record in RECORDS}


def bins(found: Mapping[str, int]) -> Iterator[list[str]]:
    """Names of files to merge with each other, by their sizes; a large one stands alone."""
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


def as_one(table: str, paths: Sequence[str], rewrite: Rewrite, fs: Any = None) -> tuple[int, bytes]:
    """The rows of several files as one, ordered by id, each version of a row once: how many, and the file.

    Args:
        table: Their table.
        paths: The files.
        rewrite: What is changed of them.
        fs: Filesystem of those that are no files of this machine.
    """
    without = rewrite.without.get(table, "")
    keep = f"WHERE ({without}) IS NOT TRUE" if without else ""
    source = files_sql(paths)
    if rewrite.times is not None:
        source = f"""(SELECT r.* REPLACE (coalesce(times.after, r."_at") AS "_at")
            FROM {source} r LEFT JOIN times ON r."_at" = times.before)"""  # noqa: S608 (paths of our own)
    query = f"""
        SELECT * FROM (SELECT * FROM {source} {keep}
        QUALIFY row_number() OVER (PARTITION BY id, digest, "_at", "_run") = 1) ORDER BY id, "_at"
    """  # noqa: S608 (paths of our own, and a condition from our own code)
    buffer = io.BytesIO()
    with duckdb.connect(config={"temp_directory": ""}) as connection:
        if fs is not None:
            connection.register_filesystem(fs)
        if rewrite.times is not None:
            connection.register("times", rewrite.times)
        rows = connection.sql(query).to_arrow_table()
        known = _SCHEMAS.get(table, rows.schema)
        fields = [known.field(f.name) if f.name in known.names else f for f in rows.schema]
        typed = rows.cast(pa.schema(fields, metadata=known.metadata))
        pq.write_table(typed, buffer, compression="zstd", row_group_size=_ROW_GROUP)
    return rows.num_rows, buffer.getvalue()
