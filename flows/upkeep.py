"""`driftune registry yank`, `unyank`, `eol`, `verify`, `gc`, `backup`: care of what is published."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing
from pathlib import Path

from flows.annotation import account
from registry.census import DAMAGE, ORPHAN, Census
from registry.collecting import Gone, collect
from registry.copying import copy
from registry.objects import objects_of
from registry.settings import Settings
from registry.standing import END, REVIVE, UNYANK, YANK
from registry.store import Store

_SAID = {
    YANK: "is yanked: no channel gives it",
    UNYANK: "is no longer yanked: channels that hold it give it again",
    END: "is at the end of its life: whoever asks for it is told",
    REVIVE: "is cared for again",
}


def say(reference: str, action: str, why: str, *, as_json: bool) -> None:
    """Says how a version, or a domain, stands from now on.

    Args:
        reference: `networkx@v3`; for the end of life also `networkx`.
        action: yank, unyank, end-of-life or revive.
        why: Why; it is told whoever asks for the version.
        as_json: Print an object.

    Raises:
        ConfigurationError: There is no such version, or no reason.
    """
    store, by = Store(Settings().registry_url), account()
    if action == YANK:
        said = store.yank(reference, why, by)
    elif action == UNYANK:
        said = store.unyank(reference, why, by)
    else:
        said = store.end_of_life(reference, why, by, revive=action == REVIVE)
    domain = reference.partition("@")[0]
    gives = store.channels(domain)
    if as_json:
        print(json.dumps({"domain": domain, "channels": gives, **dataclasses.asdict(said)}))
        return
    name = f"{domain}@v{said.version}" if said.version else domain
    print(f"{name} {_SAID[action]}. {', '.join(f'{c} gives v{n}' for c, n in gives.items()) or 'No channel gives any'}")


def verify(reference: str, *, as_json: bool) -> int:
    """Hashes every byte of a version, or of the registry, again, and prints what is broken; the exit code.

    Args:
        reference: `networkx@v3`, or empty for all.
        as_json: Print an object.

    Raises:
        RegistryError: The one version that was named is damaged.
    """
    place = Settings().registry_url
    if reference:
        adapter = Store(place).verify(reference)
        name = f"{adapter.domain}@v{adapter.version}"
        print(json.dumps({"adapter": name, "damage": []}) if as_json else f"{name} is as it was published")
        return 0
    census = Census(objects_of(place))
    found = list(census.findings())
    broken = [finding for finding in found if finding.kind == DAMAGE]
    orphans = [finding for finding in found if finding.kind == ORPHAN]
    counted = {name: getattr(census, name) for name in ("versions", "files", "bytes", "entries")}
    if as_json:
        told = {"damage": broken, "orphans": orphans}
        rows = {name: [dataclasses.asdict(each) for each in findings] for name, findings in told.items()}
        print(json.dumps(counted | rows))
        return int(bool(broken))
    for finding in broken:
        print(f"Damaged: {finding.what} ({finding.path})")
    for finding in orphans:
        print(f"Orphan: {finding.path} {finding.what}")
    print(
        f"{census.versions:,} versions, {census.files:,} files of {_mb(census.bytes)}, {census.entries:,} entries of "
        f"logs: {len(broken)} damaged, {len(orphans)} orphans"
    )
    return int(bool(broken))


def collect_garbage(grace_hours: float, *, dry_run: bool, as_json: bool) -> None:
    """Removes what nobody can ask for any more, and prints it.

    Args:
        grace_hours: How long content of no version stays.
        dry_run: Remove nothing.
        as_json: Print an object.

    Raises:
        ConfigurationError: The retention that the registry states can't be read.
        RegistryError: A manifest is broken, or others publish to a registry on S3: nothing is removed.
    """
    gone: list[Gone] = []
    objects, grace_s = objects_of(Settings().registry_url), grace_hours * 3600
    for each in collect(objects, held=_awaited(), grace_s=grace_s, dry_run=dry_run):
        gone.append(each)
        if not as_json:
            print(f"{'Would remove' if dry_run else 'Removed'} {each.path} ({each.what})")
    size = sum(each.size for each in gone)
    if as_json:
        print(json.dumps({"dry_run": dry_run, "bytes": size, "removed": [dataclasses.asdict(each) for each in gone]}))
    else:
        print(f"{'Would free' if dry_run else 'Freed'} {_mb(size)} in {len(gone):,} objects")


def _awaited() -> set[tuple[str, int]]:
    """The versions that subscribers of a server with its state here are still to be told of."""
    from registry.server.deliveries import awaited
    from registry.server.settings import ServerSettings
    from registry.server.state import State

    settings = ServerSettings()
    file = settings.state_url.removeprefix("sqlite:///")
    if file != settings.state_url and not Path(file).exists():
        return set()
    with closing(State(settings.state_url)) as state, state.read() as connection:
        return awaited(connection)


def backup(folder: Path, *, as_json: bool) -> None:
    """Copies what isn't in a folder yet, beside publishers, and prints how much that was."""
    count = sum(1 for _ in copy(objects_of(Settings().registry_url), folder.absolute()))
    told = f"Copied {count:,} objects. It is a registry: DRIFTUNE_REGISTRY={folder.absolute()} driftune registry verify"
    print(json.dumps({"folder": str(folder.absolute()), "copied": count}) if as_json else told)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
