"""The recipe: settings of both tuning stages, and the rows each of them sees, in order.

Which row stands at which step is decided here, from a seed, so that a run can be repeated and resumed. Families that
have many rows are seen more often than those with few, but only by the square root of their number.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from finetune.corpus import SourceFile, windows
from finetune.evaluation import STALE
from registry.errors import ConfigurationError, TrainingError
from registry.records import Example

REPLAY_WINDOW = 250
"""Characters in a replay row of general code."""


@dataclass(frozen=True)
class _Settings:
    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ConfigurationError(f"No training setting {unknown[0]!r}: this stage takes {', '.join(known)}")
        return cls(**settings)

    def as_text(self) -> dict[str, Any]:
        """The settings for `Run.recipe`: numbers as text, as identities hold no floats."""
        return {k: list(v) if isinstance(v, tuple) else str(v) for k, v in asdict(self).items()}


@dataclass(frozen=True)
class SftSettings(_Settings):
    """Supervised fine-tuning.

    Attributes:
        rank: LoRA rank, on all linear layers.
        alpha: LoRA alpha; the update is scaled by alpha / rank.
        learning_rate: Peak learning rate.
        batch: Rows in a step.
        steps: Optimiser steps.
        replay: Share of rows that are general code.
        max_tokens: Tokens of a row; a longer prompt loses its beginning.
        save_every: Steps between checkpoints.
    """

    rank: int = 16
    alpha: int = 16
    learning_rate: float = 4e-3
    batch: int = 16
    steps: int = 110
    replay: float = 0.15
    max_tokens: int = 160
    save_every: int = 25


@dataclass(frozen=True)
class PreferenceSettings(_Settings):
    """Preference tuning.

    Attributes:
        learning_rate: Peak learning rate.
        beta: How strongly the tuned model is held to the one it starts from.
        loss: Loss types of trl, added up; without `sft` the model is wrecked.
        batch: Pairs in a step.
        steps: Optimiser steps.
        stale: Share of pairs that are new over old; the others are new over a mutant or an invented name.
        max_tokens: Tokens of a row; a longer prompt loses its beginning.
        save_every: Steps between checkpoints.
    """

    learning_rate: float = 2e-3
    beta: float = 0.1
    loss: tuple[str, ...] = ("sigmoid", "sft")
    batch: int = 8
    steps: int = 110
    stale: float = 0.5
    max_tokens: int = 160
    save_every: int = 25


@dataclass(frozen=True)
class Completion:
    """A text to be learned after a prompt."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Pair:
    """A text to be preferred over another after a prompt."""

    prompt: str
    chosen: str
    rejected: str


def completions(
    examples: Iterable[Example], files: Iterable[SourceFile], settings: SftSettings, seed: int
) -> list[Completion]:
    """What SFT sees, in order: the new calls of `preference` rows, and general code.

    Args:
        examples: Rows of the split `train`.
        files: General code; what is held out of it is left out.
        settings: Settings of the stage.
        seed: Seed of the order.

    Raises:
        TrainingError: There is no row to train on.
    """
    rng = random.Random(seed)
    total = settings.batch * settings.steps
    general = round(total * settings.replay)
    sites = {e.root: e for e in sorted(_preference(examples), key=lambda e: e.id)}
    rows = [Completion(_text(e, "prompt"), _text(e, "chosen")) for e in _schedule(sites.values(), total - general, rng)]
    rows += replay(files, general, rng)
    rng.shuffle(rows)
    return rows


def pairs(examples: Iterable[Example], settings: PreferenceSettings, seed: int) -> list[Pair]:
    """What preference tuning sees, in order: new over old, and new over a mutant or an invented name.

    Raises:
        TrainingError: There is no row to train on.
    """
    rng = random.Random(seed)
    rows = sorted(_preference(examples), key=lambda e: e.id)
    stale = [e for e in rows if e.bug_kind == STALE]
    other = [e for e in rows if e.bug_kind != STALE]
    total = settings.batch * settings.steps
    olds = (round(total * settings.stale) if other else total) if stale else 0
    picked = _schedule(stale, olds, rng) + _schedule(other, total - olds, rng)
    rng.shuffle(picked)
    return [Pair(_text(e, "prompt"), _text(e, "chosen"), _text(e, "rejected")) for e in picked]


def replay(files: Iterable[SourceFile], count: int, rng: random.Random) -> list[Completion]:
    """`count` windows of general code that isn't held out; fewer where there aren't as many."""
    pieces = [piece for file in files if not file.held_out for piece in windows(file.text, REPLAY_WINDOW)]
    return [Completion("", piece) for piece in rng.sample(pieces, min(count, len(pieces)))]


def _preference(examples: Iterable[Example]) -> list[Example]:
    return [e for e in examples if e.kind == "preference"]


def _schedule(rows: Iterable[Example], count: int, rng: random.Random) -> list[Example]:
    """`count` rows: families in proportion to the square root of their rows, each going through its rows in turn."""
    groups: dict[str, list[Example]] = {}
    for row in sorted(rows, key=lambda e: e.id):
        groups.setdefault(row.family or row.root, []).append(row)
    if not groups and count:
        raise TrainingError("No preference rows to train on: curation left none in the split train")
    names = sorted(groups)
    weights = [len(groups[n]) ** 0.5 for n in names]
    turns = {n: _endless(groups[n], random.Random(rng.random())) for n in names}
    return [next(turns[n]) for n in rng.choices(names, weights, k=count)] if count else []


def _endless(rows: Sequence[Example], rng: random.Random) -> Any:
    while True:
        yield from rng.sample(rows, len(rows))


def _text(example: Example, name: str) -> str:
    if not isinstance(example.parts, Mapping):
        raise TrainingError(f"The parts of the preference row {example.id} are no mapping")
    return str(example.parts[name])
