"""The stages of a run, in order, and when all of it is done."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from flows.authored import left, write_part
from flows.authoring import write_stage
from flows.batches import Batch, Stage
from flows.curation import CURATE_PART, benchmark_tasks, curate_stage, tasks_digest
from flows.evaluation import EVALUATE_PART, decision_of, evaluate_stage
from flows.house import House
from flows.promotion import PROMOTED, promote_stage, promotion_of, promotion_tasks
from flows.promotion import tasks_digest as promotion_digest
from flows.publication import publish_key, publish_stage
from flows.scraping import CHANGES_VERSION, SCRAPER_VERSION, compare_stage, scrape_stage, sites
from flows.setting_aside import forget_all
from flows.synthesis import DERIVE_PART, derive_stage, mine_part, mine_stage
from flows.tracking import end
from flows.training import TRAIN_PART, train_stage
from flows.validation import (
    all_tried,
    is_to_be_tried_again,
    lost,
    validate_derived_stage,
    validate_mined_stage,
    validate_written_stage,
)
from registry.errors import ConfigurationError, SourceError
from registry.identity import work_key
from registry.records import Annotation, Forgotten, Work
from registry.store import CANDIDATE, Store
from validators.execution.pool import HARNESS


def _for_each(stage: Stage) -> Stage:
    """A stage for the domain's own adapter and for those of its workloads."""

    def batches(house: House) -> list[Batch]:
        found = []
        for each in house.adapters:
            told = f" ({each.domain.name})" if each.mother else ""
            found += [dataclasses.replace(batch, title=batch.title + told) for batch in stage(each)]
        return found

    return batches


STAGES: dict[str, Stage] = {
    "scrape": scrape_stage,
    "compare": compare_stage,
    "mine": mine_stage,
    "validate mined": validate_mined_stage,
    "derive": derive_stage,
    "validate derived": validate_derived_stage,
    "write": write_stage,
    "validate written": validate_written_stage,
    "curate": curate_stage,
    "train": _for_each(train_stage),
    "evaluate": _for_each(evaluate_stage),
    "publish": _for_each(publish_stage),
    "promote": _for_each(promote_stage),
}
"""Name -> stage; what a run does, in this order."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "scrape": ("scrape", "compare"),
    "synth": ("mine", "derive", "write"),
    "validate": ("validate mined", "validate derived", "validate written"),
    "curate": ("curate",),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "publish": ("publish", "promote"),
}
"""Command -> the stages it does."""

_CPU = ("scrape", "synth", "validate", "curate")

PARTS: dict[str, tuple[str, ...]] = {
    "all": tuple(COMMANDS),
    "cpu": _CPU,
    "gpu": tuple(command for command in COMMANDS if command not in _CPU),
}
"""Part of a refresh -> the commands whose stages it does: a machine with a GPU goes on from the snapshot."""

UNFINISHED = "unfinished"
"""What came of a part of a run that another part is to go on from."""

BASE_AFTER = "compare"
"""The stage after which a base can be made: it needs the old release only."""


def complete_key(house: House) -> str:
    """The work key of a whole run: the domain as it is configured, the parts that work on it, and what people said."""
    parts = {"harness": HARNESS, "mine": mine_part(), "derive": DERIVE_PART, "curate": CURATE_PART, "train": TRAIN_PART}
    parts |= {"evaluate": EVALUATE_PART, "scrape": SCRAPER_VERSION, "changes": CHANGES_VERSION}
    said = house.lake.read(Annotation, "domain = $d", {"d": house.domain.name})
    decided = [*said, *house.lake.read(Forgotten)]  # each says when, so that what is taken back is no old state
    inputs = sorted(d.digest for d in decided)
    writes = write_part(house)
    parts |= {"write": writes} if writes else {}
    without: Any = {"sandbox": {"workers"}, "deadlines": True, "priority": True} | ({} if writes else {"llm": True})
    domain = house.domain.model_dump_json(exclude=without)  # how many work, and when, decides nothing
    told: dict[str, Any] = {"domain": domain, "tasks": tasks_digest(benchmark_tasks(house))}
    pages = [site.contents() for site in sites(house)]
    told |= {"sites": pages} if pages else {}
    asked = [(each.domain.name, promotion_tasks(each)) for each in house.adapters]
    told |= {f"promotion of {name}": promotion_digest(tasks) for name, tasks in asked if tasks}
    waiting = lost(house)  # what `driftune validate` rescues later is something to do
    told |= {"lost": waiting} if waiting else {}
    return work_key(inputs, f"refresh@{version('driftune')}", parts | told)


def decision(house: House) -> dict[str, str]:
    """What came of the latest run: the gate's decision and reason; or `candidate`, where `stable` didn't move to it."""
    found = decision_of(house)
    promotion = promotion_of(house) if found["decision"] == "publish" else None
    if promotion is not None and promotion["outcome"] != PROMOTED:
        return {"decision": CANDIDATE, "reason": str(promotion["reason"])}
    return found


def complete(house: House) -> str | None:
    """What came of the run that did all there is to do (`decision`), or None where something is left.

    It must be the domain's latest run: with a setting changed and changed back, the latest snapshot is another one. A
    documentation site may have changed since: it is to be asked first (`ask_sites`).
    """
    if any(site.due() for site in sites(house)):
        return None
    done = house.lake.read(Work, "stage = 'refresh' AND domain = $d", {"d": house.domain.name}, latest=1)
    if not done or done[0].key != complete_key(house):
        return None
    result = done[0].result
    places = [result.get("location"), *(each.get("location") for each in result.get("workloads", {}).values())]
    store = Store(house.settings.registry_url)
    if not all(store.at(str(place)) for place in places if place):
        return None
    return str(result["decision"])


def ask_sites(house: House) -> None:
    """Asks the documentation sites that are known what has changed: where nothing has, there is no more to do.

    What they don't give, or what they hang on and isn't there, is no matter here: the stage `scrape` says so.
    """
    known = [site for site in sites(house) if (site.state() or site.looked()) is not None and site.due()]
    for site in known:
        with contextlib.suppress(SourceError, ConfigurationError):
            site.run()


def stages_of(commands: Iterable[str]) -> list[str]:
    """The stages of these commands, in the order of a run."""
    wanted = {stage for command in commands for stage in COMMANDS[command]}
    return [stage for stage in STAGES if stage in wanted]


def end_part(house: House, part: str) -> str:
    """Ends a part of a run: `finish`, where the other parts have nothing left to do either; else `UNFINISHED`.

    What couldn't be run, and is to be tried again, is left to the next run: this one has done with it.
    """
    others = [command for command in COMMANDS if command not in PARTS[part]]
    untried = "validate" in others and not all_tried(house, also_written=True)
    rest = stages_of(command for command in others if command != "validate")
    return UNFINISHED if untried or any(STAGES[stage](house) for stage in rest) else finish(house)


def workload_decisions(house: House, command: str = "publish") -> dict[str, str]:
    """Name -> what came of the adapter of each workload.

    Args:
        house: The domain.
        command: What was done: after `evaluate` it is what the gate said alone.

    Raises:
        ConfigurationError: One of them isn't evaluated yet.
    """
    asked = decision_of if command == "evaluate" else decision
    return {each.domain.name: asked(each)["decision"] for each in house.adapters[1:]}


def finish(house: House) -> str:
    """Remembers that everything is done; what came of it (`decision`).

    Where dialogues were left, as for want of budget, shards were set aside, or programs that couldn't be run are to be
    tried again, it isn't remembered: the next run goes on.
    """
    since = time.monotonic()
    own, *others = (_outcome(each) for each in house.adapters)
    workloads = {each.domain.name: outcome for each, outcome in zip(house.adapters[1:], others, strict=True)}
    result = own | ({"workloads": workloads} if workloads else {})
    end(house)
    if not house.aside:
        forget_all(house)
    if not left(house) and not house.aside and not is_to_be_tried_again(house):
        house.finish("refresh", "refresh", [complete_key(house)], [], since, result)
    return str(own["decision"])


def _outcome(house: House) -> dict[str, Any]:
    """What came of an adapter, and where it lies if it is published."""
    result = decision(house)
    published = house.result(publish_key(house)) if result["decision"] in ("publish", CANDIDATE) else None
    return {**result, **dict(published or {})}
