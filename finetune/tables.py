"""Tables of a report's page: paired differences and arms, each with its interval drawn beside its figures."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from finetune import plots, report, row_metrics
from finetune.evaluation import LESS_IS_BETTER
from finetune.intervals import SHARES
from finetune.plots import Scale
from registry.records import ARMS, Report


def gains(rows: Sequence[Report], goal: tuple[str, str]) -> str:
    """The adapter's differences from the base, the goal's (split, metric) first, and how to read their p."""
    compared = [r for r in rows if r.metric not in row_metrics.METRICS]
    found = _lines(compared, [report.DIFFERENCE], report.adjusted(rows), goal)
    if not found:
        return "<p>Nothing was measured.</p>"
    less = html.escape(", ".join(sorted(LESS_IS_BETTER - {*row_metrics.METRICS})))
    told = (
        f'<p class="soft">p is one-sided, of a gain: of a fall where less is better ({less}). After Holm: what is left '
        "of it for whoever looks at every difference of this report. The gate needs no such correction, as each of its "
        "conditions can only say no. Intervals are made at the decision's alpha a side: of 95% at the first one on a "
        "held-out set, wider at each further one.</p>"
    )
    return _table(("split", "metric"), _DIFFERENCE, found) + told


def by_kind(rows: Sequence[Report]) -> str:
    """Held-out rows of other kinds than call sites: each arm's figure, and the adapter's difference from the base."""
    found = {(r.split, r.metric, r.arm): r for r in rows if r.metric in row_metrics.METRICS}
    lines = []
    for split, metric in sorted({key[:2] for key in found}):
        cells = [_figure(found.get((split, metric, arm)), ".3f") for arm in ARMS]
        gain = found.get((split, metric, report.DIFFERENCE))
        of = found.get((split, metric, ARMS[0])) or gain
        lines.append(
            _line((split, metric), (*cells, _figure(gain, "+.3f"), of.n if of else "", of.clusters if of else ""))
        )
    if not lines:
        return ""
    gaps = any(metric == "bits_fim" for _, metric, _ in found)
    told = "Bits are bits per byte of the answer: less is better. Nothing is decided by these."
    none = "" if gaps else " Gaps (fim) aren't measured where the base has no control tokens to fill them in."
    return _table(("split", "metric"), (*ARMS, report.DIFFERENCE, "rows", "families"), lines) + (
        f'<p class="soft">{told}{none}</p>'
    )


def _figure(row: Report | None, form: str) -> str:
    """A value with its interval; nothing where it wasn't measured."""
    if row is None or row.value is None:
        return ""
    return f'{row.value:{form}} <span class="soft">{_interval(row, form)}</span>'


def other_differences(rows: Sequence[Report], metric: str) -> str:
    """The differences of other arms than adapter and base in one metric; nothing where there are none."""
    names = [n for n in dict.fromkeys(r.arm for r in rows) if n not in (report.DIFFERENCE, *ARMS)]
    found = _lines([r for r in rows if r.metric == metric], names, report.adjusted(rows))
    return _table(("difference", "split", "metric"), _DIFFERENCE, found) if found else ""


def arms(rows: Sequence[Report]) -> str:
    """Every arm that was built: shares on a scale from 0 to 1, other metrics on one of their own."""
    found = [r for r in rows if r.arm in ARMS and r.value is not None and r.metric not in row_metrics.METRICS]
    lines = []
    for r in sorted(found, key=lambda r: (r.split, r.metric, ARMS.index(r.arm))):
        scale = Scale(0, 1) if r.metric in SHARES else _scale(o for o in found if o.metric == r.metric)
        value = float(r.value or 0)
        drawn = plots.estimate(value, r.ci_low, r.ci_high, scale, "win" if "adapter" in r.arm else "even")
        cells = (f"{value:.3f}", drawn, _interval(r, ".3f"), r.n, r.clusters)
        lines.append(_line((r.split, r.metric, r.arm), cells))
    return _table(("split", "metric", "arm"), ("value", "", "interval", "items", "families"), lines) if lines else ""


_DIFFERENCE = ("gain", "", "interval", "p", "after Holm", "items", "families")


def _lines(
    rows: Sequence[Report], names: Sequence[str], adjusted: Mapping[str, float], goal: tuple[str, str] | None = None
) -> list[str]:
    found = [r for r in rows if r.arm in names and r.value is not None]
    scale = _scale(found)
    lines = []
    for r in sorted(found, key=lambda r: (r.arm, (r.split, r.metric) != goal, r.split, r.metric)):
        value = float(r.value or 0)
        drawn = plots.estimate(value, r.ci_low, r.ci_high, scale, _kind(r))
        figures = (_interval(r, "+.3f"), _p(r.p), _p(adjusted.get(r.id)), r.n, r.clusters)
        named = (r.split, r.metric) if goal else (r.arm, r.split, r.metric)
        lines.append(_line(named, (f"{value:+.3f}", drawn, *figures), goal=(r.split, r.metric) == goal))
    return lines


def _scale(rows: Iterable[Report]) -> Scale:
    return Scale.over(v for r in rows for v in (r.value, r.ci_low, r.ci_high) if v is not None)


def _kind(row: Report) -> str:
    """Whether a difference is surely a gain, surely a loss, or neither."""
    if row.ci_low is None or row.ci_high is None or row.ci_low <= 0 <= row.ci_high:
        return "even"
    return "win" if (row.ci_low > 0) != (row.metric in LESS_IS_BETTER) else "loss"


def _interval(row: Report, form: str) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    low, high = (round(end, 3) + 0.0 for end in (row.ci_low, row.ci_high))  # no -0.000
    return f"[{low:{form}}, {high:{form}}]"


def _p(value: float | None) -> str:
    return "" if value is None else "&lt; 0.0001" if value < 1e-4 else f"{value:.4f}"


def _line(named: Sequence[Any], cells: Sequence[Any], *, goal: bool = False) -> str:
    """A line: names come from rows and are escaped, cells were made here."""
    told = "".join(f'<td class="name">{html.escape(str(n))}</td>' for n in named) + "".join(
        f"<td>{c}</td>" for c in cells
    )
    return f'<tr class="goal">{told}</tr>' if goal else f"<tr>{told}</tr>"


def _table(named: Sequence[str], columns: Sequence[str], lines: Iterable[str]) -> str:
    head = "".join(f'<th class="name">{n}</th>' for n in named) + "".join(f"<th>{c}</th>" for c in columns)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
