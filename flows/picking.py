"""Which of two trainings is taken, one afresh and one that goes on from an adapter: `dev` says, and nothing else.

That decides nothing about what is held out: no decision rests on `dev`, and only the one that is taken is evaluated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import evaluation, intervals, report, tuning
from finetune.bases import BaseModel
from finetune.gate import UNDECIDED, Decision
from finetune.scoring import Window
from finetune.tuning import Stage
from flows.answering import answered_by
from flows.house import House
from registry.records import Example, Report, Run, Score
from validators.splits import DEV

ALPHA = 0.025
"""Of the intervals in the report of the one that was not taken: 95%, as nothing was decided."""


@dataclass(frozen=True)
class Tuned:
    """A finished training.

    Attributes:
        key: Names it (`flows.lessons`).
        start: How it started: fresh or warm.
        folder: The adapter.
        stages: Name -> step; none where nothing was new to the adapter that it goes on from, which it is then.
        again: Whether an earlier run is of it already, which its time is told of.
    """

    key: str
    start: str
    folder: Path
    stages: Mapping[str, Stage]
    again: bool


@dataclass(frozen=True)
class Pick:
    """What `dev` said.

    Attributes:
        taken: The training that is the domain's run.
        lost: The other one.
        told: Metric, and start -> value of it (as text, null where not measured), for `Run.recipe`.
        scores: Scores of the one that lost, of no run yet.
    """

    taken: Tuned
    lost: Tuned
    told: Mapping[str, Any]
    scores: Sequence[Score]

    @property
    def reason(self) -> str:
        """Why, in one line."""
        values = " and ".join(f"{value} {start}" for start, value in self.told["dev"].items())
        return f"Nothing was asked of what is held out: dev took {self.taken.start}, {self.told['metric']} {values}"


def pick(house: House, base: BaseModel, tuned: Sequence[Tuned], rows: Sequence[Example]) -> Pick:
    """Scores two adapters on rows of `dev`, and takes the better by the domain's goal metric.

    The first is taken where they are equal, or where there is nothing to measure them on.

    Args:
        house: The domain.
        base: Their base.
        tuned: The two.
        rows: Rows of `dev` that neither was trained on.
    """
    goal = house.domain.gate.metric
    scores = _scores(house, base, tuned, rows)
    values = [intervals.mean(mine, arm="adapter", split=DEV, metric=goal) for mine in scores]
    first, second = values
    better = int(first is not None and second is not None and second > first)
    dev = {one.start: f"{value:.4f}" if value is not None else None for one, value in zip(tuned, values, strict=True)}
    return Pick(tuned[better], tuned[1 - better], {"metric": goal, "dev": dev}, scores[1 - better])


def _scores(house: House, base: BaseModel, tuned: Sequence[Tuned], rows: Sequence[Example]) -> list[list[Score]]:
    window = Window(tuning.load_tokenizer(base), evaluation.tokens_at_once(base, house.domain.gate.window))
    portions = list(evaluation.site_portions(rows, window, run="", split=DEV))
    adapters = {f"{one.start} start": one.folder for one in tuned}
    asked = ((name, name, portion) for name in adapters for portion in portions)
    found = list(answered_by(house, base, adapters, window.max_tokens, asked))
    return [[dataclasses.replace(score, arm="adapter") for score in found if score.arm == name] for name in adapters]


def kept(run: Run, found: Pick) -> list[Score | Report]:
    """What is kept of the training that was not taken: its scores on `dev`, and a report that decides nothing."""
    mine = [dataclasses.replace(score, run=run.id) for score in found.scores]
    decision = Decision(UNDECIDED, found.reason, ALPHA)
    return [*mine, *report.rows(mine, decision, run=run.id, domain=run.domain)]
