"""Which families won and which lost, on the items that base and adapter were both scored on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from finetune.evaluation import sign
from registry.records import ARMS, Score


class Families:
    """The scores of one metric on one split, by family.

    Args:
        scores: Scores of every arm; items that base or adapter lack are left out.
    """

    def __init__(self, scores: Iterable[Score]) -> None:
        self._values: dict[str, dict[str, float]] = {}
        self._sign = 1
        self.items: dict[str, list[str]] = {}
        family: dict[str, str] = {}
        for s in scores:
            self._values.setdefault(s.arm, {})[s.item] = s.value
            self._sign = sign(s.metric)
            family[s.item] = s.family
        both = set(self._values.get("base", ())) & set(self._values.get("adapter", ()))
        for item in sorted(both):
            self.items.setdefault(family[item], []).append(item)

    @cached_property
    def gains(self) -> dict[str, float]:
        """Family -> mean gain of its items over the base, the greatest first."""
        found = {family: sum(map(self.gain, items)) / len(items) for family, items in self.items.items()}
        return dict(sorted(found.items(), key=lambda named: (-named[1], named[0])))

    @property
    def won(self) -> list[str]:
        """Families that gained, the greatest gain first."""
        return [family for family, gain in self.gains.items() if gain > 0]

    @property
    def lost(self) -> list[str]:
        """Families that lost, the greatest loss first."""
        return [family for family, gain in reversed(self.gains.items()) if gain < 0]

    def gain(self, item: str) -> float:
        """By how much the adapter is better than the base at one item."""
        return self._sign * (self._values["adapter"][item] - self._values["base"][item])

    def means(self, items: Sequence[str]) -> dict[str, float]:
        """Arm -> its mean over these items, of those that it has; arms with none are left out."""
        found = {
            arm: [self._values[arm][i] for i in items if i in self._values[arm]] for arm in ARMS if arm in self._values
        }
        return {arm: sum(values) / len(values) for arm, values in found.items() if values}
