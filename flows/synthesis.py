"""The stages `mine` and `derive`: examples from what was scraped, then more from those that are proven."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from flows.batches import Batch
from flows.derivation import BY_SOURCE, STEPS, Mined, Stock, derived
from flows.house import House
from flows.scraping import changes, releases, scraped
from flows.validation import needed, run_now, verdicts
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.records import Example, Program, Record, Release, Verdict
from synth import doc_examples, test_examples
from validators.proofs import programs_of

MINE_PART = f"{doc_examples.GENERATOR}@{doc_examples.VERSION}+{test_examples.GENERATOR}@{test_examples.VERSION}"

DERIVE_PART = "+".join((*STEPS, *BY_SOURCE))


def packages(house: House) -> tuple[str, ...]:
    """Import names of what stands in the environments beside the library."""
    names = (re.split(r"[=<>!~ \[;]", r, maxsplit=1)[0] for r in house.library.requirements)
    return tuple(name.replace("-", "_") for name in names)


def mine_key(house: House, release: Release) -> str:
    """The work key of mining one release."""
    return work_key([release.digest], MINE_PART, {"domain": house.domain.name, "packages": list(packages(house))})


def mine_stage(house: House) -> list[Batch]:
    """One batch a release: its `doc` and `test` examples."""
    batches = []
    for release in releases(house):
        key = mine_key(house, release)
        if house.result(key) is None:
            batches.append(Batch(f"Mine {release.library} {release.version}", 1, _mining(house, release, key)))
    return batches


def _mining(house: House, release: Release, key: str) -> Callable[[], int]:
    def run() -> int:
        since = time.monotonic()
        found = scraped(house, release)
        index = SymbolIndex(found.symbols)
        domain, beside = house.domain.name, packages(house)
        rows: list[Record] = [
            *doc_examples.mine(found.pages, found.symbols, index, domain=domain, packages=beside),
            *test_examples.mine(found.pages, index, domain=domain, packages=beside),
        ]
        return house.finish("synth", MINE_PART, [key], rows, since)

    return run


def _mined(house: House) -> Mined:
    where = "domain = $d AND kind IN ('doc', 'test')"
    examples = house.lake.read(Example, where, {"d": house.domain.name})
    answers = {programs_of(e)["answer"] for e in examples}
    wanted = {release: answers & programs for release, programs in needed(house, derived=False).items()}
    return Mined(examples, {pair: v for pair, v in verdicts(house).items() if pair[0] in wanted[pair[1]]})


def _derive_key(house: House, mined: Mined) -> str:
    """The work key of what is derived: the mined rows, and every verdict on their answers."""
    ran = sorted((*pair, v.digest) for pair, v in mined.verdicts.items())
    inputs = [sha256_of(sorted(e.digest for e in mined.examples)), sha256_of([list(row) for row in ran])]
    return work_key(inputs, DERIVE_PART, house.domain.synth.model_dump(), house.domain.synth.seed)


def derive_stage(house: House) -> list[Batch]:
    """One batch: bugs, drift and preference pairs from what is proven, and `text`."""
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
        )
    )
