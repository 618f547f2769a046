"""Tokens: who may read, publish or administer which domains. Of a token's secret only a hash is kept.

A secret is 32 random bytes, so one SHA-256 of it is as good as a slow hash: there is nothing to guess.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import sqlalchemy as sa

from registry.errors import ConfigurationError
from registry.server.state import metadata

PREFIX = "dt_"
ANONYMOUS = "anonymous"
"""What a caller without a token is called."""
_SECRET = re.compile(rf"({PREFIX}|whsec_)[A-Za-z0-9_+/=-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_DOMAIN = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9._*?-]{0,127}")
_LONGEST_DAYS = 36_500
_COARSE_S = 3600.0
"""How exactly it is kept when a token was last used."""

_tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("domains", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("revoked", sa.Double),
    sa.Column("revoked_why", sa.Text, nullable=False, default=""),
    sa.Column("used", sa.Double),
)


class Scope(enum.IntEnum):
    """What a token allows, each with what is before it."""

    READ = 1
    PUBLISH = 2
    ADMIN = 3

    @classmethod
    def of(cls, name: str) -> Scope:
        """The scope of a name.

        Raises:
            ConfigurationError: There is none of that name.
        """
        found = cls.__members__.get(name.upper())
        if found is None:
            listed = ", ".join(each.name.lower() for each in cls)
            raise ConfigurationError(f"No scope {name!r}: a token has one of {listed}")
        return found


@dataclass(frozen=True)
class Token:
    """A token, without its secret.

    Attributes:
        id: What it is revoked by.
        name: Whose it is; several may have one.
        domains: Names or patterns (`networkx*`, `*`) of the domains that it is good for.
        scope: What it allows there.
        made: When.
        made_by: Who made it.
        expires: When it ends; None for never.
        revoked: When it was revoked; None where it wasn't.
        revoked_why: Why.
        used: When it was last used, to the hour; None for never.
    """

    id: str
    name: str
    domains: tuple[str, ...]
    scope: Scope
    made: float
    made_by: str
    expires: float | None
    revoked: float | None
    revoked_why: str
    used: float | None

    def covers(self, domain: str) -> bool:
        """Whether it is good for a domain."""
        return any(fnmatchcase(domain, pattern) for pattern in self.domains)

    def names(self, domain: str) -> bool:
        """Whether it is good for a domain by its name, and not by a pattern."""
        return domain in self.domains and not set(domain) & set("*?[")

    @property
    def covers_all(self) -> bool:
        """Whether it is good for every domain."""
        return "*" in self.domains

    def fault(self, now: float) -> str:
        """Why it isn't valid any more; empty where it is."""
        if self.revoked is not None:
            return "was revoked"
        return "has expired" if self.expires is not None and self.expires <= now else ""


def new(
    connection: sa.Connection, name: str, domains: Iterable[str], scope: Scope, *, days: float | None, by: str
) -> tuple[Token, str]:
    """Makes a token, and gives it with its secret, which nobody can tell again.

    Args:
        connection: A transaction that writes.
        name: Whose it will be.
        domains: Names or patterns of domains; `*` for all.
        scope: What it allows.
        days: After how many days it expires; None for never.
        by: Who makes it.

    Raises:
        ConfigurationError: The name can't be one, there is no domain, or no time before it expires.
    """
    patterns = tuple(dict.fromkeys(domains))
    if not _NAME.fullmatch(name) or name == ANONYMOUS:
        raise ConfigurationError(
            f"No token can be called {name!r}: use letters, digits, blank, dot, dash, @, underscore, 64 at most"
        )
    wrong = next((each for each in patterns if not _DOMAIN.fullmatch(each)), None)
    if wrong is not None or not patterns:
        raise ConfigurationError(f"A token is for domains, by name or pattern ('*' for all), and not for {wrong!r}")
    if days is not None and not 0 < days <= _LONGEST_DAYS:
        raise ConfigurationError(f"A token can't expire after {days:g} days: give more than 0, {_LONGEST_DAYS} at most")
    secret = PREFIX + secrets.token_urlsafe(32)
    now = time.time()
    expires = None if days is None else now + days * 86400
    token = Token(secrets.token_hex(6), name, patterns, scope, now, by, expires, None, "", None)
    values = token.__dict__ | {"domains": " ".join(patterns), "scope": scope.name, "hash": _hash(secret)}
    connection.execute(_tokens.insert().values(**values))
    return token, secret


def every(connection: sa.Connection) -> list[Token]:
    """All tokens, also those that are no longer valid, oldest first."""
    return [_token(row) for row in connection.execute(sa.select(_tokens).order_by(_tokens.c.made))]


def revoke(connection: sa.Connection, token: str, why: str) -> Token:
    """Revokes a token by its id; it is refused from the next request on.

    Raises:
        ConfigurationError: There is no such token.
    """
    row = connection.execute(sa.select(_tokens).where(_tokens.c.id == token)).one_or_none()
    if row is None:
        raise ConfigurationError(f"No token has the id {shown(token)!r}: driftune token list shows them")
    if row.revoked is None:
        change = _tokens.update().where(_tokens.c.id == token).values(revoked=time.time(), revoked_why=why)
        connection.execute(change)
    return _token(connection.execute(sa.select(_tokens).where(_tokens.c.id == token)).one())


def find(connection: sa.Connection, secret: str) -> Token | None:
    """The token of a secret, also where it isn't valid any more; None where there is none."""
    wanted = _hash(secret)
    row = connection.execute(sa.select(_tokens).where(_tokens.c.hash == wanted)).one_or_none()
    return _token(row) if row is not None and hmac.compare_digest(row.hash, wanted) else None


def get(connection: sa.Connection, token: str) -> Token | None:
    """The token of an id, also where it isn't valid any more; None where there is none."""
    row = connection.execute(sa.select(_tokens).where(_tokens.c.id == token)).one_or_none()
    return _token(row) if row is not None else None


def is_stale(token: Token, now: float) -> bool:
    """Whether it isn't known yet that a token was used in this hour."""
    return token.used is None or now - token.used > _COARSE_S


def touch(connection: sa.Connection, used: Mapping[str, float]) -> None:
    """Keeps when tokens were last used: id -> time."""
    for token, at in sorted(used.items()):
        connection.execute(_tokens.update().where(_tokens.c.id == token).values(used=at))


def shown(text: str) -> str:
    """A text without the secrets of tokens and webhooks in it, for logs."""
    return _SECRET.sub(r"\1…", text)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: sa.Row[tuple[object, ...]]) -> Token:
    values = row._asdict()
    values.pop("hash")
    domains, scope = tuple(values.pop("domains").split()), Scope[values.pop("scope")]
    return Token(domains=domains, scope=scope, **values)
