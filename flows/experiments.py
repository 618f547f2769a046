"""`driftune experiment`: trainings on the latest snapshot with other seeds or settings, reported and never published.

An experiment has a run, scores and a report of its own; the domain's own run stands as it was. It looks at the held-out
set all the same: the gate counts it when it next decides about a run of the domain.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.domain_files import toml_value, with_table
from registry.errors import ConfigurationError
from registry.records import Report

if TYPE_CHECKING:
    from flows.house import House

Row = Mapping[str, Any]


def run_experiments(reference: str, seeds: Sequence[int], settings: Sequence[str], *, as_json: bool) -> None:
    """Trains and evaluates once for each seed, and prints what came of each; what is done already is only shown.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        seeds: Seeds of the trainings; the domain's own where empty.
        settings: Other settings of `[train]`, as `sft.steps=60`.
        as_json: Print objects instead of a table.

    Raises:
        ConfigurationError: A setting is unknown, or nothing differs from the domain's own run.
    """
    from flows.house import open_house
    from flows.preflight import check
    from flows.progress import progress
    from registry.lock import domain_lock

    found: list[dict[str, Any]] = []
    with progress(quiet=as_json) as tell:
        house = alone(open_house(reference, tell))
        house.command = "train"
        check(house, ["train", "evaluate"])
        trials = trained_with(house.domain.train.model_dump(), seeds or [house.domain.train.seed], settings)
        with domain_lock(house.settings, house.domain.name, house.run), contextlib.closing(house):
            found += [told(trial) for trial in (tried(house, train) for train in trials)]
    _show(found, as_json=as_json)


def alone(house: House) -> House:
    """A domain without its workloads: trials are of its own adapter, whatever the others lack."""
    return dataclasses.replace(house, domain=with_table(house.domain, "workload", {}))


def trained_with(own: Mapping[str, Any], seeds: Iterable[int], settings: Iterable[str]) -> list[dict[str, Any]]:
    """The `[train]` tables of the trials: the domain's own, with other settings, once for each seed.

    Args:
        own: The domain's `[train]`.
        seeds: Seeds.
        settings: `key=value` or `table.key=value`; values are TOML, or plain text where they are none.

    Raises:
        ConfigurationError: A setting has no value, or a trial is what the domain does anyway.
    """
    changed = changed_by(own, settings)
    trials = [changed | {"seed": seed} for seed in dict.fromkeys(seeds)]
    for trial in trials:
        if _learned(trial) == _learned(own):
            raise ConfigurationError(
                f"Seed {trial['seed']} with these settings is the domain's own run: give another --seed, or --set"
            )
    return trials


def changed_by(own: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """A `[train]` table with other settings.

    Args:
        own: The table.
        settings: `key=value` or `table.key=value`; values are TOML, or plain text where they are none.

    Raises:
        ConfigurationError: A setting has no value, or there is no such table.
    """
    changed: dict[str, Any] = {name: dict(v) if isinstance(v, Mapping) else v for name, v in own.items()}
    for setting in settings:
        name, _, text = setting.partition("=")
        table, dot, key = name.partition(".")
        if not (table and text and bool(dot) == bool(key)):
            raise ConfigurationError(f"No value in {setting!r}: write --set sft.steps=60")
        if dot and not isinstance(changed.get(table), dict):
            known = ", ".join(name for name, value in changed.items() if isinstance(value, dict))
            raise ConfigurationError(f"No table {table!r} in [train]: found {known}")
        (changed[table] if dot else changed)[key if dot else table] = toml_value(text)
    return changed


def _learned(train: Mapping[str, Any]) -> dict[str, Any]:
    """What a `[train]` table comes to: settings that are written at their defaults are no others."""
    from finetune.chain import STEPS, Chain

    chained = ("lora", "price", "recipe", "report_to", "threads", *STEPS)
    others = {name: train[name] for name in train if name not in chained}
    if train["start"] == "fresh":
        del others["rehearsal"]
    return others | Chain.of(train).as_text()


def tried(house: House, train: Mapping[str, Any]) -> House:
    """Trains and evaluates with one `[train]` table, where that isn't done; the house of that trial."""
    from flows.batches import perform
    from flows.evaluation import evaluate_stage
    from flows.training import train_stage

    trial = dataclasses.replace(house, domain=with_table(house.domain, "train", train), experiment=True)
    for stage in (train_stage, evaluate_stage):
        perform(stage, trial)
    return trial


def reports_of(trial: House) -> list[Report]:
    """What was measured of a trial for its latest decision, by split, metric and arm."""
    from flows.evaluation import evaluate_key

    return sorted(trial.made(Report, evaluate_key(trial)), key=lambda r: (r.split, r.metric, r.arm))


def told(trial: House) -> dict[str, Any]:
    """What came of a trial: run, seed, decision, and the gains over the base."""
    from finetune.report import DIFFERENCE
    from flows.evaluation import decision_of
    from flows.training import run_id

    gains = [
        {"split": r.split, "metric": r.metric, "gain": r.value, "ci_low": r.ci_low, "ci_high": r.ci_high}
        for r in reports_of(trial)
        if r.arm == DIFFERENCE
    ]
    return {"run": run_id(trial), "seed": trial.domain.train.seed, **decision_of(trial), "gains": gains}


def _show(found: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        for row in found:
            print(json.dumps(row))
        return
    from rich.console import Console

    from flows.render import grid, interval, signed

    metrics = list(dict.fromkeys((g["split"], g["metric"]) for row in found for g in row["gains"]))
    lines = []
    for split, metric in metrics:
        gains: list[Row] = [
            next((g for g in row["gains"] if (g["split"], g["metric"]) == (split, metric)), {}) for row in found
        ]
        told = (f"{signed(g.get('gain'))} {interval(g.get('ci_low'), g.get('ci_high'))}".strip() for g in gains)
        lines.append([split, metric, *told])
    lines.append(["", "the gate would say", *(row["decision"] for row in found)])
    Console(highlight=False).print(grid(("split", "metric", *(f"seed {row['seed']}" for row in found)), lines))
