"""What an evaluation on tasks is shown as: a table for people, an object for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune import tasks as measured
from finetune.report import DIFFERENCES
from finetune.tasks import PASSED, UNAVAILABLE
from flows.bench import CONTROL, SOLUTION, Sample
from flows.written import Copy
from registry.records import ARMS, Score

if TYPE_CHECKING:
    from finetune.intervals import Estimate

SHOWN = 5
"""Tasks that are named one by one, at most."""


@dataclass(frozen=True)
class Summary:
    """What came of an evaluation.

    Attributes:
        tasks: How many tasks.
        count: Samples of each.
        samples: All programs.
        scores: Each task's values.
        copies: The programs that copy a training row at length.
        out: Where the programs stand.
        cut: Prompts of which a model was shown the end only; of those that were written for now.
        docs: Which tasks have docs in the arms with docs, or why there are no such arms; empty without a domain.
    """

    tasks: int
    count: int
    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    copies: tuple[Copy, ...]
    out: Path | None
    cut: int = 0
    docs: str = ""

    def outcomes(self) -> dict[str, dict[str, int]]:
        """Arm -> outcome -> programs, corrections too."""
        counts: dict[str, Counter[str]] = {}
        for sample in self.samples:
            counts.setdefault(sample.arm, Counter())[sample.outcome] += 1
        return {arm: dict(sorted(found.items())) for arm, found in counts.items()}

    def proofs(self) -> dict[str, dict[str, int]]:
        """Arm -> proof -> programs that passed by it, corrections too."""
        counts: dict[str, Counter[str]] = {}
        for sample in self.samples:
            if sample.outcome == PASSED:
                counts.setdefault(sample.arm, Counter())[sample.proof] += 1
        return {arm: dict(sorted(found.items())) for arm, found in counts.items()}

    def failing(self, arm: str) -> list[Sample]:
        """An arm's programs that ran and didn't pass."""
        return [s for s in self.samples if s.arm == arm and s.outcome not in (PASSED, UNAVAILABLE)]

    def idle(self) -> list[str]:
        """The tasks that a program passes which does nothing: they measure nothing."""
        return [s.task for s in self.samples if s.arm == CONTROL and s.outcome == PASSED]


def show(summary: Summary, *, as_json: bool) -> None:
    """Prints what came of an evaluation."""
    rows = list(_rows(summary))
    broken = {s.task: s.detail or s.outcome for s in summary.failing(SOLUTION)}
    if as_json:
        told = {"tasks": summary.tasks, "samples": summary.count, "outcomes": summary.outcomes(), "metrics": rows}
        told["passed_by_proof"] = summary.proofs()
        out = None if summary.out is None else str(summary.out)
        alike = [asdict(one) for one in summary.copies]
        tasks = {"own_solution_fails": broken, "passed_by_nothing": summary.idle()}
        print(json.dumps({**told, **tasks, "copies": alike, "cut": summary.cut, "docs": summary.docs, "out": out}))
        return
    from rich.console import Console

    from flows.render import grid

    console = Console(highlight=False, soft_wrap=True)
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    arms = [arm for arm in ARMS if any(row["arm"] == arm for row in rows)]
    cells = {(row["metric"], row["arm"]): _cell(row, summary.tasks) for row in rows}
    console.print(grid(("", *arms), ([m, *(cells.get((m, arm), "") for arm in arms)] for m in metrics)))
    gains = [[row["metric"], row["arm"].replace("-", " - "), _gain(row), row["tasks"]] for row in rows if "p" in row]
    if gains:
        console.print(grid(("", "difference", "paired, by task", "tasks"), gains))
    console.print(f"{summary.tasks:,} tasks, {summary.count:,} samples of each", markup=False)
    if summary.docs:
        console.print(summary.docs, markup=False)
    for arm, counts in summary.outcomes().items():
        said = ", ".join(f"{outcome} {count:,}" for outcome, count in counts.items())
        weak = summary.proofs().get(arm, {}).get("weak", 0)
        said += f" ({weak:,} passed by weak proof alone)" if weak else ""
        console.print(f"{arm}: {said}", markup=False)
    for task, why in list(broken.items())[:SHOWN]:
        console.print(f"The own solution of {task} does not pass: {why}", markup=False)
    if len(broken) > SHOWN:
        console.print(f"… nor do those of {len(broken) - SHOWN:,} others", markup=False)
    if summary.idle():
        named = ", ".join(summary.idle()[:SHOWN]) + (", …" if len(summary.idle()) > SHOWN else "")
        console.print(f"A program that does nothing passes {len(summary.idle()):,} of the tasks: {named}", markup=False)
    if summary.cut:
        console.print(f"{summary.cut:,} prompts were longer than what the model reads, and lost their beginning")
    for one in summary.copies[:SHOWN]:
        said = f"{one.tokens} tokens in a row of {one.row[:12]} ({one.page}, {one.licence})"
        console.print(f"{one.arm}, {one.task}, sample {one.sample}.{one.turn}: copies {said}", markup=False)
    if len(summary.copies) > SHOWN:
        console.print(f"… and {len(summary.copies) - SHOWN:,} others copy rows", markup=False)
    idle = next((s for s in summary.samples if s.outcome == UNAVAILABLE), None)
    if idle is not None:
        console.print(f"Not run: {idle.task}: {idle.detail}", markup=False)


def _rows(summary: Summary) -> Iterator[dict[str, Any]]:
    """A row for each metric and arm, and for the paired differences of arms."""
    for metric in sorted({s.metric for s in summary.scores}, key=_order):
        for arm in ARMS:
            found = measured.estimate(summary.scores, arm, metric)
            if found is not None:
                yield _row(metric, arm, found)
        for better, than in DIFFERENCES:
            gained = measured.gain(summary.scores, metric, better, than)
            if gained is not None:
                yield _row(metric, f"{better}-{than}", gained) | {"p": gained.p}


def _order(metric: str) -> tuple[str, int]:
    """pass@1 before pass@10."""
    name, _, number = metric.partition("@")
    return {"pass": "0", "repair": "1"}.get(name, "2"), int(number or 0)


def _row(metric: str, arm: str, found: Estimate) -> dict[str, Any]:
    ends = {"ci_low": found.low, "ci_high": found.high}
    return {"metric": metric, "arm": arm, "value": found.value, **ends, "n": found.n, "tasks": found.clusters}


def _gain(row: dict[str, Any]) -> str:
    from flows.render import interval, signed

    p = "" if row["p"] is None else f", p = {row['p']:.2g}"
    return f"{signed(row['value'])} {interval(row['ci_low'], row['ci_high'])}".strip() + p


def _cell(row: dict[str, Any], tasks: int) -> str:
    ends = "" if row["ci_low"] is None else f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    some = "" if row["tasks"] == tasks else f" ({row['tasks']} tasks)"
    return f"{row['value']:.3f}{ends}{some}"
