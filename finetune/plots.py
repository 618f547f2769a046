"""Plots of a report's page as inline SVG: an interval, a bar for each family, a loss by step.

Drawings hold no text but their titles, as they are stretched to the width they get; what names and numbers them stands
beside them in HTML. Colours and strokes are the page's classes: `win`, `loss`, `even`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

SMOOTHED = 10
"""Steps that a loss is averaged over, as single batches are noisy."""


@dataclass(frozen=True)
class Scale:
    """The values at the two ends of an axis."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float]) -> Scale:
        """From the least to the greatest of the values, zero among them."""
        found = [0.0, *values]
        return cls(min(found), max(found))

    def at(self, value: float) -> float:
        """Where a value lies, from 1 to 99: marks at the ends stay whole."""
        return 1 + 98 * (value - self.low) / ((self.high - self.low) or 1)


def estimate(value: float, low: float | None, high: float | None, scale: Scale, kind: str) -> str:
    """A value as an upright mark, its interval as a line through it, and the axis at zero."""
    zero, at = scale.at(0), scale.at(value)
    drawn = [f'<line class="axis" x1="{zero:.2f}" x2="{zero:.2f}" y1="0" y2="10"/>']
    if low is not None and high is not None:
        drawn.append(f'<line class="{kind}" x1="{scale.at(low):.2f}" x2="{scale.at(high):.2f}" y1="5" y2="5"/>')
    drawn.append(f'<line class="{kind} value" x1="{at:.2f}" x2="{at:.2f}" y1="2" y2="8"/>')
    return svg("estimate", 10, drawn)


def bars(values: Mapping[str, float]) -> str:
    """A bar for each name, up or down from zero, the greatest first; a pointer that rests on one is told its name."""
    ranked = sorted(values.items(), key=lambda named: (-named[1], named[0]))
    most = max((abs(value) for value in values.values()), default=0.0) or 1.0
    width = 100 / max(1, len(ranked))
    drawn = ['<line class="axis" x1="0" x2="100" y1="50" y2="50"/>']
    for place, (name, value) in enumerate(ranked):
        height = 48 * abs(value) / most
        kind = "win" if value > 0 else "loss" if value < 0 else "even"
        top = 50 - height if value > 0 else 50
        drawn.append(
            f'<rect class="{kind}" x="{width * (place + 0.1):.2f}" y="{top if height else 49.5:.2f}" '
            f'width="{width * 0.8:.2f}" height="{height or 1:.2f}">'
            f"<title>{html.escape(name)} {value:+.2f}</title></rect>"
        )
    return svg("bars", 100, drawn)


def curve(points: Sequence[tuple[float, float]]) -> str:
    """A value by step, from the least to the greatest: each step's, and their running mean."""
    values = [value for _, value in points]
    last, scale = points[-1][0] or 1.0, Scale(min(values), max(values))
    means = zip((step for step, _ in points), running_mean(values), strict=True)
    drawn = ['<line class="axis" x1="0" x2="100" y1="99.5" y2="99.5"/>']
    for kind, line in (("faint", points), ("mean", means)):
        at = " ".join(f"{100 * step / last:.2f},{100 - scale.at(value):.2f}" for step, value in line)
        drawn.append(f'<polyline class="{kind}" points="{at}"/>')
    return svg("curve", 100, drawn)


def running_mean(values: Sequence[float]) -> list[float]:
    """The mean of each value and the nine before it."""
    sums = [0.0, *accumulate(values)]
    return [(sums[n] - sums[max(0, n - SMOOTHED)]) / min(n, SMOOTHED) for n in range(1, len(sums))]


def svg(kind: str, height: int, drawn: Iterable[str]) -> str:
    """A drawing 100 wide that takes the width and height its class has."""
    head = f'<svg aria-hidden="true" class="{kind}" viewBox="0 0 100 {height}" preserveAspectRatio="none">'
    return f"{head}{''.join(drawn)}</svg>"
