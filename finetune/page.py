"""A run's report as one self-contained HTML page: decision, gains and arms with intervals, wins and losses, loss.

No script, no font and no picture from elsewhere; what comes from rows (scraped text, generated code) is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune import plots, tables
from finetune.wins import Families
from registry.records import Report, Run, Score

SHOWN = 5
"""Families that are shown with an example on either side."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #666c75; --line: #d8dce2; --page: #fff; --box: #f5f6f8;
  --good: #1a7f4b; --bad: #b3341f; --open: #94690a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --soft: #9aa1ab; --line: #3a3f47; --page: #16181c;
  --box: #1f2228; --good: #57c48b; --bad: #f08a75; --open: #e0b552; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0; overflow-wrap: anywhere; } p { margin: .4rem 0; }
.publish { color: var(--good); } .rejected { color: var(--bad); } .undecided { color: var(--open); }
.soft { color: var(--soft); font-size: .9rem; } .scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; } .name { text-align: left; } .goal td { font-weight: 600; }
pre { background: var(--box); padding: .6rem; overflow-x: auto; font-size: .85rem; line-height: 1.4; margin: .3rem 0; }
figure { margin: 0; }
code { overflow-wrap: anywhere; } dt { margin-top: .4rem; } dd { margin: 0; } summary { cursor: pointer; }
svg { display: block; width: 100%; } svg * { vector-effect: non-scaling-stroke; }
svg.estimate { width: 11rem; height: 1.2rem; } svg.bars { height: 8rem; } svg.curve { height: 9rem; }
.axis { stroke: var(--line); } line.win, line.loss, line.even { stroke-width: 1.5; }
.win { stroke: var(--good); } .loss { stroke: var(--bad); } .even { stroke: var(--soft); } .value { stroke-width: 4; }
rect.win { fill: var(--good); } rect.loss { fill: var(--bad); } rect.even { fill: var(--soft); } rect { stroke: none; }
polyline { fill: none; stroke: var(--good); stroke-width: 2; }
.faint { stroke: var(--soft); stroke-width: 1; opacity: .6; }
.ends { display: flex; justify-content: space-between; }
@media (max-width: 40rem) { svg.estimate { width: 5rem; } td, th { padding-right: .5rem; } }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.5rem; }
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
    run: Run,
    rows: Sequence[Report],
    scores: Iterable[Score],
    sites: Mapping[str, Site],
    *,
    split: str,
    metric: str,
    further: str = "",
    about: Mapping[str, str] | None = None,
) -> str:
    """The page of one run.

    Args:
        run: The training run.
        rows: Its report.
        scores: Its scores; those of the goal are shown by family.
        sites: Item of a score -> its call site; where an item has none, its family is shown without an example.
        split: The goal's split.
        metric: The goal metric.
        further: What is said below the decision, as text.
        about: What else is known of the run, name -> text.
    """
    decision, reason = (rows[0].decision, rows[0].reason) if rows else ("undecided", "Nothing was measured")
    title = f"{run.domain}: {decision}"
    families = Families([s for s in scores if (s.split, s.metric) == (split, metric)])
    parts = [
        f'<h1>{_text(run.domain)}: <span class="{_text(decision)}">{_text(decision)}</span></h1>',
        f"<p>{_text(reason)}.</p>",
        f"<p>{_text(further)}.</p>" if further else "",
        f"<p>{_trial(run)}</p>" if run.experiment else "",
        "<h2>Gain over the base</h2>" + tables.gains(rows, (split, metric)),
        f"<h2>Arms: {_text(metric)}</h2>"
        + tables.arms([r for r in rows if r.metric == metric])
        + tables.other_differences(rows, metric),
        f"<details><summary>The arms in every metric</summary>{tables.arms(rows)}</details>",
        "<h2>Rows of other kinds</h2>" + kinds if (kinds := tables.by_kind(rows)) else "",
        f"<h2>Wins and losses by family: {_text(metric)} on {_text(split)}</h2>" + _families(families, sites),
        f'<h2>Loss</h2><div class="curves">{_curves(run.curve)}</div>',
        "<h2>Run</h2>" + _about(run, about or {}),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body>\n{chr(10).join(filter(None, parts))}\n</body></html>\n"
    )


def _text(value: Any) -> str:
    return html.escape(str(value))


def _trial(run: Run) -> str:
    if run.recipe.get("shuffle"):
        return "A training on shuffled rows, which say nothing of what is right: never published."
    return "A trial of other settings: never published."


def _about(run: Run, further: Mapping[str, str]) -> str:
    about = [("run", run.id), ("snapshot", run.snapshot), ("base", f"{run.base} {run.base_revision}")]
    about += [("seed", str(run.seed)), ("device", run.device), ("steps", f"{run.steps:,} in {run.seconds:,.0f} s")]
    about += [("cost", f"{run.cost:,.2f}"), *further.items()]
    return (
        "<dl>"
        + "".join(f'<dt class="soft">{_text(k)}</dt><dd><code>{_text(v)}</code></dd>' for k, v in about)
        + "</dl>"
    )


def _families(families: Families, sites: Mapping[str, Site]) -> str:
    """A bar for each family, then those that gained most and lost most, each with its arms and one example."""
    won, lost = families.won, families.lost
    even = len(families.gains) - len(won) - len(lost)
    told = [f"<p>{len(won)} families gained, {len(lost)} lost, {even} are as before.</p>"]
    if families.gains:
        told.append(plots.bars(families.gains))
    for family in [*won[:SHOWN], *lost[:SHOWN]]:
        gain, items = families.gains[family], families.items[family]
        arms = ", ".join(f"{arm} {value:.2f}" for arm, value in families.means(items).items())
        count = f"{len(items)} site" + ("s" if len(items) > 1 else "")
        told.append(f'<h3 class="{"publish" if gain > 0 else "rejected"}">{_text(family)} {gain:+.2f}</h3>')
        told.append(f'<p class="soft">{count}: {_text(arms)}</p>')
        changed = [i for i in items if i in sites and families.gain(i) * gain > 0]
        told += [_site(sites[i], families.means([i])) for i in changed[:1]]
    return "\n".join(told)


def _site(site: Site, arms: Mapping[str, float]) -> str:
    before = "\n".join(site.prompt.splitlines()[-8:])
    against = "\n".join(f"- {other.strip()}" for other in site.others)
    told = ", ".join(f"{arm} {value:g}" for arm, value in arms.items())
    return (
        f"<pre>{_text(before)}</pre><pre>+ {_text(site.new.strip())}\n{_text(against)}</pre>"
        f'<p class="soft">This site: {_text(told)}</p>'
    )


def _curves(curve: Iterable[Mapping[str, Any]]) -> str:
    """The loss of each stage by step; of one that is rewarded its rewards, as its loss says nothing."""
    stages: dict[str, list[tuple[float, float]]] = {}
    for point in curve:
        name, what = str(point["stage"]), "reward" if "reward" in point else "loss"
        shown = f"{name}, {what}" if what == "reward" else name
        stages.setdefault(shown, []).append((float(point["step"]), float(point[what])))
    drawn = []
    for name, points in stages.items():
        values = [value for _, value in points]
        means = plots.running_mean(values)
        drawn.append(
            f"<figure><figcaption>{_text(name)}: {means[0]:.3f} to {means[-1]:.3f}</figcaption>"
            f'<div class="soft">{max(values):.2f}</div>{plots.curve(points)}'
            f'<div class="soft ends"><span>{min(values):.2f}</span><span>step {points[-1][0]:.0f}</span></div></figure>'
        )
    return "".join(drawn) or "<p>No curve was kept.</p>"
