"""Atom feeds: of a domain, or of all that the caller may see. Readers ask often: what is unchanged isn't sent again.

Texts in a feed are people's (reasons, names): they go in as text, without the characters that XML can't have.
"""

from __future__ import annotations

import datetime as dt
import re
import time
import uuid
from collections.abc import Sequence
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from feedgen.feed import FeedGenerator

from registry.channels import check_name
from registry.identity import sha256_of
from registry.server import events
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.events import Event
from registry.server.events_payload import END_OF_LIFE, PROMOTED, PUBLISHED, REVIVED, ROLLED_BACK, UNYANKED, YANKED

router = APIRouter()

Served = Annotated[Context, Depends(context_of)]
Reader = Annotated[Caller, needs(Scope.READ)]
Channel = Annotated[str | None, Query(max_length=64)]

_ENTRIES = 50
_SAYS = {
    PUBLISHED: "published",
    PROMOTED: "promoted",
    ROLLED_BACK: "rolled back",
    YANKED: "yanked",
    UNYANKED: "no longer yanked",
    END_OF_LIFE: "at the end of life",
    REVIVED: "cared for again",
}
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAMES = uuid.UUID("6f1c1f0e-6a0f-5d0f-9d65-0d7d7d6a4a11")


@router.api_route("/feed.atom", methods=["GET", "HEAD"])
def all_domains(request: Request, caller: Reader, context: Served, channel: Channel = None) -> Response:
    """What happened in all domains that the caller may see, the last 50 entries."""
    domains = [domain for domain in context.store.domains() if caller.sees(domain)]
    return _answer(request, context, domains, channel, "All domains")


@router.api_route("/{domain}/feed.atom", methods=["GET", "HEAD"])
def one_domain(domain: str, request: Request, caller: Reader, context: Served, channel: Channel = None) -> Response:
    """What happened in a domain, the last 50 entries; with `channel`, only its moves and what is said of versions."""
    return _answer(request, context, [domain], channel, domain)


def _answer(request: Request, context: Context, domains: Sequence[str], channel: str | None, title: str) -> Response:
    if channel is not None:
        title = f"{title}@{check_name(channel)}"
    with context.state.read() as connection:
        found = events.latest(connection, domains, channel=channel, most=_ENTRIES)
    base = context.settings.url.rstrip("/") or str(request.base_url).rstrip("/")
    changed = dt.datetime.fromtimestamp(int(found[0].made) if found else 0, dt.UTC)
    headers = {
        "ETag": f'"{sha256_of([title, base, [event.id for event in found]])[:32]}"',
    }
    if time.time() > changed.timestamp() + 1:  # in the same second there may be more, of the same time
        headers["Last-Modified"] = format_datetime(changed, usegmt=True)
    if _is_known(request, headers["ETag"], changed):
        return Response(status_code=304, headers=headers)
    body = atom(found, title, base, f"{base}{request.url.path}", changed)
    return Response(body, headers=headers, media_type="application/atom+xml")


def _is_known(request: Request, etag: str, changed: dt.datetime) -> bool:
    """Whether the caller has it already; what he says of the ETag goes before what he says of the time."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return changed <= since
    except (ValueError, TypeError):
        return False


def atom(found: Sequence[Event], title: str, base: str, address: str, changed: dt.datetime) -> bytes:
    """A feed of events.

    Args:
        found: The events, newest first.
        title: What it is a feed of.
        base: Address of the server.
        address: Address of the feed.
        changed: When the last of them came.
    """
    feed = FeedGenerator()
    feed.id(address)
    feed.title(f"driftune: {_plain(title)}")
    feed.updated(changed)
    feed.link(href=address, rel="self", type="application/atom+xml")
    feed.link(href=base + "/", rel="alternate", type="text/html")
    feed.author(name="driftune")
    for event in found:
        entry = feed.add_entry(order="append")
        entry.id(f"urn:uuid:{uuid.uuid5(_NAMES, event.id)}")
        entry.title(_plain(headline(event)))
        entry.updated(_moment(event))
        entry.published(_moment(event))
        entry.author(name=_plain(str(event.data.get("by") or "driftune")))
        entry.link(href=_absolute(str(event.data["links"]["page"]), base), rel="alternate", type="text/html")
        entry.category(term=event.kind)
        entry.content(_plain(summary(event)), type="text")
    return bytes(feed.atom_str(pretty=True))


def headline(event: Event) -> str:
    """An event in a line: `networkx@stable: v4 published (before: v3)`."""
    said = event.data
    where = event.domain if event.channel is None else f"{event.domain}@{event.channel}"
    version = "all versions" if said.get("version") is None else f"v{said['version']}"
    before = f" (before: v{said['previous_version']})" if said.get("previous_version") else ""
    share = f" for {said['share']:.0%} of subscribers" if said.get("share", 1) < 1 else ""
    return f"{where}: {version} {_SAYS.get(event.kind, event.kind)}{share}{before}"


def summary(event: Event) -> str:
    """What an event says, in a few lines."""
    said = event.data
    changes = said.get("changes") or {}
    first = ", ".join(str(change["symbol"]) for change in changes.get("first", ()))
    lines = (
        ("Reason", said.get("reason")),
        ("Library", said.get("library_range")),
        ("Base", (said.get("base") or {}).get("name")),
        ("Licences", ", ".join(said.get("licences") or ())),
        ("New licences", ", ".join(said.get("new_licences") or ())),
        ("API changes covered", f"{changes['number']}: {first}" if first else None),
        *((f"{row['metric']} ({row['split']})", _measured(row)) for row in said.get("metrics") or ()),
    )
    return "\n".join(f"{name}: {value}" for name, value in lines if value)


def _measured(row: dict[str, dict[str, float] | None]) -> str:
    gain, past = row.get("gain_over_base"), row.get("previous") or {}
    before = past.get("gain_over_base") if isinstance(past, dict) else None
    told = [f"{name} {_interval(values)}" for name, values in (("gain", gain), ("before", before)) if values]
    return ", ".join(told)


def _interval(values: object) -> str:
    found = values if isinstance(values, dict) else {}
    value, low, high = (found.get(name) for name in ("value", "ci_low", "ci_high"))
    if not isinstance(value, (int, float)):
        return "not measured"
    return f"{value:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")


def _moment(event: Event) -> dt.datetime:
    """When it happened, as its entry says; where that is no time, when it was seen."""
    try:
        found = dt.datetime.fromisoformat(str(event.body["timestamp"]))
    except ValueError:
        found = dt.datetime.fromtimestamp(event.made, dt.UTC)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _absolute(link: str, base: str) -> str:
    return link if "://" in link else base + link


def _plain(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
