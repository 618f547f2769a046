"""The stages of a run, in order, and when all of it is done."""

from __future__ import annotations

import time

from flows.batches import Stage
from flows.curation import curate_stage
from flows.house import House
from flows.publication import publish_stage
from flows.scraping import compare_stage, scrape_stage
from flows.synthesis import derive_stage, mine_stage
from flows.training import decision_of, evaluate_stage, train_stage
from flows.validation import validate_stage
from registry.identity import work_key
from registry.settings import Settings
from validators.execution.pool import HARNESS

STAGES: dict[str, Stage] = {
    "scrape": scrape_stage,
    "compare": compare_stage,
    "mine": mine_stage,
    "validate mined": validate_stage,
    "derive": derive_stage,
    "validate derived": validate_stage,
    "curate": curate_stage,
    "train": train_stage,
    "evaluate": evaluate_stage,
    "publish": publish_stage,
}
"""Name -> stage; what a run does, in this order."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "scrape": ("scrape", "compare"),
    "synth": ("mine", "derive"),
    "validate": ("validate mined",),
    "curate": ("curate",),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "publish": ("publish",),
}
"""Command -> the stages it does."""

BASE_AFTER = "compare"
"""The stage after which a base can be made: it needs the old release only."""
