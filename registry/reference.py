"""The reference of the lake's tables, views and macros, written from the records: `docs/reference/schema.md`.

`python -m registry.reference > docs/reference/schema.md` writes it; a test holds the file to it.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path

from registry.catalogue import DERIVED, documentation
from registry.lake import Lake
from registry.macros import MACROS
from registry.records import RECORDS, Record, identity_columns, stable_columns

_HEAD = """\
# Tables, views and macros of the lake

This page is written from the records (`python -m registry.reference`); the same texts are the comments of the columns
in `driftune.duckdb` (`.columns VIEW` in `driftune sql`). How to ask: [thirteen questions](../how-to/questions.md).

A table's view shows the current row of each id; `TABLE_as_of(ts)`, and likewise `VIEW_as_of(ts)`, show what it was at a
time: `FROM funnel_as_of(TIMESTAMPTZ '2026-11-21 12:00+00')`.

Rows that aren't made any more (a scraper or a generator has a new version, a setting or a release is another) stay in
their tables, as snapshots and adapters name them, but are *superseded*: nothing reads them on, no curation looks at
them, so none removes them by a rule.
`curated`, and with it `funnel`, `proofs` and `drift`, shows what the domain's latest curation looked at, and what was
written since. A work's rows have the `_at` and `_run` of its own row in `work`: so it is known which rows a work made.

Every table has, besides the columns listed below: `id`, the SHA-256 of those marked *identity*; `digest`, that of all
which are not marked *volatile*; `_at`, `_run`, `_code`: when the row was written, by which run, by which version.
"""


def markdown() -> str:
    """The page, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(str(Path(folder) / "lake"), Path(folder))
        lake.create()
        parts = [_HEAD, "## Tables\n"]
        parts += [_section(lake, r.table, r.table, _first(r.__doc__), _own(r)) for r in RECORDS]
        parts.append("## Derived views\n")
        parts += [_section(lake, name, name, "", columns) for name, (_, columns) in DERIVED.items()]
        parts.append("## Macros\n")
        for name, macro in MACROS.items():
            title, call = (
                f"{name}({', '.join(names)})" for names in (macro.parameters, ["NULL"] * len(macro.parameters))
            )
            parts.append(_section(lake, title, call, macro.doc + ".", macro.columns))
    return "\n".join(parts)


def _section(lake: Lake, title: str, source: str, text: str, columns: dict[str, str]) -> str:
    """One heading with its table of columns; their types are those of `source`, a view or a macro's call."""
    types = {row["column_name"]: row["column_type"] for row in lake.query(f"DESCRIBE FROM {source}").to_pylist()}
    lines = [f"### {title}\n", *([text + "\n"] if text else []), "| column | type | says |", "|---|---|---|"]
    lines += [f"| `{column}` | {types[column]} | {_cell(doc)} |" for column, doc in columns.items()]
    return "\n".join(lines) + "\n"


def _cell(doc: str) -> str:
    return doc.replace("|", "\\|").replace("<", "&lt;")


def _own(record: type[Record]) -> dict[str, str]:
    """Column -> what it says and what it is part of, of the columns that not every table has."""
    marks = dict.fromkeys([f.name for f in dataclasses.fields(record)], " *(volatile)*")
    marks |= dict.fromkeys(stable_columns(record), "") | dict.fromkeys(identity_columns(record), " *(identity)*")
    return {name: documentation(record)[name] + mark for name, mark in marks.items()}


def _first(doc: str | None) -> str:
    return (doc or "").split("\n\n", 1)[0].replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(markdown())
