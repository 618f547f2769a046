"""One step of a recipe as it is trained here: what one process does with it, and several alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.recipe import LoraSettings, Step, StepSettings
from finetune.watching import Progress

if TYPE_CHECKING:
    from finetune.bases import BaseModel


@dataclass(frozen=True)
class Job:
    """A step, what it is done with, and where.

    Attributes:
        step: What is done.
        settings: Its settings.
        base: What the adapter is for.
        start: Folder of the adapter to start from; a new one is made where None.
        work: Folder of this step.
        lora: What a new adapter is like.
        seed: Seed of a new adapter's weights and of the order.
        threads: Threads of torch.
        progress: Told of each step.
        told: Training arguments that say where curves go.
    """

    step: Step
    settings: StepSettings
    base: BaseModel
    start: Path | None
    work: Path
    lora: LoraSettings
    seed: int = 0
    threads: int = 2
    progress: Progress | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
