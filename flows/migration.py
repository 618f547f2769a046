"""`driftune migrate`: a home of an earlier driftune becomes one of today's. What would change is said before."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from registry import schemas
from registry.former import FORMER, former_domains, republish
from registry.lake import Lake, open_lake
from registry.lake_files import files_of
from registry.records import SCHEMA, Adapter
from registry.settings import Settings


@dataclass(frozen=True)
class Migration:
    """What is to be done, or was.

    Attributes:
        lake: Where the lake is.
        schema: The schema that it is of.
        current: Today's.
        columns: Table -> columns that its rows lack, and have the defaults of.
        registry: Where the adapters are.
        republished: Domain -> versions of it that lie as an earlier driftune put them.
        done: Whether it was done.
    """

    lake: str
    schema: int
    registry: str
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    republished: dict[str, int] = field(default_factory=dict)
    current: int = SCHEMA
    done: bool = False

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return self.schema < self.current or bool(self.republished)


def migrate(*, dry: bool, as_json: bool) -> None:
    """Takes lake and registry to today's form, or says what that would change.

    Raises:
        ConfigurationError: The lake is of a newer driftune.
        RegistryError: A published version of an earlier driftune can't be read, or can't keep its number.
    """
    settings = Settings()
    planned = plan_migration(settings)
    if planned.needed and not dry:
        planned = _migrated(settings, planned)
    if as_json:
        told: dict[str, Any] = dataclasses.asdict(planned)
        print(json.dumps(told))
        return
    for line in _lines(planned):
        print(line)


def plan_migration(settings: Settings) -> Migration:
    """What is to be done; nothing is written."""
    files = files_of(settings.lake_url, settings.root)
    found = schemas.schema_of(files)
    schemas.check_known(files, found)
    older = schemas.grown(files) if found < SCHEMA else {}
    return Migration(settings.lake_url, found, settings.registry_url, older, former_domains(settings.registry_url))


def _migrated(settings: Settings, planned: Migration) -> Migration:
    """The lake first: it is told which versions there are then."""
    lake = open_lake("migrate")
    if lake.schema < SCHEMA:
        lake.migrate()
    for domain in planned.republished:
        _tell(lake, republish(settings.registry_url, domain))
    return dataclasses.replace(planned, done=True)


def _tell(lake: Lake, adapters: list[Adapter]) -> None:
    known = {adapter.id for adapter in lake.read(Adapter)}
    lake.append([adapter for adapter in adapters if adapter.id not in known])


def _lines(told: Migration) -> list[str]:
    """What is to be done, or was, for a person."""
    if not told.needed:
        return [f"Nothing to do: the lake is of schema {told.schema}, and adapters lie as today's driftune puts them"]
    lines = []
    if told.schema < told.current:
        went = "went" if told.done else "would go"
        lines.append(f"The lake at {told.lake} {went} from schema {told.schema} to {told.current}")
        lines += [f"  {table}: rows have the defaults of {', '.join(names)}" for table, names in told.columns.items()]
        lines.append("  No file is written anew. A driftune of an older schema refuses the lake from then on")
    for domain, count in told.republished.items():
        what = f"{count} version{'' if count == 1 else 's'} of {domain}"
        kept = f"{told.registry}/{FORMER}/{domain}"
        lines.append(
            f"{what} published again under the same numbers, with the channels' moves; as they were: {kept}"
            if told.done
            else f"{what} would be published again under the same numbers, and kept as they are in {kept}"
        )
    return [*lines, *([] if told.done else ["Nothing was done: driftune migrate does it"])]
