"""`driftune report`: what the gate saw of a run, as one HTML page or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.domain import load_domain
from registry.errors import ConfigurationError
from registry.lake import Lake, open_lake
from registry.records import Example, Report, Run, Score, SnapshotRow
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
    rows = sorted(lake.read(Report, "run = $run", {"run": found.id}), key=lambda r: (r.split, r.metric, r.arm))
    if not rows:
        raise ConfigurationError(f"The run {found.id[:12]} has no report: run driftune evaluate {domain.name} first")
    if as_json:
        print(json.dumps(_told(found, rows)))
        return
    from finetune.page import page

    goal = domain.gate
    wanted = {"run": found.id, "split": goal.split, "metric": goal.metric}
    scores = lake.read(Score, "run = $run AND split = $split AND metric = $metric", wanted)
    text = page(found, rows, scores, _sites(lake, found, scores), split=goal.split, metric=goal.metric)
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
