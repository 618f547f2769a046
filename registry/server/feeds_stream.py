"""`/events`: server-sent events. Who reconnects with `Last-Event-ID` misses nothing, at any server of this state.

A stream is looked at again before each piece, and whenever it says that it is alive: a token that was revoked meanwhile
ends it, a domain that the caller may no longer see is left out.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Annotated, cast

import anyio
import fastapi
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from sse_starlette import EventSourceResponse, ServerSentEvent

from registry.channels import check_name
from registry.server import events, tokens
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.errors import RefusedError
from registry.server.events import Event
from registry.server.events_loop import Bell, eventing_of

router = APIRouter()

_PIECE = 100
_SEND_S = 30.0
_GRACE_S = 1.0
_RETRY_MS = 3000


@router.get("/events")
async def stream(
    request: Request,
    caller: Annotated[Caller, needs(Scope.READ)],
    context: Annotated[Context, Depends(context_of)],
    domain: Annotated[str | None, Query(max_length=200)] = None,
    channel: Annotated[str | None, Query(max_length=64)] = None,
    after: Annotated[int | None, Query(ge=0, le=events.MOST)] = None,
    last_event_id: Annotated[str, Header(max_length=40)] = "",
    follow: bool = True,
) -> EventSourceResponse:
    """What happens, as it happens, of all domains that the caller may see, or of one.

    Args:
        request: The request.
        caller: Who asks.
        context: What is served.
        domain: Of this domain only.
        channel: Moves of this channel only, and what is said of versions.
        after: Events after this number; those to come where neither this nor `Last-Event-ID` is given.
        last_event_id: Likewise, as a browser sends it when it reconnects; it goes before `after`.
        follow: Whether to wait for what comes; else the stream ends with what is there.
    """
    if domain is not None:
        await run_in_threadpool(caller.must, Scope.READ, domain)
    if channel is not None:
        check_name(channel)
    seq = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else after
    last = await context.state.ask(events.last)
    start = last if seq is None else seq if seq <= last else 0  # of another state: all of this one's, rather than none
    streams = _streams_of(request.app)
    streams.check(_name(caller))
    stopping = anyio.Event()
    source = _pieces(request.app, caller, start, domain, channel, stopping if follow else None)
    return EventSourceResponse(
        streams.counted(_name(caller), source), ping=context.settings.heartbeat_s, send_timeout=_SEND_S,
        shutdown_event=stopping, shutdown_grace_period=_GRACE_S,
    )  # fmt: skip


async def _pieces(
    app: fastapi.FastAPI,
    caller: Caller,
    start: int,
    domain: str | None,
    channel: str | None,
    stopping: anyio.Event | None,
) -> AsyncIterator[ServerSentEvent]:
    """What comes after an event, until the server is stopped; what is there where `stopping` is null."""
    context, bell = caller.context, eventing_of(app).bell
    yield ServerSentEvent(id=str(start), retry=_RETRY_MS)  # where one goes on that is cut off before anything came
    while (piece := await context.state.ask(_piece, caller, start, domain, channel)) is not None:
        for event in piece.events:
            if caller.sees(event.domain):
                yield ServerSentEvent(json.dumps(event.body), event=event.kind, id=str(event.seq))
        start = piece.seq
        if piece.whole and (
            stopping is None or not await _goes_on(bell, start, stopping, context.settings.heartbeat_s)
        ):
            return


async def _goes_on(bell: Bell, start: int, stopping: anyio.Event, most_s: float) -> bool:
    """Waits for what comes after an event, so long at most; false where the server is stopped."""
    async with anyio.create_task_group() as waiting:

        async def first(wait: Awaitable[None]) -> None:
            await wait
            waiting.cancel_scope.cancel()

        waiting.start_soon(first, bell.after(start))
        waiting.start_soon(first, stopping.wait())
        waiting.start_soon(first, anyio.sleep(most_s))
    return not stopping.is_set()


@dataclass(frozen=True)
class _Piece:
    """Some events, up to a number; `whole` where none was left out for another piece."""

    events: list[Event]
    seq: int
    whole: bool


def _piece(
    connection: sa.Connection, caller: Caller, start: int, domain: str | None, channel: str | None
) -> _Piece | None:
    """What comes after an event; None where the caller's token isn't valid any more."""
    if caller.token is not None:
        token = tokens.get(connection, caller.token.id)
        if token is None or token.fault(time.time()):
            return None
    last = events.last(connection)
    found = events.after(connection, start, domain=domain, channel=channel, most=_PIECE)
    if len(found) == _PIECE:
        return _Piece(found, found[-1].seq, whole=False)
    return _Piece(found, max(start, last, *(event.seq for event in found)), whole=True)


def _name(caller: Caller) -> str:
    return f"token {caller.token.id}" if caller.token else f"address {caller.address}"


class _Streams:
    """How many streams there are, of whom. Only for the event loop."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._open: Counter[str] = Counter()

    def check(self, caller: str) -> None:
        """Refuses a stream that is one too many.

        Raises:
            RefusedError: 429 where the caller has his share, 503 where the server has.
        """
        if self._open[caller] >= self._each:
            message = f"This caller has {self._each} streams of events open, and may have no more: close one"
            raise RefusedError(429, "too-many-streams", message, {"Retry-After": "30"})
        if self._open.total() >= self._most:
            message = "As many streams of events are open as this server holds: try again, or read the feed"
            raise RefusedError(503, "too-many-streams", message, {"Retry-After": "30"})

    async def counted(self, caller: str, source: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
        """A stream that counts as long as it is read."""
        self._open[caller] += 1
        try:
            async for each in source:
                yield each
        finally:
            self._open[caller] -= 1
            self._open += Counter()  # forgets who has none


def _streams_of(app: fastapi.FastAPI) -> _Streams:
    """An application's own."""
    if getattr(app.state, "streams", None) is None:
        settings = app.state.context.settings
        app.state.streams = _Streams(settings.streams, settings.streams_each)
    return cast(_Streams, app.state.streams)
