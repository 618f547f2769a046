"""Commands on published adapters: `driftune registry …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import JsonOption

registry_app = typer.Typer(
    help="Published adapters: list, show, pull, promote, rollback, yank, merge.", no_args_is_help=True
)

UncheckedOption = Annotated[
    bool, typer.Option("--unchecked", help="Whoever vouches for it: to look at what a revoked key has signed.")
]


@registry_app.command("list")
def registry_list(unchecked: UncheckedOption = False, as_json: JsonOption = False) -> None:
    """Published versions and where the channels stand."""
    from flows.adapters import list_adapters

    list_adapters(checks=not unchecked, as_json=as_json)


@registry_app.command("show")
def registry_show(
    reference: Annotated[str, typer.Argument(metavar="REF", help="DOMAIN, DOMAIN@CHANNEL or DOMAIN@vN.")],
    unchecked: UncheckedOption = False,
    as_json: JsonOption = False,
) -> None:
    """One version: its manifest and card."""
    from flows.adapters import show_adapter

    show_adapter(reference, checks=not unchecked, as_json=as_json)


@registry_app.command("pull")
def registry_pull(
    reference: Annotated[str, typer.Argument(metavar="REF", help="DOMAIN, DOMAIN@CHANNEL or DOMAIN@vN.")],
    into: Annotated[Path, typer.Option("--into", help="Folder for the adapter's files.")],
    yanked: Annotated[bool, typer.Option("--yanked", help="Take the version also if it is yanked.")] = False,
    base: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Your base: what was made for another one isn't taken.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Load it onto --base first, and ask its canary.")] = False,
) -> None:
    """Copy a version's files into a folder, every byte checked."""
    from flows.adapters import pull_adapter

    pull_adapter(reference, into, yanked=yanked, base=base, check=check)


@registry_app.command("promote")
def registry_promote(
    reference: Annotated[str, typer.Argument(metavar="REF", help="DOMAIN@vN, or the domain's file and @vN.")],
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="The channel to move: stable, or any name.")],
    force: Annotated[str | None, typer.Option(metavar="WHY", help="Ask no tasks; why stands in the log.")] = None,
    share: Annotated[float, typer.Option(metavar="SHARE", help="For this share of those who follow it: 0.1.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Move a channel to a version, if the domain's tasks ([gate] tasks) allow it."""
    from flows.adapters import promote_adapter

    raise typer.Exit(promote_adapter(reference, channel, force, share, as_json=as_json))


@registry_app.command("rollback")
def registry_rollback(
    reference: Annotated[str, typer.Argument(metavar="DOMAIN[@CHANNEL]", help="The channel; stable if none.")],
    to: Annotated[str, typer.Option("--to", metavar="REF", help="A version it held; the one before if none.")] = "",
    why: Annotated[str, typer.Option("--why", metavar="WHY", help="Why; it stands in the channel's log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Move a channel back to a version that it held before; the next run doesn't undo that."""
    from flows.adapters import rollback_channel

    rollback_channel(reference, to, why, as_json=as_json)


WhyOption = Annotated[str, typer.Option("--why", metavar="WHY", help="Why; it is told whoever asks for it.")]


@registry_app.command("yank")
def registry_yank(
    reference: Annotated[str, typer.Argument(metavar="DOMAIN@vN", help="The version.")],
    why: WhyOption,
    as_json: JsonOption = False,
) -> None:
    """Take a version out of all channels: each gives what it gave before; who has it keeps it."""
    from flows.upkeep import say
    from registry.standing import YANK

    say(reference, YANK, why, as_json=as_json)


@registry_app.command("unyank")
def registry_unyank(
    reference: Annotated[str, typer.Argument(metavar="DOMAIN@vN", help="The version.")],
    why: WhyOption,
    as_json: JsonOption = False,
) -> None:
    """Take a yank back: channels that hold the version give it again."""
    from flows.upkeep import say
    from registry.standing import UNYANK

    say(reference, UNYANK, why, as_json=as_json)


@registry_app.command("eol")
def registry_eol(
    reference: Annotated[str, typer.Argument(metavar="DOMAIN[@vN]", help="The version, or the domain.")],
    why: WhyOption,
    undo: Annotated[bool, typer.Option("--undo", help="Say that it is cared for again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say that a version, or a domain, is at the end of its life: it is given as before, and that is told."""
    from flows.upkeep import say
    from registry.standing import END, REVIVE

    say(reference, REVIVE if undo else END, why, as_json=as_json)


@registry_app.command("verify")
def registry_verify(
    reference: Annotated[str, typer.Argument(metavar="[REF]", help="One version; all of the registry if none.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Hash every byte again and name what is broken: exit code 1 if anything is."""
    from flows.upkeep import verify

    raise typer.Exit(verify(reference, as_json=as_json))


@registry_app.command("gc")
def registry_gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, say what would be.")] = False,
    grace: Annotated[float, typer.Option(min=0, metavar="HOURS", help="How long content of no version stays.")] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Remove content of no version, and versions that the registry's retention lets go."""
    from flows.upkeep import collect_garbage

    collect_garbage(grace, dry_run=dry_run, as_json=as_json)


@registry_app.command("backup")
def registry_backup(
    into: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; the next time only what is new is copied.")],
    as_json: JsonOption = False,
) -> None:
    """Copy the registry into a folder while others publish; it is a registry too."""
    from flows.upkeep import backup

    backup(into, as_json=as_json)


@registry_app.command("merge")
def registry_merge(
    references: Annotated[list[str], typer.Argument(metavar="REF...", help="Adapters of different domains, one base.")],
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="What the merged one is published under.")],
    method: Annotated[str, typer.Option(help="cat: exact, ranks add up; svd: at a rank of its own.")] = "cat",
    rank: Annotated[int, typer.Option(min=0, help="With svd: its rank; that of the largest where not given.")] = 0,
    weight: Annotated[list[float] | None, typer.Option(help="What each is multiplied by, in order; 1 if none.")] = None,
    as_json: JsonOption = False,
) -> None:
    """One adapter of several, for a user of several libraries; published if the gate of each domain says so."""
    from flows.merging import merge_adapters

    raise typer.Exit(merge_adapters(references, into, method, rank, weight or [], as_json=as_json))
