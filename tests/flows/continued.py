"""A small domain that comes from version to version: its releases, snapshots, trainings and publications."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.bases import TinyBase
from flows.batches import perform
from flows.curation import snapshot_id
from flows.evaluation import EVALUATE_PART, evaluate_key
from flows.house import House
from flows.publication import publish_stage
from flows.scraping import releases, scrape_key
from flows.training import train_stage
from registry.domain_files import with_table
from registry.identity import sha256_of
from registry.records import Adapter, Example, Page, Release, Snapshot, SnapshotRow, Symbol, Work
from registry.store import Store
from tests.finetune.lib_drift import OLD, TINY
from tests.flows.test_publication import wheel

TABLE = """\
[[library]]
name = "lib"
versions = ["1", "2"]
[train]
base = "small"
threads = 1
start = "warm"
recipe = ["sft"]
[train.lora]
rank = 2
[train.sft]
batch = 2
steps = 4
replay = 0
[train.base_settings]
"""
DOMAIN = TABLE + "\n".join(f"{name} = {value}" for name, value in {**TINY, "steps": 1}.items())
"""The file of a domain whose base, `small`, is made on the spot of its old version, as little trained as can be."""


class SmallBase(TinyBase):
    """The built-in base with as little general code as can be."""

    def __init__(self) -> None:
        super().__init__(OLD)


def scrape(house: House) -> None:
    """Both releases, as far as they aren't there yet; each version's source says other things."""
    for version in house.library.versions:
        key = scrape_key(house, house.library.source[0], version)
        if house.result(key) is None:
            name = f"lib-{version}.whl"
            wheel(house.folder("packages") / "pypi" / "lib" / name, f"lib-{version}", "", {"LICENSE": f"of {version}"})
            artifacts = [{"name": name, "sha256": "", "kind": "wheel"}]
            made = Release(library="lib", version=version, artifact_sha256=version, licence="MIT", artifacts=artifacts)
            text = "".join(OLD).replace("old_call", f"call_of_{version}")
            page = Page(release=made.id, url=name, content_hash=version, kind="source", path="lib.py", markdown=text)
            symbol = Symbol(release=made.id, path="lib.new_call", kind="function", signature="(a, *, other)")
            house.finish("scrape", "pypi@1", [key], [made, page, symbol], time.monotonic(), {"release": made.id})


def curate(house: House, **splits: Sequence[Example]) -> str:
    """A snapshot of these rows, which are of the domain's releases now; its id."""
    old, new = releases(house)
    rows = {
        split: [dataclasses.replace(row, releases=(old.id, new.id), licence="MIT") for row in given]
        for split, given in splits.items()
    }
    mark = sha256_of([[row.id, split] for split, given in rows.items() for row in given])
    snapshot = Snapshot(domain="lib", rows_sha256=mark, filters={})
    listed = [SnapshotRow(snapshot=snapshot.id, example=r.id, split=s) for s, given in rows.items() for r in given]
    work = Work(key=mark, stage="curate", domain="lib", part="curate@1", outputs=1, result={"snapshot": snapshot.id})
    house.append([*(row for given in rows.values() for row in given), *listed, snapshot])
    house.append([work])
    assert snapshot_id(house) == snapshot.id
    return snapshot.id


def with_train(house: House, **settings: Any) -> House:
    """The domain with other settings of `[train]`."""
    table: Mapping[str, Any] = house.domain.train.model_dump() | settings
    return dataclasses.replace(house, domain=with_table(house.domain, "train", table))


def come_to(house: House, old: str, new: str) -> House:
    """The domain at other versions, scraped."""
    library = house.library.model_copy(update={"versions": (old, new)})
    later = dataclasses.replace(house, domain=house.domain.model_copy(update={"library": (library,)}), _kept={})
    scrape(later)
    return later


def publish(house: House) -> Adapter:
    """Trains and publishes, as if the gate had said yes."""
    perform(train_stage, house)
    said = {"decision": "publish", "reason": "Better than its base"}
    house.finish("evaluate", EVALUATE_PART, [evaluate_key(house)], [], time.monotonic(), said)
    perform(publish_stage, house)
    return Store(house.settings.registry_url).resolve("lib@stable")
