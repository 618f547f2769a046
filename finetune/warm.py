"""Going on from an adapter: what a step sees then are rows that are new since it was trained, and some that it knows.

An adapter that only sees what is new forgets what it was trained on. So a share of what each step sees is rehearsed:
drawn from the rows that it was trained on before (Robins, 1995, "Catastrophic forgetting, rehearsal and
pseudorehearsal"; also called experience replay). A step is as long as the change's share of all its rows, so that a new
row is seen about as often as a training afresh would see it, and a small change costs little.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.checkpoints import ADAPTER_FILES
from finetune.recipe import LoraSettings, Step, StepSettings
from registry.errors import ConfigurationError
from registry.identity import sha256_of_bytes
from registry.records import Example


@dataclass(frozen=True)
class Start:
    """An adapter that a training goes on from.

    Attributes:
        folder: The adapter.
        rows: Rows that it was trained on, as far as they may be trained on again.
        rehearsal: Share of what each step sees that is drawn from these.
    """

    folder: Path
    rows: Sequence[Example]
    rehearsal: float


@dataclass(frozen=True)
class Share:
    """What one step sees of a warm start.

    Attributes:
        settings: Its settings, with as many steps as the change is worth.
        new: Rows that are new to the adapter, of kinds that the step sees.
        known: Rows that it was trained on, likewise; none where nothing is rehearsed.
    """

    settings: StepSettings
    new: Sequence[Example]
    known: Sequence[Example]


def new_rows(examples: Iterable[Example], known: Iterable[Example]) -> list[Example]:
    """The rows that say something that no known row says, of whichever releases these are."""
    said = {_said(row) for row in known}
    return [row for row in examples if _said(row) not in said]


def _said(row: Example) -> str:
    """What a row says: its kind and its parts. Its id names its releases too."""
    return sha256_of_bytes(json.dumps([row.kind, row.parts], sort_keys=True).encode())


def share_of(step: Step, settings: StepSettings, new: Sequence[Example], start: Start) -> Share | None:
    """What a step sees of a change; None where nothing of it is of a kind that the step sees.

    Args:
        step: The step.
        settings: Its settings, as they are for a training afresh.
        new: Rows that are new to the adapter.
        start: The adapter, and what it knows.
    """
    kinds = step.kinds(settings)
    fresh = [row for row in new if row.kind in kinds]
    known = [row for row in start.rows if row.kind in kinds]
    if not fresh:
        return None
    steps = math.ceil(settings.steps * len(fresh) / (len(fresh) + len(known)))
    rehearsed = _of_each_kind(known, fresh) if known and start.rehearsal else ()
    return Share(dataclasses.replace(settings, steps=steps), _of_each_kind(fresh, known), rehearsed)


def _of_each_kind(rows: Sequence[Example], others: Sequence[Example]) -> list[Example]:
    """The rows, and the others of kinds that they lack: a step that mixes kinds wants each of them."""
    there = {row.kind for row in rows}
    return [*rows, *(row for row in others if row.kind not in there)]


def mixed(new: Sequence[Any], known: Sequence[Any], rehearsal: float, seed: int) -> list[Any]:
    """What a step sees, in order: the known row in the place of the new one, at a share of drawn places.

    Args:
        new: What it would see of new rows alone.
        known: What it would see of known rows alone: as many.
        rehearsal: Share of places that are theirs.
        seed: Seed of the draw.
    """
    places = set(random.Random(seed).sample(range(len(new)), round(len(new) * rehearsal)))
    return [known[place] if place in places else row for place, row in enumerate(new)]


def check_lora(folder: Path, lora: LoraSettings, name: str) -> None:
    """Holds the settings of an adapter that is gone on from against those of `[train.lora]`.

    Args:
        folder: The adapter.
        lora: What `[train.lora]` says.
        name: What the adapter is called.

    Raises:
        ConfigurationError: They differ: an adapter keeps the shape that it was made with.
    """
    config = json.loads((folder / ADAPTER_FILES[0]).read_text())
    named = {"rank": "r", "alpha": "lora_alpha", "rslora": "use_rslora", "dora": "use_dora"}
    for setting, key in named.items():
        wanted, found = getattr(lora, setting), type(getattr(lora, setting))(config.get(key) or 0)
        if wanted != found:
            raise ConfigurationError(
                f"[train.lora] {setting} is {wanted}, but {name}, which the training would go on from, was made with "
                f'{found}: set it to that, or set [train] start = "fresh"'
            )
