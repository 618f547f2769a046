"""`driftune subscription`: what the server's state says of subscribers, for who runs it, also while a server runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from flows.tokens import by_command, opened
from registry.errors import ConfigurationError
from registry.server import audit, deliveries, subscriptions
from registry.server.subscriptions import Subscription
from registry.server.subscriptions_routes import delivery_told, told


def list_subscriptions(state: str | None, *, as_json: bool) -> None:
    """Prints all subscriptions, without their secrets, with how many deliveries each has; as JSON, one array."""
    with opened(state) as held, held.read() as connection:
        found = [(each, deliveries.counts(connection, each.id)) for each in subscriptions.every(connection)]
    if as_json:
        print(json.dumps([told(each) | {"token": each.token, "deliveries": counts} for each, counts in found]))
        return
    for each, counts in found:
        why = f" ({each.why})" if each.why else ""
        under_way = ", ".join(f"{number} {status}" for status, number in counts.items() if number) or "nothing yet"
        print(f"{each.id}  {each.domain}@{each.channel} to {each.url}: {each.status}{why}; {under_way}")
    if not found:
        print("No subscriptions yet. docs/how-to/subscribe.md says how a team makes one")


def list_deliveries(subscription: str, status: str | None, state: str | None, *, as_json: bool) -> None:
    """Prints a subscription's last deliveries, newest first; as JSON, one array.

    Raises:
        ConfigurationError: There is no such subscription, or no such status.
    """
    if status is not None and status not in deliveries.STATUSES:
        raise ConfigurationError(f"No delivery is {status!r}: they are {', '.join(deliveries.STATUSES)}")
    with opened(state) as held, held.read() as connection:
        found = deliveries.listed(connection, _found(connection, subscription).id, status=status)
    rows = [delivery_told(*row) for row in found]
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(_line(row))
    if not rows:
        print("No such deliveries")


def replay(subscription: str, events: Sequence[int], state: str | None, *, as_json: bool) -> None:
    """Makes dead letters pending again: those of these events, all where none is given.

    Raises:
        ConfigurationError: There is no such subscription, or it has ended.
    """
    with opened(state) as held, held.begin() as connection:
        count = deliveries.replay(connection, _found(connection, subscription), list(events) or None)
        audit.write(connection, by_command("replay", subscription, f"{count} dead letters"))
    print(json.dumps({"replayed": count}) if as_json else f"{count} dead letters will be sent again, in their order")


def end(subscription: str, why: str, state: str | None, *, as_json: bool) -> None:
    """Ends a subscription: nothing is sent there any more; what was to come is kept as dead letters.

    Raises:
        ConfigurationError: There is no such subscription, or no reason.
    """
    if not why.strip():
        raise ConfigurationError('Say why it is ended, which its owner sees: --why "WHY"')
    with opened(state) as held, held.begin() as connection:
        deliveries.end(connection, _found(connection, subscription).id, why.strip())
        audit.write(connection, by_command("end subscription", subscription, why.strip()))
        ended = _found(connection, subscription)
    print(json.dumps(told(ended)) if as_json else f"Subscription {ended.id} has ended")


def _found(connection: sa.Connection, subscription: str) -> Subscription:
    found = subscriptions.get(connection, subscription)
    if found is None:
        raise ConfigurationError(f"No subscription has the id {subscription!r}: driftune subscription list shows them")
    return found


def _line(row: dict[str, Any]) -> str:
    version = f" v{row['version']}" if row["version"] else ""
    last = f"; the last: {row['detail']}" if row["detail"] else ""
    return f"{row['event']}  {row['type']} {row['domain']}{version}  {row['status']}, {row['attempts']} attempts{last}"
