"""Preference tuning by trl's DPO: the new call over the old one, a mutant, or an invented name."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from finetune.corpus import SourceFile
from finetune.evaluation import STALE
from finetune.recipe import Row, Step, StepSettings, batched, parts_of, preference_rows, scheduled
from finetune.scoring import closed, encode
from registry.errors import ConfigurationError
from registry.records import Example

KEEPS = "sft"
"""The loss that keeps the new call likely: without it a model learns to find everything unlikely."""

LOSSES = (
    "sigmoid", "sft", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero",
    "apo_down", "discopop", "sigmoid_norm",
)  # fmt: skip
"""Losses of trl's DPO, but for those that need smoothed labels (`exo_pair`, `robust`)."""


@dataclass(frozen=True)
class PreferenceSettings(StepSettings):
    """Preference tuning.

    Attributes:
        beta: How strongly the tuned model is held to the one it starts from.
        loss: Loss types of trl, added up; `sft` must be one of them.
        stale: Share of pairs that are new over old; the others are new over a mutant or an invented name.
    """

    TABLE: ClassVar[str] = "preference"
    SHARES: ClassVar[frozenset[str]] = frozenset({"stale"})
    learning_rate: float = 2e-3
    batch: int = 8
    beta: float = 0.1
    loss: tuple[str, ...] = ("sigmoid", KEEPS)
    stale: float = 0.5

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown or can't be, a loss is unknown, or `sft` is none of the losses.
        """
        made = super().of(given)
        unknown = [name for name in made.loss if name not in LOSSES]
        if unknown:
            raise ConfigurationError(f"No loss {unknown[0]!r} in [train.preference]: it takes {', '.join(LOSSES)}")
        if KEEPS not in made.loss:
            raise ConfigurationError(
                f"[train.preference] loss can't be {list(made.loss)}: without {KEEPS!r} the model forgets how to write "
                f"code at all. Add it: {[*made.loss, KEEPS]}"
            )
        return made


@dataclass(frozen=True)
class Pair:
    """A text to be preferred over another after a prompt."""

    prompt: str
    chosen: str
    rejected: str


def rows(
    examples: Iterable[Example], _files: Iterable[SourceFile], settings: PreferenceSettings, seed: int
) -> list[Pair]:
    """What preference tuning sees, in order: new over old, and new over a mutant or an invented name.

    Raises:
        TrainingError: There is no row to train on.
    """
    rng = random.Random(seed)
    found = preference_rows(examples)
    stale = [e for e in found if e.bug_kind == STALE]
    other = [e for e in found if e.bug_kind != STALE]
    total = settings.batch * settings.steps
    olds = (round(total * settings.stale) if other else total) if stale else 0
    picked = scheduled(stale, olds, rng) + scheduled(other, total - olds, rng)
    rng.shuffle(picked)
    drawn = map(parts_of, picked)
    return [Pair(*(str(parts[name]) for name in ("prompt", "chosen", "rejected"))) for parts in drawn]


def _encode(found: Sequence[Pair], tokenizer: Any, settings: PreferenceSettings, seed: int) -> list[Row]:
    made = [_encoded(row, tokenizer, settings.max_tokens) for row in found]
    lengths = [len(e["prompt_ids"]) + max(len(e["chosen_ids"]), len(e["rejected_ids"])) for e in made]
    return [made[place] for place in batched(lengths, settings.batch, seed)]


def _encoded(row: Pair, tokenizer: Any, max_tokens: int) -> Row:
    chosen, rejected = (encode(tokenizer, span, max_tokens) for span in closed(row.prompt, [row.chosen, row.rejected]))
    shorter = chosen.prefix if len(chosen.prefix) < len(rejected.prefix) else rejected.prefix
    return {"prompt_ids": list(shorter), "chosen_ids": list(chosen.text), "rejected_ids": list(rejected.text)}


def _tokens(row: Row) -> int:
    return 2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])


def _trainer(
    model: Any, tokenizer: Any, made: Sequence[Row], arguments: dict[str, Any], settings: PreferenceSettings
) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Tokenized(DPOTrainer):
        """Takes rows that are tokenized already: trl's own preparation ends every row with an end token."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    return Tokenized(
        model=model,
        args=DPOConfig(
            **arguments, beta=settings.beta, loss_type=list(settings.loss), max_length=settings.max_tokens * 2
        ),
        train_dataset=Dataset.from_list(list(made)),
        processing_class=tokenizer,
    )


STEP = Step("preference", PreferenceSettings, rows, _encode, _tokens, _trainer)
