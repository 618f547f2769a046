"""Deliveries: each event that a subscription is told of, until it has arrived or is given up.

pending -> delivering -> done, or back to pending, or dead (a dead letter; a replay makes it pending again)

A delivery is made in the transaction of its event, so none is forgotten. Of a subscription only the first that isn't
done or dead is ever under way, and one server process works on a subscription at a time: it holds it until a time that
it puts off before each attempt, by longer than an attempt may take. Who is killed holds it until that time is over;
what was on its way then is sent again, under the same id. Times are those of the database's clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry.errors import ConfigurationError
from registry.identity import sha256_of
from registry.server import events, subscriptions
from registry.server.events import Event
from registry.server.settings import ServerSettings
from registry.server.state import metadata
from registry.server.subscriptions import ACTIVE, ENDED, PAUSED, Subscription

PENDING, DELIVERING, DONE, DEAD = "pending", "delivering", "done", "dead"
STATUSES = (PENDING, DELIVERING, DONE, DEAD)
LOST_IN_A_ROW = 3
"""So many dead letters in a row pause a subscription: its address is gone, and nothing more is lost by trying."""
_LONGEST = 300
_TESTS = 10
"""Tests of a subscription that may be on their way."""
_DUE = (PENDING, DELIVERING)
_subs = subscriptions.table

_deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("subscription", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("code", sa.Integer),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("changed", sa.Double, nullable=False),
    sa.Index("deliveries_by_status", "subscription", "status", "seq"),
)


@dataclass(frozen=True)
class Delivery:
    """An event on its way to a subscriber.

    Attributes:
        subscription: Id of the subscription.
        seq: Number of the event.
        id: What the receiver knows it by (`webhook-id`): the same at each attempt.
        status: pending, delivering, done, dead.
        attempts: How often it was sent.
        code: HTTP status of the last answer; None where there was none.
        detail: What went wrong at the last attempt; empty where nothing did.
        made: When, in seconds since 1970.
        changed: When it was last sent or settled.
    """

    subscription: str
    seq: int
    id: str
    status: str
    attempts: int
    code: int | None
    detail: str
    made: float
    changed: float


@dataclass(frozen=True)
class Job:
    """What is to be sent now: by whom it is held, to whom, what, and signed with which secrets."""

    holder: str
    subscription: Subscription
    delivery: Delivery
    event: Event
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What has come of an attempt.

    Attributes:
        arrived: Whether the receiver said that he has it.
        gone: Whether he said that he wants no more (410).
        code: HTTP status; None where there was no answer.
        detail: What went wrong.
        wait: Seconds that he asked to be left alone for.
    """

    arrived: bool
    gone: bool = False
    code: int | None = None
    detail: str = ""
    wait: float | None = None


Tells = Callable[[Event, Subscription], bool]
"""Whether a subscription of an event's domain is told of it."""


def now(connection: sa.Connection) -> float:
    """The time of the clock that all servers on this state go by."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()


def fan_out(connection: sa.Connection, made: Iterable[Event], tells: Tells) -> int:
    """Makes the deliveries of events, in the transaction that made these; how many there are."""
    count = 0
    for event in made:
        told = [s for s in subscriptions.every(connection, domain=event.domain) if s.status != ENDED]
        for subscription in (s for s in told if tells(event, s)):
            _add(connection, subscription.id, event)
            count += 1
    return count


def send_test(connection: sa.Connection, subscription: Subscription, body: Callable[[int], dict[str, Any]]) -> Event:
    """Makes an event for one subscription alone, which goes the way of all others, in its turn.

    Raises:
        ConfigurationError: As many are on their way as one needs.
    """
    log = f"{events.TESTS}{subscription.id}"
    number = events.marks(connection).get((subscription.domain, log), 0) + 1
    under_way = (_deliveries.c.subscription == subscription.id) & _deliveries.c.status.in_(_DUE)
    asked = sa.select(_deliveries.c.seq).where(under_way).order_by(_deliveries.c.seq.desc()).limit(_TESTS)
    if sum(event.log == log for event in events.get(connection, list(connection.scalars(asked))).values()) >= _TESTS:
        raise ConfigurationError(f"{_TESTS} tests of {subscription.id} are on their way: wait until these have ended")
    (event,) = events.add(connection, [events.Draft(subscription.domain, log, number, body(number))])
    _add(connection, subscription.id, event)
    return event


def _add(connection: sa.Connection, subscription: str, event: Event) -> None:
    at = time.time()
    name = f"msg_{sha256_of([subscription, event.id])[:32]}"
    row = Delivery(subscription, event.seq, name, PENDING, 0, None, "", at, at)
    connection.execute(_deliveries.insert().values(**row.__dict__))


def due(connection: sa.Connection, most: int) -> list[tuple[str, str]]:
    """Subscriptions (id, address) that have something to be sent now and that nobody holds; who waits longest first."""
    at = now(connection)
    waiting = sa.exists().where(_deliveries.c.subscription == _subs.c.id, _deliveries.c.status.in_(_DUE))
    asked = (
        sa.select(_subs.c.id, _subs.c.url)
        .where(_subs.c.status == ACTIVE, _subs.c.waits_until <= at, _subs.c.held_until <= at, waiting)
        .order_by(_subs.c.waits_until, _subs.c.id)
        .limit(most)
    )
    return [(row.id, row.url) for row in connection.execute(asked)]


def claim(connection: sa.Connection, subscription: str, holder: str, seconds: float) -> bool:
    """Takes a subscription that nobody holds; false where somebody was faster."""
    at = now(connection)
    free = (_subs.c.id == subscription) & (_subs.c.held_until <= at)
    change = _subs.update().where(free).values(holder=holder, held_until=at + seconds)
    return connection.execute(change).rowcount == 1


def release(connection: sa.Connection, subscription: str, holder: str) -> None:
    """Lets go of a subscription; what was on its way is pending again."""
    if connection.execute(_subs.update().where(_held(subscription, holder)).values(holder="", held_until=0.0)).rowcount:
        on_its_way = (_deliveries.c.subscription == subscription) & (_deliveries.c.status == DELIVERING)
        connection.execute(_deliveries.update().where(on_its_way).values(status=PENDING))


def take(
    connection: sa.Connection, subscription: str, holder: str, seconds: float, settings: ServerSettings
) -> Job | None:
    """The next delivery of a subscription that is held, marked as under way; None where nothing is to be sent now.

    A subscription whose right is gone ends here. The hold is put off by `seconds`; who has lost it gets nothing.
    """
    at = now(connection)
    mine = _held(subscription, holder) & (_subs.c.held_until > at) & (_subs.c.waits_until <= at)
    if connection.execute(_subs.update().where(mine).values(held_until=at + seconds)).rowcount == 0:
        return None
    found = subscriptions.get(connection, subscription)
    if found is None or found.status != ACTIVE:
        return None
    if why := subscriptions.lost_right(connection, found, settings):
        end(connection, subscription, why)
        return None
    first = (_deliveries.c.subscription == subscription) & _deliveries.c.status.in_(_DUE)
    row = connection.execute(sa.select(_deliveries).where(first).order_by(_deliveries.c.seq).limit(1)).one_or_none()
    if row is None:
        return None
    delivery = Delivery(**row._asdict())
    sent = {"status": DELIVERING, "attempts": delivery.attempts + 1, "changed": at}
    connection.execute(_deliveries.update().where(_one(delivery)).values(**sent))
    event = events.get(connection, [delivery.seq])[delivery.seq]
    return Job(holder, found, delivery, event, tuple(subscriptions.secrets_of(connection, subscription)))


def settle(connection: sa.Connection, job: Job, verdict: Verdict, wait: float | None) -> str:
    """Writes down what has come of an attempt, and gives the delivery's status; nothing where the hold was lost.

    Args:
        connection: A transaction that writes.
        job: What was sent.
        verdict: What came of it.
        wait: Seconds until the next attempt; None where there is none, and it is given up.
    """
    name = job.subscription.id
    at = now(connection)
    if connection.execute(_subs.update().where(_held(name, job.holder)).values(holder=job.holder)).rowcount == 0:
        return DELIVERING
    status = DONE if verdict.arrived else PENDING if wait is not None and not verdict.gone else DEAD
    told = {"status": status, "code": verdict.code, "detail": verdict.detail[:_LONGEST], "changed": at}
    connection.execute(_deliveries.update().where(_one(job.delivery)).values(**told))
    lost = 0 if status == DONE else job.subscription.lost + (status == DEAD)
    failures = job.subscription.failures + 1 if status == PENDING else 0
    waits_until = at + (wait or 0.0) if status == PENDING else 0.0
    change = {"lost": lost, "failures": failures, "waits_until": waits_until}
    connection.execute(_subs.update().where(_subs.c.id == name).values(**change))
    if verdict.gone:
        end(connection, name, "Its address answered 410: it wants nothing more")
    elif lost >= LOST_IN_A_ROW:
        why = f"{lost} deliveries in a row were given up, the last because: {verdict.detail}"
        subscriptions.change_status(connection, name, PAUSED, why)
    return status


def end(connection: sa.Connection, subscription: str, why: str) -> None:
    """Ends a subscription; what it was still to be told becomes dead letters, so that nothing is lost unseen."""
    subscriptions.change_status(connection, subscription, ENDED, why)
    left = (_deliveries.c.subscription == subscription) & _deliveries.c.status.in_(_DUE)
    change = {"status": DEAD, "detail": f"The subscription has ended: {why}"[:_LONGEST], "changed": now(connection)}
    connection.execute(_deliveries.update().where(left).values(**change))


def replay(connection: sa.Connection, subscription: Subscription, seqs: Collection[int] | None) -> int:
    """Makes dead letters pending again, to be sent in the order of their events; how many.

    Args:
        connection: A transaction that writes.
        subscription: Of whom.
        seqs: Numbers of the events; all dead letters where None.

    Raises:
        ConfigurationError: The subscription has ended.
    """
    if subscription.status == ENDED:
        raise ConfigurationError(f"The subscription {subscription.id} has ended ({subscription.why}): resume it first")
    dead = (_deliveries.c.subscription == subscription.id) & (_deliveries.c.status == DEAD)
    if seqs is not None:
        dead &= _deliveries.c.seq.in_(list(seqs))
    again = {"status": PENDING, "attempts": 0, "detail": "", "changed": now(connection)}
    count = connection.execute(_deliveries.update().where(dead).values(**again)).rowcount
    if count:
        fresh = {"failures": 0, "lost": 0, "waits_until": 0.0}
        connection.execute(_subs.update().where(_subs.c.id == subscription.id).values(**fresh))
    return count


def listed(
    connection: sa.Connection,
    subscription: str,
    *,
    status: str | None = None,
    before: int | None = None,
    most: int = 100,
) -> list[tuple[Delivery, Event]]:
    """A subscription's deliveries with their events, newest first.

    Args:
        connection: A transaction.
        subscription: Whose.
        status: Only of this status.
        before: Only of events before this number: the next page.
        most: At most so many.
    """
    asked = sa.select(_deliveries).where(_deliveries.c.subscription == subscription)
    if status is not None:
        asked = asked.where(_deliveries.c.status == status)
    if before is not None:
        asked = asked.where(_deliveries.c.seq < before)
    rows = [Delivery(**r._asdict()) for r in connection.execute(asked.order_by(_deliveries.c.seq.desc()).limit(most))]
    told = events.get(connection, [row.seq for row in rows])
    return [(row, told[row.seq]) for row in rows]


def counts(connection: sa.Connection, subscription: str) -> dict[str, int]:
    """How many deliveries a subscription has, by status."""
    asked = sa.select(_deliveries.c.status, sa.func.count()).where(_deliveries.c.subscription == subscription)
    found = dict(connection.execute(asked.group_by(_deliveries.c.status)).tuples().all())
    return {status: found.get(status, 0) for status in STATUSES}


def awaited(connection: sa.Connection) -> set[tuple[str, int]]:
    """Versions (domain, number) that somebody is still to be told of; dead letters too, as these can be replayed."""
    seqs = connection.scalars(sa.select(_deliveries.c.seq).where(_deliveries.c.status != DONE).distinct()).all()
    told = (event.data for event in events.get(connection, seqs).values())
    return {(str(data["domain"]), int(data["version"])) for data in told if data.get("domain") and data.get("version")}


def forget(connection: sa.Connection, subscription: str) -> None:
    """Removes a subscription with its deliveries."""
    connection.execute(_deliveries.delete().where(_deliveries.c.subscription == subscription))
    subscriptions.delete(connection, subscription)


def prune(connection: sa.Connection, days: float) -> int:
    """Removes deliveries that arrived so many days ago, and tests with them; dead letters stay. How many arrived so."""
    old = (_deliveries.c.status == DONE) & (_deliveries.c.changed < now(connection) - days * 86_400)
    count = connection.execute(_deliveries.delete().where(old)).rowcount
    connection.execute(_deliveries.delete().where(_deliveries.c.subscription.not_in(sa.select(_subs.c.id))))
    events.forget_tests(connection, sa.select(_deliveries.c.seq))
    return count


def _held(subscription: str, holder: str) -> sa.ColumnElement[bool]:
    return (_subs.c.id == subscription) & (_subs.c.holder == holder)


def _one(delivery: Delivery) -> sa.ColumnElement[bool]:
    return (_deliveries.c.subscription == delivery.subscription) & (_deliveries.c.seq == delivery.seq)
