"""The screens of subscriptions and their deliveries: those of the caller's token, all for who may administer all."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from registry.server import deliveries, subscriptions
from registry.server.access import Caller, Scope
from registry.server.errors import unknown
from registry.server.events import MOST
from registry.server.pages.asking import Owner, Served
from registry.server.pages.view import page
from registry.server.subscriptions import Subscription

router = APIRouter()

_STATUSES = ("dead", "pending", "delivering", "done")


@router.get("/subscriptions")
async def following(request: Request, caller: Owner, context: Served) -> HTMLResponse:
    """The subscriptions, with how many deliveries of each are in which state."""

    def ask(connection: sa.Connection) -> list[dict[str, Any]]:
        own = None if _is_admin(caller) or caller.token is None else caller.token.id
        found = subscriptions.every(connection, token=own)
        return [_told(each) | {"counts": deliveries.counts(connection, each.id)} for each in found]

    shown = await context.state.ask(ask)
    return page(request, "following", caller, at="following", subscriptions=shown, statuses=_STATUSES)


@router.get("/subscriptions/{subscription}")
async def followed(
    request: Request,
    caller: Owner,
    context: Served,
    subscription: str,
    status: str = "",
    before: Annotated[int | None, Query(ge=0, le=MOST)] = None,
) -> HTMLResponse:
    """A subscription: what was sent to it, what came of it, the dead letters."""
    wanted = status if status in _STATUSES else None

    def ask(connection: sa.Connection) -> dict[str, Any]:
        found = subscriptions.get(connection, subscription)
        if found is None or not (_is_admin(caller) or (caller.token and found.token == caller.token.id)):
            raise unknown(f"subscription {subscription[:64]!r}")
        lost = subscriptions.lost_right(connection, found, context.settings)
        listed = [] if lost else deliveries.listed(connection, found.id, status=wanted, before=before)
        rows = [
            {"seq": event.seq, "kind": event.kind, "domain": event.domain, "version": event.data.get("version"),
             "status": each.status, "attempts": each.attempts, "code": each.code, "detail": each.detail,
             "changed": _moment(each.changed)}
            for each, event in listed
        ]  # fmt: skip
        return _told(found) | {"counts": deliveries.counts(connection, found.id), "rows": rows, "lost_right": lost}

    shown = await context.state.ask(ask)
    return page(
        request, "followed", caller, at="following", crumbs=[("Subscriptions", "/subscriptions")], each=shown,
        statuses=_STATUSES, state=wanted or "",
    )  # fmt: skip


def _told(found: Subscription) -> dict[str, Any]:
    names = ("id", "domain", "channel", "base", "library", "url", "status", "why", "failures", "lost")
    return {name: getattr(found, name) for name in names} | {"made": _moment(found.made)}


def _is_admin(caller: Caller) -> bool:
    return caller.token is not None and caller.token.scope >= Scope.ADMIN and caller.token.covers_all


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
