"""Runs that Prefect takes for alive and that are dead: whoever holds the domain's lock knows that nobody else runs it.

An automation notices a run that gives no sign of life; but not where the server was away meanwhile, and then such a
run would keep its place in the work pool for good.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from typing import Any

from flows.prefect_api import address, ask, on_gpu

YOUNG = dt.timedelta(minutes=5)
"""A run that began so lately may be alive: it hasn't come to the lock yet, and will find it held."""

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
        runs = _before(domain, own)
        dead = [run["id"] for run in runs if run["state_type"] == "RUNNING"]
        for run in [*dead, *_stages([run["id"] for run in runs])]:
            ask("POST", f"flow_runs/{run}/set_state", {"state": crashed, "force": True})
    except httpx.HTTPError as error:
        _log.warning("Runs of %s that were killed may still be called running: %s", domain, error)
    return dead


def _before(domain: str, own: str) -> Any:
    """The latest runs of a domain that were killed, or are said to run and began before."""
    before = (dt.datetime.now(dt.UTC) - YOUNG).isoformat()
    wanted = {
        "flows": {"name": {"any_": ["refresh"]}},
        "flow_runs": {
            "id": {"not_any_": [own]},
            "state": {"type": {"any_": ["RUNNING", "CRASHED"]}},
            "start_time": {"before_": before},
        },
        "deployments": {"name": {"any_": [domain, on_gpu(domain)]}},
    }
    return ask("POST", "flow_runs/filter", {**wanted, "sort": "START_TIME_DESC", "limit": LATEST})


def _stages(runs: list[str]) -> list[str]:
    """The stages of these runs that are said to run: an automation that crashes a run leaves them."""
    of = {"parent_flow_run_id": {"any_": runs}, "state": {"type": {"any_": ["RUNNING"]}}}
    return [run["id"] for run in ask("POST", "flow_runs/filter", {"flow_runs": of})] if runs else []
