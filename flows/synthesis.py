"""The stages `mine` and `derive`: examples from what was scraped, then more from those that are proven."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from flows.batches import Batch
from flows.derivation import BY_SOURCE, STEPS, Mined, Stock, derived
from flows.house import House
from flows.scraping import changes, examples, releases, scraped
from flows.spreading import collecting_rarely, spread
from flows.validation import MINED, needed, run_now, verdicts
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.records import Program, Record, Release, Symbol, Verdict
from synth import generators
from synth.drift import without_replacements
from synth.generators import Material
from synth.suites import changed
from validators.proofs import programs_of

DERIVE_PART = "+".join((*STEPS, *BY_SOURCE))


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
    parameters = {"domain": house.domain.name, "packages": list(packages(house)), "latest": release.id == both[1].id}
    if not limit:
        return work_key([release.digest], mine_part(), parameters)
    return work_key([release.digest, *(r.digest for r in both)], mine_part(), parameters | {"tests": limit})


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
    made = spread(generated, materials, jobs, house.workers)
    written = 0
    for key in missing:
        since = time.monotonic()
        rows = [row for found in islice(made, len(names)) for row in found]
        written += house.finish("synth", mine_part(), [key], rows, since)
    return written


def generated(materials: Sequence[Material], job: tuple[int, str]) -> list[Record]:
    """The rows that one generator makes of one release."""
    number, name = job
    with collecting_rarely():
        return list(generators.load(name).generate(materials[number]))


def _materials(house: House, wanted: Iterable[Release]) -> list[Material]:
    both = releases(house)
    limit = house.domain.synth.tests
    found = {release.id: scraped(house, release) for release in (both if limit else wanted)}
    first = changed(*(found[r.id].pages for r in both)) if limit else frozenset()
    return [
        Material(
            domain=house.domain.name,
            release=release,
            pages=found[release.id].pages,
            symbols=found[release.id].symbols,
            index=SymbolIndex(found[release.id].symbols),
            packages=packages(house),
            latest=release.id == both[1].id,
            tests=limit,
            first=first,
        )
        for release in wanted
    ]


def _mined(house: House) -> Mined:
    found = examples(house, MINED)
    answers = {programs_of(e)["answer"] for e in found}
    wanted = {release: answers & programs for release, programs in needed(house, derived=False).items()}
    return Mined(found, {pair: v for pair, v in verdicts(house).items() if pair[0] in wanted[pair[1]]})


def _derive_key(house: House, mined: Mined) -> str:
    """The work key of what is derived: the mined rows, every verdict on their answers, what changed, the symbols."""
    ran = sorted((*pair, v.digest) for pair, v in mined.verdicts.items())
    read: list[Iterable[Record]] = [mined.examples, without_replacements(changes(house))]
    read += [house.lake.read(Symbol, "release = $id", {"id": release.id}) for release in releases(house)]
    inputs = [sha256_of(sorted(r.digest for r in records)) for records in read]
    inputs.append(sha256_of([list(row) for row in ran]))
    return work_key(inputs, DERIVE_PART, house.domain.synth.model_dump(), house.domain.synth.seed)


def derive_stage(house: House) -> list[Batch]:
    """One batch: all that is made of mined rows, once it is known how these ran."""
    mined = _mined(house)
    key = _derive_key(house, mined)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        return house.finish("synth", DERIVE_PART, [key], _derived(house, mined), since)

    return [Batch(f"Derive from {len(mined.examples):,} mined examples", 1, run)]


def _derived(house: House, mined: Mined) -> Iterator[Record]:
    old, new = (scraped(house, r) for r in releases(house))

    def observe(release: Release, programs: Iterable[Program]) -> Mapping[str, Verdict]:
        return run_now(house, release, programs)

    return derived(
        Stock(
            domain=house.domain.name,
            settings=house.domain.synth,
            old=old,
            new=new,
            changes=changes(house),
            mined=mined,
            programs=house.programs({p for e in mined.examples for p in programs_of(e).values()}),
            observe=observe,
        ),
        house.workers,
    )
