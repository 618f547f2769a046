"""The stages `mine` and `derive`: examples from what was scraped, then more from those that are proven.

What is worked on later (`flows.candidates`) are the rows that the works of these stages made, as versions, settings and
docs are now. What other works made, of older versions or under other settings, stays in the lake and is superseded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from flows.batches import Batch
from flows.derivation import BY_SOURCE, STEPS, Mined, Stock, derived, public
from flows.house import House, R
from flows.running import run_now, verdicts
from flows.scraping import compare_key, compared, releases, scraped, source_keys, symbols
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.parcels import unpacked
from registry.records import Change, Example, Program, Record, Release, Verdict, Work
from registry.shelf import Shelf
from synth import generators
from synth.generators import Material
from synth.mined.suites import changed
from validators.parts import obligations, programs_of, scouting
from validators.proofs import Verdicts

DERIVE_PART = "+".join((*STEPS, *BY_SOURCE))

MINED = ("doc", "test")
"""Kinds that are mined and run before anything is made of them."""


def packages(house: House) -> tuple[str, ...]:
    """Import names of what stands in the environments beside the library."""
    beside = dict.fromkeys(r for v in house.library.versions for r in house.library.beside(v))
    names = (re.split(r"[=<>!~ \[;]", r, maxsplit=1)[0] for r in beside)
    return tuple(dict.fromkeys(name.replace("-", "_") for name in names))


def mine_part() -> str:
    """What mines: the generators that there are, installed ones too, with their versions."""
    return "+".join(generators.part(name) for name in generators.names())


def mine_key(house: House, release: Release) -> str:
    """The work key of mining one release; which of its tests are taken may depend on the other one too."""
    both, limit = releases(house), house.domain.synth.tests
    parameters = {"domain": house.owner, "packages": list(packages(house)), "latest": release.id == both[1].id}
    parameters |= {"private": list(house.library.private)}
    inputs = [release.digest, *source_keys(house, release)]
    if not limit:
        return work_key(inputs, mine_part(), parameters)
    inputs += [name for r in both for name in (r.digest, *source_keys(house, r))]
    return work_key(inputs, mine_part(), parameters | {"tests": limit})


def mined(house: House, kinds: Sequence[str] = ()) -> list[Example]:
    """The rows, of some kinds or all, that were mined of the domain's two releases."""
    among, of = ("kind IN (SELECT unnest($kinds))", {"kinds": list(kinds)}) if kinds else ("true", {})
    rows = partial(house.lake.each, Example, among, of, work=mine_keys(house))
    return house.kept(("mined", *kinds), lambda: sorted(rows(), key=lambda row: row.id))


def mine_stage(house: House) -> list[Batch]:
    """One batch: the rows that generators make of each release alone."""
    keys = {mine_key(house, release): release for release in releases(house)}
    missing = {key: release for key, release in keys.items() if house.result(key) is None}
    if not missing:
        return []
    title = "Mine " + " and ".join(f"{r.library} {r.version}" for r in missing.values())
    return [Batch(title, len(missing), partial(_mine, house, missing))]


def _mine(house: House, missing: Mapping[str, Release]) -> int:
    """Mines releases by several processes, and remembers each by its key when all of its rows are there."""
    materials = _materials(house, missing.values())
    names = generators.names()
    jobs = [(number, name) for number in range(len(materials)) for name in names]
    made = house.spread(generators.generated, materials, jobs)
    written = 0
    for key, material in zip(missing, materials, strict=True):
        since = time.monotonic()
        rows = public((row for found in islice(made, len(names)) for row in unpacked(found)), material.index)
        written += house.finish("synth", mine_part(), [key], rows, since)
    return written


def _materials(house: House, wanted: Iterable[Release]) -> list[Material]:
    both = releases(house)
    limit = house.domain.synth.tests
    found = {release.id: scraped(house, release) for release in (both if limit else wanted)}
    first = changed(*(found[r.id].pages for r in both)) if limit else frozenset()
    return [
        Material(
            domain=house.owner,
            release=release,
            pages=found[release.id].pages,
            symbols=found[release.id].symbols,
            index=SymbolIndex(found[release.id].symbols, house.library.private),
            packages=packages(house),
            latest=release.id == both[1].id,
            tests=limit,
            first=first,
        )
        for release in wanted
    ]


def unwritten(house: House) -> Shelf[Example]:
    """The rows that were mined, and those that were derived from them, by id: all but what an LLM wrote."""
    return house.kept("unwritten", lambda: _unwritten(house))


def _unwritten(house: House) -> Shelf[Example]:
    found = house.shelf()
    for keys in (mine_keys(house), [derive_key(house)]):
        found.put(((row.id, row) for row in house.lake.each(Example, work=keys)), over=True)
    return found


def mine_keys(house: House) -> list[str]:
    """The work keys of mining both releases."""
    return [mine_key(house, release) for release in releases(house)]


def is_derived(house: House) -> bool:
    """Whether all rows are there that today's versions and settings give without an LLM."""
    mined_all = all(house.result(key) is not None for key in mine_keys(house))
    return mined_all and house.result(derive_key(house)) is not None


def changes(house: House) -> list[Change]:
    """The changes between the domain's two releases, with what deriving learnt of them, by id."""
    return overlaid(compared(house), house.made(Change, derive_key(house)))


def overlaid(rows: Iterable[R], later: Iterable[R]) -> list[R]:
    """Rows, those that were made later in the place of those with the same id, by id."""
    found = {row.id: row for row in (*rows, *later)}
    return [found[name] for name in sorted(found)]


def _mined(house: House) -> Mined:
    found = mined(house, MINED)
    ran: Verdicts = verdicts(house) if found else {}
    new = releases(house)[1].id
    runs = ((e, run) for e in found for run in (*obligations(e), *scouting(e, new)))
    tried = {run for e, run in runs if run[0] == programs_of(e).get("answer")}
    return Mined(found, {run: ran[run] for run in tried if run in ran})


def derive_key(house: House) -> str:
    """The work key of what is derived: the mined rows, every verdict on their answers, what changed, the symbols."""
    return house.kept("derive", lambda: _derive_key(house, _mined(house)))


def _derive_key(house: House, found: Mined) -> str:
    ran = sorted((*pair, v.digest) for pair, v in found.verdicts.items())
    read: list[Iterable[Record]] = [found.examples, compared(house)]
    read += [symbols(house, release) for release in releases(house)]
    inputs = [sha256_of(sorted(r.digest for r in records)) for records in read]
    inputs.append(sha256_of([list(row) for row in ran]))
    parameters = {
        "domain": house.owner,
        "private": list(house.library.private),
        **house.domain.synth.model_dump(),
    }
    inputs.append(compare_key(house))  # compared anew, changes are written as found: what was learnt comes after it
    return work_key(inputs, DERIVE_PART, parameters, house.domain.synth.seed)


def derive_stage(house: House) -> list[Batch]:
    """One batch: all that is made of mined rows, once it is known how these ran."""
    key = derive_key(house)
    if house.result(key) is not None:
        return []
    found = _mined(house)

    def run() -> int:
        since = time.monotonic()
        return house.finish("synth", DERIVE_PART, [key], _derived(house, found), since)

    return [Batch(f"Derive from {len(found.examples):,} mined examples", 1, run)]


def _derived(house: House, found: Mined) -> Iterator[Record]:
    old, new = (scraped(house, r) for r in releases(house))

    ran = verdicts(house)

    def observe(release: Release, programs: Iterable[Program]) -> Mapping[str, Verdict]:
        return run_now(house, release, programs, ran)

    programs = house.programs({p for e in found.examples for p in programs_of(e).values()})
    made = derived(
        Stock(
            domain=house.owner,
            settings=house.domain.synth,
            private=house.library.private,
            old=old,
            new=new,
            changes=compared(house),
            mined=found.visitable(programs),
            programs=programs,
            observe=observe,
        ),
        house.spread,
    )
    learnt = set()
    for row in made:
        if isinstance(row, Change):
            learnt.add(row.id)
        yield row
    yield from _taken_back(house, learnt)


def _taken_back(house: House, learnt: set[str]) -> list[Change]:
    """Changes of which an earlier derivation learnt what this one didn't: views show them as they were found again.

    What the latest derivation of another domain with the same releases learnt of them stays.
    """
    old, new = releases(house)
    found = {change.id: change for change in compared(house) if change.id not in learnt}
    between = "old = $old AND new = $new", {"old": old.id, "new": new.id}
    of_others = {change.digest for key in _others(house) for change in house.lake.read(Change, *between, work=key)}
    shown = house.lake.read(Change, *between)
    return [found[c.id] for c in shown if c.id in found and c.digest not in {found[c.id].digest, *of_others}]


def _others(house: House) -> list[str]:
    """The key of each other domain's latest derivation."""
    derivations = "stage = 'synth' AND part = $part", {"part": DERIVE_PART}
    domains = {work.domain for work in house.lake.read(Work, *derivations)} - {house.owner}
    where, parameters = derivations
    return [
        house.lake.read(Work, f"{where} AND domain = $domain", {**parameters, "domain": name}, latest=1)[0].key
        for name in sorted(domains)
    ]
