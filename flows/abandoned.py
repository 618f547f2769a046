"""Runs that Prefect takes for alive and that are dead: whoever holds the domain's lock knows that nobody else runs it.

An automation notices a run that gives no sign of life; but not where the server was away meanwhile, and then such a
run would keep its place in the work pool for good.
"""

from __future__ import annotations

import datetime as dt
import logging
import os

from flows.prefect_api import address, ask

YOUNG = dt.timedelta(minutes=5)
"""A run that began so lately may be alive: it hasn't come to the lock yet, and will find it held."""

_log = logging.getLogger(__name__)


def crash_abandoned(domain: str) -> list[str]:
    """Marks the older runs of a domain that are still called running as crashed; their ids.

    The caller is a run that Prefect started, and holds the domain's lock. It goes on where the server doesn't answer.

    Args:
        domain: Name of the domain.
    """
    import httpx

    own = os.environ.get("PREFECT__FLOW_RUN_ID")
    if not address() or not own:
        return []
    before = (dt.datetime.now(dt.UTC) - YOUNG).isoformat()
    wanted = {
        "flows": {"name": {"any_": ["refresh"]}},
        "flow_runs": {
            "id": {"not_any_": [own]},
            "state": {"type": {"any_": ["RUNNING"]}},
            "start_time": {"before_": before},
        },
        "deployments": {"name": {"any_": [domain, f"{domain}-gpu"]}},
    }
    crashed = {"type": "CRASHED", "message": f"It ended without a word; run {own} holds its domain and goes on with it"}
    found: list[str] = []
    try:
        for run in ask("POST", "flow_runs/filter", wanted):
            ask("POST", f"flow_runs/{run['id']}/set_state", {"state": crashed, "force": True})
            found.append(str(run["id"]))
    except httpx.HTTPError as error:
        _log.warning("Runs of %s that were killed may still be called running: %s", domain, error)
    return found
