"""The stage `evaluate`: the scores of four arms on what was held out, and the gate's decision.

Base and adapter, each without and with the target version's docs in front of the prompt.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from finetune import corpus, evaluation, gate, report, retrieval, tuning
from finetune.bases import BaseModel
from finetune.gate import Decision
from finetune.scoring import Scorer
from flows.batches import Batch
from flows.house import House
from flows.scraping import indexed, releases, scraped
from flows.training import rows_of, run_id, tuned_adapter
from registry.errors import ConfigurationError
from registry.identity import work_key
from registry.lake import Lake
from registry.records import Example, Report, Run, Score

EVALUATE_PART = "gate@4"
SPLITS = ("context", "symbol", "dev")
GENERAL_WINDOWS = 160
"""Windows of held-out general code that each arm is scored on."""


def evaluate_key(house: House) -> str:
    """The work key of the evaluation."""
    settings = {name: str(value) for name, value in house.domain.gate.model_dump().items()}
    return work_key([run_id(house)], EVALUATE_PART, settings)


def evaluate_stage(house: House) -> list[Batch]:
    """One batch: all arms scored on all splits and on general code, and the gate's decision."""
    key = evaluate_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        decision, rows = judged(house, *tuned_adapter(house), run_id(house), can_publish=not house.experiment)
        result = {"decision": decision.outcome, "reason": decision.reason}
        return house.finish("evaluate", EVALUATE_PART, [key], rows, since, result)

    return [Batch("Evaluate base and adapter, without and with docs, on what was held out", 1, run)]


def judged(
    house: House, base: BaseModel, folder: Path, run: str, *, can_publish: bool
) -> tuple[Decision, list[Score | Report]]:
    """The gate's decision on an adapter, and what it rests on: its scores on what is held out, and its report.

    Args:
        house: The domain.
        base: The base that the adapter is for.
        folder: The adapter.
        run: Id of its run.
        can_publish: Whether a yes would publish it: then decisions before on the same held-out set count.
    """
    scores = list(_scores(house, base, folder, run))
    settings = house.domain.gate
    goal = (settings.split, settings.metric)
    held_out = {s.item for s in scores if (s.split, s.metric) == goal}
    before = decisions_before(house.lake, house.domain.name, run, held_out, *goal) if can_publish else 0
    decision = gate.decide(scores, settings, previous_decisions=before)
    rows = report.rows(scores, decision, run=run, domain=house.domain.name, goal=settings.metric)
    return decision, [*scores, *rows]


def _scores(house: House, base: BaseModel, folder: Path, run: str) -> Iterator[Score]:
    files = list(corpus.standard_library())
    held_out = {split: rows_of(house, split) for split in SPLITS}
    docs = library_docs(house, [row for rows in held_out.values() for row in rows])
    for arm, loaded in (("base", tuning.load(base)), ("adapter", tuning.load_with(base, folder))):
        scorer = Scorer(*loaded, max_tokens=house.domain.gate.window)
        for name, shown in ((arm, None), (f"{arm}+docs", docs)):
            for split, rows in held_out.items():
                yield from evaluation.score_pairs(
                    rows, scorer, run=run, arm=name, split=split, docs=shown, progress=house.tell
                )
        yield from evaluation.score_general(files, scorer, run=run, arm=arm, limit=GENERAL_WINDOWS, progress=house.tell)


def library_docs(house: House, held_out: Iterable[Example]) -> retrieval.Docs:
    """The documentation of the target version, without the code that holds the calls of held-out sites."""
    _, new = releases(house)
    calls = sorted({str(row.parts["chosen"]) for row in held_out if row.kind == "preference"})
    cut = retrieval.HeldOut(calls)
    asked = house.domain.gate
    pages = scraped(house, new).pages if asked.pages else ()
    return retrieval.Docs(retrieval.documents(indexed(house, new), pages, cut), asked.docs)


def decisions_before(lake: Lake, domain: str, run: str, held_out: set[str], split: str, metric: str) -> int:
    """How many other runs of a domain, trials too, were decided on this very held-out set.

    Trying until it passes doesn't work, nor does trying first and then running what passed. Trainings on shuffled rows
    don't count: they can't be run as the domain's own, and say nothing of which settings are better.

    Args:
        lake: The lake.
        domain: Name of the domain.
        run: Id of the run that is decided now.
        held_out: Items of the split that the goal metric was measured on.
        split: The goal's split.
        metric: The goal metric.
    """
    others = {r.run for r in lake.read(Report, "domain = $d AND run <> $r", {"d": domain, "r": run})}
    others -= {r.id for r in lake.read(Run, "domain = $d", {"d": domain}) if r.recipe.get("shuffle")}
    wanted = "run = $run AND split = $split AND metric = $metric AND arm = 'base'"
    items = (
        {s.item for s in lake.read(Score, wanted, {"run": other, "split": split, "metric": metric})} for other in others
    )
    return sum(found == held_out for found in items)


def decision_of(house: House) -> dict[str, str]:
    """What the gate said of the latest run: `decision` and `reason`.

    Raises:
        ConfigurationError: Nothing is evaluated yet.
    """
    result = house.result(evaluate_key(house))
    if result is None:
        raise ConfigurationError(f"Nothing is evaluated yet: run driftune evaluate {house.domain.name} first")
    return {name: str(result[name]) for name in ("decision", "reason")}
