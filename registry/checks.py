"""`driftune check`, as far as the lake's own rows go: ids, references, complete proofs, licences, shift, orders.

Whether a proof holds is judged by `validators.proofs`, which the roof calls (`flows.care`).
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.arrow import column_types
from registry.errors import DriftuneError
from registry.forgetting import orders, trace
from registry.identity import sha256_of
from registry.lake import Lake
from registry.records import RECORDS, Record, identity_columns

SHIFT = 0.2
"""Largest part of a snapshot that may be of another kind, licence or operator than in the one before."""

_AHEAD = dt.timedelta(hours=1)
"""By how much rows may be ahead of the clock: clocks differ, and what is written after such rows follows them."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: unique, references, proofs, licences, shift, forgotten, times.
        where: Table, column or domain.
        rows: How many rows are concerned.
        detail: What is wrong, with one of them.
    """

    check: str
    where: str
    rows: int
    detail: str


_REFERENCES = (
    ("pages", "release", "releases"),
    ("symbols", "release", "releases"),
    ("symbols", "page", "pages"),
    ("changes", "old", "releases"),
    ("changes", "new", "releases"),
    ("examples", "unnest(releases)", "releases"),
    ("examples", "change", "changes"),
    ("dialogues", "unnest(rows)", "examples"),
    ("example_programs", "program", "programs"),
    ("verdicts", "program", "programs"),
    ("verdicts", "environment", "environments"),
    ("annotations", "example", "examples"),
    ("removals", "example", "examples"),
    ("removals", "kept_instead", "examples"),
    ("snapshots", "parent", "snapshots"),
    ("snapshot_rows", "snapshot", "snapshots"),
    ("snapshot_rows", "example", "examples"),
    ("runs", "snapshot", "snapshots"),
    ("scores", "run", "runs"),
    ("reports", "run", "runs"),
    ("adapters", "snapshot", "snapshots"),
    ("adapters", "run", "runs"),
    ("adapters", "started_from", "adapters"),
)
"""(view, column with an id, table it is the id of)"""

_COLUMN = re.compile(r"^unnest\(|\)$")

_TWICE = """
    SELECT 'adapters' AS place, domain || ' v' || version AS what FROM adapters
    GROUP BY domain, version HAVING count(*) > 1
    UNION ALL
    SELECT 'snapshot_rows', min(e.id) FROM snapshot_rows s JOIN latest_snapshots l USING (snapshot)
    JOIN examples e ON e.id = s.example
    GROUP BY s.snapshot, e.kind, e.releases, e.parts::VARCHAR HAVING count(*) > 1
"""
_UNPROVEN = """
    SELECT e.domain AS place, e.id AS what FROM snapshot_rows s JOIN latest_snapshots l USING (snapshot)
    JOIN examples e ON e.id = s.example JOIN example_outcomes o ON o.example = e.id
    WHERE NOT o.ran OR o.outcome_new IS DISTINCT FROM 'passed'
"""
_UNLICENSED = """
    SELECT e.domain AS place, e.id AS what FROM snapshot_rows s JOIN latest_snapshots l USING (snapshot)
    JOIN examples e ON e.id = s.example LEFT JOIN latest_pages p ON p.url = e.source_url
    WHERE coalesce(e.licence, '') = '' OR (p.id IS NOT NULL AND coalesce(p.licence, '') = '')
"""

_SHARES = """
    SELECT s.snapshot, count(*) AS rows, {column} AS value FROM snapshot_rows s JOIN examples e ON e.id = s.example
    WHERE s.snapshot IN (SELECT unnest([n.id, n.parent]) FROM snapshots n JOIN latest_snapshots l ON l.snapshot = n.id)
    GROUP BY ALL
"""


def findings(lake: Lake, shift: float = SHIFT) -> Iterator[Finding]:
    """Everything that is wrong with the rows of a lake, check by check.

    Args:
        lake: A lake in a folder, created.
        shift: Largest share of a snapshot that may have changed its kind, licence or operator since its parent.
    """
    yield from _identities(lake)
    for check, query, what in (
        ("unique", _TWICE, "stands there twice under different ids"),
        ("references", " UNION ALL ".join(_dangling(*r) for r in _REFERENCES), "is the id of nothing there"),
        ("proofs", _UNPROVEN, "is in the latest snapshot, and lacks a verdict or does not pass"),
        ("licences", _UNLICENSED, "is in the latest snapshot, and it or its page has no licence"),
    ):
        found = lake.query(f"SELECT DISTINCT place, what FROM ({query}) ORDER BY ALL").to_pylist()
        for place, rows in itertools.groupby(found, key=lambda row: str(row["place"])):
            yield _of(check, place, [row["what"] for row in rows], what)
    yield from _shifts(lake, shift)
    yield from _forgotten(lake)
    yield from _ahead(lake)


def _of(check: str, where: str, rows: list[str], what: str) -> Finding:
    return Finding(check, where, len(rows), f"{rows[0]} {what}")


def _dangling(view: str, column: str, table: str) -> str:
    """The query for ids in a column that no row of the table has."""
    ids = f"SELECT {column} AS what FROM {view}"
    return (
        f"SELECT '{view}.{_COLUMN.sub('', column)} -> {table}' AS place, what FROM ({ids}) WHERE what IS NOT NULL"
        f" AND what NOT IN (SELECT id FROM {table}) AND what NOT IN (SELECT id FROM forgotten_rows)"
    )


def _identities(lake: Lake) -> Iterator[Finding]:
    """Rows whose id is not the hash of their identity columns, so that another row may have the same identity."""
    counts = lake.query(" UNION ALL ".join(f"SELECT '{r.table}' AS t, count(*) AS n FROM {r.table}" for r in RECORDS))
    filled = {row["t"] for row in counts.to_pylist() if row["n"]}
    for record in RECORDS:
        wrong = sorted(_misnamed(lake, record)) if record.table in filled else []
        if wrong:
            yield _of("unique", record.table, wrong, "is not the hash of its row")


def _forgotten(lake: Lake) -> Iterator[Finding]:
    """Orders to forget that have something to take: killed midway, or the rows came by another way."""
    for order in orders(lake):
        left = trace(lake, order).rows
        if left:
            counts = ", ".join(f"{len(ids):,} {table}" for table, ids in sorted(left.items()))
            detail = f"{counts} are there that were to be forgotten: driftune forget {shlex.quote(order.what)}"
            yield Finding("forgotten", order.what, sum(map(len, left.values())), detail)


def _ahead(lake: Lake) -> Iterator[Finding]:
    """Rows of a clock that was ahead."""
    now, clock = _clock(lake)
    _, times = lake.times(now + _AHEAD)
    if times:
        detail = (
            f"Rows are ahead of {clock}, which shows {now:%Y-%m-%d %H:%M} UTC, the last of"
            f" {times[-1]:%Y-%m-%d %H:%M}: if it is right, driftune compact --clock-is-right"
        )
        yield Finding("times", "lake", len(times), detail)


def _clock(lake: Lake) -> tuple[dt.datetime, str]:
    """The time now and whose clock shows it: who may only read can't ask a store's, which is done by writing to it."""
    try:
        return lake.files.now(), lake.files.clock
    except DriftuneError as error:
        return dt.datetime.now(dt.UTC), f"this machine's clock ({lake.files.clock} can't be asked: {error})"


def _misnamed(lake: Lake, record: type[Record]) -> Iterator[str]:
    """The ids in a table that their rows' identity columns don't hash to."""
    names = identity_columns(record)
    types = column_types(record)
    columns = ", ".join(f'"{name}"' for name in ("id", *names))
    for batch in lake.query(f"SELECT {columns} FROM {record.table}").to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            values = {n: json.loads(row[n]) if types[n][1] else row[n] for n in names}
            if sha256_of([record.table, values]) != row["id"]:
                yield row["id"]


def _shifts(lake: Lake, limit: float) -> Iterator[Finding]:
    """Domains whose latest snapshot is made of other things than the one before it."""
    pairs = lake.query(
        "SELECT n.domain, n.id, n.parent FROM snapshots n JOIN latest_snapshots l ON l.snapshot = n.id"
        " WHERE n.parent IS NOT NULL ORDER BY n.domain"
    ).to_pylist()
    for column in ("kind", "licence", "operator"):
        counts: dict[str, dict[str, int]] = {}
        for row in lake.query(_SHARES.format(column=f"coalesce(e.{column}, '')")).to_pylist():
            counts.setdefault(row["snapshot"], {})[row["value"]] = row["rows"]
        for pair in pairs:
            before, after = counts.get(pair["parent"], {}), counts.get(pair["id"], {})
            yield from _shift(pair["domain"], column, before, after, limit)


def _shift(
    domain: str, column: str, before: Mapping[str, int], after: Mapping[str, int], limit: float
) -> Iterator[Finding]:
    """The total variation distance between two snapshots' shares, where it is too large."""
    if not before or not after:
        return
    sums = sum(before.values()), sum(after.values())
    values = sorted({*before, *after})
    shares = {v: (before.get(v, 0) / sums[0], after.get(v, 0) / sums[1]) for v in values}
    distance = sum(abs(old - new) for old, new in shares.values()) / 2
    if distance > limit:
        value, (old, new) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
        detail = (
            f"{distance:.0%} of the latest snapshot is of another {column} than in the one before"
            f" (allowed: {limit:.0%}); most of it {value or 'none'!r}: {old:.0%} before, {new:.0%} now"
        )
        yield Finding("shift", domain, sums[1], detail)
