"""`driftune registry merge`: one adapter for a user of several libraries, where the gate of each of them says so.

In each domain the merged adapter is a trial: a run with scores and a report of its own, which counts when the domain
next decides on its held-out rows. It is published, under a name of its own, only if all of them would publish it.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from finetune import quiet
from finetune.bases import BaseModel
from flows.continuing import line, trained_on
from flows.evaluation import EVALUATE_PART, judged, judgement_key
from flows.house import House, open_house
from flows.making import base_model
from flows.mergeable import (
    Source,
    check_adapters,
    check_held_out,
    check_libraries,
    check_name,
    check_snapshot,
    mother_of,
    named,
)
from flows.promotion import PROMOTED, promote
from flows.publication import BESIDE, canary_texts, notices_in, published, written_by
from registry.errors import ConfigurationError, WrongBaseError
from registry.identity import sha256_of, work_key
from registry.lock import check_held, domain_lock
from registry.records import Adapter, Report, Run, Snapshot, SnapshotRow
from registry.settings import Settings
from registry.store import CANDIDATE, STABLE, Publication, Store, content_hash

MERGE_PART = "merge@1"
CANARIES = 4
"""Texts of each domain whose log-probabilities a right loading must reproduce."""


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
    from flows.preflight import check
    from flows.progress import progress
    from flows.run import EXIT_BY_DECISION

    store = Store(Settings().registry_url)
    asked = [named(store, reference) for reference in references]
    check_adapters(store, [adapter for adapter, _ in asked], name, weights)
    factors = list(weights) or [1.0] * len(asked)
    # in whichever order they are named: the same adapters are the same trial
    ordered = sorted(zip(asked, factors, strict=True), key=lambda pair: pair[0][0].domain)
    with progress(quiet=as_json) as tell, ExitStack() as opened:
        houses = [opened.enter_context(closing(open_house(mother_of(a, file), tell))) for (a, file), _ in ordered]
        for (adapter, _), house in zip((pair for pair, _ in ordered), houses, strict=True):
            if adapter.domain != house.domain.name:
                raise ConfigurationError(
                    f"Can't merge {adapter.domain}: it is the adapter of a workload of {house.domain.name}, and merged "
                    "are adapters of domains alone"
                )
        for house in houses:
            check(house, ["train", "publish"])
            opened.enter_context(domain_lock(house.settings, house.domain.name, house.run))
        check_name(houses[0], name)
        check_libraries(houses)
        sources = [Source(a, store.folder(a), h) for ((a, _), _), h in zip(ordered, houses, strict=True)]
        check_snapshot(sources)
        check_held_out(sources)
        opened.enter_context(quiet.threads(max(house.threads for house in houses)))
        base = _base(sources[0])
        folder, how = _merged(base, sources, method, rank, [factor for _, factor in ordered])
        found = _decided(sources, base, folder, how)
        decision = str(found[-1]["decision"])
        made = _publish(store, sources, base, folder, how, name, found) if decision == "publish" else None
        if made is not None and any(house.domain.gate.tasks for house in houses):
            promotion = promote(houses, store, made, partial(_fence, houses))
            found.append({"domain": name, "decision": promotion.outcome, "reason": promotion.reason})
            decision = decision if promotion.outcome == PROMOTED else CANDIDATE
    _show(name, decision, found, made, as_json=as_json)
    return EXIT_BY_DECISION[decision]


def _base(source: Source) -> BaseModel:
    """The base of a source's domain, if it still is what its adapter was made for."""
    base, adapter = base_model(source.house), source.adapter
    if base.fingerprint != adapter.fingerprint:
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} was made for a base with fingerprint {adapter.fingerprint}, and that "
            f"of {adapter.domain} has {base.fingerprint} now: run driftune run {adapter.domain}, then merge its newest",
            wanted=adapter.fingerprint, found=base.fingerprint,
        )  # fmt: skip
    return base


def _merged(
    base: BaseModel, sources: Sequence[Source], method: str, rank: int, factors: Sequence[float]
) -> tuple[Path, Mapping[str, Any]]:
    """The folder of the merged adapter, made where it isn't there, and its recipe: the adapter that it came to, too."""
    from finetune.merging import merge

    how: dict[str, Any] = {
        "merged": [s.adapter.id for s in sources], "method": method, "weights": [str(float(f)) for f in factors],
    }  # fmt: skip
    folder = sources[0].house.folder("training") / f"merged-{sha256_of(how | {'rank': rank})[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        merge(base, [s.folder for s in sources], folder, method=method, weights=factors, rank=rank)
    rank = int(json.loads((folder / "adapter_config.json").read_bytes())["r"])
    return folder, how | {"rank": rank, "adapter_sha256": content_hash(folder)}


def _decided(sources: Sequence[Source], base: BaseModel, folder: Path, how: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the gates say, up to the first that refuses: what the others would say is no matter, and counts as a try."""
    found: list[dict[str, Any]] = []
    for source in sources:
        found.append(_judged(source, base, folder, how))
        if found[-1]["decision"] != "publish":
            break
    return found


def _judged(source: Source, base: BaseModel, folder: Path, how: Mapping[str, Any]) -> dict[str, Any]:
    """What the gate of a domain says of the merged adapter: its work key, run, decision, reason."""
    house, since = source.house, time.monotonic()
    run = Run(
        snapshot=source.adapter.snapshot, base=base.name, base_revision=base.revision,
        recipe={**how, "experiment": True}, seed=0, domain=house.domain.name, experiment=True,
        adapter_sha256=content_hash(folder), device=base.loading.device,
    )  # fmt: skip
    key = judgement_key(house, run, f"{MERGE_PART}+{EVALUATE_PART}")
    if house.result(key) is None:
        result, rows = judged(house, base, folder, run, can_publish=True)
        house.finish("evaluate", f"{MERGE_PART}+{EVALUATE_PART}", [key], [run, *rows], since, result)
    found = house.result(key) or {}
    return {"domain": house.domain.name, "key": key, **{name: found[name] for name in ("run", "decision", "reason")}}


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
    since, house = time.monotonic(), sources[0].house
    trained = [trained_on(s.house, line(s.house, [s.adapter.id])) for s in sources]
    rows = {e.id: e for mine in trained for e in mine}
    ids = sorted(rows)
    licences = sorted({licence for s in sources for licence in s.house.domain.licences})
    snapshot = Snapshot(
        domain=name, rows_sha256=sha256_of([[i, "train"] for i in ids]),
        filters={"merged": [s.adapter.snapshot for s in sources], "licences": licences},
        counts={kind: {"train": count} for kind, count in sorted(Counter(e.kind for e in rows.values()).items())},
        licences=dict(sorted(Counter(e.licence or "unknown" for e in rows.values()).items())),
    )  # fmt: skip
    run = Run(
        snapshot=snapshot.id, base=base.name, base_revision=base.revision, recipe=dict(how), seed=0, domain=name,
        adapter_sha256=content_hash(folder), device=base.loading.device,
    )  # fmt: skip
    key = work_key([run.id], MERGE_PART, {})
    known = house.result(key)
    if known is not None and (there := store.at(str(known["location"]))) is not None:
        return there  # a channel may have been moved back since
    reason = "; ".join(f"{f['domain']}: {f['reason']}" for f in found)
    reports = [
        dataclasses.replace(row, run=run.id, domain=name, split=f"{f['domain']} {row.split}", reason=reason)
        for f in found
        for row in house.made(Report, f["key"])  # what else was asked of it is no part of this decision
    ]
    about = Publication(
        domain=name,
        library_range=BESIDE.join(s.adapter.library_range for s in sources),
        base=base.name,
        base_revision=base.revision,
        fingerprint=base.fingerprint,
        snapshot=snapshot.id,
        run=run.id,
        licences=tuple(sorted({licence for s in sources for licence in s.adapter.licences})),
        reports=tuple(reports),
        notices=notices_in(s.folder for s in sources),
        written=written_by([], (s.adapter for s in sources)),
    )
    texts = [text for mine in trained for text in canary_texts(mine, CANARIES)]
    channel = CANDIDATE if any(s.house.domain.gate.tasks for s in sources) else STABLE
    adapter = published(store, folder, base, about, texts, channel, partial(_fence, [s.house for s in sources]))
    listed = [SnapshotRow(snapshot=snapshot.id, example=i, split="train") for i in ids]
    result = {"location": adapter.location}
    house.finish("publish", MERGE_PART, [key], [snapshot, *listed, run, *reports, adapter], since, result)
    return adapter


def _fence(houses: Sequence[House]) -> None:
    """Who has lost one of the domains publishes nothing, and moves no channel."""
    for house in houses:
        check_held(house.run)


def _show(name: str, decision: str, found: Sequence[Mapping[str, Any]], made: Adapter | None, *, as_json: bool) -> None:
    where = f"{name}@v{made.version}" if made is not None else None
    if as_json:
        told = [{name: value for name, value in row.items() if name != "key"} for row in found]
        print(json.dumps({"decision": decision, "adapter": where, "domains": told}))
        return
    for row in found:
        print(f"{row['domain']}: {row['reason']}")
    held = f" as {CANDIDATE} alone" if decision == CANDIDATE else ""
    print(f"Published {where}{held}" if where else f"Not published: the gate says {decision}")
