"""`driftune registry`: what is published."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.channels import Entry, check_name
from registry.errors import ConfigurationError
from registry.records import Adapter
from registry.settings import Settings
from registry.standing import Standing
from registry.store import CANDIDATE, CARD, STABLE, Store

if TYPE_CHECKING:
    from flows.promotion import Promotion


def _rows(store: Store, domain: str) -> list[dict[str, Any]]:
    """What is told of each version of a domain."""
    given, yanked, ended = store.channels(domain), store.yanked(domain), store.ended(domain)
    return [
        _row(adapter, given) | {
            "yanked": yanked[adapter.version].reason if adapter.version in yanked else None,
            "end_of_life": next((ended[n].reason for n in (adapter.version, 0) if n in ended), None),
        }
        for adapter in store.versions(domain)
    ]  # fmt: skip


def _row(adapter: Adapter, given: Mapping[str, int]) -> dict[str, Any]:
    return {
        "domain": adapter.domain,
        "version": adapter.version,
        "channels": [name for name, number in given.items() if number == adapter.version],
        "library": adapter.library_range,
        "base": adapter.base,
        "id": adapter.id,
        "location": adapter.location,
    }


def _moves(store: Store, adapter: Adapter) -> list[Entry]:
    """The moves of channels to a version, with who said why."""
    names = store.channel_names(adapter.domain)
    moves = [entry for name in names for entry in store.history(adapter.domain, name)]
    return [entry for entry in moves if entry.version == adapter.version]


def list_adapters(*, checks: bool = True, as_json: bool) -> None:
    """Prints every published version, and which channels stand on it."""
    store = Store(Settings().registry_url, checks=checks)
    rows = [row for domain in store.domains() for row in _rows(store, domain)]
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        served = store.url.startswith(("http://", "https://"))
        advice = "Private ones need DRIFTUNE_TOKEN" if served else "Make one with: driftune run networkx"
        print(f"No adapter in {store.url} yet. {advice}")
        return
    table = Table("domain", "version", "channels", "library", "base")
    for row in rows:
        stands = ["yanked"] if row["yanked"] else ["end of life"] if row["end_of_life"] else []
        channels = ", ".join([*row["channels"], *stands])
        table.add_row(row["domain"], f"v{row['version']}", channels, row["library"], row["base"])
    Console().print(table)


def show_adapter(reference: str, *, checks: bool = True, as_json: bool) -> None:
    """Prints one version: its manifest for a program, its card for a person."""
    store = Store(Settings().registry_url, checks=checks)
    adapter = store.resolve(reference, yanked=True)
    stands = [said for said in store.standing(adapter.domain) if said.version in (0, adapter.version)]
    if as_json:
        [row] = [row for row in _rows(store, adapter.domain) if row["version"] == adapter.version]
        told: dict[str, Sequence[Entry | Standing]] = {"moves": _moves(store, adapter), "standing": stands}
        row |= {name: [dataclasses.asdict(entry) for entry in entries] for name, entries in told.items()}
        print(json.dumps(row | {"files": adapter.files, "report": adapter.report}))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    text = store.read(adapter, CARD).decode()
    Console().print(Markdown(text.split("---\n", 2)[-1] if text.startswith("---\n") else text))
    for entry in _moves(store, adapter):
        share = f" for {entry.share:.0%}" if entry.share < 1 else ""
        print(f"{entry.channel}: {entry.action}{share} at {entry.at}{_why(entry)}")
    for said in stands:
        print(f"{'This version' if said.version else adapter.domain}: {said.action} at {said.at}{_why(said)}")
    print(f"Its files: driftune registry pull {adapter.domain}@v{adapter.version} --into FOLDER")


def _why(said: Entry | Standing) -> str:
    return (f" by {said.by}" if said.by else "") + (f": {said.reason}" if said.reason else "")


def pull_adapter(
    reference: str, into: Path, *, yanked: bool = False, base: Path | None = None, check: bool = False
) -> None:
    """Copies a version into a folder, and says what it did.

    Args:
        reference: `networkx@stable`, `networkx@v3`.
        into: The folder; it stays as it is where anything is refused.
        yanked: Take the version also where it is yanked.
        base: Folder of the base that it must be made for; any where None.
        check: Whether it must give its stored answers on that base.

    Raises:
        ConfigurationError: There is no such version, or nothing to check it on.
        WrongBaseError: It was made for another base, or gives other answers.
    """
    if check and base is None:
        raise ConfigurationError("--check needs a base to load the adapter onto: give its folder with --base")
    store = Store(Settings().registry_url)
    if base is not None:
        _fits(store, store.resolve(reference, yanked=yanked), base, check=check)
    pulled = store.pull(reference, into, yanked=yanked)
    what = "Pulled" if pulled.changed else "Already there:"
    print(f"{what} {pulled.adapter.domain} v{pulled.adapter.version} -> {pulled.path}")
    ended = store.ended(pulled.adapter.domain)
    for said in (ended[number] for number in (pulled.adapter.version, 0) if number in ended):
        print(f"It is at the end of its life since {said.at}: {said.reason}", file=sys.stderr)


def _fits(store: Store, adapter: Adapter, base: Path, *, check: bool) -> None:
    from registry.client import check_base, load_adapter

    if check:
        load_adapter(base, store.folder(adapter))
    else:
        check_base(base, adapter)


def promote_adapter(reference: str, channel: str, why: str | None, share: float = 1.0, *, as_json: bool) -> int:
    """Moves a channel to a version where the domain's tasks allow it, or because a person says why; the exit code.

    Args:
        reference: `networkx@v3`, or `path/of/networkx.toml@v3` where the domain's file isn't in `domains/`, and
            `path/of/networkx.toml:sci@v3` for its workload `sci`.
        channel: The channel.
        why: Why it moves without the tasks being asked; None where they are.
        share: The share of those who follow the channel that it moves for.
        as_json: Print an object.

    Raises:
        ConfigurationError: There is no such version, no channel can be called so, or nobody knows what to ask.
    """
    from flows.annotation import account
    from flows.mergeable import named
    from flows.promotion import PROMOTED, Promotion

    store = Store(Settings().registry_url)
    adapter, file = named(store, reference)
    check_name(channel)
    if why is not None and not why.strip():
        raise ConfigurationError('Say why nothing is asked: --force "WHY"')
    found = Promotion(PROMOTED, why.strip()) if why is not None else _asked(store, adapter, file, channel)
    moved = found.outcome == PROMOTED
    if moved:
        store.promote(adapter.domain, adapter.version, channel, reason=found.reason, by=account(), share=share)
    name = f"{adapter.domain}@v{adapter.version}"
    if as_json:
        told = {"adapter": name, "channel": channel, "outcome": found.outcome, "reason": found.reason}
        print(json.dumps(told | ({"share": share} if share < 1 else {})))
    else:
        holds = f"{channel} holds {name}" + (f" for {share:.0%} of those who follow it" if share < 1 else "")
        print(holds if moved else f"{channel} stays ({found.outcome})", end="")
        print(f": {found.reason}" if found.reason else "")
    return 0 if moved else 4


def rollback_channel(reference: str, to: str, why: str, *, as_json: bool) -> None:
    """Moves a channel back to a version that it held before, and says so.

    Args:
        reference: `networkx` or `networkx@candidate`; the channel is `stable` where none is named.
        to: `v3` or `networkx@v3`; the version that it held before the present one where empty.
        why: Why, for the channel's log; may be empty.
        as_json: Print an object.

    Raises:
        ConfigurationError: There is no such channel, or it held no such version before.
        RegistryError: The version that it would go back to is damaged.
    """
    from flows.annotation import account

    store = Store(Settings().registry_url)
    domain, _, channel = reference.partition("@")
    channel = check_name(channel or STABLE)
    version = store.resolve(to if "@" in to else f"{domain}@{to}") if to else None
    if version is not None and version.domain != domain:
        raise ConfigurationError(f"Can't move {domain}@{channel} to {to}: name a version of {domain}, as v1")
    was = store.channels(domain).get(channel)
    number = version.version if version is not None else None
    entry = store.rollback(domain, channel, number, reason=why.strip(), by=account())
    if as_json:
        told = {"adapter": f"{domain}@v{entry.version}", "channel": channel, "was": f"{domain}@v{was}"}
        print(json.dumps(told | {"reason": entry.reason, "by": entry.by, "at": entry.at}))
    else:
        print(f"{channel} holds {domain}@v{entry.version} again, and no more v{was}")


def _asked(store: Store, adapter: Adapter, file: str, channel: str) -> Promotion:
    """What the domain's tasks say; `candidate` moves unasked."""
    from contextlib import closing

    from flows.house import open_house
    from flows.mergeable import mother_of
    from flows.preflight import check
    from flows.progress import progress
    from flows.promotion import PROMOTED, Promotion, decided
    from registry.lock import domain_lock

    if channel == CANDIDATE:
        return Promotion(PROMOTED, "")
    with progress() as tell:
        try:
            house = open_house(mother_of(adapter, file), tell)
        except ConfigurationError as error:
            told = f"What {channel} hangs on stands in the domain's file, and that can't be read"
            raise ConfigurationError(f'{told} ({error}). To move it all the same: --force "WHY"') from error
        check(house, ["publish"])
        own = next((each for each in house.adapters if each.domain.name == adapter.domain), None)
        if own is None:
            raise ConfigurationError(
                f"{adapter.domain} is no adapter of {house.reference} any more: nobody knows what to ask. To move it "
                'all the same: --force "WHY"'
            )
        with domain_lock(house.settings, house.owner, house.run), closing(house):
            return decided(own, store, adapter, channel)
