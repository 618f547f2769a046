"""`driftune report`: what the gate saw of a run, as one HTML page or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.continuing import FRESH
from flows.promotion import last_promotion
from registry.domain import GateSpec
from registry.domain_files import load_domain
from registry.errors import ConfigurationError
from registry.lake import Lake, open_lake
from registry.records import Adapter, Example, Report, Run, Score, SnapshotRow, Work
from registry.storage import write_file

if TYPE_CHECKING:
    from finetune.page import Site


def write_report(reference: str, run: str, out: Path | None, *, as_json: bool) -> None:
    """Writes the page of a run and prints where it lies, or prints the report as an object.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        run: Id of a run, or the start of one; the domain's latest that is no trial where empty.
        out: The page's file; `DOMAIN-report.html` in the current folder where None.
        as_json: Print an object, and write nothing.

    Raises:
        ConfigurationError: There is no such run, or it isn't evaluated.
    """
    domain = load_domain(reference)
    lake = open_lake()
    found = _run(lake, domain.name, run)
    decided = _decided(lake, found)
    mine, by = {"run": found.id}, decided.key if decided else ""
    rows = sorted(lake.read(Report, "run = $run", mine, work=by), key=lambda r: (r.split, r.metric, r.arm))
    if not rows:
        raise ConfigurationError(f"The run {found.id[:12]} has no report: run driftune evaluate {domain.name} first")
    if as_json:
        told = _told(found, rows) | _began(lake, found)
        print(json.dumps(told | {"promotion": last_promotion(lake, domain.name, found.id)}))
        return
    from finetune.page import page
    from flows.summary import promotion_line

    goal = _goal(decided, domain.gate)
    scores = lake.read(Score, "run = $run AND split = $split AND metric = $metric", {**mine, **goal}, work=by)
    promotion = last_promotion(lake, domain.name, found.id)
    further = promotion_line(promotion) if promotion is not None else ""
    about = {"started": started(_began(lake, found)), "evaluation": f"{decided.seconds:,.0f} s" if decided else ""}
    about = {name: said for name, said in about.items() if said}
    text = page(found, rows, scores, _sites(lake, found, scores), further=further, about=about, **goal)
    path = out or Path(f"{domain.name}-report.html")
    write_file(path, text.encode("utf-8", "replace"), "the report")
    print(f"Wrote {path}")


def _told(run: Run, rows: Sequence[Report]) -> dict[str, Any]:
    """The report as an object: a difference's p as it is and adjusted for all the differences there are."""
    from finetune.report import adjusted

    columns = ("split", "metric", "arm", "value", "ci_low", "ci_high", "p", "n", "clusters")
    holm = adjusted(rows)
    told = [{name: getattr(row, name) for name in columns} | {"p_holm": holm.get(row.id)} for row in rows]
    head = {"run": run.id, "experiment": run.experiment, "seed": run.seed}
    return {**head, "decision": rows[0].decision, "reason": rows[0].reason, "rows": told}


def _began(lake: Lake, run: Run) -> dict[str, Any]:
    """What a run began with and what it took: `start`, `started_from`, `dev`, `metric`, `merged`; `seconds`, `cost`."""
    ids = [str(i) for i in (run.recipe.get("from"), *run.recipe.get("merged", ())) if i]
    named = {a.id: f"{a.domain}@v{a.version}" for a in lake.read(Adapter, "id IN (SELECT unnest($ids))", {"ids": ids})}
    names = [named.get(i, i) for i in ids]
    began: dict[str, Any] = {
        "start": str(run.recipe.get("start", FRESH)),
        "started_from": None,
        "merged": None,
        "dev": None,
    }
    began |= {"merged": names} if run.recipe.get("merged") else {"started_from": names[0] if names else None}
    told = {name: run.recipe[name] for name in ("dev", "metric", "rehearsal") if name in run.recipe}
    return began | told | {"device": run.device, "steps": run.steps, "seconds": run.seconds, "cost": run.cost}


def started(began: Mapping[str, Any]) -> str:
    """How a run began, for a person.

    Args:
        began: As `driftune report --json` tells it.
    """
    if began["merged"]:
        return f"merged of {', '.join(began['merged'])}"
    name = began["started_from"]
    said = f"on from {name}, rehearsing {float(began['rehearsal']):.0%} of earlier rows" if name else "afresh"
    if not began["dev"]:
        return said
    values = ", ".join(f"{start} {value or 'not measured'}" for start, value in began["dev"].items())
    return f"{said}; both starts were tried, and dev has {began['metric']} {values}"


def _run(lake: Lake, domain: str, start: str) -> Run:
    of = {"d": domain, "start": start}
    if start:
        found = lake.read(Run, "domain = $d AND starts_with(id, $start)", of)
    else:
        found = lake.read(Run, "domain = $d AND NOT coalesce(experiment, false)", {"d": domain}, latest=1)
    if len(found) != 1:
        what = f"{len(found)} runs of {domain} begin with {start!r}" if start else f"Nothing of {domain} is trained yet"
        hint = 'driftune sql "select id, seed from runs" lists them' if start else f"run driftune train {domain} first"
        raise ConfigurationError(f"{what}: {hint}")
    return found[0]


def _decided(lake: Lake, run: Run) -> Work | None:
    """The gate's last decision on a run; what it didn't measure is no part of it. None where that wasn't written down.

    What another question had measured before is in the lake still.
    """
    told = "stage = 'evaluate' AND json_extract_string(result, '$.run') = $run"
    return next(iter(lake.read(Work, told, {"run": run.id}, latest=1)), None)


def _goal(decided: Work | None, today: GateSpec) -> dict[str, str]:
    """The `split` and `metric` of a decision; today's, where that wasn't written down yet."""
    goal = {"split": today.split, "metric": today.metric}
    return {name: str(decided.result.get(name, value)) if decided else value for name, value in goal.items()}


def _sites(lake: Lake, run: Run, scores: Iterable[Score]) -> dict[str, Site]:
    """Item -> its call site: the rows of one root, or the pair itself, as the run's snapshot has them."""
    from finetune.page import Site

    items = {s.item for s in scores}
    kept = {r.example for r in lake.read(SnapshotRow, "snapshot = $s", {"s": run.snapshot})}
    rows = lake.read(Example, "domain = $d AND kind = 'preference'", {"d": run.domain})
    sites: dict[str, Site] = {}
    for row in rows:
        if row.id not in kept:
            continue
        parts: Any = row.parts
        for item in {row.root, row.id} & items:
            known = sites.get(item)
            others = (*(known.others if known else ()), str(parts["rejected"]))
            sites[item] = Site(str(parts["prompt"]), str(parts["chosen"]), others)
    return sites
