"""Commands of what runs by itself: deployments of domains, and their pauses."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli_options import DomainArgument, JsonOption

deploy_app = typer.Typer()


@deploy_app.command()
def deploy(
    domains: Annotated[list[str], typer.Argument(metavar="DOMAIN...", help="Domains to refresh.")],
    cron: Annotated[str, typer.Option(help="When, as a cron expression (UTC).")] = "0 3 * * *",
    server: Annotated[
        str, typer.Option(envvar="PREFECT_API_URL", metavar="URL", help="Prefect server; the home's stack's if none.")
    ] = "",
    gpu: Annotated[bool, typer.Option("--gpu", help="Train, evaluate and publish in the pool driftune-gpu.")] = False,
    docker: Annotated[str, typer.Option(metavar="IMAGE", help="Make pools of containers of this image.")] = "",
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time in the pool driftune-cpu; 2 at first.")
    ] = None,
    enough: Annotated[int, typer.Option(min=1, help="With --gpu: train after so many new proven rows.")] = 1,
    notify: Annotated[
        str, typer.Option(metavar="BLOCK", help="Tell of trouble by this Prefect block, as slack-webhook/nightly.")
    ] = "",
    quiet_days: Annotated[int, typer.Option(min=1, help="With --notify: tell of so many days without news.")] = 30,
    remove: Annotated[bool, typer.Option("--remove", help="Take the deployments of the domains away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Scheduled refreshes: on a Prefect server, for its workers; or served by this process, until Ctrl-C."""
    from flows.deploy import Request, deploy_to, serve
    from flows.stack import server as stack_server

    request = Request(cron, gpu, docker, at_once, enough, notify, quiet_days)
    if server := server or stack_server():
        deploy_to(server, domains, request, removing=remove, as_json=as_json)
    else:
        serve(domains, request, removing=remove)


@deploy_app.command()
def pause(
    domain: DomainArgument,
    why: Annotated[str, typer.Option(help="Why, for who looks at it later.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Have scheduled runs pass a domain over, on any machine; one that is asked for runs."""
    from flows.pausing import show_pausing

    show_pausing(domain, paused=True, why=why, as_json=as_json)


@deploy_app.command()
def resume(
    domain: DomainArgument,
    why: Annotated[str, typer.Option(help="Why, for who looks at it later.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Have scheduled runs take a domain again that was paused."""
    from flows.pausing import show_pausing

    show_pausing(domain, paused=False, why=why, as_json=as_json)
