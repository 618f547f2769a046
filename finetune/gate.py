"""The gate: is the adapter published?

`publish` only where, on held-out families that tuning never saw,

1. there are at least `min_families` of them (else `undecided`, whatever the figures say);
2. the goal metric gains over `base`: its whole interval is above zero, and the sign-flip test agrees;
3. it isn't behind `base+docs`: its mean is above that arm's, and the lower end of the difference above minus `margin`
   (not asked where docs don't help that base, which must have had them in front of half of its prompts);
4. general code got worse by no more than `general_limit`;
5. answers to held-out rows of other kinds (programs, mended bugs, edits …) got less likely by no more than `rows_limit`
   (not asked of kinds that are too few to tell: under `intervals.FEWEST` families);
6. on families that nothing was trained on (`symbol`) the goal metric fell by no more than `unseen_limit`, and didn't
   surely fall (not asked where they are too few to tell: under `intervals.FEWEST`).

All conditions must hold at once, so that no correction for several of them is due: each can only say no. What 2 to 4
rest on must have been measured, else `undecided`; what is no number holds nowhere.

Trying until it passes doesn't work: the n-th decision on a held-out set, of another adapter or asking otherwise of one,
is made at alpha / 2^(n-1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from finetune import intervals
from finetune.evaluation import sign
from finetune.intervals import Estimate
from finetune.row_metrics import BITS
from finetune.workloads import KINDS
from registry.domain import GateSpec
from registry.records import Score

PUBLISH, REJECTED, UNDECIDED = "publish", "rejected", "undecided"
SPLITS = ("context", "symbol")
"""What is held out and tuning doesn't see."""
SHOWN = 0.5
"""Of fewer families' prompts, docs stood in front of too few to be a rival."""


@dataclass(frozen=True)
class Decision:
    """What the gate said, and why in one line."""

    outcome: str
    reason: str
    alpha: float


def decide(scores: Iterable[Score], settings: GateSpec, *, previous_decisions: int = 0) -> Decision:
    """Decide about one run from its scores.

    Args:
        scores: Scores of the arms `base`, `base+docs` and `adapter`, and of general code.
        settings: What is asked for.
        previous_decisions: Decisions made before this one on the same held-out set.
    """
    rows = list(scores)
    alpha = settings.alpha / 2**previous_decisions
    gain = _difference(rows, settings, settings.split, "base", alpha)
    if gain is None or gain.clusters < settings.min_families:
        found = 0 if gain is None else gain.clusters
        return Decision(
            UNDECIDED,
            f"Only {found} held-out families have {settings.metric} on {settings.split}: "
            f"{settings.min_families} are needed to decide",
            alpha,
        )
    general = general_regression(rows)
    if general is None:
        return Decision(UNDECIDED, "General code was not measured, so harm elsewhere can't be ruled out", alpha)
    rest = _difference(rows, settings, settings.split, "base+docs", alpha)
    if rest is None:
        reason = "The base with the docs in its prompt was not measured, so it may do as well"
        return Decision(UNDECIDED, reason, alpha)
    given = intervals.mean(rows, arm="base+docs", split=settings.split, metric="docs") or 0.0
    if not given >= SHOWN:
        reason = f"Docs stood in front of {given:.0%} of the prompts, by family: too few to be a rival in such a window"
        return Decision(UNDECIDED, reason, alpha)
    docs, docs_hold = _against_docs(rows, settings, rest, alpha)
    faults = []
    if not gain.gains(alpha):
        faults.append(f"its gain in {settings.metric} on {settings.split} is not sure")
    if not docs_hold:
        faults.append("the base with the docs in its prompt does as well")
    if not general <= settings.general_limit:  # no number neither
        faults.append("general code got too much worse")
    told, others_hold = _on_others(rows, settings)
    if not others_hold:
        faults.append("rows of other kinds got too much worse")
    unseen, unseen_holds = _on_unseen(rows, settings)
    if not unseen_holds:
        faults.append("families that nothing was trained on got worse")
    facts = (
        f"{settings.metric} on {settings.split} {describe(gain)}; on families never trained on: {unseen}; "
        f"general code {general:+.1%} bits per byte (limit {settings.general_limit:+.0%}); "
        f"{told}base+docs: {docs}"
    )
    if previous_decisions:
        facts += f"; decision {previous_decisions + 1} on this held-out set, at {alpha:.4g} a side"
    if faults:
        return Decision(REJECTED, f"Rejected, as {' and '.join(faults)}: {facts}", alpha)
    return Decision(PUBLISH, f"Better than its base: {facts}", alpha)


def general_regression(scores: Iterable[Score]) -> float | None:
    """The share by which bits per byte of general code grew from base to adapter; null where not measured."""
    rows = list(scores)
    base, adapter = (intervals.mean(rows, arm=arm, split="general", metric="bits") for arm in ("base", "adapter"))
    return None if base is None or adapter is None else adapter / base - 1


def rows_regressions(scores: Iterable[Score]) -> dict[str, tuple[float, int]]:
    """Kind of rows -> the share by which bits per byte of its answers grew on held-out splits; of how many families.

    Both splits are taken together: families of the one are none of the other.
    """
    rows = [dataclasses.replace(row, split="") for row in scores if row.split in SPLITS and row.metric in BITS]
    found = {}
    for kind, metric in zip(KINDS, BITS, strict=True):
        base, adapter = (intervals.mean(rows, arm=arm, split="", metric=metric) for arm in ("base", "adapter"))
        if base is not None and adapter is not None:
            families = {row.family for row in rows if (row.arm, row.metric) == ("adapter", metric)}
            found[kind] = (adapter / base - 1, len(families))
    return found


def _on_others(rows: list[Score], settings: GateSpec) -> tuple[str, bool]:
    """What is said of rows of other kinds, and whether they got worse by no more than allowed.

    Each kind counts the same, however many rows it has, if these are of enough families to tell anything.
    """
    found = rows_regressions(rows)
    few = [kind for kind, (_, families) in found.items() if families < intervals.FEWEST]
    worse = [grown for kind, (grown, _) in found.items() if kind not in few]
    left = f"too few families to tell of {', '.join(few)}" if few else ""
    if not worse:
        return f"rows of other kinds: {left}; " if left else "", True
    grown = sum(worse) / len(worse)
    limit = f"limit {settings.rows_limit:+.0%}" + (f"; {left}" if left else "")
    return f"rows of other kinds {grown:+.1%} ({limit}); ", grown <= settings.rows_limit


def describe(gain: Estimate) -> str:
    """A difference in one phrase: `+0.25 [+0.12, +0.38], p = 0.0003, 34 families`."""
    ends = "no interval" if gain.low is None or gain.high is None else f"[{gain.low:+.2f}, {gain.high:+.2f}]"
    p = "" if gain.p is None else f", p = {gain.p:.2g}"
    return f"{gain.value:+.2f} {ends}{p}, {gain.clusters} families"


def _difference(
    rows: list[Score], settings: GateSpec, split: str, than: str, alpha: float, better: str = "adapter"
) -> Estimate | None:
    """The gain of one arm over another in the goal metric; null where they weren't both measured."""
    goal = settings.metric
    return intervals.difference(rows, split=split, metric=goal, better=better, than=than, alpha=alpha, sign=sign(goal))


def _on_unseen(rows: list[Score], settings: GateSpec) -> tuple[str, bool]:
    """What is said of families that nothing was trained on, and whether they were harmed no more than allowed.

    Always at the first decision's alpha: with less, harm would have to be surer each time that somebody tries.
    """
    found = _difference(rows, settings, "symbol", "base", settings.alpha)
    if found is None:
        return "not measured", True
    if found.clusters < intervals.FEWEST:
        return f"{describe(found)}, too few to tell", True
    surely_fell = found.high is not None and not found.high >= 0
    return describe(found), found.value >= -settings.unseen_limit and not surely_fell


def _against_docs(rows: list[Score], settings: GateSpec, rest: Estimate, alpha: float) -> tuple[str, bool]:
    """What is said of the `base+docs` arm, and whether the adapter, by `rest` above it, holds its own against it."""
    help_ = _difference(rows, settings, settings.split, "base", alpha, better="base+docs")
    share = _shown(rows, settings.split)
    if help_ is None or help_.value <= 0:
        return f"not informative (docs don't help this base{share})", True
    holds = rest.value > 0 and rest.low is not None and rest.low > -settings.margin
    return f"{describe(rest)} against it{share}", holds


def _shown(rows: list[Score], split: str) -> str:
    """How often docs stood in front of a prompt, and how often those of what is to be called, by family."""
    shown, right = (intervals.mean(rows, arm="base+docs", split=split, metric=m) for m in ("docs", "docs_right"))
    if shown is None or right is None:
        return ""
    return f", docs in front of {shown:.0%} of the prompts by family, the right ones of {right:.0%}"
