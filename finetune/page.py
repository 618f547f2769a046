"""A run's report as one self-contained HTML page: the decision, arms with intervals, wins and losses, the loss.

No script, no font and no picture from elsewhere; what comes from rows (scraped text, generated code) is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune import report
from finetune.evaluation import LESS_IS_BETTER
from registry.records import ARMS, Report, Run, Score

SHOWN = 5
"""Families that are shown with an example on either side."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #666c75; --line: #d8dce2; --page: #fff; --box: #f5f6f8;
  --good: #1a7f4b; --bad: #b3341f; --open: #94690a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --soft: #9aa1ab; --line: #3a3f47; --page: #16181c;
  --box: #1f2228; --good: #57c48b; --bad: #f08a75; --open: #e0b552; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.publish { color: var(--good); } .rejected { color: var(--bad); } .undecided { color: var(--open); }
.soft { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
pre { background: var(--box); padding: .6rem; overflow-x: auto; font-size: .85rem; line-height: 1.4; margin: .3rem 0; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.axis { stroke: var(--line); } .win { stroke: var(--good); fill: var(--good); }
.loss { stroke: var(--bad); fill: var(--bad); } .even { stroke: var(--soft); fill: var(--soft); }
.curve { fill: none; stroke: var(--good); stroke-width: 1.5; }
"""


@dataclass(frozen=True)
class Site:
    """A call site that was scored.

    Attributes:
        prompt: The code before the call.
        new: The call as it should be.
        others: What stood against it.
    """

    prompt: str
    new: str
    others: tuple[str, ...]


def page(
    run: Run, rows: Sequence[Report], scores: Iterable[Score], sites: Mapping[str, Site], *, split: str, metric: str
) -> str:
    """The page of one run.

    Args:
        run: The training run.
        rows: Its report.
        scores: Its scores; those of the goal are shown by family.
        sites: Item of a score -> its call site; where an item has none, its family is shown without an example.
        split: The goal's split.
        metric: The goal metric.
    """
    decision, reason = (rows[0].decision, rows[0].reason) if rows else ("undecided", "Nothing was measured")
    title = f"{run.domain}: {decision}"
    about = [("run", run.id), ("snapshot", run.snapshot), ("base", f"{run.base} {run.base_revision}")]
    about += [("seed", str(run.seed)), ("device", run.device), ("steps", f"{run.steps:,} in {run.seconds:,.0f} s")]
    parts = [
        f'<h1>{_text(run.domain)}: <span class="{_text(decision)}">{_text(decision)}</span></h1>',
        f"<p>{_text(reason)}.</p>",
        "<p>A trial of other settings: never published.</p>" if run.experiment else "",
        "<h2>Gain over the base</h2>" + _gains(rows) + _table(rows),
        f"<h2>Wins and losses by family: {_text(metric)} on {_text(split)}</h2>"
        + _families([s for s in scores if (s.split, s.metric) == (split, metric)], sites),
        "<h2>Loss</h2>" + _curves(run.curve),
        "<h2>Run</h2><dl>"
        + "".join(f'<dt class="soft">{_text(k)}</dt><dd><code>{_text(v)}</code></dd>' for k, v in about)
        + "</dl>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>\n{chr(10).join(filter(None, parts))}\n</body></html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _gains(rows: Sequence[Report]) -> str:
    """Each paired difference as a dot with its interval, on one scale."""
    found = [r for r in rows if r.arm == report.DIFFERENCE and r.value is not None]
    if not found:
        return "<p>Nothing was measured.</p>"
    ends = [v for r in found for v in (r.value, r.ci_low, r.ci_high) if v is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    left, width, row_height = 190.0, 420.0, 24

    def x(value: float) -> float:
        return left + width * (value - low) / ((high - low) or 1)

    drawn = [f'<line class="axis" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{row_height * len(found)}"/>']
    for at, r in enumerate(sorted(found, key=lambda r: (r.split, r.metric))):
        y = row_height * at + row_height / 2
        value = float(r.value or 0)
        sure = r.ci_low is not None and r.ci_high is not None and (r.ci_low > 0 or r.ci_high < 0)
        kind = "even" if not sure else "win" if (value > 0) != (r.metric in LESS_IS_BETTER) else "loss"
        drawn.append(f'<text x="0" y="{y + 4:.0f}">{_text(r.split)} {_text(r.metric)}</text>')
        if r.ci_low is not None and r.ci_high is not None:
            drawn.append(f'<line class="{kind}" x1="{x(r.ci_low):.1f}" x2="{x(r.ci_high):.1f}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<circle class="{kind}" cx="{x(value):.1f}" cy="{y}" r="4"/>')
        drawn.append(f'<text x="{left + width + 10:.0f}" y="{y + 4:.0f}">{value:+.3f}</text>')
    return _svg(left + width + 70, row_height * len(found), drawn, "Paired differences with their intervals")


def _table(rows: Sequence[Report]) -> str:
    """One line a split and metric: every arm that was built, and the paired difference with its interval."""
    by: dict[tuple[str, str], dict[str, Report]] = {}
    for r in rows:
        by.setdefault((r.split, r.metric), {})[r.arm] = r
    arms = [arm for arm in ARMS if any(r.arm == arm and r.value is not None for r in rows)]
    head = ("split", "metric", *arms, "gain", "interval", "items", "families")
    lines = []
    for (split, metric), found in sorted(by.items()):
        gain = found.get(report.DIFFERENCE)
        if gain is None:
            continue
        interval = "" if gain.ci_low is None or gain.ci_high is None else f"[{gain.ci_low:+.3f}, {gain.ci_high:+.3f}]"
        values = [_number(found[arm].value) if arm in found else "" for arm in arms]
        cells = (split, metric, *values, f"{gain.value:+.3f}", interval, gain.n, gain.clusters)
        lines.append("<tr>" + "".join(f"<td>{_text(c)}</td>" for c in cells) + "</tr>")
    columns = "".join(f"<th>{_text(name)}</th>" for name in head)
    return f'<div class="scroll"><table><thead><tr>{columns}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _families(scores: Sequence[Score], sites: Mapping[str, Site]) -> str:
    """The families that gained most and lost most, each with its sites before and after, and one example."""
    arms: dict[str, dict[str, Score]] = {"base": {}, "adapter": {}}
    for s in scores:
        if s.arm in arms:
            arms[s.arm][s.item] = s
    families: dict[str, list[str]] = {}
    for item in sorted(set(arms["base"]) & set(arms["adapter"])):
        families.setdefault(arms["base"][item].family, []).append(item)

    def mean(family: str, arm: str) -> float:
        return sum(arms[arm][item].value for item in families[family]) / len(families[family])

    gains = {f: mean(f, "adapter") - mean(f, "base") for f in families}
    ranked = sorted(gains, key=lambda f: (-gains[f], f))
    won, lost = [f for f in ranked if gains[f] > 0], [f for f in ranked if gains[f] < 0]
    told = [f"<p>{len(won)} families gained, {len(lost)} lost, {len(ranked) - len(won) - len(lost)} are as before.</p>"]
    for family in [*won[:SHOWN], *lost[::-1][:SHOWN]]:
        kind = "publish" if gains[family] > 0 else "rejected"
        sites_told = f"{len(families[family])} site" + ("s" if len(families[family]) > 1 else "")
        told.append(
            f'<h3 class="{kind}">{_text(family)} {gains[family]:+.2f}</h3>'
            f'<p class="soft">{sites_told}, base {mean(family, "base"):.2f}, '
            f"adapter {mean(family, 'adapter'):.2f}</p>"
        )
        changed = [i for i in families[family] if arms["adapter"][i].value != arms["base"][i].value and i in sites]
        told += [_site(sites[i]) for i in changed[:1]]
    return "\n".join(told)


def _site(site: Site) -> str:
    before = "\n".join(site.prompt.splitlines()[-8:])
    against = "\n".join(f"  {other.strip()}" for other in site.others)
    return f"<pre>{_text(before)}</pre><pre>+ {_text(site.new.strip())}\n{_text(against)}</pre>"


def _curves(curve: Iterable[Mapping[str, Any]]) -> str:
    """The loss of each stage by step."""
    stages: dict[str, list[tuple[float, float]]] = {}
    for point in curve:
        stages.setdefault(str(point["stage"]), []).append((float(point["step"]), float(point["loss"])))
    drawn = []
    for name, points in stages.items():
        most = max(loss for _, loss in points) or 1.0
        last = max(step for step, _ in points) or 1.0
        line = " ".join(f"{10 + 560 * step / last:.1f},{10 + 110 * (1 - loss / most):.1f}" for step, loss in points)
        first, end = points[0][1], points[-1][1]
        drawn.append(
            f'<p class="soft">{_text(name)}: {first:.3f} to {end:.3f} in {last:.0f} steps</p>'
            + _svg(580, 130, [f'<polyline class="curve" points="{line}"/>'], f"Loss of {name} by step, from 0")
        )
    return "".join(drawn) or "<p>No curve was kept.</p>"


def _svg(width: float, height: float, drawn: Iterable[str], title: str) -> str:
    return (
        f'<div class="scroll"><svg role="img" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">'
        f"<title>{_text(title)}</title>{''.join(drawn)}</svg></div>"
    )
