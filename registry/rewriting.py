"""What a compaction writes: which files are merged with which, and the rows of several files as one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
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


def as_one(table: str, paths: Sequence[str], without: str = "", fs: Any = None) -> tuple[int, bytes]:
    """The rows of several files as one, ordered by id, each version of a row once: how many, and the file.

    Args:
        table: Their table.
        paths: The files.
        without: SQL condition: rows that are left behind, in every version.
        fs: Filesystem of those that are no files of this machine.
    """
    keep = f"WHERE ({without}) IS NOT TRUE" if without else ""
    query = f"""
        SELECT * FROM (SELECT * FROM {files_sql(paths)} {keep}
        QUALIFY row_number() OVER (PARTITION BY id, digest, "_at", "_run") = 1) ORDER BY id, "_at"
    """  # noqa: S608 (paths of our own, and a condition from our own code)
    buffer = io.BytesIO()
    with duckdb.connect(config={"temp_directory": ""}) as connection:
        if fs is not None:
            connection.register_filesystem(fs)
        rows = connection.sql(query).to_arrow_table()
        known = _SCHEMAS.get(table, rows.schema)
        fields = [known.field(f.name) if f.name in known.names else f for f in rows.schema]
        typed = rows.cast(pa.schema(fields, metadata=known.metadata))
        pq.write_table(typed, buffer, compression="zstd", row_group_size=_ROW_GROUP)
    return rows.num_rows, buffer.getvalue()
