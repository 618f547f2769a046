"""What a version brings a subscriber, as the object that a webhook posts."""

from __future__ import annotations

from typing import Any

from registry.channels import Entry
from registry.records import Adapter
from registry.server.events_payload import Teller
from registry.store import Store


def news(store: Store, channel: str, adapter: Adapter, previous: Adapter | None) -> dict[str, Any]:
    """What a version is, and what it changes for somebody who has another (none where null).

    It is what the server tells of the channel's move, with what this subscriber had as the version before.
    """
    moves = [entry for entry in store.history(adapter.domain, channel) if entry.version == adapter.version]
    entry = moves[-1] if moves else Entry(channel, 0, adapter.version, "", "")
    known = {one.version: one for one in (adapter, previous) if one is not None}
    teller = Teller(lake=None, url="", namespace="")
    said = teller.move(adapter.domain, entry, previous.version if previous else None, known, changes=False)
    del said["data"]["links"]
    return said
