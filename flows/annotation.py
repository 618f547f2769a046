"""`driftune annotate`: a person's judgement on a row."""

from __future__ import annotations

import datetime as dt
import getpass
import json

from flows.show import find_record
from registry.errors import ConfigurationError
from registry.lake import Lake, open_lake
from registry.records import Annotation, Example, Program
from validators.curation.curate import CUT
from validators.curation.duplicates import Texts
from validators.curation.rejected import REJECTED, UNDONE
from validators.parts import programs_of


def annotate(identifier: str, *, reject: str | None, undo: bool) -> None:
    """Writes a judgement into the lake, and prints what it will do.

    Args:
        identifier: Id of an example, or the start of one.
        reject: Why the row must not be trained on.
        undo: Take a rejection back.

    Raises:
        ConfigurationError: There is no such example, nothing is said of it, or nothing can be taken back.
    """
    if (reject is None) != undo or (reject is not None and not reject.strip()):
        raise ConfigurationError('Say what to do with the row: --reject "WHY", or --undo to take that back')
    lake = open_lake("annotate")
    example = _example(lake, identifier)
    known = _known(lake, example)
    if undo and not known:
        raise ConfigurationError(f"Nobody rejected {example.id[:12]}: see driftune annotate --list", id=example.id)
    said = [(a.example, UNDONE, a.why) for a in known] if reject is None else [(example.id, REJECTED, reject.strip())]
    now = dt.datetime.now(dt.UTC)
    lake.append(
        Annotation(example=name, domain=example.domain, verdict=verdict, why=why, by=account(), at=now)
        for name, verdict, why in said
    )
    done = "Took the rejection back of" if undo else "Rejected"
    print(f"{done} {example.kind} {example.id[:12]} of {example.domain}. Next: driftune run {example.domain}")


def show_annotations(*, as_json: bool) -> None:
    """Prints every judgement that stands, newest first."""
    standing = [a for a in open_lake().read(Annotation) if a.verdict != UNDONE]
    rows = [
        {"domain": a.domain, "example": a.example, "verdict": a.verdict, "why": a.why, "by": a.by,
         "at": a.at.isoformat(timespec="seconds") if a.at else ""}
        for a in sorted(standing, key=lambda a: (str(a.at), a.id), reverse=True)
    ]  # fmt: skip
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console

    from flows.render import grid

    names = ("domain", "example", "verdict", "why", "by", "at")
    Console().print(grid(names, [[row[n][:12] if n == "example" else row[n] for n in names] for row in rows]))


def account() -> str:
    """Name of the account that this process runs under; empty where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without an entry, as in a container
        return ""


def _known(lake: Lake, example: Example) -> list[Annotation]:
    """The rejections of a row, and of rows that say the same."""
    found = lake.read(Annotation, "domain = $d", {"d": example.domain})
    standing = {a.example: a for a in found if a.verdict == REJECTED}
    looked_at = lake.read(Example, "id IN (SELECT unnest($ids))", {"ids": sorted(standing)}) if standing else []
    rows = [example, *looked_at]
    ids = {"ids": sorted({p for row in rows for p in programs_of(row).values()})}
    programs = {p.id: p for p in lake.read(Program, "id IN (SELECT unnest($ids))", ids)} if ids["ids"] else {}
    texts = Texts(programs)
    return [standing[row.id] for row in looked_at if texts.content(row) == texts.content(example)]


def _example(lake: Lake, identifier: str) -> Example:
    """The example of an id; of a text that curation cut, the row it was cut from."""
    table, found = find_record(lake, identifier)
    if table != Example.table:
        raise ConfigurationError(f"{found[:12]} stands in {table}: only examples are annotated; look with driftune sql")
    example = lake.read(Example, "id = $id", {"id": found})[0]
    if example.operator == CUT:
        return lake.read(Example, "id = $id", {"id": example.parents[-1]})[0]
    return example
