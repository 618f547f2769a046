"""What the gate saw, ready to be drawn: values with intervals on one scale, the decision's own metric first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import ARMS, Adapter

GAIN = "adapter-base"
"""The arm of the paired difference that decides."""

_GOAL = re.compile(r"(\S+) on (\w+) [+-]")
_MARGIN = 0.06


@dataclass(frozen=True)
class Mark:
    """A value with its interval, and where they lie on the scale that its neighbours share.

    Attributes:
        name: The arm, or the split.
        value: The value.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        at: Where the value lies, in percent of the width; likewise `from_` and `to`.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    at: float
    from_: float
    to: float

    @property
    def shape(self) -> str:
        """What the value is drawn as, told apart without colour: open for the base, square with docs."""
        return ("open" if self.name.startswith("base") else "filled") + (
            "-square" if self.name.endswith("+docs") else "-round"
        )


@dataclass(frozen=True)
class Plot:
    """Marks on one scale.

    Attributes:
        title: Metric and split.
        marks: The marks, in the order of the arms.
        low: What the left edge stands for.
        high: What the right edge stands for.
        line: Where a line to compare with is drawn (the base's value, or nought), in percent; None for none.
    """

    title: str
    marks: tuple[Mark, ...]
    low: float
    high: float
    line: float | None


@dataclass(frozen=True)
class Gate:
    """A version's report.

    Attributes:
        decision: publish, rejected or undecided; empty where there is no report.
        reason: Why.
        metric: The metric that decided.
        split: The split that decided.
        gain: The decision's gain over the base, on the scale from `gains`; None where it wasn't measured.
        rows: All of the report's rows.
    """

    decision: str
    reason: str
    metric: str
    split: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def goal(self) -> Mapping[str, Any] | None:
        """The row of the gain that decided."""
        return next(
            (r for r in self.rows if (r["metric"], r["split"], r["arm"]) == (self.metric, self.split, GAIN)), None
        )


def gate_of(adapter: Adapter) -> Gate:
    """The report that a version was published with."""
    report: Mapping[str, Any] = adapter.report if isinstance(adapter.report, Mapping) else {}
    rows = tuple(row for row in report.get("rows", ()) if isinstance(row, Mapping))
    reason = str(report.get("reason", ""))
    named = _GOAL.search(reason)
    metric, split = (named[1], named[2]) if named else ("choice@1", "context")
    return Gate(str(report.get("decision", "")), reason, metric, split, rows)


def arms(gate: Gate) -> list[Plot]:
    """The arms in the decision's metric, one plot a split, the decision's own first."""
    mine = [row for row in gate.rows if row["metric"] == gate.metric and row["arm"] in ARMS]
    splits = sorted({str(row["split"]) for row in mine}, key=lambda split: (split != gate.split, split))
    scale = _scale(mine)
    return [_arms(gate.metric, split, [row for row in mine if row["split"] == split], scale) for split in splits]


def gains(gate: Gate) -> Plot | None:
    """The gain over the base in the decision's metric, a mark a split; None where none was measured."""
    mine = [row for row in gate.rows if row["metric"] == gate.metric and row["arm"] == GAIN]
    mine.sort(key=lambda row: (row["split"] != gate.split, row["split"]))
    if not any(row["value"] is not None for row in mine):
        return None
    low, high = _scale([*mine, {"value": 0.0}])
    marks = tuple(_mark(row, str(row["split"]), low, high) for row in mine if row["value"] is not None)
    return Plot(f"Gain in {gate.metric} over the base", marks, low, high, _at(0.0, low, high))


def goals(gates: Iterable[Gate]) -> list[Mark | None]:
    """The gain that each of several versions was published for, on one scale from below nought to above the best."""
    found = [gate.goal for gate in gates]
    low, high = _scale([*(row for row in found if row), {"value": 0.0}])
    return [_mark(row, "", low, high) if row and row["value"] is not None else None for row in found]


def nought(gates: Sequence[Gate]) -> float:
    """Where nought lies on the scale of `goals`, in percent."""
    low, high = _scale([*(goal for gate in gates if (goal := gate.goal)), {"value": 0.0}])
    return _at(0.0, low, high)


def others(gate: Gate) -> list[dict[str, Any]]:
    """Every metric and split: a row each, with the arms' values, the gain and its interval."""
    by: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in gate.rows:
        by.setdefault((str(row["metric"]), str(row["split"])), {})[str(row["arm"])] = row
    return [
        {
            "metric": metric,
            "split": split,
            "arms": [held.get(arm, {}).get("value") for arm in ARMS],
            "gain": held.get(GAIN, {}).get("value"),
            "low": held.get(GAIN, {}).get("ci_low"),
            "high": held.get(GAIN, {}).get("ci_high"),
            "n": next(iter(held.values()))["n"],
            "clusters": next(iter(held.values()))["clusters"],
        }
        for (metric, split), held in sorted(by.items())
    ]


def _arms(metric: str, split: str, rows: Sequence[Mapping[str, Any]], scale: tuple[float, float]) -> Plot:
    by = {row["arm"]: row for row in rows if row["value"] is not None}
    marks = tuple(_mark(by[arm], arm, *scale) for arm in ARMS if arm in by)
    base = by.get("base")
    return Plot(f"{metric} on {split}", marks, *scale, _at(base["value"], *scale) if base else None)


def _scale(rows: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """The ends of a scale that holds these values and their intervals, with some room."""
    held = [float(v) for row in rows for name in ("value", "ci_low", "ci_high") if (v := row.get(name)) is not None]
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    room = (high - low or 1.0) * _MARGIN
    return low - room, high + room


def _mark(row: Mapping[str, Any], name: str, low: float, high: float) -> Mark:
    value = float(row["value"])
    ends = (row.get("ci_low"), row.get("ci_high"))
    first, last = ends if None not in ends else (value, value)
    places = (_at(value, low, high), _at(float(first or 0), low, high), _at(float(last or 0), low, high))
    return Mark(
        name, value, *(ends if None not in ends else (None, None)), int(row["n"]), int(row["clusters"]), *places
    )


def _at(value: float, low: float, high: float) -> float:
    return round(100 * (value - low) / (high - low), 2)
