"""`POST /registry/…`: what a token may change: channels, and how versions stand. Each has a reason and an author.

Here nobody asks a domain's tasks: whoever may publish moves a channel as `driftune registry promote --force WHY` does.
A change is in the audit log before it is answered, and isn't made where the log can't be written. Routes that change
take tokens from the header alone, never from a cookie, so no page of another site can make a browser change anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from registry.channels import Entry
from registry.errors import DriftuneError
from registry.server import audit
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.errors import unknown

router = APIRouter(prefix="/registry")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("one line of printable characters")
    return text


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_printable)
]
Publisher = Annotated[Caller, needs(Scope.PUBLISH)]
Served = Annotated[Context, Depends(context_of)]
Channel = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Asked(BaseModel):
    """A change, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Promotion(Asked):
    """A channel is to move to a version."""

    version: int = Field(ge=1)


class Rollback(Asked):
    """A channel is to go back: to a version that it gave, or to the one before."""

    to: int | None = Field(default=None, ge=1)


@router.post("/{domain}/channels/{channel}")
def promote(domain: str, channel: Channel, asked: Promotion, caller: Publisher, context: Served) -> dict[str, Any]:
    """Moves a channel to a version."""
    _known(context, domain, asked.version)
    with changed(caller, "promote", f"{domain}@{channel}", f"v{asked.version}: {asked.reason}"):
        entry = context.store.promote(domain, asked.version, channel, reason=asked.reason, by=_by(caller))
    return _told(domain, entry)


@router.post("/{domain}/channels/{channel}/rollback")
def rollback(domain: str, channel: Channel, asked: Rollback, caller: Publisher, context: Served) -> dict[str, Any]:
    """Moves a channel back."""
    with changed(caller, "rollback", f"{domain}@{channel}", asked.reason):
        entry = context.store.rollback(domain, channel, asked.to, reason=asked.reason, by=_by(caller))
    return _told(domain, entry)


@contextlib.contextmanager
def changed(caller: Caller, action: str, target: str, why: str) -> Iterator[None]:
    """Holds a change in the audit log: as done where the block comes to its end, as refused where it can't be."""
    try:
        with caller.context.state.begin() as connection:
            audit.write(connection, caller.row(action, target, audit.DONE, why))
            yield
    except DriftuneError as error:
        caller.refused(target, f"{action}: {error}")
        raise


def _known(context: Context, domain: str, number: int) -> None:
    if all(adapter.version != number for adapter in context.store.versions(domain)):
        raise unknown(f"version {number} of {domain}")


def _by(caller: Caller) -> str:
    return f"token {caller.name}"


def _told(domain: str, entry: Entry) -> dict[str, Any]:
    return {"domain": domain} | {name: value for name, value in entry.__dict__.items() if value != ""}
