"""What an event says: what changed, for a subscriber to decide by, and where to read all of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.channels import Entry
from registry.errors import DriftuneError
from registry.lake import Lake
from registry.records import Adapter
from registry.standing import END, REVIVE, UNYANK, YANK, Standing

PUBLISHED, PROMOTED, ROLLED_BACK = "adapter.published", "adapter.promoted", "adapter.rolled_back"
YANKED, UNYANKED = "adapter.yanked", "adapter.unyanked"
END_OF_LIFE, REVIVED = "adapter.end_of_life", "adapter.revived"
TEST = "subscription.test"
"""Types of events, as Standard Webhooks writes them."""

_MOVES = {"publish": PUBLISHED, "promote": PROMOTED, "rollback": ROLLED_BACK}
_STANDINGS = {YANK: YANKED, UNYANK: UNYANKED, END: END_OF_LIFE, REVIVE: REVIVED}
_FIRST = 12
"""So many changes of an API, and no more, are named in an event."""
_ROWS = 40
_TEXT = 2_000
_LONGEST_NAME = 200
_HASH = re.compile(r"[0-9a-f]{8,128}")
_VALUES = ("value", "ci_low", "ci_high", "n")


@dataclass
class Teller:
    """Makes the bodies of events; nothing that fails in the lake keeps an event back.

    Attributes:
        lake: Where a snapshot's rows say which changes they show; None where there is none.
        url: Address of this server as subscribers reach it, without a slash at its end; empty where it isn't known.
        namespace: What stands before a domain in the Hub's names.
    """

    lake: Lake | None
    url: str
    namespace: str
    _covered: dict[str, Mapping[str, Any] | None] = field(default_factory=dict, repr=False)

    def move(
        self, domain: str, entry: Entry, previous: int | None, versions: Mapping[int, Adapter], *, changes: bool = True
    ) -> dict[str, Any]:
        """The body for a channel that was moved.

        Args:
            domain: The domain.
            entry: The move.
            previous: The version that it held before; None where it held none.
            versions: The domain's versions; one that was removed since isn't there.
            changes: Whether the lake is asked which changes of the API the version covers.
        """
        new, old = versions.get(entry.version), versions.get(previous or 0)
        said = {"domain": domain, "version": entry.version, "channel": entry.channel, "previous_version": previous}
        said |= {"share": entry.share}
        if new is not None:
            said |= _about(new) | {"metrics": metrics(new, old), "changes": self._changes(new) if changes else None}
            fresh = sorted(set(new.licences) - set(old.licences)) if old else []
            said |= {"new_licences": [_short(licence) for licence in fresh[:_ROWS]]}
        return self._body(_MOVES.get(entry.action, PROMOTED), entry.at, said, entry.reason, entry.by, new)

    def standing(
        self, domain: str, entry: Standing, channels: Mapping[str, int], versions: Mapping[int, Adapter]
    ) -> dict[str, Any]:
        """The body for a version, or a domain, that was yanked, or isn't cared for any more, or is again.

        Args:
            domain: The domain.
            entry: What was said.
            channels: What each channel gives now.
            versions: The domain's versions.
        """
        about = versions.get(entry.version)
        said = {"domain": domain, "version": entry.version or None, "channels": dict(channels)}
        said |= _about(about) if about is not None else {}
        return self._body(_STANDINGS.get(entry.action, END_OF_LIFE), entry.at, said, entry.reason, entry.by, about)

    def _body(
        self, kind: str, at: str, said: Mapping[str, Any], reason: str, by: str, about: Adapter | None
    ) -> dict[str, Any]:
        links = self._links(about) if about else {"page": f"{self.url}/domains/{said['domain']}"}
        told = {"reason": reason[:_TEXT], "by": by[:_LONGEST_NAME], "links": links}
        return {"type": kind, "timestamp": at, "data": {**said, **told}}

    def _links(self, about: Adapter) -> dict[str, str]:
        hub = f"{self.namespace}/{about.domain}"
        return {
            "page": f"{self.url}/domains/{about.domain}/v{about.version}",
            "changes": f"{self.url}/domains/{about.domain}/v{about.version}/changes",
            "manifest": f"{self.url}/registry/{about.domain}/versions/{about.version:08d}/manifest.json",
            "hub": f"{self.url}/{hub}/tree/{about.id[:40]}",
            "hub_repository": hub,
            "hub_revision": about.id[:40],
        }

    def _changes(self, adapter: Adapter) -> Mapping[str, Any] | None:
        """How many changes of the API an adapter was trained on, and the first by name; null where no lake says."""
        if self.lake is None or not _HASH.fullmatch(adapter.snapshot):
            return None
        if adapter.snapshot not in self._covered:
            self._covered[adapter.snapshot] = _covered(self.lake, adapter.snapshot)
        return self._covered[adapter.snapshot]


def _about(adapter: Adapter) -> dict[str, Any]:
    return {
        "adapter": adapter.id,
        "library_range": _short(adapter.library_range),
        "base": {
            "name": _short(adapter.base),
            "revision": _short(adapter.base_revision),
            "fingerprint": _short(adapter.fingerprint),
        },
        "licences": [_short(licence) for licence in adapter.licences[:_ROWS]],
    }


def _short(text: object) -> str:
    """What a manifest says, as far as it is of a length that is one."""
    return str(text)[:_TEXT]


def _covered(lake: Lake, snapshot: str) -> Mapping[str, Any] | None:
    asked = f"""
        SELECT c.symbol, c.kind, c.replacement, count(*) OVER () AS number FROM changes c WHERE c.id IN (
            SELECT e.change FROM snapshot_rows s JOIN examples e ON e.id = s.example
            WHERE s.snapshot = $snapshot AND s.split = 'train' AND e.change IS NOT NULL)
        ORDER BY c.symbol, c.kind LIMIT {_FIRST}
    """  # noqa: S608 - a number of our own
    try:
        rows: Sequence[Mapping[str, Any]] = lake.query(asked, {"snapshot": snapshot}).to_pylist()
    except (DriftuneError, OSError):
        return None
    names = ("symbol", "kind", "replacement")
    first = [{name: row[name] and str(row[name])[:_LONGEST_NAME] for name in names} for row in rows]
    return {"number": int(rows[0]["number"]) if rows else 0, "first": first}


def metrics(new: Adapter, old: Adapter | None) -> list[dict[str, Any]]:
    """What the gate measured of a version, each metric beside the same one of another version.

    Each was measured on its own version's held-out tasks, so the intervals are told, and no interval of the difference.
    """
    before = _measured(old) if old else {}
    found = []
    for (split, metric), arms in list(_measured(new).items())[:_ROWS]:
        past = before.get((split, metric), {})
        found.append(
            {
                "split": split,
                "metric": metric,
                "adapter": arms.get("adapter"),
                "gain_over_base": arms.get("adapter-base"),
                "previous": {"adapter": past.get("adapter"), "gain_over_base": past.get("adapter-base")}
                if past
                else None,
            }
        )
    return found


def _measured(adapter: Adapter) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _rows(adapter.report):
        if row.get("arm") in ("adapter", "adapter-base"):
            name = (str(row.get("split"))[:_LONGEST_NAME], str(row.get("metric"))[:_LONGEST_NAME])
            arms = found.setdefault(name, {})
            arms[row["arm"]] = {name: _number(row.get(name)) for name in _VALUES}
    return found


def _number(value: object) -> float | int | None:
    """A number that JSON can have: a manifest is somebody's."""
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _rows(report: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    rows = report.get("rows", ())
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, (list, tuple)) else []
