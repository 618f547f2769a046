"""The stages `mine` and `derive`: examples from what was scraped, then more from those that are proven."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from flows.batches import Batch
from flows.house import House
from flows.scraping import releases, scraped
from registry.identity import work_key
from registry.names import SymbolIndex
from registry.records import Record, Release
from synth import doc_examples, test_examples

MINE_PART = f"{doc_examples.GENERATOR}@{doc_examples.VERSION}+{test_examples.GENERATOR}@{test_examples.VERSION}"


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
        options = {"domain": house.domain.name, "packages": packages(house)}
        rows: list[Record] = [
            *doc_examples.mine(found.pages, found.symbols, index, **options),
            *test_examples.mine(found.pages, index, **options),
        ]
        return house.finish("synth", MINE_PART, [key], rows, since)

    return run
