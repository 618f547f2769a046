"""Arguments and options that several commands have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

DomainArgument = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="A name in domains/, or the path of a domain file.")
]
DomainsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="DOMAIN", help="Names in domains/, or paths of domain files.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of domains/, those first that wait for it most.")]
AcceptOption = Annotated[
    bool, typer.Option("--accept-removals", help="Go on where much of what there was is gone, and a run would ask.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
AdapterOption = Annotated[str, typer.Option(metavar="REF", help="DOMAIN@CHANNEL, DOMAIN@vN, or an adapter's folder.")]
ChatOption = Annotated[bool, typer.Option("--chat", help="Ask in the base's chat template, if it was tuned to answer.")]
SeedOption = Annotated[int, typer.Option(min=0, max=2**53 - 1, help="Seed of what is drawn.")]
BaseOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of a base, in the Hub's layout.")]
EngineOption = Annotated[
    str,
    typer.Option("--engine", metavar="NAME", help="What shards run on: threads, processes or ray (DRIFTUNE_ENGINE)."),
]
RayOption = Annotated[
    str, typer.Option("--ray-address", metavar="HOST:PORT", help="A Ray cluster; one of this machine where not given.")
]


def named_domains(named: list[str] | None, *, all_: bool) -> list[str]:
    """What was named; nothing for all of `domains/`."""
    if bool(named) == all_:
        raise typer.BadParameter("Name domains, or say --all for every file of domains/", param_hint="DOMAIN")
    return named or []


def use_engine(engine: str, ray_address: str) -> None:
    """Sets what the options say for all that this process does: they stand above the environment."""
    os.environ.update({"DRIFTUNE_ENGINE": engine} if engine else {})
    os.environ.update({"DRIFTUNE_RAY_ADDRESS": ray_address} if ray_address else {})
