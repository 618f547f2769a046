"""What the gate saw, as rows: each arm's figure, and the paired differences of arms, by split and metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from finetune import intervals
from finetune.evaluation import sign
from finetune.gate import Decision
from finetune.intervals import Estimate
from finetune.row_metrics import METRICS
from registry.records import ARMS, Report, Score

DIFFERENCE = "adapter-base"
DIFFERENCES = (("adapter", "base"), ("adapter", "base+docs"), ("base+docs", "base"), ("adapter+docs", "adapter"))
"""Pairs of arms whose paired difference is told where both were measured: what the gate looks at, and what docs add.

Of the metrics of rows the first alone, with its interval and without a test: nothing is decided by them, and each test
more would make the others' p, adjusted for all that are shown, larger."""


def rows(scores: Iterable[Score], decision: Decision, *, run: str, domain: str) -> Iterator[Report]:
    """The report of one run.

    Args:
        scores: Its scores, all arms and splits.
        decision: What the gate said; repeated on each row.
        run: Id of the run.
        domain: Name of the domain.
    """
    held = sorted(scores, key=lambda s: s.id)
    for split, metric in sorted({(s.split, s.metric) for s in held}):
        for arm in ARMS:
            found = intervals.arm(held, arm=arm, split=split, metric=metric, alpha=decision.alpha)
            if found is not None:
                yield _row(found, decision, run, domain, arm, split, metric)
        for better, than in DIFFERENCES if metric not in METRICS else DIFFERENCES[:1]:
            gain = _difference(held, split, metric, better, than, decision.alpha)
            if gain is not None:
                yield _row(gain, decision, run, domain, f"{better}-{than}", split, metric)


def adjusted(rows: Sequence[Report]) -> dict[str, float]:
    """Id of a row -> its p after Holm, over all the paired differences among these rows that have one."""
    tested = [(r.id, r.p) for r in rows if r.p is not None]
    return dict(zip((i for i, _ in tested), intervals.holm([p for _, p in tested]), strict=True))


def _difference(held: list[Score], split: str, metric: str, better: str, than: str, alpha: float) -> Estimate | None:
    """The plain difference of two arms, with the p of a gain: of a fall where less is better."""
    turned = sign(metric)
    found = intervals.difference(
        held, split=split, metric=metric, better=better, than=than, alpha=alpha, sign=turned,
        tested=metric not in METRICS,
    )  # fmt: skip
    if found is None or turned > 0:
        return found
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return dataclasses.replace(found, value=-found.value, low=low, high=high)


def _row(found: Estimate, decision: Decision, run: str, domain: str, arm: str, split: str, metric: str) -> Report:
    return Report(
        run=run,
        arm=arm,
        split=split,
        metric=metric,
        domain=domain,
        value=found.value,
        ci_low=found.low,
        ci_high=found.high,
        p=found.p,
        n=found.n,
        clusters=found.clusters,
        decision=decision.outcome,
        reason=decision.reason,
    )
