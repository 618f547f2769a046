"""Supervised fine-tuning: the new calls of call sites, and general code, learned after their prompts only."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from finetune import completions
from finetune.completions import Completion, replay
from finetune.corpus import SourceFile
from finetune.recipe import Row, Step, StepSettings, batched, parts_of, preference_rows, scheduled
from registry.records import Example


@dataclass(frozen=True)
class SftSettings(StepSettings):
    """Supervised fine-tuning.

    Attributes:
        replay: Share of rows that are general code.
        packed: Put short rows into one sequence: faster, and the same up to rounding.
    """

    TABLE: ClassVar[str] = "sft"
    SHARES: ClassVar[frozenset[str]] = frozenset({"replay"})
    replay: float = 0.15
    packed: bool = False


def rows(
    examples: Iterable[Example], files: Iterable[SourceFile], settings: SftSettings, seed: int
) -> list[Completion]:
    """What SFT sees, in order: the new calls of `preference` rows, and general code as far as there is so much.

    Args:
        examples: Rows of the split `train`.
        files: General code; what is held out of it is left out.
        settings: Settings of the step.
        seed: Seed of the order.

    Raises:
        TrainingError: There is no row to train on.
    """
    rng = random.Random(seed)
    total = settings.batch * settings.steps
    general = round(total * settings.replay)
    sites = {e.root: e for e in preference_rows(examples)}
    found = _calls(scheduled(sites.values(), total - general, rng))
    found += replay(files, general, rng)
    if len(found) < total:  # there is less general code than that
        found += _calls(scheduled(sites.values(), total - len(found), rng))
    rng.shuffle(found)
    return found


def _calls(examples: Iterable[Example]) -> list[Completion]:
    return [Completion(str(parts["prompt"]), str(parts["chosen"])) for parts in map(parts_of, examples)]


def _encode(found: Sequence[Completion], tokenizer: Any, settings: SftSettings, seed: int) -> list[Row]:
    made = completions.encoded(found, tokenizer, settings.max_tokens)
    return [made[place] for place in batched([completions.tokens(row) for row in made], settings.batch, seed)]


def _trainer(model: Any, tokenizer: Any, made: Sequence[Row], arguments: dict[str, Any], settings: SftSettings) -> Any:
    return completions.trainer(model, tokenizer, made, arguments, settings.max_tokens, packed=settings.packed)


STEP = Step("sft", SftSettings, rows, _encode, completions.tokens, _trainer)
