"""What a training goes on from: the adapter that `stable` holds for the same base, and what that was trained on.

Which one it is hangs on the snapshot: what `stable` held before it held an adapter of this very snapshot. So a training
stays the one that it is when its own adapter is published, and what is unchanged isn't trained on again.

A base that is made on the spot of the old version's texts stays the one that the first adapter was made for, whatever
versions the domain has come to since: an adapter fits no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from finetune.chain import seen_kinds
from flows.house import House
from flows.scraping import scrape_key
from flows.snapshots import latest_curation, rows_in
from registry.errors import WrongBaseError
from registry.identity import sha256_of
from registry.records import Adapter, Example, Forgotten, Release, Run, Work
from registry.store import STABLE, Store

FRESH, WARM, BOTH = "fresh", "warm", "both"


def base_digest(house: House) -> str:
    """Names the base by its settings: before it is made or fetched there is no fingerprint."""
    train = house.domain.train
    return sha256_of([train.base, {name: repr(value) for name, value in sorted(train.base_settings.items())}])


def newest(house: House) -> Adapter | None:
    """What a training on a snapshot that is yet to come would go on from; None where that would be afresh."""
    return next(reversed(_held(house)), None)


def current(house: House) -> Adapter | None:
    """What a training on the latest snapshot goes on from; None where it is afresh."""
    held = _held(house)
    latest = latest_curation(house.lake, house.owner) if held else None
    snapshot = latest.result["snapshot"] if latest is not None else ""
    return next(reversed(list(takewhile(lambda a: a.snapshot != snapshot, held))), None)


def _held(house: House) -> list[Adapter]:
    """What `stable` pointed to, one after the other, as far as this domain can go on from it.

    That is what this lake knows the rows of, made for the base that is set now, of which nothing had to be forgotten.
    """
    train = house.domain.train
    if train.start == FRESH or train.shuffle:
        return []
    return house.kept(("held", house.domain.name, base_digest(house)), lambda: _moves(house))


def _moves(house: House) -> list[Adapter]:
    store, name = Store(house.settings.registry_url), house.domain.name
    versions = {a.version: a for a in store.versions(name)}
    if not versions:
        return []
    barred = {adapter for order in house.lake.read(Forgotten) for adapter in order.adapters}
    digest, known = base_digest(house), _trainings(house)
    left = versions.keys() - store.yanked(name).keys()
    moves = [versions[move.version] for move in store.history(name, STABLE) if move.version in left]
    return [a for a in moves if a.id not in barred and known.get(a.run, {}).get("base_settings") == digest]


def _trainings(house: House) -> dict[str, Any]:
    """Id of a run of this domain -> what its training left."""
    done = house.lake.read(Work, "stage = 'train' AND domain = $d", {"d": house.domain.name})
    return {str(work.result.get("run")): work.result for work in done}


def line(house: House, ids: Iterable[str]) -> list[Adapter]:
    """Adapters and what these go on from, the newest first."""
    store = Store(house.settings.registry_url)
    known = {a.id: a for domain in store.domains() for a in store.versions(domain)}
    found: dict[str, Adapter] = {}
    left = list(ids)
    while left:
        adapter = known.get(left.pop())
        if adapter is not None and adapter.id not in found:
            found[adapter.id] = adapter
            left += [adapter.started_from] if adapter.started_from else []
    return list(found.values())


def trained_on(house: House, adapters: Sequence[Adapter]) -> list[Example]:
    """The rows that adapters were trained on: of the kinds that each one's recipe names, by id."""
    ids = {"ids": sorted({a.run for a in adapters})}
    runs = {run.id: run for run in house.lake.read(Run, "id IN (SELECT unnest($ids))", ids)} if adapters else {}
    found: dict[str, Example] = {}
    for adapter in adapters:
        kinds = seen_kinds(runs[adapter.run].recipe) if adapter.run in runs else None
        rows = rows_in(house.lake, [adapter.snapshot], "train")
        found |= {row.id: row for row in rows if kinds is None or row.kind in kinds}
    return [found[name] for name in sorted(found)]


def base_release(house: House) -> str:
    """Id of the release whose texts a base that is made on the spot has read; empty where none is scraped."""
    known = known_release(house, current(house))
    made = known or next(
        iter(house.made(Release, scrape_key(house, house.library.source[0], house.library.versions[0]))), None
    )
    return made.id if made is not None else ""


def known_release(house: House, adapter: Adapter | None) -> Release | None:
    """The release whose texts the base of an adapter was made of; None where that is the domain's own old one."""
    release = _trainings(house).get(adapter.run, {}).get("base_release") if adapter is not None else None
    found = house.lake.read(Release, "id = $id", {"id": release}) if release else []
    return found[0] if found else None


def check_fits(adapter: Adapter, fingerprint: str) -> None:
    """Holds an adapter against the base that a training would go on with it on.

    Raises:
        WrongBaseError: It was made for another one.
    """
    if adapter.fingerprint != fingerprint:
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version}, which the training would go on from, was made for {adapter.base} "
            f"with fingerprint {adapter.fingerprint}, and the base has {fingerprint} now: put that one back, or set "
            '[train] start = "fresh"',
            wanted=adapter.fingerprint, found=fingerprint,
        )  # fmt: skip


def told_start(house: House, adapter: Adapter | None) -> str:
    """How a training starts, for a person."""
    if adapter is None:
        rest = "" if house.domain.train.start == FRESH else ": stable has held nothing for this base that it could"
        return f"afresh{rest}"
    on = f"on from {adapter.domain} v{adapter.version}"
    return on if house.domain.train.start == WARM else f"afresh and {on}, of which dev takes one"
