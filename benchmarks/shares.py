"""Shares with their intervals: of what was counted, and of kinds of which a sample was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.audit import wilson


@dataclass
class Share:
    """How many of how many, and which not.

    Attributes:
        right: How many are right.
        n: Of how many that were judged.
        wrong: Those that are not.
        emitted: How many there are, judged or not; 0 where all were judged.
    """

    right: int = 0
    n: int = 0
    wrong: list[str] = field(default_factory=list)
    emitted: int = 0

    def add(self, right: bool, label: str) -> None:
        """Counts one."""
        self.n += 1
        self.right += right
        if not right:
            self.wrong.append(label)

    @property
    def value(self) -> float:
        """The share; 0 where there is nothing."""
        return self.right / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval; all there is where nothing was judged."""
        return wilson(self.right, self.n) if self.n else (0.0, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        of = f", {self.emitted} found" if self.emitted > self.n else ""
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]  {self.right} of {self.n}{of}"


@dataclass(frozen=True)
class Weighted:
    """A share over strata of which each was judged in part: each counts as often as there are things in it.

    What nobody has judged anything of counts as wrong.

    Attributes:
        strata: Each stratum's share.
    """

    strata: Mapping[object, Share]

    @property
    def emitted(self) -> int:
        """How many things there are."""
        return sum(_size(s) for s in self.strata.values())

    @property
    def n(self) -> int:
        """How many were judged."""
        return sum(s.n for s in self.strata.values())

    @property
    def value(self) -> float:
        """The share of all that is right, as far as the samples tell."""
        return sum(_size(s) * s.value for s in self.strata.values()) / self.emitted if self.emitted else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval, at the sample size that would vary as these strata do together.

        A stratum's own variance is that of (right + 1) of (n + 2), so that one in which all were right still has some.
        """
        if not self.n:
            return 0.0, 1.0
        rows = [(_size(s) / self.emitted, (s.right + 1) / (s.n + 2), s.n) for s in self.strata.values() if s.n]
        variance = sum(weight**2 * share * (1 - share) / n for weight, share, n in rows)
        share = sum(weight * share for weight, share, _ in rows)
        count = share * (1 - share) / variance
        return wilson(self.value * count, count)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]  {self.n} of {self.emitted} judged"


def _size(share: Share) -> int:
    return max(share.emitted, share.n)
