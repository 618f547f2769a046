"""Preference tuning by trl's DPO: the new call over the old one, a mutant, or an invented name.

SimPO (Meng et al., "SimPO: Simple Preference Optimization with a Reference-Free Reward", 2024, arXiv:2405.14734) is
-log sigmoid(beta / |chosen| log p(chosen) - beta / |rejected| log p(rejected) - margin): no model to start from is held
against. trl's DPO gives it as the loss `sigmoid_norm`, which takes means over tokens, where the log-probabilities under
the reference are said to be margin / beta for each token chosen, and 0 for the rejected: then none are computed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from finetune.corpus import SourceFile
from finetune.evaluation import STALE
from finetune.recipe import Lookup, Row, Step, StepSettings, batched, parts_of, preference_rows, scheduled
from finetune.scoring import closed, encode_all
from registry.errors import ConfigurationError
from registry.records import Example

KEEPS = "sft"
"""The loss that keeps the new call likely: without it a model learns to find everything unlikely."""

SIMPO = "simpo"
"""The loss without a reference."""

SIMPO_BETA = 2.0
"""Beta where it isn't set and the loss is SimPO's: a reward is a mean over tokens there, and not a sum. From 2.0 on."""

LOSSES = (
    "sigmoid", "sft", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero",
    "apo_down", "discopop", "sigmoid_norm", SIMPO,
)  # fmt: skip
"""Losses of trl's DPO, but for those that need smoothed labels (`exo_pair`, `robust`); and SimPO's."""


@dataclass(frozen=True)
class PreferenceSettings(StepSettings):
    """Preference tuning.

    Attributes:
        beta: How strongly the tuned model is held to the one it starts from; in SimPO, how much rewards count.
        margin: SimPO's: by how much the reward of what is chosen should be above the other one's.
        loss: Loss types of trl, added up; `sft` must be one of them. `simpo` stands beside no other.
        stale: Share of pairs that are new over old; the others are new over a mutant or an invented name.
    """

    TABLE: ClassVar[str] = "preference"
    SHARES: ClassVar[frozenset[str]] = frozenset({"stale"})
    learning_rate: float = 2e-3
    batch: int = 8
    beta: float = 0.1
    margin: float = 1.0
    loss: tuple[str, ...] = ("sigmoid", KEEPS)
    stale: float = 0.5

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown or can't be, a loss is unknown, or `sft` is none of the losses.
        """
        made = super().of(given)
        if SIMPO in made.loss and "beta" not in given:
            made = replace(made, beta=SIMPO_BETA)
        unknown = [name for name in made.loss if name not in LOSSES]
        if unknown:
            raise ConfigurationError(f"No loss {unknown[0]!r} in [train.preference]: it takes {', '.join(LOSSES)}")
        if KEEPS not in made.loss:
            raise ConfigurationError(
                f"[train.preference] loss can't be {list(made.loss)}: without {KEEPS!r} the model forgets how to write "
                f"code at all. Add it: {[*made.loss, KEEPS]}"
            )
        if SIMPO in made.loss and set(made.loss) != {SIMPO, KEEPS}:
            raise ConfigurationError(
                f"[train.preference] loss can't be {list(made.loss)}: {SIMPO!r} knows no model that the others compare "
                f"with. Write {[SIMPO, KEEPS]}"
            )
        if SIMPO in made.loss and not made.beta:
            raise ConfigurationError(f"[train.preference] beta can't be 0 with {SIMPO!r}: write 2.0 or more")
        return made


@dataclass(frozen=True)
class Pair:
    """A text to be preferred over another after a prompt."""

    prompt: str
    chosen: str
    rejected: str


def rows(
    examples: Iterable[Example],
    _files: Iterable[SourceFile],
    settings: PreferenceSettings,
    seed: int,
    _lookup: Lookup | None = None,
) -> list[Pair]:
    """What preference tuning sees, in order: new over old, and new over a mutant or an invented name.

    Raises:
        NoRowsError: There is no row to train on.
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


def _encode(
    found: Sequence[Pair], tokenizer: Any, settings: PreferenceSettings, seed: int, _tell: Any = None
) -> list[Row]:
    made = [_encoded(row, tokenizer, settings.max_tokens) for row in found]
    lengths = [len(e["prompt_ids"]) + max(len(e["chosen_ids"]), len(e["rejected_ids"])) for e in made]
    return [made[place] for place in batched(lengths, settings.batch, seed)]


def _encoded(row: Pair, tokenizer: Any, max_tokens: int) -> Row:
    spans = closed(row.prompt, [row.chosen, row.rejected])
    chosen, rejected = encode_all(tokenizer, spans[0].prefix, [span.text for span in spans], max_tokens)
    return {"prompt_ids": list(chosen.prefix), "chosen_ids": list(chosen.text), "rejected_ids": list(rejected.text)}


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

    simpo = SIMPO in settings.loss
    trainer = Tokenized(
        model=model,
        args=DPOConfig(
            **arguments,
            beta=settings.beta,
            loss_type=["sigmoid_norm" if loss == SIMPO else loss for loss in settings.loss],
            max_length=settings.max_tokens * 2,
        ),
        train_dataset=Dataset.from_list([_without_reference(row, settings) for row in made] if simpo else list(made)),
        processing_class=tokenizer,
    )
    trainer.precompute_ref_logps = simpo  # said to the trainer alone: told by its arguments it would compute them
    return trainer


def _without_reference(row: Row, settings: PreferenceSettings) -> dict[str, Any]:
    """A row with log-probabilities under a reference that make trl's loss SimPO's."""
    return {
        **row, "ref_chosen_logps": settings.margin / settings.beta * len(row["chosen_ids"]), "ref_rejected_logps": 0.0
    }  # fmt: skip


def _kinds(_: PreferenceSettings) -> frozenset[str]:
    return frozenset({"preference"})


STEP = Step("preference", PreferenceSettings, rows, _encode, _tokens, _trainer, _kinds, _kinds)
