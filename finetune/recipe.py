"""What every step of a recipe is made of: settings read from the domain's TOML, and rows in an order set by a seed.

A step is one training: a file in `finetune/steps` and a line in `chain.STEPS`. Which row stands at which optimiser step
is decided from a seed, so that a run can be repeated and resumed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from finetune.corpus import SourceFile
from finetune.retrieval import Docs
from finetune.watching import Progress
from registry.errors import ConfigurationError, NoRowsError, TrainingError
from registry.records import Example, Program, Verdict

Row = Mapping[str, Any]
"""A row as its trainer takes it: lists of token ids, and what belongs to them."""

Judge = Callable[[Sequence[Program]], Sequence[Verdict]]
"""Runs programs behind a wall: the verdict of each, in their order. A flow hands it in; no sandbox is known here."""


@dataclass(frozen=True)
class Settings:
    """Settings of one table below `[train]`; a setting may be such a table itself."""

    TABLE: ClassVar[str] = ""
    SHARES: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown, or its value can't be one.
        """
        known = {f.name: f.default for f in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigurationError(f"No setting {unknown[0]!r} in [train.{cls.TABLE}]: it takes {', '.join(known)}")
        return cls(**{name: cls._value(name, value, known[name]) for name, value in given.items()})

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """Settings as `as_text` told of them; those that are known no more are left out."""
        known = {f.name: f.default for f in fields(cls)}
        return cls(**{name: _read(value, known[name]) for name, value in told.items() if name in known})

    @classmethod
    def _value(cls, name: str, value: Any, default: Any) -> Any:
        """A value of the default's type."""
        if isinstance(default, Settings) and isinstance(value, Mapping):
            return type(default).of(value)
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if isinstance(default, tuple) and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
            value = tuple(value)
        least = 1 if type(default) is int else 0
        number = type(default) in (int, float)
        if type(value) is not type(default) or (number and not least <= value <= (1 if name in cls.SHARES else value)):
            like = {"...": 0.1} if isinstance(default, Settings) else default
            like = list(like) if isinstance(like, tuple) else like
            bounds = "from 0 to 1, " if name in cls.SHARES else f"at least {least}, " if number else ""
            raise ConfigurationError(
                f"[train.{cls.TABLE}] {name} can't be {value!r}: write it {bounds}as its default is, {like!r}"
            )
        return value

    def as_text(self) -> dict[str, Any]:
        """The settings for `Run.recipe`: numbers as text, as identities hold no floats."""
        return {field.name: _as_text(getattr(self, field.name)) for field in fields(self)}


def _read(value: Any, default: Any) -> Any:
    if isinstance(default, Settings):
        return type(default).read(value)
    if isinstance(default, bool):
        return value == str(True)
    return type(default)(value)


def _as_text(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.as_text()
    return list(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class LoraSettings(Settings):
    """The adapter that the first step makes, on all linear layers; the others go on with it.

    Attributes:
        rank: LoRA rank.
        alpha: LoRA alpha; the update is scaled by alpha / rank.
        rslora: Scale the update by alpha / sqrt(rank) instead, so that high ranks learn too
            (Kalajdzievski, 2023, arXiv:2312.03732).
        dora: Learn the length of each weight's columns apart from their direction (Liu et al., 2024, arXiv:2402.09353).
    """

    TABLE: ClassVar[str] = "lora"
    rank: int = 16
    alpha: int = 16
    rslora: bool = False
    dora: bool = False


@dataclass(frozen=True)
class StepSettings(Settings):
    """What each step has a setting for; its own class says what else, and the defaults.

    Attributes:
        learning_rate: Peak learning rate: warm-up over a tenth of the steps, then linearly down to 0.
        batch: Rows in a step of the optimiser.
        steps: Optimiser steps.
        max_tokens: Tokens of a row; a longer prompt loses its beginning.
        save_every: Steps between checkpoints.
    """

    learning_rate: float = 4e-3
    batch: int = 16
    steps: int = 110
    max_tokens: int = 160
    save_every: int = 25


def _no_programs(ids: Iterable[str]) -> Mapping[str, Program]:
    return {}


def _no_docs() -> Docs:
    raise TrainingError("There is no documentation to put in front of prompts")


def _no_sandbox(programs: Sequence[Program]) -> Sequence[Verdict]:
    raise TrainingError("There is no sandbox to run programs in")


@dataclass(frozen=True)
class Lookup:
    """What a step can look up beside its rows; nothing is read where its settings don't ask for it.

    Attributes:
        programs: Id -> program, of those that are asked for.
        docs: The documentation of the target version, without what is held out.
        judge: What runs programs with the target version.
    """

    programs: Callable[[Iterable[str]], Mapping[str, Program]] = _no_programs
    docs: Callable[[], Docs] = _no_docs
    judge: Judge = _no_sandbox


@dataclass(frozen=True)
class Step:
    """One training of a chain.

    Attributes:
        name: Its name in `[train] recipe`, and of its table.
        settings: Class of its settings.
        rows: What it sees, in order: from examples of the split `train`, files of general code, settings, seed, and
            what it can look up.
        encode: Those rows as token ids, `batch` of them a step: from rows, tokenizer, settings, seed, and whom to tell
            of what doesn't fit.
        tokens: How many tokens of an encoded row go through the model.
        trainer: A trainer of transformers: from model, tokenizer, encoded rows, training arguments and settings.
        kinds: Kinds of the examples that it sees under its settings.
        needs: Those of them that it can't do without.
    """

    name: str
    settings: type[StepSettings]
    rows: Callable[[Sequence[Example], Sequence[SourceFile], Any, int, Lookup], Sequence[Any]]
    encode: Callable[[Sequence[Any], Any, Any, int, Progress | None], Sequence[Row]]
    tokens: Callable[[Row], int]
    trainer: Callable[[Any, Any, Sequence[Row], dict[str, Any], Any], Any]
    kinds: Callable[[Any], frozenset[str]]
    needs: Callable[[Any], frozenset[str]]


def parts_of(example: Example) -> Mapping[str, Any]:
    """The parts of an example.

    Raises:
        TrainingError: They are no mapping.
    """
    if not isinstance(example.parts, Mapping):
        raise TrainingError(f"The parts of the {example.kind} row {example.id} are no mapping")
    return example.parts


def preference_rows(examples: Iterable[Example]) -> list[Example]:
    """The rows of call sites: a new call, and what it is to be preferred over."""
    return sorted((e for e in examples if e.kind == "preference"), key=lambda e: e.id)


def scheduled(rows: Iterable[Example], count: int, rng: random.Random, kind: str = "preference") -> list[Example]:
    """`count` rows: families in proportion to the square root of their rows, each going through its rows in turn.

    Rows that show no change are of the family of what they show first.

    Args:
        rows: Rows of one kind.
        count: How many.
        rng: What draws them.
        kind: Their kind.

    Raises:
        NoRowsError: There is none.
    """
    groups: dict[str, list[Example]] = {}
    for row in sorted(rows, key=lambda e: e.id):
        shown = row.symbols[0] if row.symbols and kind != "preference" else row.root
        groups.setdefault(row.family or shown, []).append(row)
    if not groups and count:
        raise no_rows(kind)
    names = sorted(groups)
    weights = [len(groups[n]) ** 0.5 for n in names]
    turns = {n: _endless(groups[n], random.Random(rng.random())) for n in names}
    return [next(turns[n]) for n in rng.choices(names, weights, k=count)] if count else []


def no_rows(kind: str) -> NoRowsError:
    """What is said where a step has no row of a kind that it needs."""
    return NoRowsError(f"No {kind} rows to train on: curation left none in the split train")


def _endless(rows: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    while True:
        yield from rng.sample(rows, len(rows))


def batched(lengths: Sequence[int], batch: int, seed: int) -> list[int]:
    """An order of rows in which those of a batch are about as long, so that little is padded.

    Among eight batches that follow each other rows are sorted by length and cut; then those batches are shuffled.
    """
    rng = random.Random(seed)
    order: list[int] = []
    for start in range(0, len(lengths), 8 * batch):
        near = sorted(range(start, min(start + 8 * batch, len(lengths))), key=lambda place: lengths[place])
        batches = [near[i : i + batch] for i in range(0, len(near), batch)]
        rng.shuffle(batches)
        order += [place for part in batches for place in part]
    return order
