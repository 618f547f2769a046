"""The audit log: every change and every refusal, who, what, when, from where. Rows expire.

A change is written before it is answered: in the transaction of its own doing, where that is one of the state's, else
before it is made, and taken back where it can't be. Of a server that is killed between, the log may say too much.
Refusals are written a moment later: see `registry.server.notes`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from registry.server.settings import ServerSettings
from registry.server.state import metadata
from registry.server.tokens import shown

DONE = "done"
REFUSED = "refused"
_LONGEST = 300

_audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Row:
    """What happened.

    Attributes:
        who: The name of a token, the account that ran a command, or `anonymous`.
        token: Id of the token; empty without one.
        address: Where the request came from; `command` for the command line.
        action: What was asked for: `promote`, `token new`, `GET /registry/{domain}/…`.
        target: On what: a domain, an adapter, a token's id.
        result: `done` or `refused`.
        detail: The reason that was given, or why it was refused.
        at: When, in seconds since 1970.
    """

    who: str
    token: str
    address: str
    action: str
    target: str
    result: str
    detail: str = ""
    at: float = 0.0


def write(connection: sa.Connection, *rows: Row) -> None:
    """Adds rows, as part of a transaction that writes; `at` is now where a row doesn't say."""
    now = time.time()
    if rows:
        connection.execute(_audit.insert(), [_bounded(row) | {"at": row.at or now} for row in rows])


def begin(connection: sa.Connection, row: Row) -> int:
    """Adds the row of a change that isn't one of the state's, before it is made; gives what `undo` takes it back by."""
    values = _bounded(row) | {"at": time.time()}
    return int(connection.execute(_audit.insert().returning(_audit.c.id), values).scalar_one())


def undo(connection: sa.Connection, begun: int) -> None:
    """Takes back the row of a change that couldn't be made."""
    connection.execute(_audit.delete().where(_audit.c.id == begun))


def read(connection: sa.Connection, *, last: int, result: str = "") -> list[Row]:
    """The last rows, oldest first.

    Args:
        connection: A transaction.
        last: How many, at most.
        result: Only these: `done` or `refused`; all where empty.
    """
    asked = sa.select(_audit).order_by(_audit.c.id.desc()).limit(last)
    if result:
        asked = asked.where(_audit.c.result == result)
    found = [row._asdict() for row in connection.execute(asked)]
    return [Row(**{name: value for name, value in row.items() if name != "id"}) for row in reversed(found)]


def prune(connection: sa.Connection, settings: ServerSettings) -> None:
    """Removes what is older than the log is kept, and refusals above their number."""
    connection.execute(_audit.delete().where(_audit.c.at < time.time() - settings.audit_days * 86400))
    refusals = sa.select(_audit.c.id).where(_audit.c.result == REFUSED).order_by(_audit.c.id.desc())
    beyond = connection.scalar(refusals.offset(settings.audit_refusals).limit(1))
    if beyond is not None:
        connection.execute(_audit.delete().where(_audit.c.result == REFUSED, _audit.c.id <= beyond))


def _bounded(row: Row) -> dict[str, object]:
    return {name: _plain(value) if isinstance(value, str) else value for name, value in asdict(row).items()}


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown(text)[:_LONGEST])
