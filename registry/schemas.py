"""Which schema a lake is of: `schema.json` beside its tables says so. One of a newer driftune is refused.

Schemas only grow: what came since is a table, or a column of which older rows have the default. So an older lake is
read as it is. It is written to only once `driftune migrate` has taken it to today's schema, as every older driftune
that knows of this refuses it from then on: that is for whoever runs them to decide.
"""

from __future__ import annotations

import json
from importlib.metadata import version

import pyarrow.parquet as pq

from registry.arrow import schema
from registry.errors import ConfigurationError, RegistryError
from registry.lake_files import LakeFiles
from registry.records import RECORDS, SCHEMA

MARK = "schema.json"


def schema_of(files: LakeFiles) -> int:
    """The schema that a lake is of: what it says; where it doesn't yet, as an earlier driftune left it, by its files.

    Raises:
        RegistryError: What it says can't be read.
    """
    place, text = f"{files.root}/{MARK}", files.said(MARK)
    if text is None:
        return max((int(said) for table in files.tables() if (said := _said(files, table))), default=SCHEMA)
    try:
        said = json.loads(text)["schema"]
        if type(said) is not int:
            raise TypeError(f"{said!r} is no number")
        return said
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{place} doesn't say of which schema the lake is: {error}", place=place) from error


def settle(files: LakeFiles, found: int) -> None:
    """Has a lake that doesn't say yet of which schema it is say so: what is written into it later tells it no more."""
    if files.said(MARK) is None:
        mark(files, found)


def mark(files: LakeFiles, number: int) -> None:
    """Says of which schema a lake is."""
    text = json.dumps({"schema": number, "by": f"driftune {version('driftune')}"})
    files.say_beside(MARK, text.encode(), "the lake's schema")


def check_known(files: LakeFiles, found: int) -> None:
    """Refuses a lake of a newer driftune: what it holds might be read as something else.

    Raises:
        ConfigurationError: It is.
    """
    if found > SCHEMA:
        raise ConfigurationError(
            f"The lake at {files.root} is of schema {found}, and driftune {version('driftune')} knows {SCHEMA}: "
            "upgrade driftune",
            schema=found,
        )


def check_current(files: LakeFiles, found: int) -> None:
    """Refuses to write into a lake of another schema than today's.

    Raises:
        ConfigurationError: It is of an older or a newer one.
    """
    check_known(files, found)
    if found < SCHEMA:
        raise ConfigurationError(
            f"The lake at {files.root} is of schema {found}, and this driftune writes {SCHEMA}: it can be read as it "
            "is. See what would change with driftune migrate --dry-run, then run driftune migrate",
            schema=found,
        )


def grown(files: LakeFiles) -> dict[str, tuple[str, ...]]:
    """Table -> columns of today's schema that its rows lack, of a lake's tables that lack one."""
    held = {r: last.names for r in RECORDS if (last := _last(files, r.table)) is not None}
    lacking = {r.table: tuple(n for n in schema(r).names if n not in names) for r, names in held.items()}
    return {table: names for table, names in lacking.items() if names}


def _said(files: LakeFiles, table: str) -> str:
    """The schema that a table's youngest file with rows names; nothing where it has none."""
    last = _last(files, table)
    return (last.metadata or {}).get(b"driftune_schema", b"").decode() if last is not None else ""


def _last(files: LakeFiles, table: str) -> pq.ParquetSchema | None:
    """The Arrow schema of a table's youngest file with rows; None where there is none."""
    if (youngest := files.youngest(table)) is None:
        return None
    with files.fs.open(youngest) as file:
        return pq.read_schema(file)
