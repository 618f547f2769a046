"""Commands of the stack: Prefect's server on PostgreSQL, workers and the registry's server, as plain processes."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.cli_options import JsonOption

stack_app = typer.Typer(help="Prefect's server on PostgreSQL, workers and the registry, as processes of this home.")

PortOption = typer.Option(metavar="PORT", min=1, max=65535, help="Its port; the one it had, or a free one, if none.")


@stack_app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is healthy, and go on.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="With a worker of the pool driftune-gpu.")] = False,
    prefect_port: Annotated[int | None, PortOption] = None,
    registry_port: Annotated[int | None, PortOption] = None,
    postgres_port: Annotated[int | None, PortOption] = None,
) -> None:
    """Start what isn't there, and keep it alive until Ctrl-C or driftune stack down."""
    from flows.stack import up as start

    start(
        detach=detach, gpu=gpu,
        ports={"prefect": prefect_port, "registry": registry_port, "postgres": postgres_port},
    )  # fmt: skip
    if detach:
        status(as_json=False)


@stack_app.command()
def down() -> None:
    """End all of it; what was under way is continued by the next run."""
    from flows.stack import down as end

    print("Stopped" if end() else "Nothing to stop")


@stack_app.command()
def status(as_json: JsonOption = False) -> None:
    """How each part is; exits with 1 unless all are healthy."""
    from flows.stack import is_healthy, read_status, show

    found = read_status()
    print(json.dumps(found)) if as_json else show(found)
    raise typer.Exit(not is_healthy(found))


@stack_app.command()
def logs(
    parts: Annotated[list[str] | None, typer.Argument(metavar="[PART...]", help="Parts; all if none.")] = None,
    lines: Annotated[int, typer.Option(min=0, help="Of each log.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
) -> None:
    """The last lines of the parts' logs."""
    from flows.stack import logs as show

    show(parts or [], lines, follow=follow)
