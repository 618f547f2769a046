"""A snapshot: the rows of a curation, frozen under a name that depends on nothing but them and the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from registry.identity import sha256_of_each
from registry.records import Snapshot, SnapshotRow
from validators.splits import Row


def freeze(
    domain: str,
    rows: Mapping[str, str],
    examples: Mapping[str, Row],
    filters: Mapping[str, Any],
    parent: str | None = None,
) -> Iterator[Snapshot | SnapshotRow]:
    """The Snapshot and then its rows, ordered by example id.

    Args:
        domain: The domain.
        rows: Example id -> split.
        examples: The examples by id.
        filters: Rules and parameters of the curation; no floats.
        parent: Id of the snapshot before it.
    """
    pairs = sorted(rows.items())
    by_kind: dict[str, Counter[str]] = {}
    for example, split in pairs:
        by_kind.setdefault(examples[example].kind, Counter())[split] += 1
    licences = Counter(examples[example].licence or "" for example, _ in pairs)
    snapshot = Snapshot(
        domain=domain,
        rows_sha256=sha256_of_each(map(list, pairs)),
        filters=dict(filters),
        counts={kind: dict(sorted(counts.items())) for kind, counts in sorted(by_kind.items())},
        licences=dict(sorted(licences.items())),
        parent=parent,
    )
    yield snapshot
    for example, split in pairs:
        yield SnapshotRow(snapshot=snapshot.id, example=example, split=split)
