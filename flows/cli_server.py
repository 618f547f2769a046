"""Commands of the server: `driftune serve`, its tokens and its audit log."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli_options import JsonOption

server_app = typer.Typer()
token_app = typer.Typer(help="Tokens of the server: who may read, publish or administer which domains.")
server_app.add_typer(token_app, name="token", no_args_is_help=True)

StateOption = Annotated[
    str | None, typer.Option(metavar="URL", help="SQLite file, or postgresql://…; server.sqlite in the home if none.")
]


@server_app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if none.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 8765 if none, 0 for a free one.")] = None,
    state: StateOption = None,
    public: Annotated[
        list[str] | None,
        typer.Option(metavar="DOMAIN", help="Anybody may read it, and no other; several may be given."),
    ] = None,
    private: Annotated[
        list[str] | None, typer.Option(metavar="DOMAIN", help="Only tokens may read it; several may be given.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(metavar="URL", help="Hub that unknown repositories are redirected to.")
    ] = None,
    accel: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="nginx' internal location of the registry: it sends files.")
    ] = None,
    proxy: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Proxy whose X-Forwarded-For is believed.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Server processes; one if none.")] = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="Tell Prometheus of runs at /metrics.")] = False,
) -> None:
    """Serve the registry: to clients of the Hugging Face Hub, subscribers and browsers."""
    from flows.serve import serve as run

    run(
        host=host, port=port, state=state, public=tuple(public or ()), private=tuple(private or ()),
        upstream=upstream, accel=accel, proxy=tuple(proxy or ()), workers=workers, metrics=metrics or None,
    )  # fmt: skip


@token_app.command("new")
def token_new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    domain: Annotated[list[str], typer.Option(metavar="DOMAIN", help="Name or pattern; '*' for all; several.")],
    scope: Annotated[str, typer.Option(help="read, publish or admin; each allows what is before it.")] = "read",
    days: Annotated[float | None, typer.Option(help="Days until it expires; 365 if none, 0 for never.")] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token; its secret is shown this once."""
    from flows.tokens import new_token

    new_token(name, domain, scope, days, state, as_json=as_json)


@token_app.command("list")
def token_list(state: StateOption = None, as_json: JsonOption = False) -> None:
    """All tokens, without their secrets."""
    from flows.tokens import list_tokens

    list_tokens(state, as_json=as_json)


@token_app.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="Its id, as token list shows it.")],
    why: Annotated[str, typer.Option("--why", metavar="WHY", help="Why; it stands in the audit log.")],
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token: it is refused from the next request on."""
    from flows.tokens import revoke_token

    revoke_token(token, why, state, as_json=as_json)


@server_app.command()
def audit(
    last: Annotated[int, typer.Option(min=1, help="How many rows, at most.")] = 50,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who changed what on the server, and who was refused what."""
    from flows.tokens import show_audit

    show_audit(last, state, refused=refused, as_json=as_json)
