"""`driftune registry merge`: one adapter for a user of several libraries, where the gate of each of them says so.

In each domain the merged adapter is a trial: a run with scores and a report of its own, which counts when the domain
next decides on its held-out rows. It is published, under a name of its own, only if all of them would publish it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.snapshots import latest_curation
from registry.errors import ConfigurationError, WrongBaseError
from registry.identity import sha256_of, work_key
from registry.records import Adapter, Record, Report, Run, Snapshot, SnapshotRow
from registry.settings import Settings
from registry.store import Publication, Store, content_hash

if TYPE_CHECKING:
    from finetune.bases import BaseModel
    from flows.house import House

MERGE_PART = "merge@1"
CANARIES = 4
"""Texts of each domain whose log-probabilities a right loading must reproduce."""


@dataclass(frozen=True)
class Source:
    """An adapter that goes into a merged one, and its domain."""

    adapter: Adapter
    folder: Path
    house: House


def merge_adapters(
    references: Sequence[str], name: str, method: str, rank: int, weights: Sequence[float], *, as_json: bool
) -> int:
    """Merges adapters, asks the gate of each domain, publishes where all agree, and prints what came of it.

    Args:
        references: `networkx@stable`, `polars@v2` …: of different domains, for one base.
        name: What the merged adapter is published under.
        method: cat or svd; see `finetune.merging`.
        rank: Of the merged one, with svd; 0 for the largest of theirs.
        weights: What each is multiplied by; 1 where empty.
        as_json: Print an object.

    Returns:
        The exit code: 0 where it is published, 4 where a gate refused.

    Raises:
        ConfigurationError: They can't be merged.
        WrongBaseError: They were made for different bases.
    """
    from flows.house import open_house
    from flows.preflight import check
    from flows.progress import progress
    from flows.run import EXIT_BY_DECISION
    from registry.lock import domain_lock

    store = Store(Settings().registry_path)
    adapters = _checked([store.verify(reference) for reference in references], name)
    with progress(quiet=as_json) as tell, ExitStack() as opened:
        houses = [opened.enter_context(closing(open_house(a.domain, tell))) for a in adapters]
        for house in sorted(houses, key=lambda h: h.domain.name):
            check(house, ["train", "publish"])
            opened.enter_context(domain_lock(house.settings.root, house.domain.name, house.run))
        _check_name(houses[0], name)
        sources = [Source(a, store.folder(a), h) for a, h in zip(adapters, houses, strict=True)]
        for source in sources:
            _check_snapshot(source)
        base = _base(sources[0])
        how = {"merged": [a.id for a in adapters], "method": method, "rank": rank, "weights": [str(w) for w in weights]}
        folder = _merged(base, sources, how, weights)
        found = [_judged(source, base, folder, how) for source in sources]
        decision = next((d for d in ("rejected", "undecided") if any(f["decision"] == d for f in found)), "publish")
        published = _publish(store, sources, base, folder, how, name, found) if decision == "publish" else None
    _show(name, decision, found, published, as_json=as_json)
    return EXIT_BY_DECISION[decision]


def _base(source: Source) -> BaseModel:
    """The base of a source's domain, if it still is what its adapter was made for."""
    from flows.training import base_model

    base, adapter = base_model(source.house), source.adapter
    if base.fingerprint != adapter.fingerprint:
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} was made for a base with fingerprint {adapter.fingerprint}, and that "
            f"of {adapter.domain} has {base.fingerprint} now: run driftune run {adapter.domain}, then merge its newest",
            wanted=adapter.fingerprint, found=base.fingerprint,
        )  # fmt: skip
    return base


def _merged(base: BaseModel, sources: Sequence[Source], how: Mapping[str, Any], weights: Sequence[float]) -> Path:
    """The folder of the merged adapter, made where it isn't there."""
    from finetune.merging import merge

    folder = sources[0].house.folder("training") / f"merged-{sha256_of(dict(how))[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        merge(base, [s.folder for s in sources], folder, method=how["method"], weights=weights, rank=how["rank"])
    return folder


def _checked(adapters: Sequence[Adapter], name: str) -> Sequence[Adapter]:
    """The adapters, if they can be one under that name."""
    domains = [a.domain for a in adapters]
    if len(set(domains)) < len(domains) or len(domains) < 2:
        raise ConfigurationError(f"Can't merge {', '.join(domains)}: name adapters of two or more domains, one of each")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) or name in domains:
        raise ConfigurationError(
            f"The merged adapter can't be called {name!r}: take lower-case letters, digits, dots and dashes, and none "
            f"of {', '.join(domains)}"
        )
    for other in adapters[1:]:
        if other.fingerprint != adapters[0].fingerprint:
            first = adapters[0]
            raise WrongBaseError(
                f"{first.domain} v{first.version} was made for {first.base} with fingerprint {first.fingerprint}, "
                f"{other.domain} v{other.version} for {other.base} with {other.fingerprint}: train both on one base",
                wanted=first.fingerprint, found=other.fingerprint,
            )  # fmt: skip
    return adapters


def _check_name(house: House, name: str) -> None:
    """Who subscribes to a domain doesn't get a merged adapter for its own."""
    if latest_curation(house.lake, name) is not None or Path("domains", f"{name}.toml").exists():
        raise ConfigurationError(f"The merged adapter can't be called {name!r}, as a domain is: choose another name")


def _check_snapshot(source: Source) -> None:
    """What is held out now may have been trained on by an adapter of another snapshot."""
    from flows.curation import snapshot_id

    adapter = source.adapter
    if adapter.snapshot != snapshot_id(source.house):
        raise ConfigurationError(
            f"{adapter.domain} v{adapter.version} was trained on another snapshot than the latest of {adapter.domain}, "
            f"whose held-out rows it may know: run driftune run {adapter.domain}, then merge its newest version"
        )


def _judged(source: Source, base: BaseModel, folder: Path, how: Mapping[str, Any]) -> dict[str, Any]:
    """What the gate of a domain says of the merged adapter: run, decision, reason; remembered in the lake."""
    from flows.evaluation import EVALUATE_PART, judged

    house, since = source.house, time.monotonic()
    run = Run(
        snapshot=source.adapter.snapshot, base=base.name, base_revision=base.revision,
        recipe={**how, "experiment": True}, seed=0, domain=house.domain.name, experiment=True,
        adapter_sha256=content_hash(folder), device=base.loading.device,
    )  # fmt: skip
    settings = {name: str(value) for name, value in house.domain.gate.model_dump().items()}
    key = work_key([run.id], f"{MERGE_PART}+{EVALUATE_PART}", settings)
    if house.result(key) is None:
        decision, rows = judged(house, base, folder, run.id, can_publish=True)
        result = {"run": run.id, "decision": decision.outcome, "reason": decision.reason}
        house.finish("evaluate", f"{MERGE_PART}+{EVALUATE_PART}", [key], [run, *rows], since, result)
    return {"domain": house.domain.name, **(house.result(key) or {})}


def _publish(
    store: Store,
    sources: Sequence[Source],
    base: BaseModel,
    folder: Path,
    how: Mapping[str, Any],
    name: str,
    found: Sequence[Mapping[str, Any]],
) -> Adapter:
    """Publishes the merged adapter, with a snapshot of all rows that its sources were trained on: its lineage."""
    from finetune import tuning
    from finetune.loading import PLAIN
    from flows.publication import notices
    from flows.training import rows_of
    from registry.client import canary, load_adapter

    since, house = time.monotonic(), sources[0].house
    trained = {s.house.domain.name: rows_of(s.house, "train") for s in sources}
    ids = sorted({e.id for rows in trained.values() for e in rows})
    licences = sorted({licence for s in sources for licence in s.house.domain.licences})
    snapshot = Snapshot(
        domain=name, rows_sha256=sha256_of([[i, "train"] for i in ids]),
        filters={"merged": [s.adapter.snapshot for s in sources], "licences": licences},
    )  # fmt: skip
    run = Run(
        snapshot=snapshot.id, base=base.name, base_revision=base.revision, recipe=dict(how), seed=0, domain=name,
        adapter_sha256=content_hash(folder), device=base.loading.device,
    )  # fmt: skip
    reason = "; ".join(f"{f['domain']}: {f['reason']}" for f in found)
    reports = [
        dataclasses.replace(row, run=run.id, domain=name, split=f"{f['domain']} {row.split}", reason=reason)
        for f in found
        for row in house.lake.read(Report, "run = $run", {"run": f["run"]})
    ]
    prompts = [
        text
        for rows in trained.values()
        for text in sorted({str(e.parts["prompt"]) for e in rows if e.kind == "preference"})[:CANARIES]
    ]
    model, tokenizer = tuning.load_with(dataclasses.replace(base, loading=PLAIN), folder)
    about = Publication(
        domain=name,
        library_range="; ".join(s.adapter.library_range for s in sources),
        base=base.name,
        base_revision=base.revision,
        fingerprint=base.fingerprint,
        snapshot=snapshot.id,
        run=run.id,
        licences=tuple(sorted({licence for s in sources for licence in s.adapter.licences})),
        reports=tuple(reports),
        canary=canary(model, tokenizer, prompts),
        notices={file: text for s in sources for file, text in notices(s.house).items()},
    )
    adapter = store.publish(folder, about)
    load_adapter(base.path, f"{name}@v{adapter.version}", registry=store.root)
    rows: list[Record] = [SnapshotRow(snapshot=snapshot.id, example=i, split="train") for i in ids]
    key = work_key([run.id, adapter.id], MERGE_PART, {})
    if house.result(key) is None:
        result = {"location": adapter.location}
        house.finish("publish", MERGE_PART, [key], [snapshot, *rows, run, *reports, adapter], since, result)
    return adapter


def _show(
    name: str, decision: str, found: Sequence[Mapping[str, Any]], published: Adapter | None, *, as_json: bool
) -> None:
    where = f"{name}@v{published.version}" if published is not None else None
    if as_json:
        print(json.dumps({"decision": decision, "adapter": where, "domains": list(found)}))
        return
    for row in found:
        print(f"{row['domain']}: {row['reason']}")
    print(f"Published {where}" if where else f"Not published: the gate says {decision}")
