"""`/api/tokens` and `/api/audit`: what `driftune token` and `driftune audit` do, for who may administer all."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from registry.server import audit, tokens
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.changes import Asked
from registry.server.context import Context
from registry.server.errors import unknown
from registry.server.tokens import Token

router = APIRouter(prefix="/api")

Administrator = Annotated[Caller, needs(Scope.ADMIN)]
Identifier = Annotated[str, Path(pattern=r"^[0-9a-z]{1,32}$")]
Served = Annotated[Context, Depends(context_of)]


class Wanted(BaseModel):
    """A token that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str
    domains: list[str] = Field(min_length=1, max_length=100)
    scope: str = "read"
    days: float | None = Field(default=365.0, gt=0)


@router.get("/tokens")
def every(_caller: Administrator, context: Served) -> list[dict[str, Any]]:
    """All tokens, without their secrets."""
    with context.state.read() as connection:
        return [told(token) for token in tokens.every(connection)]


@router.post("/tokens", status_code=201)
def new(asked: Wanted, caller: Administrator, context: Served, response: Response) -> dict[str, Any]:
    """Makes a token; its secret is in this answer alone."""
    scope = Scope.of(asked.scope)
    with context.state.begin() as connection:
        token, secret = tokens.new(connection, asked.name, asked.domains, scope, days=asked.days, by=_by(caller))
        detail = f"{asked.scope} of {' '.join(token.domains)} for {token.name}"
        audit.write(connection, caller.row("token new", token.id, audit.DONE, detail))
    response.headers["Cache-Control"] = "no-store"
    return told(token) | {"secret": secret}


@router.post("/tokens/{token}/revoke")
def revoke(token: Identifier, asked: Asked, caller: Administrator, context: Served) -> dict[str, Any]:
    """Revokes a token: it is refused from the next request on."""
    with context.state.begin() as connection:
        if tokens.get(connection, token) is None:
            raise unknown("such token")
        revoked = tokens.revoke(connection, token, asked.reason)
        audit.write(connection, caller.row("token revoke", token, audit.DONE, asked.reason))
    return told(revoked)


@router.get("/audit")
def log(
    _caller: Administrator, context: Served, last: Annotated[int, Query(ge=1, le=10_000)] = 50, refused: bool = False
) -> list[dict[str, Any]]:
    """The last rows of the audit log, oldest first."""
    with context.state.read() as connection:
        rows = audit.read(connection, last=last, result=audit.REFUSED if refused else "")
    return [asdict(row) | {"at": time_of(row.at)} for row in rows]


def told(token: Token) -> dict[str, Any]:
    """A token as programs are told of it; what hasn't happened is null."""
    times = {name: time_of(getattr(token, name)) for name in ("made", "expires", "revoked", "used")}
    return asdict(token) | times | {"domains": list(token.domains), "scope": token.scope.name.lower()}


def time_of(at: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return None if at is None else dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")


def _by(caller: Caller) -> str:
    return f"token {caller.name}"
