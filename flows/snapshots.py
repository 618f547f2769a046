"""Snapshots as the lake knows them: a domain's latest, and the rows of some."""

from __future__ import annotations

from collections.abc import Iterable

from registry.lake import Lake
from registry.records import Example, SnapshotRow, Work
from validators.splits import CONTEXT, DEV, SYMBOL

HELD_OUT = (CONTEXT, SYMBOL, DEV)
"""The splits that nothing is trained on."""


def latest_curation(lake: Lake, domain: str) -> Work | None:
    """A domain's latest curation that was completed; its result names the snapshot."""
    done = lake.read(Work, "stage = 'curate' AND domain = $d", {"d": domain}, latest=1)
    return done[0] if done else None


def rows_in(lake: Lake, snapshots: Iterable[str], split: str) -> list[Example]:
    """The examples of one split of some snapshots, by id.

    Args:
        lake: The lake.
        snapshots: Ids of snapshots.
        split: `train`, `context`, `symbol` or `dev`.
    """
    of = {"snapshots": list(snapshots), "split": split}
    held = lake.read(SnapshotRow, "split = $split AND snapshot IN (SELECT unnest($snapshots))", of)
    ids = sorted({row.example for row in held})
    return lake.read(Example, "id IN (SELECT unnest($ids))", {"ids": ids}) if ids else []
