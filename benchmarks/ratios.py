"""What all benchmarks share: sides measured in turns, a ratio a round, their median, the table, the exit code."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Target:
    """What a figure is wanted to be.

    Attributes:
        name: As the issue names it.
        wanted: The bound.
        better: `higher` or `lower`.
    """

    name: str
    wanted: float
    better: str = "higher"

    def met(self, value: float | None) -> bool:
        """Whether a value is as wanted; one that was not measured is not."""
        if value is None:
            return False
        return value >= self.wanted if self.better == "higher" else value <= self.wanted


@dataclass(frozen=True)
class Result:
    """The median of the rounds' ratios; None where nothing could be measured.

    Attributes:
        target: What is wanted.
        ratios: One a round.
        shown: What the table says beside it, by column.
        why: Why nothing was measured.
    """

    target: Target
    ratios: Sequence[float]
    shown: dict[str, str]
    why: str = ""

    @property
    def value(self) -> float | None:
        """The median, with the digits that are shown and judged."""
        return rounded(statistics.median(self.ratios)) if self.ratios else None

    def line(self) -> str:
        """As a line of JSON."""
        target = asdict(self.target)
        row = {"name": target["name"], "value": self.value, "wanted": target["wanted"], "better": target["better"]}
        return json.dumps({**row, "n": len(self.ratios)})


def rounded(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")


def in_turns(rounds: int, sides: Sequence[Callable[[], float]]) -> list[list[float]]:
    """What each side gives, round by round; every other round in reverse, so that none is always first."""
    made: list[list[float]] = []
    for number in range(rounds):
        order = list(range(len(sides)))
        if number % 2:
            order.reverse()
        found = {index: sides[index]() for index in order}
        made.append([found[index] for index in range(len(sides))])
    return made


def table(results: Sequence[Result]) -> str:
    """The results for people, one a line."""
    extra = list(dict.fromkeys(name for result in results for name in result.shown))
    header = ["", "ratio", "wanted", "", "lowest..highest", "n", *extra]
    rows = [header, *([*_cells(result), *(result.shown.get(name, "") for name in extra)] for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"{r.target.name} was not measured: {r.why}" for r in results if r.why)])


def _cells(result: Result) -> list[str]:
    sign = "at least" if result.target.better == "higher" else "at most"
    spread = f"{min(result.ratios):.3g}..{max(result.ratios):.3g}" if result.ratios else ""
    value = "-" if result.value is None else f"{result.value:g}"
    verdict = "met" if result.target.met(result.value) else "MISSED"
    return [result.target.name, value, f"{sign} {result.target.wanted:g}", verdict, spread, str(len(result.ratios))]


def exit_code(results: Sequence[Result]) -> int:
    """0 where everything is as wanted, else 1."""
    return 0 if all(result.target.met(result.value) for result in results) else 1
