"""Intervals and tests over few families: they accept as little noise as they say, and see effects that are there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from finetune import intervals
from registry.records import Score


def score(arm: str, item: str, family: str, value: float, metric: str = "choice@1", split: str = "context") -> Score:
    return Score(run="run", arm=arm, split=split, metric=metric, item=item, family=family, value=value)


def stored(differences: dict[str, list[float]]) -> list[Score]:
    """Scores of both arms whose differences, by family, are these."""
    rows = []
    for family, values in differences.items():
        for number, value in enumerate(values):
            item = f"{family}-{number}"
            rows += [score("base", item, family, 0.5), score("adapter", item, family, 0.5 + value)]
    return rows


def seen(families: int = 30, mean: float = 0.25, seed: int = 1) -> list[float]:
    """Family differences like those of a real run: many zeros, some whole steps, a mean of `mean`."""
    rng = np.random.default_rng(seed)
    values = rng.choice([0.0, 0.0, 0.5, 1.0, -0.5, 0.25], size=families) + rng.normal(0, 0.05, size=families)
    return (values - values.mean() + mean).tolist()


def test_each_family_counts_once() -> None:
    """A family with a hundred call sites has no more weight than one with a single site."""
    rows = stored({"a": [1.0], "b": [0.0] * 100, "c": [0.5]})
    found = intervals.difference(rows, split="context", metric="choice@1")
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert (found.n, found.clusters) == (102, 3)


def test_only_items_of_both_arms_are_compared() -> None:
    """A site that one arm has no score for is left out."""
    rows = [score("base", "x", "a", 0), score("adapter", "y", "a", 1)]
    assert intervals.difference(rows, split="context", metric="choice@1") is None


@pytest.mark.parametrize("families", [1, 2, 3, 7, 12])
def test_sign_flip_counts_every_pattern(families: int) -> None:
    """Meeting in the middle gives what going through all patterns gives."""
    values = np.random.default_rng(families).normal(0.3, 1, size=families)
    patterns = itertools.product((-1, 1), repeat=families)
    reached = [np.dot(signs, np.abs(values)) >= values.sum() - 1e-9 for signs in patterns]
    assert intervals.sign_flip(values.tolist()) == pytest.approx(np.mean(reached))


def test_sign_flip_of_many_families_is_sampled_near_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the exact limit random patterns are counted, and agree with the exact value."""
    values = seen(20, mean=0.15)
    exact = intervals.sign_flip(values)
    monkeypatch.setattr(intervals, "EXACT", 5)
    assert intervals.sign_flip(values) == pytest.approx(exact, abs=0.002)


def test_patterns_are_drawn_once_for_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of planted effects that are seen is the same as where each is tested by itself."""
    monkeypatch.setattr(intervals, "EXACT", 5)
    monkeypatch.setattr(intervals, "FLIPS", 5000)
    values = seen(20, mean=0.2)
    signs = np.random.default_rng(0).integers(0, 2, size=(20, 40)) * 2.0 - 1.0
    table = 0.2 + (np.array(values) - np.mean(values))[:, None] * signs
    above = [column.tolist() for column in table.T if (intervals.interval(column.tolist())[0] or 0) > 0]
    alone = sum(intervals.sign_flip(column) <= 0.025 for column in above) / 40
    assert intervals.accepted_when_planted(values, 0.2, draws=40) == alone > 0


def test_families_that_agree_exactly_have_no_spread() -> None:
    """Where every family gains the same, the interval is that value, and nothing is divided by zero."""
    assert intervals.interval([0.25] * 12) == (0.25, 0.25)
    assert intervals.interval([0.0] * 12) == (0.0, 0.0)


@pytest.mark.parametrize("values", [[0.1, 0.9], [0.0, 1.0, 0.5, 0.0], [1e9, 0.0, 0.0, 0.0, 0.0]])
def test_few_families_have_no_made_up_interval(values: list[float]) -> None:
    """Under five families, or where resamples have no spread, an end is missing rather than invented."""
    assert None in intervals.interval(values)


@pytest.mark.parametrize("families", [8, 12, 20, 34])
def test_flipped_signs_are_accepted_at_most_3_percent(families: int) -> None:
    """With the families' signs flipped at random, 2,000 times, no more than 3% count as a gain."""
    assert intervals.accepted_by_chance(seen(families)) <= 0.03


def test_planted_effect_is_seen() -> None:
    """An effect of the size of a real run's, planted in its own noise, is accepted at least 80% of the time."""
    assert intervals.accepted_when_planted(seen(30), 0.30) >= 0.80


@pytest.mark.parametrize("families", [12, 16])
def test_interval_covers_what_it_says(families: int) -> None:
    """At 12 and 16 skewed families the interval's lower end is above the true mean in about 2.5% of samples."""
    rng = np.random.default_rng(0)
    table = rng.exponential(1.0, size=(families, 1500)) - 1.0
    low, high = intervals.intervals(table, 0.025)
    assert np.mean(low > 0) <= 0.035
    assert np.mean((low <= 0) & (high >= 0)) >= 0.88


def test_sign_turns_a_metric_where_less_is_better() -> None:
    """Bits that fall are a gain."""
    rows = stored({f"f{n}": [-0.3 - n / 100] for n in range(12)})
    found = intervals.difference(rows, split="context", metric="choice@1", sign=-1)
    assert found is not None
    assert found.gains(0.025)


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_multiplies_by_the_tests_that_are_left(ps: list[float], adjusted: list[float]) -> None:
    """The least p by their number, the next by one less, none below the one before, none above 1."""
    assert intervals.holm(ps) == pytest.approx(adjusted)


def test_interval_of_a_share_stays_among_shares() -> None:
    """Nine families, eight of which nearly agree, give a difference of shares no end above 1 or below -1."""
    values = {f"f{n}": [n * 1e-6] for n in range(8)} | {"last": [0.9]}
    found = intervals.difference(stored(values), split="context", metric="choice@1")
    low, high = intervals.interval([v for (v,) in values.values()])
    assert high is not None and high > 1
    assert found is not None and found.high == 1 and found.low == pytest.approx(low)
