"""Events: each entry of the store's logs once, numbered in the order in which this state came to know of them.

An event is made of an entry of a numbered log (a channel's, or a domain's standing), by whichever server sees it first:
the number of the next entry of each log is kept beside the events and moved on in the same transaction, under one lock,
so several servers on one state make none twice, and numbers are seen in their order. The id comes from domain, log and
number: two servers with states of their own call the same entry the same.

Not guaranteed: of a registry that was put back to an earlier state, entries whose numbers were told before aren't told
again, whatever they say now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry.identity import sha256_of
from registry.server.state import metadata

MOST = (1 << 63) - 1
"""No event has a higher number."""
STANDING = "standing"
"""The log of yanked versions and ends of life; a channel's log is `channels/NAME`."""
CHANNELS = "channels/"
TESTS = "tests/"
"""What a subscription was sent to be tried, as if each had a log of its own: `tests/ID`."""

_events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("log", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("domain", "log", "number"),
)
_marks = sa.Table(
    "event_logs",
    metadata,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)
_count = sa.Table(
    "event_count",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Draft:
    """An entry of a log that may become an event.

    Attributes:
        domain: The domain.
        log: `channels/NAME`, `standing`, `tests/ID`.
        number: The entry's, in its log.
        body: What is told: `type`, `timestamp`, `data`, as Standard Webhooks has them.
    """

    domain: str
    log: str
    number: int
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What all servers call it."""
        return f"evt_{sha256_of([self.domain, self.log, self.number])[:32]}"


@dataclass(frozen=True)
class Event(Draft):
    """An event.

    Attributes:
        seq: Its number in this state: what `Last-Event-ID` names.
        made: When it got that, in seconds since 1970.
    """

    seq: int = 0
    made: float = 0.0

    @property
    def kind(self) -> str:
        """Its type, as `adapter.published`."""
        return str(self.body["type"])

    @property
    def channel(self) -> str | None:
        """The channel that was moved; None where none was."""
        return self.log.removeprefix(CHANNELS) if self.log.startswith(CHANNELS) else None

    @property
    def data(self) -> Mapping[str, Any]:
        """What it says."""
        found: Mapping[str, Any] = self.body["data"]
        return found


def marks(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """The number of the last entry of each log (domain, log) that is an event."""
    return {(row.domain, row.log): row.last for row in connection.execute(sa.select(_marks))}


def add(connection: sa.Connection, drafts: Iterable[Draft]) -> list[Event]:
    """Makes events of entries, in the order given: of each log only what comes next, so that none is made twice.

    Args:
        connection: A transaction that writes; others that add wait for its end.
        drafts: The entries; those of one log in their order.
    """
    seq = _locked(connection)
    ends, made = marks(connection), list[Event]()
    for draft in drafts:
        log = (draft.domain, draft.log)
        if draft.number == ends.get(log, 0) + 1:
            ends[log] = draft.number
            made.append(Event(**draft.__dict__, seq=seq + len(made) + 1, made=time.time()))
    for event in made:
        row = {"seq": event.seq, "id": event.id, "number": event.number, "made": event.made}
        row |= {"domain": event.domain, "log": event.log, "body": json.dumps(event.body)}
        connection.execute(_events.insert().values(row))
    for domain, name in dict.fromkeys((event.domain, event.log) for event in made):
        _mark(connection, domain, name, ends[domain, name])
    connection.execute(_count.update().values(seq=seq + len(made)))
    return made


def _locked(connection: sa.Connection) -> int:
    """The number of the last event; whoever asks next waits until this transaction has ended."""
    connection.execute(sa.text("INSERT INTO event_count (one, seq) VALUES (1, 0) ON CONFLICT DO NOTHING"))
    connection.execute(_count.update().values(seq=_count.c.seq))
    return int(connection.scalars(sa.select(_count.c.seq)).one())


def _mark(connection: sa.Connection, domain: str, log: str, last: int) -> None:
    of_it = (_marks.c.domain == domain) & (_marks.c.log == log)
    if connection.execute(_marks.update().where(of_it).values(last=last)).rowcount == 0:
        connection.execute(_marks.insert().values(domain=domain, log=log, last=last))


def forget_tests(connection: sa.Connection, kept: sa.Select[Any]) -> None:
    """Removes tests whose numbers aren't among those that are kept."""
    connection.execute(_events.delete().where(_events.c.log.like(f"{TESTS}%"), _events.c.seq.not_in(kept)))


def last(connection: sa.Connection) -> int:
    """The number of the last event; 0 where there is none."""
    return int(connection.scalar(sa.select(_count.c.seq)) or 0)


def get(connection: sa.Connection, seqs: Collection[int]) -> dict[int, Event]:
    """Events by their numbers."""
    found = connection.execute(sa.select(_events).where(_events.c.seq.in_(list(seqs))))
    return {row.seq: _event(row) for row in found}


def after(
    connection: sa.Connection, seq: int, *, domain: str | None = None, channel: str | None = None, most: int = 100
) -> list[Event]:
    """What came after an event, oldest first; no tests.

    Args:
        connection: A transaction.
        seq: The number of the last one that is known; 0 for none.
        domain: Of this domain only.
        channel: Moves of this channel, and what is said of versions.
        most: At most so many.
    """
    asked = _told(domain, channel).where(_events.c.seq > seq).order_by(_events.c.seq).limit(most)
    return [_event(row) for row in connection.execute(asked)]


def latest(
    connection: sa.Connection, domains: Sequence[str], *, channel: str | None = None, most: int = 50
) -> list[Event]:
    """The last events of some domains, newest first; no tests."""
    asked = _told(None, channel).where(_events.c.domain.in_(domains)).order_by(_events.c.seq.desc()).limit(most)
    return [_event(row) for row in connection.execute(asked)]


def _told(domain: str | None, channel: str | None) -> sa.Select[Any]:
    asked = sa.select(_events).where(_events.c.log.not_like(f"{TESTS}%"))
    if domain is not None:
        asked = asked.where(_events.c.domain == domain)
    if channel is not None:
        asked = asked.where(_events.c.log.in_([f"{CHANNELS}{channel}", STANDING]))
    return asked


def _event(row: sa.Row[Any]) -> Event:
    return Event(row.domain, row.log, row.number, json.loads(row.body), seq=row.seq, made=row.made)
