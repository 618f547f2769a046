"""Commands on what there is in the lake: to ask it, to look after it, to judge rows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import JsonOption

lake_app = typer.Typer()


@lake_app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One query; a shell where none is given.")] = None,
    format: Annotated[str, typer.Option("--format", help="table, csv, json or parquet.")] = "table",
) -> None:
    """Query the lake's views: funnel, proofs, lineage, drift, spend, examples, verdicts …"""
    from flows.sql import run_sql

    run_sql(query, format)


@lake_app.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of any record, or the start of one.")],
    as_json: JsonOption = False,
) -> None:
    """Any record, with what it comes from."""
    from flows.show import show_record

    show_record(identifier, as_json=as_json)


GraceOption = Annotated[
    float, typer.Option("--grace", min=0, help="Hours for which replaced files are kept for queries that run.")
]


@lake_app.command()
def compact(
    grace: GraceOption = 12,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Instead, put rows of a clock that was ahead before now.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Merge the lake's small files, beside readers and writers; the replaced ones stay until gc."""
    from flows.care import compact_lake

    compact_lake(grace, as_json=as_json, clock_is_right=clock_is_right)


@lake_app.command()
def gc(
    grace: GraceOption = 12,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the lake's files that nothing refers to: replaced and half-written ones."""
    from flows.care import collect_garbage

    collect_garbage(grace, dry=dry, as_json=as_json)


@lake_app.command()
def check(
    shift: Annotated[
        float, typer.Option(min=0, max=1, help="Part of a snapshot that may have changed its kind since the last.")
    ] = 0.2,
    as_json: JsonOption = False,
) -> None:
    """Hold the lake against what must be true: ids, references, proofs, licences, shift; exits with 3 if it isn't."""
    from flows.care import check_lake

    raise typer.Exit(check_lake(shift, as_json=as_json))


@lake_app.command()
def migrate(
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a lake and adapters of an earlier driftune to today's form."""
    from flows.migration import migrate as take_along

    take_along(dry=dry, as_json=as_json)


@lake_app.command()
def forget(
    what: Annotated[
        str, typer.Argument(metavar="[SOURCE|LICENCE]", help="Address of a page, or of what is above it; or SPDX id.")
    ] = "",
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and what holds some of it.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show what was forgotten.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take what came from a source, or stands under a licence, out of the lake for good; refreshes leave it out."""
    from flows import forgetting

    if listed:
        forgetting.show_forgotten(as_json=as_json)
    else:
        forgetting.forget_source(what, dry=dry, as_json=as_json)


@lake_app.command()
def attribute(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What a model wrote; - for standard input.")],
    domain: Annotated[str, typer.Option(help="Look among this domain's rows alone.")] = "",
    adapter: Annotated[
        str, typer.Option(metavar="REF|FOLDER", help="Look among the rows that this adapter was trained on.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Rows to show, at most.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """The training rows that an output is nearest to, with page and licence; whether it copies one at length."""
    from flows.attribute import attribute as show_nearest

    show_nearest(file, domain, limit, as_json=as_json, adapter=adapter)


@lake_app.command()
def annotate(
    identifier: Annotated[str, typer.Argument(metavar="[ID]", help="Id of an example, or the start of one.")] = "",
    reject: Annotated[str | None, typer.Option(metavar="WHY", help="Keep it out, and what says the same.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take a rejection back.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show what is rejected, by whom and why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A person's judgement on a row: it outranks the pipeline and survives refreshes."""
    from flows import annotation

    if listed:
        annotation.show_annotations(as_json=as_json)
    else:
        annotation.annotate(identifier, reject=reject, undo=undo)
