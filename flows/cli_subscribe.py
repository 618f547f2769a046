"""`driftune subscribe`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def subscribe(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN[@CHANNEL]", help="What to follow; channel stable if none.")],
    into: Annotated[Path | None, typer.Option("--into", help="Folder that always holds the newest version.")] = None,
    command: Annotated[
        str | None, typer.Option("--exec", metavar="COMMAND", help="Run for each version, its news on standard input.")
    ] = None,
    vllm: Annotated[
        str | None, typer.Option(metavar="URL", help="A running vLLM that is moved to each version.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Have the registry's server post each move there.")
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="FOLDER|NAME", help="Your base: only versions that were made for it are taken.")
    ] = "",
    library: Annotated[
        str, typer.Option(metavar="SPECIFIER", help="Your versions of the library, as >=3.6: only what speaks one.")
    ] = "",
    who: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Who you are where a channel moves for a share; drawn if none.")
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Load it onto --base first, and ask its canary.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Look once, then end.")] = False,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between looks.")] = 60.0,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds that --exec's command may take.")] = 600.0,
    adapters: Annotated[
        Path | None, typer.Option(help="Folder that vLLM reads adapters from; in DRIFTUNE_HOME if none.")
    ] = None,
    seen_as: Annotated[str, typer.Option(metavar="PATH", help="What vLLM calls that folder, as in a container.")] = "",
    dtype: Annotated[
        str, typer.Option(help="Of the base in vLLM: bfloat16, float16, float32 or quantised.")
    ] = "bfloat16",
    name_file: Annotated[Path | None, typer.Option(help="File that is told the name to ask vLLM for.")] = None,
    grace: Annotated[float, typer.Option(min=0, help="Seconds in which vLLM's clients change to a new name.")] = 5.0,
    drain: Annotated[float, typer.Option(min=0, help="Seconds that requests of the old one get then.")] = 300.0,
) -> None:
    """Keep a folder, a command's work or a running vLLM at the newest adapter; untouched when nothing is new."""
    from flows.subscribe import Request
    from flows.subscribe import subscribe as follow
    from flows.subscribing.memory import subscriber
    from flows.subscribing.wanted import Wanted
    from registry.settings import Settings

    wanted = Wanted(domain, library, base, who or subscriber(Settings().root))
    follow(
        Request(
            wanted,
            into,
            command,
            vllm,
            webhook,
            check,
            once,
            every,
            limit,
            adapters,
            seen_as,
            dtype,
            name_file,
            grace,
            drain,
        )
    )
