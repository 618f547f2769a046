"""The closing summary of a run: funnel, three proven drift pairs, the gate's table, the adapter, what to try next."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TextIO

from flows.promotion import PROMOTED, UNDECIDED, last_promotion
from flows.publication import last_same
from flows.render import diff, gate_table, grid, written_table
from flows.scraping import site_warnings
from flows.setting_aside import aside_lines
from flows.spending import spending_lines, told_diversity, told_spending
from flows.status import FUNNEL, REPORT
from flows.tracking import standings
from flows.training import untrained
from flows.validation import waiting_lines
from registry.store import CANDIDATE

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from flows.house import House
    from registry.lake import Lake

DRIFTS = """
    WITH found AS (
        SELECT coalesce(e.family, e.file) AS title, p.code_old, p.code_new, p.old_effect, p.old_at_new_detail AS detail,
               p.example, abs(length(p.code_old) - 250) AS odd,
               coalesce(list_position(['same', 'forward', 'backward'], split_part(e.operator, ':', 1)), 9) AS far
        FROM proofs p JOIN examples e ON e.id = p.example WHERE p.domain = $domain AND p.kind = 'drift'
    )
    SELECT title, code_old, code_new, old_effect, detail FROM found
    QUALIFY row_number() OVER (PARTITION BY title ORDER BY far, odd, example) = 1
    ORDER BY old_effect = 'warns', far, odd, example LIMIT 3
"""
"""Three families' pairs: those whose both sides people wrote first, of a length that is quickly read."""

ADAPTER = "SELECT version, location FROM adapters WHERE domain = $domain ORDER BY version DESC"


@dataclass(frozen=True)
class Summary:
    """What a run leaves to be told.

    Attributes:
        domain: The domain.
        versions: Old and new version of the library.
        funnel: Rows of the funnel by kind and version; none where nothing was made.
        drifts: Up to three proven drift pairs of different families: title, code_old, code_new, old_effect, detail.
        report: The latest report's rows; none where there was nothing to train on since.
        adapter: Absolute folder of the newest published version; empty where there is none.
        promotion: What the domain's tasks said of it (`flows.promotion`); None where they weren't asked.
        untrained: Why there was nothing to train on; empty where there was.
        same_as: The version whose weights the run's adapter has, where it is no version of its own; else 0.
        written: What its LLM came to (`flows.spending`); empty where it has none.
    """

    domain: str
    versions: tuple[str, str]
    funnel: Sequence[Mapping[str, Any]]
    drifts: Sequence[Mapping[str, Any]]
    report: Sequence[Mapping[str, Any]]
    adapter: str
    promotion: Mapping[str, Any] | None = None
    untrained: str = ""
    same_as: int = 0
    written: Mapping[str, Any] = field(default_factory=dict)


def read_summary(
    lake: Lake, domain: str, versions: tuple[str, str], registry: str, *, changed: bool = True, untrained: str = ""
) -> Summary:
    """What the lake holds of a domain's latest run.

    Args:
        lake: The lake.
        domain: Name of the domain (letters, digits, dots and dashes).
        versions: Old and new version of its library.
        registry: Folder or URL of the adapters.
        changed: Whether the run made anything: else its rows, which take seconds to count, aren't told again.
        untrained: Why there was nothing to train on; empty where there was.
    """

    def rows(query: str) -> list[dict[str, Any]]:
        return list(lake.query(query, {"domain": domain}).to_pylist())

    report = [] if untrained else rows(REPORT)
    same = last_same(lake, domain, report[0]["run"]) if report else 0
    adapters = [row for row in rows(ADAPTER) if same in (0, row["version"])]
    return Summary(
        domain=domain,
        versions=versions,
        funnel=[row for row in lake.query(FUNNEL).to_pylist() if row["domain"] == domain] if changed else [],
        drifts=rows(DRIFTS) if changed else [],
        report=report,
        adapter=next((f"{registry}/{row['location']}" for row in adapters), ""),
        promotion=last_promotion(lake, domain, report[0]["run"]) if report else None,
        untrained=untrained,
        same_as=same,
    )


def show_summary(house: House, *, changed: bool = True, output: TextIO | None = None) -> None:
    """Prints the summary of a domain's latest run.

    Args:
        house: The domain and its lake.
        changed: Whether this run did anything.
        output: Where to; standard output where None.
    """
    from rich.console import Console

    console = Console(file=output or sys.stdout, highlight=False)
    if not changed:
        console.print(f"Nothing to do: everything is as the last run left it (driftune status {house.domain.name})")
    if house.tracked is not None:
        line = standings(house.lake)[house.owner].line()
        console.print(_line(f"{house.library.name} {line}" + (f"; {house.tracked.note}" if house.tracked.note else "")))
    for warning in (*site_warnings(house), *aside_lines(house.aside), *waiting_lines(house)):
        console.print(_warned(warning))
    registry = house.settings.registry_url
    for each in house.adapters:
        if each.mother is not None:
            console.print("", _bold(f"Workload {each.domain.name}"))
        summary = read_summary(
            each.lake, each.domain.name, each.library.versions, registry,
            changed=changed and each.mother is None, untrained=untrained(each),
        )  # fmt: skip
        if changed and each.mother is None:
            wrote = told_spending(each)
            summary = replace(summary, written=wrote and {**wrote, "diversity": told_diversity(each)})
        for part in summary_parts(summary):
            console.print(part)


def summary_parts(summary: Summary) -> list[RenderableType]:
    """The summary's parts, in order, as rich prints them."""
    old, new = summary.versions
    parts: list[RenderableType] = []
    if summary.funnel:
        parts += ["", _bold(f"{summary.domain} {old} -> {new}: what was made"), funnel_table(summary.funnel)]
    if summary.written:
        parts += ["", _bold("What an LLM wrote"), written_table(summary.written["outcomes"])]
        if summary.written["diversity"]:
            parts += ["", _line("How varied it is, beside what was mined"), varied(summary.written["diversity"])]
        parts += [_line(line) for line in spending_lines(summary.written)]
    for drift in summary.drifts:
        parts += ["", _bold(f"Proven drift: {drift['title']}")]
        parts.append(_line(f"The old code {drift['old_effect']} at {new}" + _because(drift["detail"])))
        parts.append(diff(drift["code_old"], drift["code_new"], f"runs at {old}", f"runs at {new}"))
    if summary.report:
        parts += ["", _bold("What the gate saw"), gate_table(summary.report)]
        parts += ["", decision_line(summary.report[0]["decision"], summary.report[0]["reason"])]
    if summary.untrained:
        parts += ["", decision_line(UNDECIDED, summary.untrained, "The run ends")]
    if summary.promotion is not None:
        parts.append(_line(promotion_line(summary.promotion)))
    return [*parts, "", *(_line(line) for line in closing_lines(summary))]


def _because(detail: str | None) -> str:
    return f": {detail.strip().splitlines()[0][:200]}" if detail and detail.strip() else ""


def _bold(text: str) -> Text:
    from rich.text import Text

    return Text(text, "bold")


def _warned(text: str) -> Text:
    from rich.text import Text

    return Text(text, "yellow", overflow="fold")


def _line(text: str) -> Text:
    from rich.text import Text

    return Text(text, overflow="fold")


def funnel_table(funnel: Sequence[Mapping[str, Any]]) -> Table:
    """Kinds and versions against the stages they passed, and the share of the proven whose proof is strong."""
    columns = ("kind", "version", "generated", "ran", "proven", "kept", "in_snapshot")
    lines = [[*(row[c] for c in columns), _share(row["strong"], row["proven"])] for row in funnel]
    return grid([*columns, "strong proof"], lines)


def varied(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Prompts and code that were written and mined: how often they say the same (`synth.written.diversity`)."""
    columns = ("of", "side", "texts", "tokens", "distinct", "entropy", "clusters", "largest")
    return grid(columns, [[row[c] for c in columns] for row in rows])


def _share(part: int | None, whole: int | None) -> str:
    return f"{part / whole:.0%}" if part is not None and whole else ""


def decision_line(decision: str, reason: str, who: str = "The gate says") -> Text:
    """A decision in colour, and why."""
    from rich.text import Text

    style = {"publish": "bold green", "rejected": "bold red"}.get(decision, "bold yellow")
    told = reason.lower().startswith(decision)  # "Rejected, as …"
    why = reason[len(decision) :] if told else f": {reason}" if reason else ""
    return Text.assemble(f"{who} ", (decision, style), why)


def promotion_line(promotion: Mapping[str, Any]) -> str:
    """Whether `stable` moved, and why."""
    version = f"v{promotion['version']}"
    if promotion["outcome"] == PROMOTED:
        return f"stable holds {version} now: {promotion['reason']}"
    return f"stable doesn't move to {version}, which candidate holds ({promotion['outcome']}): {promotion['reason']}"


def closing_lines(summary: Summary) -> list[str]:
    """Where the adapter lies, and the two commands to try next."""
    if summary.adapter:
        refused = bool(summary.report) and summary.report[0]["decision"] != "publish"
        which = "The newest published adapter" if summary.untrained else "The adapter"
        which = "This run's adapter was held back; the newest published one" if refused else which
        first = f"{which} lies in {summary.adapter}"
        if summary.same_as:
            first = f"Its weights are those of v{summary.same_as}, so there is no further version. {first}"
        held = summary.promotion is not None and summary.promotion["outcome"] != PROMOTED
        name = f"{summary.domain}@{CANDIDATE}" if held else summary.domain
        second = f"driftune subscribe {name} --into adapters/{summary.domain} --once"
    else:
        first = "No adapter is published; what was measured stays in the lake"
        second = 'driftune sql "select * from reports"'
    return [first, "Try next:", "  driftune sql \"select * from proofs where kind = 'drift' limit 3\"", f"  {second}"]
