"""What a version brings a subscriber, as the object that a webhook posts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from flows.subscribing.waking import HEADERS, lines
from registry.channels import Entry
from registry.lake import Lake
from registry.objects_http import is_here
from registry.records import Adapter
from registry.server.events_payload import Teller
from registry.settings import Settings
from registry.store import Store

_ANSWER_S = 30.0


def news(store: Store, channel: str, adapter: Adapter, previous: Adapter | None) -> dict[str, Any]:
    """What a version is, and what it changes for somebody who has another (none where null).

    It is what the server tells of the channel's move, with what this subscriber had as the version before. The server,
    or the lake of this home, says which changes of the API are covered; links are the server's.
    """
    moves = [entry for entry in store.history(adapter.domain, channel) if entry.version == adapter.version]
    entry = moves[-1] if moves else Entry(channel, 0, adapter.version, "", "")
    known = {one.version: one for one in (adapter, previous) if one is not None}
    settings = Settings()
    with contextlib.ExitStack() as stack:
        lake = None
        if (settings.root / "driftune.duckdb").exists():
            lake = stack.enter_context(contextlib.closing(Lake(settings.lake_url, settings.root, "subscribe")))
        said = Teller(lake, url="", namespace="").move(
            adapter.domain, entry, previous.version if previous else None, known, changes=lake is not None
        )
    data: dict[str, Any] = said["data"]
    served = _served(store.url, settings.token, channel, adapter)
    if not (data["changes"] or {}).get("number"):  # a lake that doesn't know the snapshot finds none
        data["changes"] = served.get("changes")
    data["links"] = served.get("links")
    return said


def _served(url: str, token: str, channel: str, adapter: Adapter) -> Mapping[str, Any]:
    """What the server's last event of a version says; nothing where the registry is no server, or doesn't answer."""
    found: Mapping[str, Any] = {}
    if not url.startswith(("http://", "https://")):
        return found
    asked = {"domain": adapter.domain, "channel": channel, "after": "0", "follow": "false"}
    headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
    trust = not is_here(urlsplit(url).hostname or "")
    with (
        contextlib.suppress(httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, RecursionError),
        httpx.Client(timeout=_ANSWER_S, headers=headers, trust_env=trust) as client,
        client.stream("GET", f"{url}/events", params=asked) as answer,
    ):
        for line in lines(answer, _ANSWER_S):
            if line.startswith("data:") and (data := json.loads(line[5:])["data"]).get("adapter") == adapter.id:
                found = data
    return found
