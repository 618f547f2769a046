"""`driftune status`: the funnel and the last run of each domain."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flows import quota
from flows.live import SHOWN, told
from flows.nightly import tonight
from flows.pausing import pauses
from flows.render import GOALS, gate_table, written_table
from flows.setting_aside import Aside, aside_lines, read_asides
from flows.spending import accounts, spending_lines, told_written
from flows.tracking import standings
from registry import channels
from registry.channels import Entry
from registry.domain_files import readable
from registry.errors import ConfigurationError
from registry.lake import open_lake
from registry.records import ARMS
from registry.run_states import RunStates
from registry.settings import Settings
from registry.store import Store

FUNNEL = """
    SELECT domain, kind, version, sum(generated)::BIGINT AS generated, sum(ran)::BIGINT AS ran,
           sum(proven)::BIGINT AS proven, sum(strong)::BIGINT AS strong,
           sum(kept)::BIGINT AS kept, sum(in_snapshot)::BIGINT AS in_snapshot
    FROM funnel GROUP BY ALL ORDER BY ALL
"""
LAST_RUN = """
    SELECT domain, arg_max("_run", "_at") AS run, max("_at") AS finished FROM work WHERE stage <> 'pause'
    GROUP BY domain ORDER BY domain
"""
DECISIONS = """
    WITH said AS (
        SELECT p.domain, p.run, p.decision, p.reason, p."_at" FROM reports p JOIN runs r ON r.id = p.run
        WHERE NOT coalesce(r.experiment, false)
        UNION ALL SELECT domain, NULL, 'undecided', result ->> '$.nothing', "_at" FROM work
        WHERE stage = 'train' AND json_exists(result, '$.nothing')
    )
    SELECT domain, run, decision, reason FROM said
    QUALIFY row_number() OVER (PARTITION BY domain ORDER BY "_at" DESC) = 1 ORDER BY domain
"""
"""The last decision of each domain; without a run where there was nothing to train on."""
REPORT = """
    WITH own AS (
        SELECT p.* FROM reports p JOIN runs r ON r.id = p.run
        WHERE p.domain = $domain AND NOT coalesce(r.experiment, false)
    )
    SELECT run, arm, split, metric, value, ci_low, ci_high, n, clusters, decision, reason FROM own
    WHERE "_at" = (SELECT max("_at") FROM own)
"""
"""What was written together last; what an earlier decision had measured of the same run beside it is no part of it."""
SITES = """
    SELECT s.domain, s.site, r.version, s.pages, s.changed, s.unchanged, s.missing, s.faulty, s.down, s.asked
    FROM sites s LEFT JOIN releases r ON r.id = s.release ORDER BY ALL
"""
ADAPTERS = """
    SELECT domain, version, location FROM adapters
    QUALIFY row_number() OVER (PARTITION BY domain, version ORDER BY "_at" DESC) = 1 ORDER BY domain, version
"""
"""As each was published last: `driftune migrate` publishes versions again, under their numbers."""


def read_status(domain: str | None) -> list[dict[str, Any]]:
    """Funnel, last run, last decision with its arms, versions and channels of one domain, or of all the lake knows.

    Raises:
        ConfigurationError: The lake knows no such domain.
    """
    lake, store = open_lake(), Store(Settings().registry_url)
    runs = {row["domain"]: row for row in lake.query(LAST_RUN).to_pylist()}
    if domain is not None and domain not in runs:
        known = ", ".join(runs) or "none"
        raise ConfigurationError(
            f"Nothing is known of domain {domain}: found {known}. Start with: driftune run {domain}"
        )
    funnel = lake.query(FUNNEL).to_pylist()
    decisions = {row["domain"]: row for row in lake.query(DECISIONS).to_pylist()}
    adapters = lake.query(ADAPTERS).to_pylist()
    sites = [row | {"asked": f"{row['asked']:%Y-%m-%d %H:%M}"} for row in lake.query(SITES).to_pylist() if row["asked"]]
    tracked, paused, states = standings(lake), pauses(lake), RunStates(lake.url)
    return [
        {
            "domain": name,
            "last_run": row["run"],
            "finished": row["finished"].isoformat(timespec="seconds"),
            "runs": [told(state) for state in states.read(name, SHOWN)],
            "tracked": tracked[name].line() if name in tracked else None,
            "paused": paused[name].line() if name in paused else None,
            "decision": decisions.get(name, {}).get("decision"),
            "reason": decisions.get(name, {}).get("reason"),
            "arms": [
                {c: r[c] for c in ("split", "metric", "arm", "value", "ci_low", "ci_high", "clusters")}
                for r in lake.query(REPORT, {"domain": name}).to_pylist()
                if decisions[name]["run"] is not None and r["metric"] in GOALS and r["arm"] in (*ARMS, "adapter-base")
            ],
            "funnel": [{k: v for k, v in f.items() if k != "domain"} for f in funnel if f["domain"] == name],
            "written": told_written(lake, name) | _budgets(name),
            "set_aside": [dataclasses.asdict(each) for each in read_asides(Settings().root, name)],
            "sites": [{k: v for k, v in site.items() if k != "domain"} for site in sites if site["domain"] == name],
            "adapters": [{"version": a["version"], "location": a["location"]} for a in adapters if a["domain"] == name],
            "channels": [dataclasses.asdict(move) for move in _moves(store, name)],
        }
        for name, row in runs.items()
        if domain in (None, name)
    ]


def _moves(store: Store, name: str) -> list[Entry]:
    """The moves by which each channel came to what it gives: first those that are for a share of its followers."""
    moves = {channel: store.history(name, channel) for channel in store.channel_names(name)}
    yanked = store.yanked(name)
    return [
        next(move for move in reversed(past) if move.version == version)
        for past in moves.values()
        for version in channels.given_to_any(channels.line(past, yanked))
    ]


def _budgets(name: str) -> dict[str, Any]:
    """What is left of the budgets of a domain whose file lies here and names a model."""
    domain = next((d for d in readable(Path("domains")).values() if d.name == name and d.llm.model), None)
    used = accounts(domain.llm, name, "", Settings().journal) if domain else []
    return {"budgets": [account.line() for account in used]}


def show_status(domain: str | None, *, as_json: bool) -> None:
    """Prints `read_status` for a person or a program."""
    rows = read_status(domain)
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not rows:
        console.print("Nothing has run yet. Start with: driftune run networkx")
    for row in rows:
        decision = f", gate: {row['decision']}" if row["decision"] else ""
        console.print(f"[bold]{row['domain']}[/bold]  last run {row['last_run']}, {row['finished']}{decision}")
        for run in row["runs"][:1]:
            console.print(run["line"], highlight=False, markup=False)
        if row["reason"] and not row["arms"]:  # nothing else tells of it
            console.print(row["reason"], highlight=False, markup=False)
        if row["paused"]:
            console.print(f"{row['domain']} is {row['paused']}", highlight=False, markup=False)
        if row["tracked"]:
            console.print(f"Tracked: {row['tracked']}", highlight=False)
        table = Table("kind", "version", "generated", "ran", "proven", "strong", "kept", "in_snapshot")
        for column in table.columns[2:]:
            column.justify = "right"
        for line in row["funnel"]:
            table.add_row(*(str(v) for v in line.values()))
        if row["funnel"]:  # a workload has its domain's
            console.print(table)
        if row["arms"]:
            console.print(gate_table(row["arms"]))
        if row["written"].get("outcomes"):
            console.print(written_table(row["written"]["outcomes"]))
        if row["written"].get("spent"):
            console.print("\n".join(spending_lines(row["written"])), highlight=False, markup=False)
        for line in aside_lines([Aside(**each) for each in row["set_aside"]]):
            console.print(line, highlight=False, markup=False)
        for site in row["sites"]:
            console.print(_site(site), highlight=False, markup=False)
        for adapter in row["adapters"]:
            console.print(f"v{adapter['version']}  {adapter['location']}", highlight=False)
        for move in row["channels"]:
            console.print(_held(move), highlight=False, markup=False)
    for line in _limits():
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _limits() -> Iterator[str]:
    """What is used of what holds for all domains together, where anything is limited."""
    settings = Settings()
    if settings.nightly_cost:
        yield tonight(open_lake(), settings.nightly_cost).line()
    if settings.disk_mb:
        yield quota.line(settings)


def _site(site: Mapping[str, Any]) -> str:
    """What a documentation site gave when it was asked last."""
    gave = ", ".join(f"{site[name]:,} {name}" for name in ("changed", "unchanged", "missing", "faulty"))
    told = f"{site['site']} ({site['version']}), asked {site['asked']} UTC: {site['pages']:,} pages; {gave}"
    return f"{told}; not read: {site['down']}" if site["down"] else told


def _held(move: Mapping[str, Any]) -> str:
    """What a channel holds, since when and why, as its last move says."""
    by, why = (f" by {move['by']}" if move["by"] else ""), (f": {move['reason']}" if move["reason"] else "")
    share = f" for {move['share']:.0%} of those who follow it" if move["share"] < 1 else ""
    return f"{move['channel']} holds v{move['version']}{share} ({move['action']} at {move['at']}{by}{why})"
