"""What a Prefect server does by itself: start a run at news of a domain, tell somebody of trouble, end a dead run.

An automation waits for events of ours (`flows.events`) or of Prefect's. They are made by `driftune deploy`, known by
their names, and only written where they differ: a trigger that counts days would begin anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from flows.events import Kind, resource_of
from flows.prefect_api import ALIVE, TAG
from registry.errors import ConfigurationError

TROUBLE: tuple[Kind, ...] = (
    "driftune.gate.refused",
    "driftune.budget.reached",
    "driftune.guard.tripped",
    "driftune.yield.halved",
    "driftune.shard.set-aside",
    "driftune.run.stuck",
    "driftune.run.crashed",
)
"""What a person is told of at once."""

NEWS: tuple[Kind, ...] = ("driftune.release.new", "driftune.published")
"""What a domain is expected to have now and then."""

ENDED = ("Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")
"""The states after which nobody waits for a sign of life."""

SHARED = "driftune: "
"""How the names of automations begin that all domains share."""

DEAD = "driftune: no sign of life -> crashed"
"""Name of the automation that ends dead runs, of all domains."""

FAILED = "driftune: a run failed -> told"
"""Name of the automation that tells of failed runs, of all domains."""

SUBJECT = "driftune {{ event.resource.name }}: {{ event.event }}"
INERT = "replace('<', '< ')"
"""What a library said may be in a text: chats take what follows < at once for a mention of all, or for a link."""
BODY = (
    "{% for name, value in event.payload.items() %}{{ name }}: {{ value|string|truncate(500)|"
    + INERT
    + " }}\n{% endfor %}"
)
STILL_SUBJECT = "{{ automation.name }}"
STILL_BODY = "Nothing was published, and no release came, for {{ automation.trigger.within }}"
FAILED_SUBJECT = "driftune: {{ flow_run.name }} {{ flow_run.state.name }}"
FAILED_BODY = "{{ (flow_run.state.message or '')|truncate(1000)|" + INERT + " }}"


def told_by(client: SyncPrefectClient, block: str, subject: str, body: str) -> ActionTypes:
    """What tells somebody, by one of Prefect's blocks.

    Args:
        client: Of the server that has the block.
        block: Type and name of the block, as `prefect block ls` has them: `slack-webhook/nightly`.
        subject: Template of the first line.
        body: Template of the rest.

    Raises:
        ConfigurationError: There is no such block.
    """
    kind, _, name = block.partition("/")
    try:
        found = client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise ConfigurationError(
            f"No block {block} on the Prefect server: make one there (Blocks, or prefect block create), and name it by "
            "type and name, as slack-webhook/nightly"
        ) from None
    if kind == "webhook":
        return CallWebhook(block_document_id=found.id, payload=f"{subject}\n{body}")
    return SendNotification(block_document_id=found.id, subject=subject, body=body)


def of_domain(
    name: str,
    adapters: Iterable[str],
    refresh: UUID,
    gpu: UUID | None,
    tell: ActionTypes | None,
    still: ActionTypes | None,
    quiet: dt.timedelta,
) -> Iterator[AutomationCore]:
    """The automations of a domain.

    Args:
        name: Its name.
        adapters: Names that its events have: its own, and those of its workloads.
        refresh: The deployment that refreshes it.
        gpu: The deployment that goes on in the GPU's pool, if there is one.
        tell: How somebody is told of trouble, if anybody is.
        still: How somebody is told that there was no news.
        quiet: How long there may be none.
    """
    about = {"prefect.resource.id": [resource_of(adapter) for adapter in adapters]}

    def at(kinds: Iterable[str], what: str, action: ActionTypes, **more: Any) -> AutomationCore:
        return _automation(f"{prefix(name)}{what}", {"expect": set(kinds), "match": about, **more}, action)

    yield at(["driftune.release.new"], "new release -> refresh", _run(refresh))
    if gpu is not None:
        yield at(["driftune.rows.proven"], "enough new rows -> train", _run(gpu))
    if tell is not None:
        yield at(TROUBLE, "trouble -> told", tell)
    if still is not None:
        yield at(NEWS, "no news -> told", still, posture=Posture.Proactive, within=quiet)


def of_all(silence: dt.timedelta, failed: ActionTypes | None) -> Iterator[AutomationCore]:
    """The automations that all domains share.

    Args:
        silence: How long a run may give no sign of life.
        failed: How somebody is told of a run that failed, if anybody is.
    """
    ours = {
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
    }
    dead = ours | {
        "after": {ALIVE},
        "expect": {ALIVE, *(f"prefect.flow-run.{state}" for state in ENDED)},
        "for_each": {"prefect.resource.id"},
        "posture": Posture.Proactive,
        "within": silence,
    }
    why = f"No sign of life for {silence.seconds} s: the next run goes on with it"
    crash = {"type": "change-flow-run-state", "state": StateType.CRASHED, "message": why}
    yield _automation(DEAD, dead, ChangeFlowRunState.model_validate(crash))
    if failed is not None:
        yield _automation(FAILED, ours | {"expect": {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}}, failed)


def _automation(name: str, trigger: dict[str, Any], action: ActionTypes) -> AutomationCore:
    return AutomationCore(name=name, tags=[TAG], trigger=EventTrigger.model_validate(trigger), actions=[action])


def prefix(domain: str) -> str:
    """How the names of a domain's automations begin."""
    return f"driftune {domain}: "


def write(
    client: SyncPrefectClient, wanted: Iterable[AutomationCore], begins: str, *, sparing: bool = False
) -> list[str]:
    """Makes the server's automations whose names begin so those that are wanted; their names.

    One that a person has paused stays so. Sparing, others that are there stay: another domain may have wanted them.
    """
    found: dict[str, Automation] = {}
    for each in there(client, begins):
        if each.name in found:  # as prefect.yaml makes its own beside ours
            client.delete_automation(each.id)
        else:
            found[each.name] = each
    names = []
    for made in wanted:
        names.append(made.name)
        known = found.pop(made.name, None)
        if known is None:
            client.create_automation(made)
        elif not _same(known, made):
            said = made.model_dump(exclude={"owner_resource"})  # whole, as the client sends what is set alone
            full = AutomationCore.model_validate(said | {"enabled": known.enabled})
            client.update_automation(known.id, full)
    for gone in () if sparing else found.values():
        client.delete_automation(gone.id)
    return names


def there(client: SyncPrefectClient, begins: str) -> list[Automation]:
    """The server's automations whose names begin so."""
    return [each for each in _all(client) if each.name.startswith(begins)]


def _run(deployment: UUID) -> RunDeployment:
    return RunDeployment.model_validate({"source": "selected", "deployment_id": deployment})


def _same(known: Automation, wanted: AutomationCore) -> bool:
    def said(each: AutomationCore) -> dict[str, object]:
        return each.model_dump(mode="json", include={"trigger", "actions", "description"})

    return _unordered(said(known)) == _unordered(said(wanted))


def _unordered(value: object) -> object:
    """JSON whose lists are compared as sets: what a trigger expects is a set, and comes in any order."""
    if isinstance(value, dict):
        return {name: _unordered(each) for name, each in value.items()}
    return sorted(map(repr, map(_unordered, value))) if isinstance(value, list) else value


def _all(client: SyncPrefectClient) -> Iterator[Automation]:
    """Every automation of the server, page by page."""
    offset = 0
    while page := client.read_automations(limit=200, offset=offset):
        yield from page
        offset += len(page)
