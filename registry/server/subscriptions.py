"""Subscriptions: who is told of what, where, and by which secret. Their deliveries are in `registry.server.deliveries`.

A subscription belongs to the token that made it and ends with it: when the token is revoked, expires, or no longer
covers a domain that isn't public. Its secret must be known to sign with, so it is kept as it is: the state's file is
readable to its owner alone, and so should a database be. It is shown when it is made, and never again.
"""

from __future__ import annotations

import base64
import dataclasses
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import ranges
from registry.errors import ConfigurationError
from registry.server import tokens
from registry.server.settings import ServerSettings
from registry.server.state import metadata

ACTIVE, PAUSED, ENDED = "active", "paused", "ended"
OVERLAP_S = 86_400.0
"""How long what is sent is signed with a replaced secret too."""
_LONGEST = 200

table = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, index=True),
    sa.Column("domain", sa.Text, nullable=False, index=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("base", sa.Text, nullable=False),
    sa.Column("library", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("old_secret", sa.Text, nullable=False),
    sa.Column("old_until", sa.Double, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("lost", sa.Integer, nullable=False),
    sa.Column("waits_until", sa.Double, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("held_until", sa.Double, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants to be told of.

    Attributes:
        domain: The domain.
        channel: The channel.
        base: Only adapters of this base; of any where empty.
        library: Only adapters for these versions, as `networkx>=3.5,<4` or `>=3.5`; for any where empty.
        url: Where it is told.
    """

    domain: str
    channel: str
    base: str = ""
    library: str = ""
    url: str


@dataclass(frozen=True, kw_only=True)
class Subscription(Wish):
    """A subscription.

    Attributes:
        id: Its name, and the side that it is on where a version is rolled out to a share.
        token: Id of the token that it belongs to.
        status: `active`; `paused`: what comes is kept; `ended`: nothing comes any more.
        why: Why it is paused or has ended.
        made: When, in seconds since 1970.
        failures: Attempts in a row that failed for the delivery which is due.
        lost: Deliveries in a row that were given up.
        waits_until: When the next attempt is made, if something is due.
    """

    id: str
    token: str
    status: str
    why: str
    made: float
    failures: int
    lost: int
    waits_until: float


def check_wish(wish: Wish) -> None:
    """Refuses what can't be subscribed to; the domain and the address are looked at elsewhere.

    Raises:
        ConfigurationError: The range of versions can't be read, or something is too long.
    """
    for name, value in dataclasses.asdict(wish).items():
        if name != "url" and (len(value) > _LONGEST or not value.isprintable()):
            raise ConfigurationError(
                f"The {name} of a subscription takes printable text, {_LONGEST} characters at most"
            )
    ranges.parsed(wish.library)


def create(connection: sa.Connection, wish: Wish, token: str, most: int) -> tuple[Subscription, str]:
    """Makes a subscription, and gives it with its secret, which nobody is told again.

    Args:
        connection: A transaction that writes.
        wish: What is wanted; checked.
        token: Id of the token that it belongs to.
        most: So many, and no more, may a token have.

    Raises:
        ConfigurationError: The token has as many as it may.
    """
    count = connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.token == token)) or 0
    if count >= most:
        raise ConfigurationError(f"This token has {count} subscriptions, and may have {most}: delete one of them first")
    made = Subscription(
        **dataclasses.asdict(wish), id=f"sub_{secrets.token_hex(8)}", token=token, status=ACTIVE, why="",
        made=time.time(), failures=0, lost=0, waits_until=0.0,
    )  # fmt: skip
    secret = _secret()
    hidden = {"secret": secret, "old_secret": "", "old_until": 0.0, "holder": "", "held_until": 0.0}
    connection.execute(table.insert().values(**dataclasses.asdict(made), **hidden))
    return made, secret


def get(connection: sa.Connection, subscription: str) -> Subscription | None:
    """A subscription by its id; None where there is none."""
    row = connection.execute(sa.select(table).where(table.c.id == subscription)).one_or_none()
    return _subscription(row) if row is not None else None


def every(connection: sa.Connection, *, token: str | None = None, domain: str | None = None) -> list[Subscription]:
    """Subscriptions, oldest first: all, or those of a token, or of a domain."""
    asked = sa.select(table).order_by(table.c.made, table.c.id)
    if token is not None:
        asked = asked.where(table.c.token == token)
    if domain is not None:
        asked = asked.where(table.c.domain == domain)
    return [_subscription(row) for row in connection.execute(asked)]


def change_status(connection: sa.Connection, subscription: str, status: str, why: str = "") -> None:
    """Pauses, resumes or ends a subscription; one that is active again is tried at once."""
    values: dict[str, Any] = {"status": status, "why": why[:_LONGEST]}
    if status == ACTIVE:
        values |= {"failures": 0, "lost": 0, "waits_until": 0.0}
    connection.execute(table.update().where(table.c.id == subscription).values(**values))


def rotate(connection: sa.Connection, subscription: str) -> str:
    """A new secret; the one before goes on signing beside it for a day, so that the receiver has time to change."""
    secret = _secret()
    change = {"old_secret": table.c.secret, "old_until": time.time() + OVERLAP_S, "secret": secret}
    connection.execute(table.update().where(table.c.id == subscription).values(**change))
    return secret


def secrets_of(connection: sa.Connection, subscription: str) -> list[str]:
    """What deliveries are signed with now, the newest first."""
    columns = (table.c.secret, table.c.old_secret, table.c.old_until)
    row = connection.execute(sa.select(*columns).where(table.c.id == subscription)).one()
    return [row.secret, *([row.old_secret] if row.old_secret and row.old_until > time.time() else [])]


def delete(connection: sa.Connection, subscription: str) -> None:
    """Removes a subscription; its deliveries are to be removed with it."""
    connection.execute(table.delete().where(table.c.id == subscription))


def lost_right(connection: sa.Connection, subscription: Subscription, settings: ServerSettings) -> str:
    """Why a subscription may not be told of its domain any more; empty where it may."""
    token = tokens.get(connection, subscription.token)
    fault = token.fault(time.time()) if token else "is gone"
    if fault:
        return f"The token {token.name if token else ''!r} that it belongs to {fault}"
    if token and not (token.covers(subscription.domain) or settings.is_public(subscription.domain)):
        return f"The token {token.name!r} that it belongs to doesn't cover {subscription.domain}"
    return ""


def fits(wish: Wish, base: str, library_range: str) -> bool:
    """Whether an adapter of a base, for versions of libraries (`a>=1,<2; b>=3`), is one that is wished for."""
    if wish.base and wish.base != base:
        return False
    return ranges.overlap(wish.library, library_range)


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


_SHOWN: Sequence[str] = [field.name for field in dataclasses.fields(Subscription)]


def _subscription(row: sa.Row[Any]) -> Subscription:
    values = row._asdict()
    return Subscription(**{name: values[name] for name in _SHOWN})
