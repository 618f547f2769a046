"""Records to Arrow tables and back: the schema of a table is derived from its record."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from registry.identity import sha256_of
from registry.records import SCHEMA, Record, per_record

R = TypeVar("R", bound=Record)

STAMP = pa.timestamp("us", tz="UTC")
_SIMPLE: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    dt.datetime: STAMP,
    tuple[str, ...]: pa.list_(pa.string()),
}
_STAMPS = (("_at", STAMP), ("_run", pa.string()), ("_code", pa.string()))


@per_record
def column_types(record: type[Record]) -> dict[str, tuple[pa.DataType, bool]]:
    """Column name -> (Arrow type, whether it holds JSON text), in field order."""
    hints = typing.get_type_hints(record)
    types: dict[str, tuple[pa.DataType, bool]] = {}
    for f in dataclasses.fields(record):
        hint = hints[f.name]
        options = [h for h in typing.get_args(hint) if h is not type(None)] if _is_optional(hint) else [hint]
        simple = _SIMPLE.get(options[0]) if len(options) == 1 else None
        types[f.name] = (pa.string(), True) if simple is None else (simple, False)
    return types


def _is_optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


@per_record
def schema(record: type[Record]) -> pa.Schema:
    """The Arrow schema of a record's table: id, digest, its columns, then `_at, _run, _code`."""
    fields = [pa.field("id", pa.string()), pa.field("digest", pa.string())]
    fields += [pa.field(name, kind) for name, (kind, _) in column_types(record).items()]
    fields += [pa.field(name, kind) for name, kind in _STAMPS]
    return pa.schema(fields, metadata={"driftune_schema": str(SCHEMA), "driftune_table": record.table})


def as_parquet(rows: pa.Table) -> bytes:
    """The file that holds rows."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    return buffer.getvalue()


def typed_name(schema: pa.Schema) -> str:
    """Name of the empty file that has a schema: an older driftune's has fewer columns, and another name."""
    return f"0-{sha256_of(schema.names)[:8]}.parquet"


def to_table(records: Iterable[Record], record: type[Record], at: dt.datetime, run: str, code: str) -> pa.Table:
    """Rows of one record as an Arrow table, stamped with when, by which run and by which code."""
    rows = list(records)
    columns: dict[str, list[Any]] = {"id": [r.id for r in rows], "digest": [r.digest for r in rows]}
    for name, (_, is_json) in column_types(record).items():
        values = [getattr(r, name) for r in rows]
        columns[name] = [_dump(v) for v in values] if is_json else values
    columns |= {"_at": [at] * len(rows), "_run": [run] * len(rows), "_code": [code] * len(rows)}
    return pa.table(columns, schema=schema(record))


def from_table(table: pa.Table, record: type[R]) -> list[R]:
    """The records that an Arrow table of their columns holds; a column that older rows lack has its default."""
    types = column_types(record)
    columns = [_load(table.column(name).to_pylist(), *kind) for name, kind in types.items()]
    hashes = zip(table.column("id").to_pylist(), table.column("digest").to_pylist(), strict=True)
    return [
        record(**{n: v for n, v in zip(types, row, strict=True) if v is not None}).hashed(*written)
        for written, row in zip(hashes, zip(*columns, strict=True), strict=True)
    ]


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_thaw)


def _thaw(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _load(values: list[Any], kind: pa.DataType, is_json: bool) -> list[Any]:
    if is_json:
        return [None if value is None else json.loads(value) for value in values]
    return [None if value is None else tuple(value) for value in values] if pa.types.is_list(kind) else values
