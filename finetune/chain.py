"""A recipe: steps in a row, each going on with the adapter of the one before, as the domain's `[train]` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from finetune import tuning, warm
from finetune.bases import BaseModel
from finetune.corpus import SourceFile
from finetune.recipe import Lookup, LoraSettings, Step, StepSettings, no_rows
from finetune.reporting import Curves
from finetune.steps import preference, rl, sft, text
from finetune.tuning import Stage
from finetune.warm import Share, Start
from finetune.watching import Progress
from registry.errors import ConfigurationError
from registry.records import Example

STEPS = {step.name: step for step in (text.STEP, sft.STEP, preference.STEP, rl.STEP)}
"""Name -> step: what a recipe may be chained of."""


def seen_kinds(recipe: Mapping[str, Any]) -> frozenset[str] | None:
    """Kinds of the examples that a training saw, by its recipe as a run has it (`Chain.as_text`); None of none.

    Before `sft` had a mix it saw calls alone.
    """
    if "recipe" not in recipe:
        return None
    steps = [(STEPS[name], {"mix": {}, **recipe.get(name, {})}) for name in recipe["recipe"] if name in STEPS]
    return frozenset().union(*(step.kinds(step.settings.read(told)) for step, told in steps))


@dataclass(frozen=True)
class Chain:
    """The steps of a training, in order, with their settings.

    Attributes:
        steps: Each step and its settings.
        lora: What the adapter that the first of them makes is like.
    """

    steps: tuple[tuple[Step, StepSettings], ...]
    lora: LoraSettings

    @classmethod
    def of(cls, train: Mapping[str, Any]) -> Chain:
        """The chain that a `[train]` table declares: `recipe`, and a table for each step and for `lora`.

        Raises:
            ConfigurationError: The recipe names no step, an unknown one, or one twice; or a setting can't be.
        """
        names, tables = train["recipe"], {name: train.get(name, {}) for name in (*STEPS, LoraSettings.TABLE)}
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise ConfigurationError(f'[train] recipe can\'t be {names!r}: write a list of steps, as ["sft"]')
        for name, table in tables.items():
            if not isinstance(table, Mapping):
                raise ConfigurationError(f"[train] {name} can't be {table!r}: it is a table of settings")
        known = ", ".join(STEPS)
        unknown = [name for name in names if name not in STEPS]
        if unknown:
            raise ConfigurationError(f"No step {unknown[0]!r} for [train] recipe: found {known}")
        if not names or len(set(names)) < len(names):
            raise ConfigurationError(f"[train] recipe can't be {list(names)}: name one or more of {known}, each once")
        settings = {name: step.settings.of(tables[name]) for name, step in STEPS.items()}
        return cls(tuple((STEPS[name], settings[name]) for name in names), LoraSettings.of(tables[LoraSettings.TABLE]))

    def as_text(self) -> dict[str, Any]:
        """All that decides what is learned of a snapshot, for `Run.recipe`: without floats, defaults written out."""
        tables = {step.name: settings.as_text() for step, settings in self.steps}
        return {"recipe": [step.name for step, _ in self.steps], "lora": self.lora.as_text(), **tables}

    def changed(self) -> dict[str, Any]:
        """Its steps, and of their settings those that aren't at their defaults.

        A setting that comes later, or one that is written at its default, makes no other training.
        """
        tables = {"lora": self.lora, **{step.name: settings for step, settings in self.steps}}
        told = {
            name: {key: value for key, value in table.as_text().items() if value != type(table)().as_text()[key]}
            for name, table in tables.items()
        }
        return {
            "recipe": [step.name for step, _ in self.steps],
            **{name: table for name, table in told.items() if table},
        }

    @property
    def runs_programs(self) -> bool:
        """Whether a step is rewarded by what programs do."""
        return any(step is rl.STEP for step, _ in self.steps)

    @property
    def fills_gaps(self) -> bool:
        """Whether a step learns to fill gaps in, which a base must have control tokens for."""
        mixes = [settings.mix for _, settings in self.steps if isinstance(settings, sft.SftSettings)]
        return any(mix.fim > 0 for mix in mixes)

    @property
    def reads_docs(self) -> bool:
        """Whether documentation stands in front of some of the prompts."""
        return any(getattr(settings, "docs", 0.0) > 0 for _, settings in self.steps)

    def check(self, examples: Iterable[Example], start: Start | None = None) -> None:
        """Looks whether each step has rows of the kinds that it needs, before hours go into those before it.

        Args:
            examples: Rows of the split `train`; of a warm start those that are new.
            start: The adapter that the first step goes on from.

        Raises:
            NoRowsError: One has none.
        """
        rows: Sequence[Example] = list(examples)
        for step, settings in self.steps:
            share = None if start is None else warm.share_of(step, settings, rows, start)
            if start is not None and share is None:
                continue
            needed, seen = (settings, rows) if share is None else (share.settings, share.new)
            for kind in sorted(step.needs(needed) - {row.kind for row in seen}):
                raise no_rows(kind)

    def train(
        self,
        base: BaseModel,
        examples: Sequence[Example],
        files: Sequence[SourceFile],
        work: Path,
        *,
        lookup: Lookup | None = None,
        start: Start | None = None,
        seed: int = 0,
        threads: int = 2,
        progress: Progress | None = None,
        curves: Curves | None = None,
    ) -> dict[str, Stage]:
        """Trains all steps; what is finished is found, what was killed goes on.

        Args:
            base: What the adapter is for.
            examples: Rows of the split `train`; of a warm start those that are new (`warm.new_rows`).
            files: General code, for replay.
            work: Folder of this training; each step has a folder of its name there.
            lookup: What steps can look up beside the rows.
            start: The adapter that the first step goes on from, made for this base; a new one is made where None.
            seed: Seed of the adapter and of all orders.
            threads: Threads of torch.
            progress: Told of each step of the optimiser.
            curves: Where curves are written beside `work`, where TensorBoard or MLflow is installed.

        Returns:
            Name -> finished step, in order: the last one's folder is the adapter. Of a warm start those that see
            something of what is new: where none does, the adapter stays the one that it is.

        Raises:
            NoRowsError: There is nothing to train on.
            TrainingError: A step failed.
        """
        stages: dict[str, Stage] = {}
        folder, at = None if start is None else start.folder, lookup or Lookup()
        self.check(examples, start)
        for step, settings in self.steps:
            if start is None:
                rows: Callable[[], Sequence[Any]] = partial(step.rows, examples, files, settings, seed, at)
            elif (share := warm.share_of(step, settings, examples, start)) is not None:
                settings, rows = share.settings, partial(_of_change, step, share, files, start.rehearsal, seed, at)
            else:
                continue
            stages[step.name] = tuning.tune(
                step, settings, base, folder, rows, work / step.name,
                lora=self.lora, seed=seed, threads=threads, progress=progress, curves=curves,
            )  # fmt: skip
            folder = stages[step.name].folder
        return stages


def _of_change(
    step: Step, share: Share, files: Sequence[SourceFile], rehearsal: float, seed: int, lookup: Lookup
) -> Sequence[Any]:
    """What a step that goes on from an adapter sees, in order."""
    new = step.rows(share.new, files, share.settings, seed, lookup)
    if not share.known:
        return new
    return warm.mixed(new, step.rows(share.known, files, share.settings, seed, lookup), rehearsal, seed)
