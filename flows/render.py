"""What commands share when they show something to a person: tables, blocks, diffs. Nothing here prints."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry.records import ARMS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

GOALS = ("choice@1", "preference")
"""Metrics that a domain may have for its goal."""


def text_of(value: Any) -> str:
    """A value as a person reads it: nothing for null, floats to three places, thousands apart in counts."""
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)


def grid(columns: Sequence[str], lines: Iterable[Iterable[Any]]) -> Table:
    """A table; columns that hold numbers alone stand right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(line) for line in lines]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for i, name in enumerate(columns):
        numbers = all(isinstance(line[i], (int, float, type(None))) for line in cells) and bool(cells)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for line in cells:
        table.add_row(*(Text(text_of(value)) for value in line))
    return table


def blocks(shown: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Rows that are too wide for a table: name and value below each other, texts with their lines."""
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    parts: list[RenderableType] = []
    for i, row in enumerate(shown):
        parts.append(Rule(f"row {i + 1}", align="left", style="dim"))
        for name, value in row.items():
            text = text_of(value).rstrip("\n")
            several = "\n" in text
            body = "\n" + "\n".join("    " + line for line in text.splitlines()) if several else f" {text}"
            parts.append(Text.assemble((f"{name}:", "bold"), body))
    return Group(*parts)


def diff(old: str, new: str, old_name: str, new_name: str, context: int = 2) -> Text:
    """A unified diff, coloured."""
    from rich.text import Text

    style = {"+": "green", "-": "red", "@": "cyan"}
    out = Text()
    lines = difflib.unified_diff(
        old.strip("\n").splitlines(), new.strip("\n").splitlines(), old_name, new_name, lineterm="", n=context
    )
    for line in lines:
        bold = line.startswith(("---", "+++"))
        out.append(line + "\n", "bold" if bold else style.get(line[:1], ""))
    out.rstrip()
    return out


def signed(value: float | None) -> str:
    """A difference with its sign; empty where it was not measured."""
    return "" if value is None else f"{value:+.3f}"


def interval(low: float | None, high: float | None) -> str:
    """`[+0.100, +0.300]`; empty where it was not measured."""
    return "" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"


def written_table(outcomes: Sequence[Mapping[str, Any]]) -> Table:
    """Writers and how their dialogues ended, against what became of the rows."""
    columns = ("writer", "model", "outcome", "dialogues", "rows", "proven", "kept", "in_snapshot")
    return grid(columns, [[row[c] for c in columns] for row in outcomes])


def gate_table(report: Sequence[Mapping[str, Any]]) -> Table:
    """One line a split and metric: the arms that were measured, and what the adapter gains over its base."""
    heads, *lines = gate_lines(report)
    return grid([head.replace("+", "\n+") for head in heads], lines)  # so that a line has room in 80 columns


def gate_lines(report: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The lines of that table, of which the first has the heads; of each split what may be the goal comes first."""
    by: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in report:
        by.setdefault((row["split"], row["metric"]), {})[row["arm"]] = row
    shown = [arm for arm in ARMS if any(arm in arms and arms[arm]["value"] is not None for arms in by.values())]
    order = sorted(by, key=lambda of: (of[0], of[1] not in GOALS, of[1]))
    lines = [[*of, *_line_of(by[of], shown)] for of in order if "adapter-base" in by[of]]
    return [["split", "metric", *shown, "gain", "interval"], *lines]


def _line_of(arms: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> list[Any]:
    gain = arms["adapter-base"]
    return [
        *(arms.get(arm, {}).get("value") for arm in shown),
        signed(gain["value"]),
        interval(gain["ci_low"], gain["ci_high"]),
    ]
