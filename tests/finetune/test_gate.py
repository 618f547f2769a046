"""The gate: what is published, what is rejected, and what can't be decided."""

from __future__ import annotations

import math

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
    docs: float | None = -0.1,
    shown: float = 1.0,
    unseen: float | None = None,
    unseen_families: int = 20,
    unseen_spread: float = 0.3,
    seed: int = 0,
) -> list[Score]:
    """Scores of a run with a mean gain over `families`, and a share by which general code got worse.

    `docs` is what the base gains by the docs, which a share `shown` of its prompts has; None where that isn't measured.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, spread, size=families)
    rows = []
    for number, extra in enumerate(noise - noise.mean()):
        arms = {"base": 0.2, "adapter": 0.2 + gain + extra}
        if docs is not None:
            arms["base+docs"] = 0.2 + docs
            given = float(number < shown * families)
            rows.append(_score("base+docs", "context", "docs", f"s{number}", f"f{number}", given))
        for arm, value in arms.items():
            rows.append(_score(arm, "context", "choice@1", f"s{number}", f"f{number}", value))
    for number in range(unseen_families if unseen is not None else 0):
        off = unseen_spread if number % 2 else -unseen_spread
        for arm, value in (("base", 0.5), ("adapter", 0.5 + (unseen or 0.0) + off)):
            rows.append(_score(arm, "symbol", "choice@1", f"u{number}", f"h{number}", value))
    for number in range(5):
        for arm, value in (("base", 2.0), ("adapter", 2.0 * (1 + general))):
            rows.append(_score(arm, "general", "bits", f"g{number}", f"m{number}.py", value))
    return rows


def _score(arm: str, split: str, metric: str, item: str, family: str, value: float) -> Score:
    return Score(run="run", arm=arm, split=split, metric=metric, item=item, family=family, value=value)


@pytest.mark.parametrize(
    ("worse", "outcome"),
    [({"bug": 0.1, "doc": -0.02}, PUBLISH), ({"bug": 0.1, "doc": 0.03}, REJECTED), ({"bug": math.nan}, REJECTED)],
)
def test_rows_of_other_kinds_may_not_get_much_worse(worse: dict[str, float], outcome: str) -> None:
    """Each kind counts the same, however many rows it has and bits these take; of none nothing is asked."""
    rows = scores()
    for kind, count, bits in (("bug", 5, 0.2), ("doc", 30, 2.0)):
        rows += _of_kind(kind, count if kind in worse else 0, bits, worse.get(kind, 0.0))
    decision = gate.decide(rows, SETTINGS)
    assert decision.outcome == outcome
    assert ("rows of other kinds got too much worse" in decision.reason) == (outcome == REJECTED)
    assert "(limit +5%); base+docs" in decision.reason
    assert "of other kinds" not in gate.decide(scores(), SETTINGS).reason


def test_kinds_of_few_families_are_left_out_and_said() -> None:
    """One row, or thirty of one family, tell nothing of a kind; both splits together may."""
    rows = [*scores(), *_of_kind("bug", 1, 2.0, 0.9), *_of_kind("doc", 4, 2.0, 0.02)]
    decision = gate.decide(rows, SETTINGS)
    assert decision.outcome == PUBLISH
    assert "; rows of other kinds: too few families to tell of doc, bug; base+docs" in decision.reason
    docs = [row for row in rows if row.metric == "bits_doc"]
    rows += [_score(s.arm, "context", s.metric, f"more {s.item}", "another", s.value) for s in docs]
    decision = gate.decide(rows, SETTINGS)
    assert "rows of other kinds +2.0% (limit +5%; too few families to tell of bug); base+docs" in decision.reason


def _of_kind(kind: str, families: int, bits: float, worse: float) -> list[Score]:
    """Rows of a kind, one of each family, whose answers got less likely by a share."""
    return [
        _score(arm, "symbol", f"bits_{kind}", f"{kind}{number}", f"r{number}", value)
        for number in range(families)
        for arm, value in (("base", bits), ("adapter", bits * (1 + worse)))
    ]


def test_sure_gain_is_published_and_the_reason_says_what_was_not_measured() -> None:
    """A gain with its interval above zero, at little harm, is published."""
    decision = gate.decide(scores(), SETTINGS)
    assert decision.outcome == PUBLISH
    assert "base+docs: not informative" in decision.reason
    assert "never trained on: not measured" in decision.reason
    assert "30 families" in decision.reason
    assert "\n" not in decision.reason


@pytest.mark.parametrize(
    ("case", "outcome", "said"),
    [
        ({"gain": 0.02}, REJECTED, "is not sure"),
        ({"gain": -0.3}, REJECTED, "is not sure"),
        ({"general": 0.12}, REJECTED, "general code got too much worse"),
        ({"general": math.nan}, REJECTED, "general code got too much worse"),
        ({"docs": None}, UNDECIDED, "base with the docs in its prompt was not measured"),
        ({"shown": 0.4}, UNDECIDED, "Docs stood in front of 40% of the prompts"),
        ({"shown": 0.5}, PUBLISH, "not informative"),
        ({"docs": math.nan}, REJECTED, "the base with the docs in its prompt does as well"),
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
def test_decisions(case: dict[str, float | None], outcome: str, said: str) -> None:
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


def test_trying_again_makes_no_harm_less_sure() -> None:
    """Families never trained on that surely fell at the first decision surely fell at the sixth, too."""
    rows = scores(spread=0.1, unseen=-0.04, unseen_spread=0.06)
    for before in (0, 5):
        reason = gate.decide(rows, SETTINGS, previous_decisions=before).reason
        assert reason.startswith("Rejected, as families that nothing was trained on got worse")


def test_harm_without_an_upper_end_is_harm() -> None:
    """Where nearly all unseen families fell alike an interval has no end: that isn't for want of families."""
    rows = scores()
    for number, change in enumerate((-0.2, -0.2, -0.2, -0.2, 0.1)):
        for arm, value in (("base", 0.5), ("adapter", 0.5 + change)):
            rows.append(_score(arm, "symbol", "choice@1", f"u{number}", f"h{number}", value))
    decision = gate.decide(rows, SETTINGS)
    assert decision.outcome == REJECTED
    assert "-0.14 no interval" in decision.reason


def test_noise_is_published_at_most_3_percent_of_the_time() -> None:
    """The gate's own rule, on the stored paired scores with cluster-wise flipped signs."""
    values = intervals.family_differences(scores(), split="context", metric="choice@1")
    assert intervals.accepted_by_chance(values) <= 0.03
    assert intervals.accepted_when_planted(values, 0.3) >= 0.8


def test_report_has_a_row_for_each_arm_and_the_difference() -> None:
    """Arms and their paired differences, all with the decision."""
    rows = scores()
    decision = gate.decide(rows, SETTINGS)
    table = {(r.split, r.metric, r.arm): r for r in report.rows(rows, decision, run="run", domain="d")}
    assert set(table) == {
        ("context", "choice@1", "base"),
        ("context", "choice@1", "adapter"),
        ("context", "choice@1", "adapter-base"),
        ("context", "choice@1", "base+docs"),
        ("context", "choice@1", "adapter-base+docs"),
        ("context", "choice@1", "base+docs-base"),
        ("context", "docs", "base+docs"),
        ("general", "bits", "base"),
        ("general", "bits", "adapter"),
        ("general", "bits", "adapter-base"),
    }
    gain = table["context", "choice@1", "adapter-base"]
    assert gain.value == pytest.approx(0.3)
    assert gain.ci_low is not None and gain.ci_low > 0
    assert gain.p is not None and gain.p < 0.025
    assert {r.decision for r in table.values()} == {PUBLISH}
    assert len({r.id for r in table.values()}) == 10


def test_report_tells_what_docs_give_and_what_is_left_of_the_gain() -> None:
    """Where the arm was measured, the adapter's difference from it and its own from the base stand in rows."""
    rows = scores(docs=0.1, spread=0.1)
    told = report.rows(rows, gate.decide(rows, SETTINGS), run="run", domain="d")
    table = {r.arm: r for r in told if (r.split, r.metric) == ("context", "choice@1")}
    assert {arm: r.value and round(r.value, 6) for arm, r in table.items()} == {
        "base": 0.2, "base+docs": 0.3, "adapter": 0.5,
        "adapter-base": 0.3, "adapter-base+docs": 0.2, "base+docs-base": 0.1,
    }  # fmt: skip


def test_the_reason_says_how_often_docs_were_shown() -> None:
    """Docs that hardly ever fit or hit would be no rival: their share stands beside what is said of them."""
    rows = scores(docs=0.1, spread=0.1)
    for number in range(30):
        rows.append(_score("base+docs", "context", "docs_right", f"s{number}", f"f{number}", float(number < 24)))
    said = "docs in front of 100% of the prompts by family, the right ones of 80%"
    assert said in gate.decide(rows, SETTINGS).reason


def test_p_is_of_a_gain_where_less_is_better_too() -> None:
    """General code that got worse has a p near 1, and its difference and interval stay as they are: above zero."""
    rows = scores(general=0.02)
    told = report.rows(rows, gate.decide(rows, SETTINGS), run="r", domain="d")
    table = {r.metric: r for r in told if r.arm == report.DIFFERENCE}
    worse = table["bits"]
    assert (worse.value, worse.ci_low, worse.ci_high) == pytest.approx((0.04, 0.04, 0.04))
    assert worse.p == 1.0
    adjusted = report.adjusted(list(table.values()))
    assert adjusted[worse.id] == 1.0
    assert adjusted[table["choice@1"].id] == pytest.approx(2 * (table["choice@1"].p or 0))


def test_a_less_likely_old_call_is_no_loss() -> None:
    """More bits of the old call are what training is for: its p is that of a rise, the new call's that of a fall."""
    rows = [
        _score(arm, "context", metric, f"s{number}", f"f{number}", 2.0 + (change if arm == "adapter" else 0.0))
        for number in range(12)
        for metric, change in (("bits_new", -0.5), ("bits_old", 0.5))
        for arm in ("base", "adapter")
    ]
    told = report.rows(rows, gate.decide(rows, SETTINGS), run="r", domain="d")
    found = {r.metric: r for r in told if r.arm == report.DIFFERENCE}
    assert {name: r.value for name, r in found.items()} == {"bits_new": -0.5, "bits_old": 0.5}
    assert all(r.p is not None and r.p < 0.001 for r in found.values())
