"""`POST /registry/…`: what a token may change: channels, and how versions stand. Each has a reason and an author.

Here nobody asks a domain's tasks: whoever may publish moves a channel as `driftune registry promote --force WHY` does.
A change is in the audit log before it is answered, and isn't made where the log can't be written. Routes that change
take tokens from the header alone, never from a cookie, so no page of another site can make a browser change anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
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
Owner = Annotated[Caller, needs(Scope.ADMIN)]
Served = Annotated[Context, Depends(context_of)]
Channel = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Number = Annotated[int, Path(ge=1)]


class Asked(BaseModel):
    """A change, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Promotion(Asked):
    """A channel is to move to a version, for a share of those who follow it."""

    version: int = Field(ge=1)
    share: float = Field(default=1.0, gt=0, le=1)


class Rollback(Asked):
    """A channel is to go back: to a version that it gave, or to the one before."""

    to: int | None = Field(default=None, ge=1)


@router.post("/{domain}/channels/{channel}")
def promote(domain: str, channel: Channel, asked: Promotion, caller: Publisher, context: Served) -> dict[str, Any]:
    """Moves a channel to a version."""
    _known(context, domain, asked.version)
    with changed(caller, "promote", f"{domain}@{channel}", f"v{asked.version}: {asked.reason}"):
        entry = context.store.promote(
            domain, asked.version, channel, reason=asked.reason, by=_by(caller), share=asked.share
        )
    return _told(domain, entry)


@router.post("/{domain}/channels/{channel}/rollback")
def rollback(domain: str, channel: Channel, asked: Rollback, caller: Publisher, context: Served) -> dict[str, Any]:
    """Moves a channel back."""
    with changed(caller, "rollback", f"{domain}@{channel}", asked.reason):
        entry = context.store.rollback(domain, channel, asked.to, reason=asked.reason, by=_by(caller))
    return _told(domain, entry)


@router.post("/{domain}/versions/{number}/yank")
def yank(domain: str, number: Number, asked: Asked, caller: Publisher, context: Served) -> dict[str, Any]:
    """Takes a version out of all channels; whoever has it keeps it."""
    return _stand(caller, context, "yank", domain, number, asked.reason)


@router.post("/{domain}/versions/{number}/unyank")
def unyank(domain: str, number: Number, asked: Asked, caller: Owner, context: Served) -> dict[str, Any]:
    """Takes a yank back."""
    return _stand(caller, context, "unyank", domain, number, asked.reason)


@router.post("/{domain}/versions/{number}/end-of-life")
def end_version(domain: str, number: Number, asked: Asked, caller: Owner, context: Served) -> dict[str, Any]:
    """Says that nobody cares for a version any more."""
    return _stand(caller, context, "end-of-life", domain, number, asked.reason)


@router.post("/{domain}/end-of-life")
def end_domain(domain: str, asked: Asked, caller: Owner, context: Served) -> dict[str, Any]:
    """Says that nobody cares for a domain any more."""
    return _stand(caller, context, "end-of-life", domain, None, asked.reason)


@contextlib.contextmanager
def changed(caller: Caller, action: str, target: str, why: str) -> Iterator[None]:
    """Holds a change in the audit log, from before it is made; as refused where it can't be.

    The row is committed first: on a full disk it is the commit that fails. And a registry that takes its time holds
    up nobody else who writes to the state.
    """
    state = caller.context.state
    with state.begin() as connection:
        begun = audit.begin(connection, caller.row(action, target, audit.DONE, why))
    try:
        yield
    except DriftuneError as error:
        with contextlib.suppress(DriftuneError), state.begin() as connection:
            audit.undo(connection, begun)
        caller.refused(target, f"{action}: {error}")
        raise


def _stand(caller: Caller, context: Context, action: str, domain: str, number: int | None, why: str) -> dict[str, Any]:
    """Says how a version stands, or a domain."""
    ref = domain if number is None else f"{domain}@v{number}"
    if number is not None:
        _known(context, domain, number)
    say: dict[str, Callable[..., Any]] = {
        "yank": context.store.yank, "unyank": context.store.unyank, "end-of-life": context.store.end_of_life,
    }  # fmt: skip
    with changed(caller, action, ref, why):
        said = say[action](ref, why, _by(caller))
    return {"ref": ref} | {name: getattr(said, name) for name in ("action", "number", "reason", "by", "at")}


def _known(context: Context, domain: str, number: int) -> None:
    if all(adapter.version != number for adapter in context.store.versions(domain)):
        raise unknown(f"version {number} of {domain}")


def _by(caller: Caller) -> str:
    return f"token {caller.name}"


def _told(domain: str, entry: Entry) -> dict[str, Any]:
    return {"domain": domain} | {name: value for name, value in entry.__dict__.items() if value != ""}
