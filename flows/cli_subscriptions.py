"""Commands about the server's subscriptions: `driftune subscription`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli_options import JsonOption
from flows.cli_server import StateOption

subscription_app = typer.Typer(help="Who is told of new adapters by the server, and what became of it.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The subscription, as subscription list shows it.")]


@subscription_app.command("list")
def subscription_list(state: StateOption = None, as_json: JsonOption = False) -> None:
    """All subscriptions, with how many deliveries are pending, done and dead."""
    from flows.subscriptions import list_subscriptions

    list_subscriptions(state, as_json=as_json)


@subscription_app.command("deliveries")
def subscription_deliveries(
    subscription: IdArgument,
    status: Annotated[str | None, typer.Option(help="Only pending, delivering, done or dead ones.")] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """The last hundred deliveries of a subscription, newest first."""
    from flows.subscriptions import list_deliveries

    list_deliveries(subscription, status, state, as_json=as_json)


@subscription_app.command("replay")
def subscription_replay(
    subscription: IdArgument,
    event: Annotated[
        list[int] | None, typer.Option(help="Number of an event; several; all dead letters if none.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters again, in the order of their events."""
    from flows.subscriptions import replay

    replay(subscription, event or [], state, as_json=as_json)


@subscription_app.command("end")
def subscription_end(
    subscription: IdArgument,
    why: Annotated[str, typer.Option("--why", metavar="WHY", help="Why; its owner sees it.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a subscription: nothing is sent there any more; what was to come is kept as dead letters."""
    from flows.subscriptions import end

    end(subscription, why, state, as_json=as_json)
