"""The gate: what is published, what is rejected, and what can't be decided."""

from __future__ import annotations

import numpy as np
import pytest

from finetune import gate, intervals, report
from finetune.gate import PUBLISH, REJECTED, UNDECIDED
from registry.domain import GateSpec
from registry.records import Score

SETTINGS = GateSpec()


def scores(
    *,
    families: int = 30,
    gain: float = 0.3,
    spread: float = 0.4,
    general: float = 0.02,
    docs: float | None = None,
    unseen: float | None = None,
    unseen_families: int = 20,
    seed: int = 0,
) -> list[Score]:
    """Scores of a run with a mean gain over `families`, and a share by which general code got worse."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, spread, size=families)
    rows = []
    for number, extra in enumerate(noise - noise.mean()):
        arms = {"base": 0.2, "adapter": 0.2 + gain + extra}
        if docs is not None:
            arms["base+docs"] = 0.2 + docs
        for arm, value in arms.items():
            rows.append(_score(arm, "context", "choice@1", f"s{number}", f"f{number}", value))
    for number in range(unseen_families if unseen is not None else 0):
        off = 0.3 if number % 2 else -0.3
        for arm, value in (("base", 0.5), ("adapter", 0.5 + (unseen or 0.0) + off)):
            rows.append(_score(arm, "symbol", "choice@1", f"u{number}", f"h{number}", value))
    for number in range(5):
        for arm, value in (("base", 2.0), ("adapter", 2.0 * (1 + general))):
            rows.append(_score(arm, "general", "bits", f"g{number}", f"m{number}.py", value))
    return rows


def _score(arm: str, split: str, metric: str, item: str, family: str, value: float) -> Score:
    return Score(run="run", arm=arm, split=split, metric=metric, item=item, family=family, value=value)


def test_sure_gain_is_published_and_the_reason_says_what_was_not_measured() -> None:
    """A gain with its interval above zero, at little harm, is published."""
    decision = gate.decide(scores(), SETTINGS)
    assert decision.outcome == PUBLISH
    assert "base+docs: not measured yet" in decision.reason
    assert "never trained on: not measured" in decision.reason
    assert "30 families" in decision.reason
    assert "\n" not in decision.reason


@pytest.mark.parametrize(
    ("case", "outcome", "said"),
    [
        ({"gain": 0.02}, REJECTED, "is not sure"),
        ({"gain": -0.3}, REJECTED, "is not sure"),
        ({"general": 0.12}, REJECTED, "general code got too much worse"),
        ({"families": 11, "spread": 0.01}, UNDECIDED, "Only 11 held-out families"),
        ({"docs": 0.4}, REJECTED, "the base with the docs in its prompt does as well"),
        ({"docs": 0.1, "spread": 0.1}, PUBLISH, "against it"),
        ({"docs": -0.1}, PUBLISH, "not informative"),
        ({"unseen": -0.04}, PUBLISH, "never trained on: -0.04 ["),
        ({"unseen": -0.06}, REJECTED, "families that nothing was trained on got worse"),
        ({"unseen": -0.3}, REJECTED, "families that nothing was trained on got worse"),
        ({"unseen": -0.3, "unseen_families": 4}, PUBLISH, "too few to tell"),
    ],
)
def test_decisions(case: dict[str, float], outcome: str, said: str) -> None:
    """Each condition decides by itself, and the reason names it."""
    decision = gate.decide(scores(**case), SETTINGS)  # type: ignore[arg-type]
    assert decision.outcome == outcome
    assert said in decision.reason


def test_nothing_measured_is_undecided() -> None:
    """Without scores nothing is published; without general code neither."""
    assert gate.decide([], SETTINGS).outcome == UNDECIDED
    assert gate.decide([s for s in scores() if s.split != "general"], SETTINGS).outcome == UNDECIDED


def test_trying_again_is_harder() -> None:
    """On an unchanged held-out set each further decision is made at half the error, until a weak gain fails."""
    rows = scores(gain=0.22)
    outcomes = [gate.decide(rows, SETTINGS, previous_decisions=n) for n in range(12)]
    assert outcomes[0].outcome == PUBLISH
    assert outcomes[-1].outcome == REJECTED
    assert [d.alpha for d in outcomes[:3]] == [0.025, 0.0125, 0.00625]
    assert "decision 3 on this held-out set" in outcomes[2].reason


def test_noise_is_published_at_most_3_percent_of_the_time() -> None:
    """The gate's own rule, on the stored paired scores with cluster-wise flipped signs."""
    values = intervals.family_differences(scores(), split="context", metric="choice@1")
    assert intervals.accepted_by_chance(values) <= 0.03
    assert intervals.accepted_when_planted(values, 0.3) >= 0.8


def test_report_has_a_row_for_each_arm_and_the_difference() -> None:
    """Arms, paired difference and the arm that wasn't measured, all with the decision."""
    rows = scores()
    decision = gate.decide(rows, SETTINGS)
    table = {(r.split, r.metric, r.arm): r for r in report.rows(rows, decision, run="run", domain="d")}
    assert set(table) == {
        ("context", "choice@1", "base"),
        ("context", "choice@1", "adapter"),
        ("context", "choice@1", "adapter-base"),
        ("context", "choice@1", "base+docs"),
        ("general", "bits", "base"),
        ("general", "bits", "adapter"),
        ("general", "bits", "adapter-base"),
    }
    gain = table["context", "choice@1", "adapter-base"]
    assert gain.value == pytest.approx(0.3)
    assert gain.ci_low is not None and gain.ci_low > 0
    assert gain.p is not None and gain.p < 0.025
    assert table["context", "choice@1", "base+docs"].value is None
    assert {r.decision for r in table.values()} == {PUBLISH}
    assert len({r.id for r in table.values()}) == 7


def test_report_tells_what_docs_give_and_what_is_left_of_the_gain() -> None:
    """Where the arm was measured, the adapter's difference from it and its own from the base stand in rows."""
    rows = scores(docs=0.1, spread=0.1)
    told = report.rows(rows, gate.decide(rows, SETTINGS), run="run", domain="d")
    table = {r.arm: r for r in told if r.split == "context"}
    assert {arm: r.value and round(r.value, 6) for arm, r in table.items()} == {
        "base": 0.2, "base+docs": 0.3, "adapter": 0.5,
        "adapter-base": 0.3, "adapter-base+docs": 0.2, "base+docs-base": 0.1,
    }  # fmt: skip


def test_the_reason_says_how_often_docs_were_shown() -> None:
    """Docs that hardly ever fit or hit would be no rival: their share stands beside what is said of them."""
    rows = scores(docs=0.1, spread=0.1)
    for number in range(30):
        for metric, value in (("docs", 1.0), ("docs_right", float(number < 24))):
            rows.append(_score("base+docs", "context", metric, f"s{number}", f"f{number}", value))
    assert "docs in front of 100%, the right ones of 80%" in gate.decide(rows, SETTINGS).reason


def test_p_is_of_a_gain_where_less_is_better_too() -> None:
    """General code that got worse has a p near 1, and its difference and interval stay as they are: above zero."""
    rows = scores(general=0.02)
    table = {
        r.metric: r for r in report.rows(rows, gate.decide(rows, SETTINGS), run="r", domain="d") if r.p is not None
    }
    worse = table["bits"]
    assert (worse.value, worse.ci_low, worse.ci_high) == pytest.approx((0.04, 0.04, 0.04))
    assert worse.p == 1.0
    adjusted = report.adjusted(list(table.values()))
    assert adjusted[worse.id] == 1.0
    assert adjusted[table["choice@1"].id] == pytest.approx(2 * (table["choice@1"].p or 0))
