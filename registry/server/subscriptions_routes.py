"""`/api/subscriptions`: who has a token subscribes, and sees, tries, pauses and ends what is his."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from registry.channels import check_name
from registry.errors import ConfigurationError, WebError
from registry.server import audit, deliveries, subscriptions
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.deliveries import Delivery
from registry.server.deliveries_sending import open_web, refusal
from registry.server.errors import RefusedError, unknown
from registry.server.events import MOST, Event
from registry.server.events_loop import eventing_of, lifespan
from registry.server.events_payload import TEST
from registry.server.settings import ServerSettings
from registry.server.subscriptions import ACTIVE, ENDED, PAUSED, Subscription, Wish
from registry.store import STABLE
from registry.web.answers import Network

router = APIRouter(prefix="/api/subscriptions", lifespan=lifespan)

Owner = Annotated[Caller, needs(Scope.READ, named=True)]
Served = Annotated[Context, Depends(context_of)]


class Asked(BaseModel, extra="forbid"):
    """What is sent to subscribe; see `subscriptions.Wish`."""

    domain: str = Field(max_length=200)
    channel: str = Field(default=STABLE, max_length=64)
    base: str = Field(default="", max_length=200)
    library: str = Field(default="", max_length=200)
    url: str = Field(max_length=4096)


class Replay(BaseModel, extra="forbid"):
    """Which dead letters are sent again: those of these events; all where null."""

    events: list[Annotated[int, Field(ge=0, le=MOST)]] | None = Field(default=None, max_length=1000)


@router.post("", status_code=201)
async def subscribe(
    asked: Asked, caller: Owner, context: Served, request: Request, response: Response
) -> dict[str, Any]:
    """Makes a subscription: what comes from now on is told. The secret is shown this once.

    Whose token names the domain may wait for its first version; to anybody else there is no such domain yet.
    """
    if not (caller.token and caller.token.names(asked.domain)):
        await asyncio.to_thread(caller.must, Scope.READ, asked.domain)
    wish = Wish(**asked.model_dump())
    check_name(wish.channel)
    subscriptions.check_wish(wish)
    await check_target(wish.url, context.settings)
    await eventing_of(request.app).look()  # what is there already isn't new to him

    def make(connection: sa.Connection) -> tuple[Subscription, str]:
        made, secret = subscriptions.create(connection, wish, _token(caller), context.settings.subscriptions)
        audit.write(connection, caller.row("subscribe", made.id, audit.DONE, f"{wish.domain}@{wish.channel}"))
        return made, secret

    made, secret = await context.state.run(make)
    response.headers["Cache-Control"] = "no-store"
    return told(made) | {"secret": secret}


@router.get("")
async def listed(caller: Owner, context: Served) -> dict[str, Any]:
    """The caller's subscriptions; all of them for an administrator of all domains."""
    token = None if _is_admin(caller) else _token(caller)
    found = await context.state.ask(lambda c: subscriptions.every(c, token=token))
    return {"subscriptions": [told(each) for each in found]}


@router.get("/{subscription}")
async def shown(subscription: str, caller: Owner, context: Served) -> dict[str, Any]:
    """One of the caller's, with how many deliveries it has, by status."""

    def ask(connection: sa.Connection) -> dict[str, Any]:
        found = _own(connection, caller, subscription)
        return told(found) | {"deliveries": deliveries.counts(connection, found.id)}

    return await context.state.ask(ask)


@router.delete("/{subscription}", status_code=204)
async def ended(subscription: str, caller: Owner, context: Served) -> None:
    """Removes one of the caller's, with its deliveries."""

    def change(connection: sa.Connection) -> None:
        found = _own(connection, caller, subscription)
        deliveries.forget(connection, found.id)
        audit.write(connection, caller.row("unsubscribe", found.id, audit.DONE, f"{found.domain}@{found.channel}"))

    await context.state.run(change)


@router.post("/{subscription}/pause")
async def paused(subscription: str, caller: Owner, context: Served) -> dict[str, Any]:
    """Pauses one of the caller's: what comes is kept for it."""

    def change(connection: sa.Connection) -> dict[str, Any]:
        found = _own(connection, caller, subscription)
        if found.status == ENDED:
            raise ConfigurationError(f"The subscription {found.id} has ended ({found.why}): nothing is sent to it")
        subscriptions.change_status(connection, found.id, PAUSED, f"By {caller.name}")
        audit.write(connection, caller.row("pause", found.id, audit.DONE))
        return told(_own(connection, caller, subscription))

    return await context.state.run(change)


@router.post("/{subscription}/resume")
async def resumed(subscription: str, caller: Owner, context: Served, request: Request) -> dict[str, Any]:
    """Lets one of the caller's go on, also where it has ended: what is kept for it is sent, from now on."""

    def change(connection: sa.Connection) -> dict[str, Any]:
        found = _own(connection, caller, subscription)
        if lost := subscriptions.lost_right(connection, found, context.settings):
            raise ConfigurationError(f"The subscription {found.id} can't go on: {lost}. Make one with another token")
        subscriptions.change_status(connection, found.id, ACTIVE)
        audit.write(connection, caller.row("resume", found.id, audit.DONE))
        return told(_own(connection, caller, subscription))

    found = await context.state.run(change)
    eventing_of(request.app).sender.wake()
    return found


@router.post("/{subscription}/rotate")
async def rotated(subscription: str, caller: Owner, context: Served, response: Response) -> dict[str, str]:
    """A new secret, shown this once; for a day, what is sent is signed with the one before too."""

    def write(connection: sa.Connection) -> str:
        found = _own(connection, caller, subscription)
        audit.write(connection, caller.row("rotate secret", found.id, audit.DONE))
        return subscriptions.rotate(connection, found.id)

    response.headers["Cache-Control"] = "no-store"
    return {"id": subscription, "secret": await context.state.run(write)}


@router.post("/{subscription}/test", status_code=202)
async def tested(subscription: str, caller: Owner, context: Served, request: Request) -> dict[str, Any]:
    """Sends a test event, in its turn."""

    def write(connection: sa.Connection) -> Event:
        found = _own(connection, caller, subscription)
        event = deliveries.send_test(connection, found, lambda number: _test_body(found, number))
        audit.write(connection, caller.row("test", found.id, audit.DONE))
        return event

    event = await context.state.run(write)
    eventing_of(request.app).sender.wake()
    return {"event": event.seq}


@router.get("/{subscription}/deliveries")
async def delivered(
    subscription: str,
    caller: Owner,
    context: Served,
    status: Literal["pending", "delivering", "done", "dead"] | None = None,
    before: Annotated[int | None, Query(ge=0, le=MOST)] = None,
) -> dict[str, Any]:
    """Deliveries of one of the caller's, newest first, 100 at a time; `status=dead` lists the dead letters."""

    def ask(connection: sa.Connection) -> dict[str, Any]:
        found = _own(connection, caller, subscription)
        if lost := subscriptions.lost_right(connection, found, context.settings):
            raise RefusedError(403, "not-allowed", lost)
        rows = deliveries.listed(connection, found.id, status=status, before=before)
        return {"deliveries": [delivery_told(*row) for row in rows]}

    return await context.state.ask(ask)


@router.post("/{subscription}/replay")
async def replayed(
    subscription: str, which: Replay, caller: Owner, context: Served, request: Request
) -> dict[str, int]:
    """Sends dead letters again, one, some or all, in the order of their events."""

    def write(connection: sa.Connection) -> int:
        found = _own(connection, caller, subscription)
        count = deliveries.replay(connection, found, which.events)
        audit.write(connection, caller.row("replay", found.id, audit.DONE, f"{count} dead letters"))
        return count

    count = await context.state.run(write)
    eventing_of(request.app).sender.wake()
    return {"replayed": count}


async def check_target(url: str, settings: ServerSettings) -> None:
    """Refuses an address that nothing may be sent to: its own is looked at again at each delivery.

    Raises:
        ConfigurationError: It isn't public, has no known host, or is http outside of the networks that settings name.
    """
    web = open_web(settings)
    try:
        addresses = await web.vet(url)
    except WebError as error:
        raise ConfigurationError(f"No webhook can go there: {refusal(error.values['outcome'], error)}") from error
    private = web.access.networks()
    if url[:5].lower() != "https" and not all(_within(address, private) for address in addresses):
        raise ConfigurationError("No webhook can go there in the clear: give an address that starts with https://")


def told(subscription: Subscription) -> dict[str, Any]:
    """A subscription as its owner sees it."""
    names = ("id", "domain", "channel", "base", "library", "url", "status", "why")
    found = {name: getattr(subscription, name) for name in names}
    return found | {"made": _time(subscription.made), "failures": subscription.failures, "lost": subscription.lost}


def _own(connection: sa.Connection, caller: Caller, subscription: str) -> Subscription:
    found = subscriptions.get(connection, subscription)
    if found is None or not (found.token == _token(caller) or _is_admin(caller)):
        raise unknown(f"subscription {subscription!r}")
    return found


def _token(caller: Caller) -> str:
    if caller.token is None:
        raise RefusedError(401, "token", "This needs a token: Authorization: Bearer …")
    return caller.token.id


def _is_admin(caller: Caller) -> bool:
    return caller.token is not None and caller.token.scope >= Scope.ADMIN and caller.token.covers_all


def _within(address: str, networks: Iterable[Network]) -> bool:
    return any(ipaddress.ip_address(address) in network for network in networks)


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def delivery_told(delivery: Delivery, event: Event) -> dict[str, Any]:
    """A delivery as its owner sees it."""
    names = ("id", "status", "attempts", "code", "detail")
    about = {"event": event.seq, "type": event.kind, "domain": event.domain, "version": event.data.get("version")}
    times = {"made": _time(delivery.made), "changed": _time(delivery.changed)}
    return about | {name: getattr(delivery, name) for name in names} | times


def _test_body(subscription: Subscription, number: int) -> dict[str, Any]:
    about = {"subscription": subscription.id, "domain": subscription.domain, "channel": subscription.channel}
    return {"type": TEST, "timestamp": _time(dt.datetime.now(dt.UTC).timestamp()), "data": about | {"number": number}}
