"""The stages `mine` and `derive`: examples from what was scraped, then more from those that are proven."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flows.batches import Batch
from flows.house import House
from flows.scraping import changes, releases, scraped
from flows.validation import needed, run_now, verdicts
from registry.families import Families
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.records import Change, Example, Record, Release, Verdict
from synth import bugs, doc_examples, test_examples, text
from synth.drift import Drift, with_replacements, without_replacements
from synth.material import pieces
from synth.sites import Limits
from validators.proofs import deprecations

MINE_PART = f"{doc_examples.GENERATOR}@{doc_examples.VERSION}+{test_examples.GENERATOR}@{test_examples.VERSION}"

DERIVE_PART = f"{bugs.GENERATOR}@{bugs.VERSION}+drift@2+{text.GENERATOR}@{text.VERSION}"


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


@dataclass(frozen=True)
class _Mined:
    """The mined rows of both releases, and how their answers ran: no more, so that it stays the same later.

    Attributes:
        examples: The `doc` and `test` rows, by id.
        verdicts: (program id, release id) -> verdict.
    """

    examples: list[Example]
    verdicts: dict[tuple[str, str], Verdict]

    def of(self, release: Release) -> list[Example]:
        """The rows of one release."""
        return [e for e in self.examples if e.releases == (release.id,)]


def _mined(house: House) -> _Mined:
    where = "domain = $d AND kind IN ('doc', 'test')"
    examples = house.lake.read(Example, where, {"d": house.domain.name})
    answers = {_programs(e)["answer"] for e in examples}
    wanted = {release: answers & programs for release, programs in needed(house, derived=False).items()}
    return _Mined(examples, {pair: v for pair, v in verdicts(house).items() if pair[0] in wanted[pair[1]]})


def _derive_key(house: House, mined: _Mined) -> str:
    """The work key of what is derived: the mined rows, and every verdict on their answers."""
    ran = sorted((*pair, v.digest) for pair, v in mined.verdicts.items())
    inputs = [sha256_of(sorted(e.digest for e in mined.examples)), sha256_of([list(row) for row in ran])]
    return work_key(inputs, DERIVE_PART, house.domain.synth.model_dump(), house.domain.synth.seed)


def _programs(example: Example) -> dict[str, str]:
    return dict(example.parts["programs"])


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


def _derived(house: House, mined: _Mined) -> Iterator[Record]:
    """Text first, then drift and call sites, then bugs of the new release's rows."""
    old, new = (scraped(house, r) for r in releases(house))
    indexes = SymbolIndex(old.symbols), SymbolIndex(new.symbols)
    between = without_replacements(changes(house))
    settings = house.domain.synth
    programs = house.programs({p for e in mined.examples for p in _programs(e).values()})
    yield from text.mine(new.pages, indexes[1], domain=house.domain.name)
    warnings = {pair: " ".join(sorted(said for _, said in deprecations(v))) for pair, v in mined.verdicts.items()}
    of_old, of_new = (list(pieces([*programs.values(), *mined.of(s.release)])) for s in (old, new))

    def drift_of(found: list[Change]) -> Drift:
        return Drift(
            found,
            indexes,
            Families(found, *indexes),
            of_old,
            of_new,
            {pair: v.outcome for pair, v in mined.verdicts.items()},
            {pair: f"{v.detail} {warnings[pair]}" for pair, v in mined.verdicts.items()},
            frozenset(pair for pair, said in warnings.items() if said),
            (old.release.id, new.release.id),
            house.domain.name,
            Limits(mutants=settings.rejected, family=settings.sites),
            settings.seed,
        )

    known = with_replacements(between, drift_of(between).rules)
    yield from (change for change in known if change not in between)
    drift = drift_of(known)
    yield from drift.rows()
    yield from drift.site_rows(run_now(house, new.release, (p.program for p in drift.probes)))
    library = bugs.Library(indexes[1], known, indexes[0])
    for example in mined.of(new.release):
        verdict = mined.verdicts.get((_programs(example)["answer"], new.release.id))
        if verdict is not None and (verdict.outcome, verdict.proof) == ("passed", "strong"):  # so its bugs' fixes are
            yield from bugs.mutate(example, programs, library, seed=settings.seed, limit=settings.mutants)
