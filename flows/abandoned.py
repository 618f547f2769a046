"""Runs that Prefect takes for alive and that are dead: none that gives a sign of life, and none that holds the domain.

An automation notices a run that gives no sign of life; but not where the server was away meanwhile, and then such a
run would keep its place in the work pool for good. So who holds a domain's lock, and by that knows that nobody else is
at work on it, looks at what is called running. A run that waits has no lock, for a place of the GPU or for an index:
it is told from a dead one by the signs of life that Prefect's engine gives while a flow is within.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from typing import Any

from flows.prefect_api import ALIVE, TAG, address, ask, on_gpu

SILENT = dt.timedelta(minutes=5)
"""A run that began, or gave a sign of life, so lately may be alive: ten signs, so that clocks of machines may differ,
and the server may have been away for a while."""

LATEST = 20
"""How many runs are looked at: older ones were before."""

_log = logging.getLogger(__name__)


def crash_abandoned(domain: str) -> list[str]:
    """Marks the older runs of a domain that are still called running as crashed, with their stages; the runs' ids.

    The caller is a run that Prefect started, and holds the domain's lock. It goes on where the server doesn't answer.

    Args:
        domain: Name of the domain.
    """
    import httpx

    own = os.environ.get("PREFECT__FLOW_RUN_ID")
    if not address() or not own:
        return []
    crashed = {"type": "CRASHED", "message": f"It ended without a word; run {own} holds its domain and goes on with it"}
    dead: list[str] = []
    try:
        before = dt.datetime.now(dt.UTC) - SILENT
        runs = _silent(_begun(domain, own, before), before)
        dead = [run["id"] for run in runs if run["state_type"] == "RUNNING"]
        for run in [*dead, *_stages([run["id"] for run in runs])]:
            ask("POST", f"flow_runs/{run}/set_state", {"state": crashed, "force": True})
    except httpx.HTTPError as error:
        _log.warning("Runs of %s that were killed may still be called running: %s", domain, error)
    return dead


def _begun(domain: str, own: str, before: dt.datetime) -> list[Any]:
    """The latest runs of a domain that began before, and were killed or are said to run."""
    wanted = {
        "flows": {"name": {"any_": ["refresh", "stage"]}},
        "flow_runs": {
            "id": {"not_any_": [own]},
            "state": {"type": {"any_": ["RUNNING", "CRASHED"]}},
            "start_time": {"before_": before.isoformat()},
        },
        "deployments": {"name": {"any_": [domain, on_gpu(domain)]}, "tags": {"all_": [TAG]}},
    }
    return list(ask("POST", "flow_runs/filter", {**wanted, "sort": "START_TIME_DESC", "limit": LATEST}))


def _silent(runs: list[Any], since: dt.datetime) -> list[Any]:
    """Those of these runs that gave no sign of life since."""
    names = {f"prefect.flow-run.{run['id']}": run for run in runs}
    if not names:
        return []
    alive = {
        "event": {"name": [ALIVE]},
        "resource": {"id": list(names), "distinct": True},
        "occurred": {"since": since.isoformat(), "until": (dt.datetime.now(dt.UTC) + SILENT).isoformat()},
    }
    for event in ask("POST", "events/filter", {"filter": alive, "limit": LATEST})["events"]:
        del names[event["resource"]["prefect.resource.id"]]
    return list(names.values())


def _stages(runs: list[str]) -> list[str]:
    """The stages of these runs that are said to run: an automation that crashes a run leaves them."""
    of = {"parent_flow_run_id": {"any_": runs}, "state": {"type": {"any_": ["RUNNING"]}}}
    return [run["id"] for run in ask("POST", "flow_runs/filter", {"flow_runs": of})] if runs else []
