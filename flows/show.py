"""`driftune show ID`: any record, and what it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from registry.errors import ConfigurationError
from registry.lake import Lake, open_lake
from registry.records import RECORDS, Call, Page, Record

_ID = re.compile(r"^[0-9a-f]{64}$")
_BY_TABLE = {record.table: record for record in RECORDS}


def show_record(identifier: str, *, as_json: bool) -> None:
    """Prints the record whose id starts with `identifier`, and its lineage as a tree.

    Raises:
        ConfigurationError: No record, or more than one, has such an id.
    """
    lake = open_lake()
    table, found = find_record(lake, identifier)
    record = _load(lake, table, found)
    tree = _lineage(lake, record, depth=3)
    if as_json:
        print(json.dumps({"table": table, "id": found, "record": _plain(record), "lineage": tree}, default=str))
        return
    _render(table, record, tree)


def find_record(lake: Lake, start: str) -> tuple[str, str]:
    """Table and id of the record whose id starts so.

    Raises:
        ConfigurationError: No record, or more than one, has such an id.
    """
    if not re.fullmatch(r"[0-9a-f]{4,64}", start):
        raise ConfigurationError(
            f"No id {start!r}: an id is 4 to 64 characters of 0-9 and a-f, as `driftune sql` shows"
        )
    parts = (f"SELECT '{t}' AS t, id FROM {t} WHERE starts_with(id, '{start}')" for t in _BY_TABLE)  # noqa: S608 (hex)
    rows = lake.query(" UNION ALL ".join(parts) + " LIMIT 10").to_pylist()
    if not rows:
        raise ConfigurationError(f"No record's id starts with {start}: look for it with driftune sql", id=start)
    if len(rows) > 1:
        some = ", ".join(f"{r['t']} {r['id'][:12]}" for r in rows)
        raise ConfigurationError(f"More than one id starts with {start}: {some}. Give more of it", id=start)
    return rows[0]["t"], rows[0]["id"]


def _load(lake: Lake, table: str, identifier: str) -> Record:
    return lake.read(_BY_TABLE[table], "id = $id", {"id": identifier})[0]


def _plain(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _ID.match(value):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _ids(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _ids(item)


def _lineage(lake: Lake, record: Record, depth: int) -> list[dict[str, Any]]:
    """What a record refers to, and what that refers to."""
    wanted = sorted(set(_ids(_plain(record))) - {record.id})[:40]
    if not wanted or not depth:
        return []
    listed = ", ".join(f"'{i}'" for i in wanted)
    found: list[dict[str, Any]] = []
    for table in _BY_TABLE:
        named = f" OR request IN ({listed})" if table == Call.table and not isinstance(record, Call) else ""
        rows = lake.query(f"SELECT id FROM {table} WHERE id IN ({listed}){named}").to_pylist()  # noqa: S608 (hex only)
        for row in rows:
            other = _load(lake, table, row["id"])
            found.append(
                {"table": table, "id": other.id, "is": _title(other), "from": _lineage(lake, other, depth - 1)}
            )
    return found


def _title(record: Record) -> str:
    """One line that tells a person which record it is."""
    names = (
        "purpose",
        "model",
        "library",
        "version",
        "url",
        "path",
        "symbol",
        "domain",
        "kind",
        "outcome",
        "licence",
        "source_url",
        "label",
    )
    shown = [str(v) for n in names if (v := getattr(record, n, None)) is not None]
    return " · ".join(shown) or record.id[:12]


def _render(table: str, record: Record, tree: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.tree import Tree

    console = Console()
    console.print(f"[bold]{table}[/bold] {record.id}", highlight=False)
    for name, value in _plain(record).items():
        if name in ("code", "test") or (isinstance(record, Page) and name == "markdown"):
            console.print(f"[bold]{name}[/bold]")
            console.print(Syntax(str(value)[:20_000], "python", background_color="default"))
        elif value not in (None, "", (), [], {}):
            text = value if isinstance(value, (str, int, float)) else json.dumps(value, default=str, ensure_ascii=False)
            console.print(f"[bold]{name}[/bold]: ", end="")
            console.print(str(text), markup=False, highlight=False)
    if tree:
        root = Tree("made from")
        _grow(root, tree)
        console.print(root)


def _grow(node: Any, items: list[dict[str, Any]]) -> None:
    from rich.text import Text

    for item in items:
        _grow(node.add(Text(f"{item['table']} {item['id'][:12]} {item['is']}")), item["from"])
