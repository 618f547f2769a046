"""What happens to a domain that somebody outside of its run may act on: a new release, a gate that refused, …

Whoever wants to know listens; where a Prefect server is configured it is told too, so that automations can act. An
event is news and never state: a listener that fails, or a server that is away, is no matter to the run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flows.prefect_api import address, ask

if TYPE_CHECKING:
    from flows.house import House

Kind = Literal[
    "driftune.release.new",
    "driftune.rows.proven",
    "driftune.gate.refused",
    "driftune.published",
    "driftune.budget.reached",
    "driftune.guard.tripped",
    "driftune.yield.halved",
    "driftune.shard.set-aside",
    "driftune.run.stuck",
    "driftune.run.crashed",
    "driftune.run.completed",
]
"""What can happen; the names that automations wait for."""

TOLD_S = 5.0
"""Seconds that a Prefect server has to take an event: a run doesn't wait longer for news to be heard."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        domain: Name of the domain.
        kind: What it was.
        facts: What there is to know of it, as JSON has it.
        run: Name of the run it happened in; empty outside of one.
        at: When.
    """

    domain: str
    kind: Kind
    facts: dict[str, Any]
    run: str
    at: dt.datetime

    @property
    def resource(self) -> str:
        """The domain, as Prefect knows what an event is about."""
        return resource_of(self.domain)


Listener = Callable[[Event], None]

LISTENERS: list[Listener] = []
"""Those that are told, in this process."""


def resource_of(domain: str) -> str:
    """Prefect's id of a domain: what a trigger matches on."""
    return f"driftune.domain.{domain}"


def happened(who: House | str, kind: Kind, **facts: Any) -> None:
    """Tells everybody who listens.

    Args:
        who: The house, or the name, of the domain.
        kind: What happened.
        facts: What there is to know of it: JSON values.
    """
    name, run = (who, "") if isinstance(who, str) else (who.domain.name, who.run)
    event = Event(name, kind, facts, run, dt.datetime.now(dt.UTC))
    for listener in [*LISTENERS, _tell_prefect]:
        try:
            listener(event)
        except Exception as error:
            _log.warning("%s of %s was not heard: %s: %s", kind, name, type(error).__name__, error)


def told_lately(domain: str, kind: Kind, within: dt.timedelta, **facts: Any) -> str:
    """When the configured Prefect server heard the same last (ISO 8601, UTC).

    Empty where it didn't hear it in that time, or doesn't answer.

    Args:
        domain: Name of the domain.
        kind: What happened.
        within: How long ago at most.
        facts: What it has to say among other things.
    """
    import httpx

    if not address():
        return ""
    since = {"since": (dt.datetime.now(dt.UTC) - within).isoformat()}
    same = {"event": {"name": [kind]}, "resource": {"id": [resource_of(domain)]}, "occurred": since}
    try:
        heard = ask("POST", "events/filter", {"filter": same}, TOLD_S)["events"]  # the latest first
    except httpx.HTTPError as error:
        _log.warning("Whether %s of %s was told before can't be known: %s", kind, domain, error)
        return ""
    return next((str(event["occurred"]) for event in heard if facts.items() <= event["payload"].items()), "")


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tells a listener too, while the block runs."""
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)


def _tell_prefect(event: Event) -> None:
    """Hands the event to the configured Prefect server. Its own client would import Prefect, and tell it later."""
    if not address():
        return
    told = {
        "id": str(uuid.uuid4()),
        "occurred": event.at.isoformat(),
        "event": event.kind,
        "resource": {"prefect.resource.id": event.resource, "prefect.resource.name": event.domain},
        "related": _related(),
        "payload": event.facts | ({"run": event.run} if event.run else {}),
    }
    ask("POST", "events", [told], TOLD_S)


def _related() -> list[dict[str, str]]:
    """The flow run that this process is, where Prefect has started it as one: an automation can act on it."""
    run = os.environ.get("PREFECT__FLOW_RUN_ID")
    return [{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}] if run else []
