"""Commands on whose word counts: `driftune registry sign`, and `driftune registry key …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import JsonOption
from flows.cli_registry import registry_app

key_app = typer.Typer(
    help="Keys: new, trust, list, retire, revoke, resign. Who trusts one for a registry takes nothing unsigned.",
    no_args_is_help=True,
)

WhyOption = Annotated[str, typer.Option("--why", metavar="WHY", help="Why; whoever is refused is told.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Id of a trusted key, or how it begins.")]


@registry_app.command("sign")
def registry_sign(as_json: JsonOption = False) -> None:
    """Mark the registry as signed, sign all that is there, and trust the key that signs here."""
    from flows.keys import sign_registry

    raise typer.Exit(sign_registry(as_json=as_json))


@key_app.command("new")
def key_new(
    path: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where; DRIFTUNE_SIGNING_KEY if none.")] = None,
) -> None:
    """Make a key: the private half for this account alone, the public one beside it, to be passed on."""
    from flows.keys import new_key

    new_key(path)


@key_app.command("trust")
def key_trust(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A public key, from whom you know, not the registry.")],
    name: Annotated[str, typer.Option("--name", help="Whose it is.")] = "",
    everywhere: Annotated[bool, typer.Option("--everywhere", help="For every registry, not this one alone.")] = False,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Take what it signed from then on.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Take what it signed up to then.")] = "",
) -> None:
    """Trust a key for this registry: from now on nothing is taken from it that no trusted key signed."""
    from flows.keys import trust_key

    trust_key(path, name, everywhere, since, until)


@key_app.command("list")
def key_list(as_json: JsonOption = False) -> None:
    """The keys that are trusted here, and the one that signs."""
    from flows.keys import list_keys

    list_keys(as_json=as_json)


@key_app.command("retire")
def key_retire(key: KeyArgument, why: WhyOption = "") -> None:
    """Take what a key signed up to now, and nothing that it signs from now on."""
    from flows.keys import retire_key

    retire_key(key, why)


@key_app.command("revoke")
def key_revoke(key: KeyArgument, why: WhyOption) -> None:
    """Take nothing any more that a key signed, whenever: for a key that others may have."""
    from flows.keys import revoke_key

    revoke_key(key, why)


@key_app.command("resign")
def key_resign(
    everything: Annotated[bool, typer.Option("--all", help="Also what nobody vouches for: look first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign with the key that signs here what other trusted keys vouch for, so that it can take over from them."""
    from flows.keys import resign

    raise typer.Exit(resign(everything, as_json=as_json))
