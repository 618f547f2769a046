"""What the memory of deriving is known by: everything that is read, and nothing that deriving itself writes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows.derivation import Mined
from flows.house import House
from flows.scraping import compare_key, scrape_key
from flows.synthesis import _derive_key, changes, derive_key, mine_key
from flows.validation import shard_key
from registry.domain import Domain, WorkloadSpec
from registry.records import Change, Release, Symbol
from registry.settings import Settings
from synth.migrated.behaviour import FOUND
from synth.migrated.drift import with_replacements
from synth.migrated.rules import Rule

OLD, NEW = (Release(library="lib", version=v, artifact_sha256=v * 64) for v in "12")
GONE = Change(old=OLD.id, new=NEW.id, symbol="lib.f", kind="removed", evidence=[{"source": "griffe", "text": "gone"}])


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two releases and a change, as scraping and comparing leave them."""
    text = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}}
    made = House(Domain.model_validate(text), Settings(home=tmp_path))
    scrape(made, OLD, symbol("(x)"))
    scrape(made, NEW)
    compare(made, GONE)
    return made


def scrape(house: House, release: Release, *found: Symbol) -> None:
    key = scrape_key(house, house.library.source[0], release.version)
    house.finish("scrape", "pypi", [key], [release, *found], time.monotonic(), {"release": release.id})


def compare(house: House, *found: Change) -> None:
    house.finish("scrape", "changes", [compare_key(house)], found, time.monotonic())


def symbol(signature: str) -> Symbol:
    return Symbol(release=OLD.id, path="lib.f", kind="function", signature=signature)


def key(house: House) -> str:
    return _derive_key(house, Mined([], {}))


def test_the_key_is_of_all_that_is_read_and_of_nothing_that_is_written(house: House) -> None:
    """Replacements and changes that deriving learnt leave it; a signature, and what notes tell more, change it."""
    keys = [key(house)]
    rule = Rule("rename", "lib.f", "lib.k", GONE.id, "lib.f")
    found = [{"source": FOUND, "text": "lib.h(1) gives something else"}]
    acts = Change(old=OLD.id, new=NEW.id, symbol="lib.h", kind="behaviour", evidence=found)
    house.append([*with_replacements([GONE], {rule: "p"}), acts])
    assert key(house) == keys[0]
    scrape(house, OLD, symbol("(x, y)"))
    keys.append(key(house))
    compare(house, GONE, Change(old=OLD.id, new=NEW.id, symbol="lib.g", kind="removed"))
    keys.append(key(house))
    assert len(set(keys)) == 3


def test_a_workload_reads_what_was_made_for_its_domain(house: House) -> None:
    """What mining, running and deriving left has one key, whoever asks first; so both know the same changes."""
    domain = house.domain.model_copy(update={"workload": {"w": WorkloadSpec()}})
    for first in (0, 1):
        asked = House(domain, house.settings).adapters[first]
        assert (asked.domain.name, asked.owner) == (("d", "d-w")[first], "d")
        assert derive_key(asked) == derive_key(house)
        assert mine_key(asked, NEW) == mine_key(house, NEW)
        assert shard_key(asked, "e", ["p"]) == shard_key(house, "e", ["p"])
    learnt = with_replacements([GONE], {Rule("rename", "lib.f", "lib.k", GONE.id, "lib.f"): "p"})
    house.finish("synth", "derive", [derive_key(house)], learnt, time.monotonic())
    assert changes(House(domain, house.settings).adapters[1]) == changes(house) == list(learnt)
