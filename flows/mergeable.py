"""Which adapters can be one: of one base, of different libraries, none of them trained on what another's gate asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from finetune.copies import texts_of
from finetune.retrieval import HeldOut
from flows.continuing import line, trained_on
from flows.curation import snapshot_id
from flows.docs import held_out
from flows.house import House
from flows.publication import check_kind
from flows.snapshots import latest_curation
from flows.stages import complete
from flows.training import rows_of
from registry.domain_files import load_domain, readable, workloads
from registry.errors import ConfigurationError, WrongBaseError
from registry.records import Adapter, Example, Program
from registry.store import Store
from validators.parts import programs_of
from validators.splits import SYMBOL

_FILE = re.compile(r"(.+\.toml)(?::([^/@:]+))?(@[^/@]*)?")


@dataclass(frozen=True)
class Source:
    """An adapter that goes into a merged one, and its domain."""

    adapter: Adapter
    folder: Path
    house: House


def named(store: Store, reference: str) -> tuple[Adapter, str]:
    """An adapter, its bytes read again, and what opens its domain: the name, or the file that was named instead.

    Args:
        store: The registry.
        reference: `networkx@stable`, or `path/of/networkx.toml@stable` where the domain's file isn't in `domains/`,
            and `path/of/networkx.toml:sci@stable` for its workload `sci`.

    Raises:
        ConfigurationError: There is no such adapter, or no such file.
        RegistryError: The adapter is damaged.
    """
    file = _FILE.fullmatch(reference)
    if file is None:
        adapter = store.verify(reference)
        return adapter, adapter.domain
    name = load_domain(file[1]).name + (f"-{file[2]}" if file[2] else "")
    return store.verify(name + (file[3] or "")), file[1]


def mother_of(adapter: Adapter, file: str) -> str:
    """What opens the domain that an adapter is of: its own file, or that of the domain whose workload it is.

    Args:
        adapter: The adapter.
        file: What `named` gave with it.
    """
    own = Path("domains", f"{file}.toml")
    if file != adapter.domain or own.is_file():
        return file
    found = readable(own.parent)
    names = {each.name: str(path) for path, domain in found.items() for each in workloads(domain)}
    return names.get(adapter.domain, file)


def check_adapters(store: Store, adapters: Sequence[Adapter], name: str, weights: Sequence[float]) -> None:
    """Holds the adapters against each other, their weights and the merged one's name.

    Raises:
        ConfigurationError: They can't be one under that name.
        WrongBaseError: They were made for different bases.
    """
    domains = [a.domain for a in adapters]
    if len(set(domains)) < len(domains) or len(domains) < 2:
        raise ConfigurationError(f"Can't merge {', '.join(domains)}: name adapters of two or more domains, one of each")
    if len(weights) not in (0, len(domains)):
        told = ", ".join(map(str, weights))
        raise ConfigurationError(f"Can't merge: {len(domains)} adapters need as many weights, found {told}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) or name in domains:
        raise ConfigurationError(
            f"The merged adapter can't be called {name!r}: take lower-case letters, digits, dots and dashes, and none "
            f"of {', '.join(domains)}"
        )
    check_kind(store, name, merged=True)
    first = adapters[0]
    for other in adapters[1:]:
        if other.fingerprint != first.fingerprint:
            raise WrongBaseError(
                f"{first.domain} v{first.version} was made for {first.base} with fingerprint {first.fingerprint}, "
                f"{other.domain} v{other.version} for {other.base} with {other.fingerprint}: train both on one base",
                wanted=first.fingerprint, found=other.fingerprint,
            )  # fmt: skip


def check_name(house: House, name: str) -> None:
    """Who subscribes to a domain doesn't get a merged adapter for its own.

    Raises:
        ConfigurationError: A domain is called so.
    """
    if latest_curation(house.lake, name) is not None or Path("domains", f"{name}.toml").exists():
        raise ConfigurationError(f"The merged adapter can't be called {name!r}, as a domain is: choose another name")


def check_libraries(houses: Sequence[House]) -> None:
    """Two domains of one library hold out other rows each, and each trains on what the other one holds out.

    Raises:
        ConfigurationError: Two are of one library.
    """
    known: dict[str, str] = {}
    for house in houses:
        for library in house.domain.library:
            other = known.setdefault(canonicalize_name(library.name), house.domain.name)
            if other != house.domain.name:
                raise ConfigurationError(
                    f"Can't merge {other} and {house.domain.name}: both are of {library.name}, so that each may have "
                    "been trained on what the other holds out. Take adapters of different libraries"
                )


def check_snapshot(sources: Sequence[Source]) -> None:
    """What is held out now may have been trained on by an adapter of another snapshot.

    Raises:
        ConfigurationError: One was trained on another, or its domain's latest isn't what a run would make now.
    """
    for source in sources:
        adapter = source.adapter
        if adapter.snapshot != snapshot_id(source.house):
            raise ConfigurationError(
                f"{adapter.domain} v{adapter.version} was trained on another snapshot than the latest of "
                f"{adapter.domain}, whose held-out rows it may know: run driftune run {adapter.domain}, then merge its "
                "newest version"
            )
        if complete(source.house) is None:
            raise ConfigurationError(
                f"{adapter.domain} isn't as its file, its sources and its annotations are now: run driftune run "
                f"{source.house.reference} first, then merge its newest version"
            )


def check_held_out(sources: Sequence[Source]) -> None:
    """Libraries may share code, or call each other: no adapter may have been trained on what another's gate asks.

    That is a row of the same origin, one of the same family in the same file, or code that names the other's library
    and holds a call that is asked for in a family of which nothing was trained on (`symbol`). Of other families other
    call sites are trained on anyway, and many calls are like those that are held out: `nx.core_number(G)`.

    Raises:
        ConfigurationError: One was.
    """
    trained = [[*rows_of(s.house, "train"), *trained_on(s.house, line(s.house, [s.adapter.id]))] for s in sources]
    programs = [_programs(source.house, rows) for source, rows in zip(sources, trained, strict=True)]
    for asking in sources:
        asked = [row for rows in held_out(asking.house).values() for row in rows]
        roots = {row.root for row in asked}
        sites = {(row.family, row.file) for row in asked if row.family}
        holds = _holding(rows_of(asking.house, SYMBOL))
        for other, rows, known in zip(sources, trained, programs, strict=True):
            if other is asking:
                continue
            seen = [
                row
                for row in rows
                if row.root in roots or (row.family, row.file) in sites or any(map(holds, _shown(row, known)))
            ]
            if seen:
                raise ConfigurationError(
                    f"Can't merge {other.adapter.domain} with {asking.adapter.domain}: the first was trained on "
                    f"{len(seen)} rows of what the second holds out, as in {seen[0].file}. Leave one of them out"
                )


def _programs(house: House, rows: Sequence[Example]) -> dict[str, Program]:
    return house.programs(name for row in rows for name in programs_of(row).values())


def _shown(row: Example, programs: Mapping[str, Program]) -> list[str]:
    """What a row that is trained on says: its programs and texts, and at a call site the call that is right."""
    parts: Any = row.parts
    return [*texts_of(row, programs), f"{parts.get('prompt', '')}{parts.get('chosen', '')}"]


def _holding(held_out: Iterable[Example]) -> Callable[[str], bool]:
    """Tells whether code names the library of held-out call sites, and holds the call of one."""
    sites = [row for row in held_out if row.kind == "preference" and row.family]
    names = {str(row.family).partition(".")[0] for row in sites}
    calls = HeldOut((str(row.parts["chosen"]), str(row.family).rpartition(".")[2]) for row in sites)
    library = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})\b" if names else r"(?!)")
    return lambda code: library.search(code) is not None and calls.holds(code)
