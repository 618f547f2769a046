"""The stages of a run, in order, and when all of it is done."""

from __future__ import annotations

import time
from importlib.metadata import version

from flows.batches import Stage
from flows.curation import CURATE_PART, benchmark_tasks, curate_stage, tasks_digest
from flows.evaluation import EVALUATE_PART, decision_of, evaluate_stage
from flows.house import House
from flows.publication import publish_key, publish_stage
from flows.scraping import CHANGES_VERSION, SCRAPER_VERSION, compare_stage, scrape_stage
from flows.synthesis import DERIVE_PART, derive_stage, mine_part, mine_stage
from flows.training import TRAIN_PART, train_stage
from flows.validation import validate_derived_stage, validate_mined_stage
from registry.identity import work_key
from registry.records import Annotation, Forgotten, Work
from validators.execution.pool import HARNESS

STAGES: dict[str, Stage] = {
    "scrape": scrape_stage,
    "compare": compare_stage,
    "mine": mine_stage,
    "validate mined": validate_mined_stage,
    "derive": derive_stage,
    "validate derived": validate_derived_stage,
    "curate": curate_stage,
    "train": train_stage,
    "evaluate": evaluate_stage,
    "publish": publish_stage,
}
"""Name -> stage; what a run does, in this order."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "scrape": ("scrape", "compare"),
    "synth": ("mine", "derive"),
    "validate": ("validate mined", "validate derived"),
    "curate": ("curate",),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "publish": ("publish",),
}
"""Command -> the stages it does."""

BASE_AFTER = "compare"
"""The stage after which a base can be made: it needs the old release only."""


def complete_key(house: House) -> str:
    """The work key of a whole run: the domain as it is configured, the parts that work on it, and what people said."""
    parts = {"harness": HARNESS, "mine": mine_part(), "derive": DERIVE_PART, "curate": CURATE_PART, "train": TRAIN_PART}
    parts |= {"evaluate": EVALUATE_PART, "scrape": SCRAPER_VERSION, "changes": CHANGES_VERSION}
    said = house.lake.read(Annotation, "domain = $d", {"d": house.domain.name})
    decided = [*said, *house.lake.read(Forgotten)]  # each says when, so that what is taken back is no old state
    inputs = sorted(d.digest for d in decided)
    domain = house.domain.model_dump_json(exclude={"sandbox": {"workers"}})  # how many work doesn't decide what is made
    told = {"domain": domain, "tasks": tasks_digest(benchmark_tasks(house))}
    return work_key(inputs, f"refresh@{version('driftune')}", parts | told)


def complete(house: House) -> str | None:
    """The gate's decision of the run that did all there is to do, or None where something is left.

    It must be the domain's latest run: with a setting changed and changed back, the latest snapshot is another one.
    """
    done = house.lake.read(Work, "stage = 'refresh' AND domain = $d", {"d": house.domain.name}, latest=1)
    if not done or done[0].key != complete_key(house):
        return None
    result = done[0].result
    location = result.get("location")
    if location and not (house.settings.registry_path / str(location)).is_dir():
        return None
    return str(result["decision"])


def finish(house: House) -> str:
    """Remembers that everything is done; the gate's decision."""
    since = time.monotonic()
    result = decision_of(house)
    published = house.result(publish_key(house)) if result["decision"] == "publish" else None
    house.finish("refresh", "refresh", [complete_key(house)], [], since, {**result, **dict(published or {})})
    return result["decision"]
