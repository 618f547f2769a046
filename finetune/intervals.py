"""Paired differences by family: a studentised bootstrap and an exact sign-flip test.

Families are few and their items alike, so the family is the unit: each counts once, with the mean of its items. A
percentile bootstrap over so few accepts too much noise (12% at 3 families, 4.3% at 12, where 2.5% is wanted);
studentised it is near what it promises, and the sign-flip test is exact under symmetry. A gain is one that both see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.records import Score

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DRAWS = 4999
"""Bootstrap resamples, with a fixed seed."""
FEWEST = 5
"""Under this many families no interval is given: it would be wider than the metric, or made up."""
EXACT = 34
"""Up to this many families every pattern of signs is counted (2 to the 34th, by meeting in the middle)."""
FLIPS = 200_000
"""Random patterns of signs above that, with a fixed seed."""
SHARES = frozenset(
    {"choice@1", "docs", "docs_right", "locate@1", "preference", "pass@1_doc", "pass@1_test", "pass@1_task"}
    | {"pass@1_bug", "fim_exact", "fim_similarity", "edit_scope", "form", "names"}
)
"""Metrics that are shares: over few families that nearly agree a studentised interval leaves what a share can be."""


@dataclass(frozen=True)
class Estimate:
    """A mean over families with its interval.

    Attributes:
        value: Mean over families of the means of their items.
        low: Lower end of the interval; null under five families.
        high: Upper end.
        p: One-sided sign-flip test of a mean above zero; null where the values are no differences.
        n: Items.
        clusters: Families.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    clusters: int

    def gains(self, alpha: float) -> bool:
        """Whether the whole interval (made at `alpha` a side) is above zero and the sign-flip test agrees."""
        return self.low is not None and self.low > 0 and self.p is not None and self.p <= alpha


def arm(scores: Iterable[Score], *, arm: str, split: str, metric: str, alpha: float = 0.025) -> Estimate | None:
    """One arm's mean with its interval; null where it wasn't measured."""
    values = _values(scores, arm, split, metric)
    return _estimate(_by_family(values), len(values), alpha, metric, paired=False) if values else None


def mean(scores: Iterable[Score], *, arm: str, split: str, metric: str) -> float | None:
    """One arm's mean over families, as `arm` has it, without its interval; null where it wasn't measured."""
    values = _values(scores, arm, split, metric)
    return _mean(_by_family(values)) if values else None


def difference(
    scores: Iterable[Score],
    *,
    split: str,
    metric: str,
    better: str = "adapter",
    than: str = "base",
    alpha: float = 0.025,
    sign: int = 1,
    tested: bool = True,
) -> Estimate | None:
    """The paired difference of two arms, over the items both have; null where there are none.

    Args:
        scores: Scores of both arms.
        split: The split.
        metric: The metric.
        better: The arm that comes first in the difference.
        than: The arm that is subtracted.
        alpha: Error allowed on each side.
        sign: -1 turns the difference around (where less is better).
        tested: Whether the sign-flip test is made.
    """
    rows = list(scores)
    first, second = _values(rows, better, split, metric), _values(rows, than, split, metric)
    both = {i: (family, sign * (v - second[i][1])) for i, (family, v) in first.items() if i in second}
    if not both:
        return None
    return _estimate(_by_family(both), len(both), alpha, metric, paired=True, tested=tested)


def family_differences(
    scores: Iterable[Score], *, split: str, metric: str, better: str = "adapter", than: str = "base"
) -> list[float]:
    """The mean paired difference of two arms in each family, by the family's name."""
    rows = list(scores)
    first, second = _values(rows, better, split, metric), _values(rows, than, split, metric)
    return _by_family({i: (family, v - second[i][1]) for i, (family, v) in first.items() if i in second})


def _values(scores: Iterable[Score], arm: str, split: str, metric: str) -> dict[str, tuple[str, float]]:
    return {s.item: (s.family, s.value) for s in scores if s.arm == arm and s.split == split and s.metric == metric}


def _by_family(values: Mapping[str, tuple[str, float]]) -> list[float]:
    groups: dict[str, list[float]] = {}
    for item in sorted(values):
        family, value = values[item]
        groups.setdefault(family, []).append(value)
    return [sum(groups[f]) / len(groups[f]) for f in sorted(groups)]


def _estimate(
    families: list[float], n: int, alpha: float, metric: str, *, paired: bool, tested: bool = True
) -> Estimate:
    low, high = interval(families, alpha)
    if metric in SHARES:
        least = -1.0 if paired else 0.0
        low, high = (None if end is None else min(max(end, least), 1.0) for end in (low, high))
    p = sign_flip(families) if paired and tested else None
    return Estimate(_mean(families), low, high, p, n, len(families))


def _mean(families: list[float]) -> float:
    return sum(families) / len(families)


def interval(values: list[float], alpha: float = 0.025) -> tuple[float | None, float | None]:
    """The studentised bootstrap interval of the mean, `alpha` on each side; nulls where it can't be had."""
    import numpy as np

    if len(values) < FEWEST:
        return None, None
    low, high = intervals(np.array(values)[:, None], alpha)
    return tuple(float(end[0]) if np.isfinite(end[0]) else None for end in (low, high))  # type: ignore[return-value]


def intervals(values: Array, alpha: float) -> tuple[Array, Array]:
    """Studentised bootstrap intervals of the means of the columns of `values`: (families, columns).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12.
    """
    import numpy as np

    families = len(values)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(families)
    picks = np.random.default_rng(0).integers(families, size=(DRAWS, families))
    counts = np.stack([(picks == f).sum(axis=1) for f in range(families)], axis=1).astype(float)
    low, high = np.empty_like(mean), np.empty_like(mean)
    for start in range(0, len(mean), 256):
        part = slice(start, start + 256)
        t = _studentised(values[:, part] - mean[part], counts)
        low[part] = mean[part] - _times(np.quantile(t, 1 - alpha, axis=0, method="inverted_cdf"), error[part])
        high[part] = mean[part] - _times(np.quantile(t, alpha, axis=0, method="inverted_cdf"), error[part])
    return low, high


def _studentised(centred: Array, counts: Array) -> Array:
    """The t statistic of each resample (rows) of each column; infinite where a resample has no spread."""
    import numpy as np

    families = len(centred)
    mean = counts @ centred / families
    variance = (counts @ centred**2 / families - mean**2) * families / (families - 1)
    scale = np.abs(centred).max(axis=0)
    flat = variance <= (1e-9 * scale) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(np.where(flat, np.nan, variance) / families)
    level = np.where(np.abs(mean) <= 1e-9 * scale, 0.0, np.copysign(np.inf, mean))
    return np.where(flat, level, t)


def _times(quantile: Array, error: Array) -> Array:
    """The product, and 0 where all families agree exactly, whatever the quantile."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.where(error == 0, 0.0, quantile * error)


def sign_flip(values: list[float]) -> float:
    """How often a sum at least this large comes when the families' signs are flipped: one-sided p.

    Exact up to `EXACT` families; above, from `FLIPS` random patterns, the observed one counted in.
    """
    import numpy as np

    return float(_sign_flips(np.array(values, dtype=float)[:, None])[0])


def _sign_flips(table: Array, patterns: Array | None = None) -> Array:
    """The one-sided p of each column, whose values differ in sign only: (families, columns).

    `patterns` are the random ones, (families, `FLIPS`), for a caller who asks often; they are drawn where it is None.
    """
    import numpy as np

    sizes = np.abs(table[:, 0])
    totals = table.sum(axis=0) - 1e-9 * sizes.sum()
    if len(sizes) > EXACT:
        patterns = _random_signs(len(sizes), FLIPS, seed=0) if patterns is None else patterns
        sums = np.sort(patterns.T @ sizes)
        return (FLIPS - np.searchsorted(sums, totals) + 1) / (FLIPS + 1)
    half = len(sizes) // 2
    left, right = np.sort(_sums(sizes[:half])), np.sort(_sums(sizes[half:]))
    below = np.array([np.searchsorted(right, total - left).sum() for total in totals])
    return 1 - below / 2 ** len(sizes)


def _sums(sizes: Array) -> Array:
    """Every sum of the values with either sign."""
    import numpy as np

    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def holm(ps: Sequence[float]) -> list[float]:
    """The p of each of several tests, so adjusted that whoever looks at all of them is seldom misled by any.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    adjusted, least = [1.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = least
    return adjusted


def accepted_by_chance(values: list[float], *, alpha: float = 0.025, draws: int = 2000, seed: int = 0) -> float:
    """The share of draws with randomly flipped signs of the families' differences that would count as a gain."""
    import numpy as np

    table = np.array(values, dtype=float)[:, None] * _random_signs(len(values), draws, seed)
    above = table[:, intervals(table, alpha)[0] > 0]
    return float((_sign_flips(above) <= alpha).sum()) / draws if above.size else 0.0


def accepted_when_planted(
    values: list[float], effect: float, *, alpha: float = 0.025, draws: int = 100, seed: int = 0
) -> float:
    """The share of draws counted as a gain when noise like the families' own lies around a true `effect`."""
    import numpy as np

    noise = np.array(values, dtype=float) - float(np.mean(values))
    table = effect + noise[:, None] * _random_signs(len(values), draws, seed)
    above = table[:, intervals(table, alpha)[0] > 0]
    patterns = _random_signs(len(values), FLIPS, seed=0) if len(values) > EXACT else None
    return sum(float(_sign_flips(column[:, None], patterns)[0]) <= alpha for column in above.T) / draws


def _random_signs(families: int, draws: int, seed: int) -> Array:
    import numpy as np

    return np.random.default_rng(seed).integers(0, 2, size=(families, draws)) * 2.0 - 1.0
