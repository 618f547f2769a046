"""What the lake says of a run that is worth telling: how many rows there are to train on, and that there are few."""

from __future__ import annotations

from flows.events import happened
from flows.house import House
from flows.snapshots import latest_curation
from registry.records import Run, Snapshot

HALVED = 0.5
"""A snapshot with less than this share of the rows of the one before it is told of."""

_NEW = """
    SELECT count(*) AS rows FROM snapshot_rows
    WHERE snapshot = $now AND example NOT IN (SELECT example FROM snapshot_rows WHERE snapshot = $then)
"""


def tell_proven(house: House, enough: int) -> None:
    """Tells how many rows the latest snapshot has that the last training didn't, if these are enough.

    Where they are the same rows, the training itself is to be another one, or was killed: that is enough too.
    """
    runs = house.lake.read(Run, "domain = $d AND NOT coalesce(experiment, false)", {"d": house.domain.name}, latest=1)
    curated = latest_curation(house.lake, house.domain.name)
    if curated is None:
        return
    now, then = str(curated.result["snapshot"]), runs[0].snapshot if runs else ""
    new = int(house.lake.query(_NEW, {"now": now, "then": then}).to_pylist()[0]["rows"])
    if new >= enough or now == then:
        happened(house, "driftune.rows.proven", new=new, snapshot=now)


def tell_yield(house: House, made: Snapshot) -> None:
    """Tells that a snapshot has hardly half the rows of the one before it."""
    before = house.lake.read(Snapshot, "id = $id", {"id": made.parent}) if made.parent else []
    rows, was = _rows(made), sum(map(_rows, before))
    if rows < HALVED * was:
        happened(house, "driftune.yield.halved", rows=rows, before=was, snapshot=made.id)


def _rows(snapshot: Snapshot) -> int:
    return sum(sum(splits.values()) for splits in snapshot.counts.values())
