"""The configured Prefect server, where importing Prefect would cost too much (a second and more): single requests."""

from __future__ import annotations

import base64
import os
import time
from typing import Any

TAG = "driftune"
"""Tag of all that is ours on a Prefect server: deployments, so their runs, and automations."""

ALIVE = "prefect.flow-run.heartbeat"
"""The sign of life of a run, as Prefect calls the event."""

TRIES = 4
"""How often a server is asked that has no time just now, as one on SQLite while it writes: after 0.2, 0.4, 0.8 s."""


def address() -> str:
    """The address of the configured server's API; empty where there is none."""
    return os.environ.get("PREFECT_API_URL", "")


def on_gpu(domain: str) -> str:
    """Name of the deployments that a domain has in the GPU's pool: no domain is called so, as `X-gpu` may be."""
    return f"{domain}:gpu"


def ask(method: str, path: str, body: Any = None, seconds: float = 10.0) -> Any:
    """What the configured server answers; None for nothing.

    Args:
        method: GET, POST or PATCH.
        path: Below the API's address.
        body: Sent as JSON.
        seconds: What an answer may take.

    Raises:
        httpx.HTTPError: It doesn't answer, or refuses.
    """
    import httpx

    with httpx.Client(trust_env=False, timeout=seconds, headers=_login()) as client:
        for attempt in range(TRIES):
            answer = client.request(method, f"{address()}/{path}", json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == TRIES - 1:
                break
            time.sleep(0.2 * 2**attempt)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def _login() -> dict[str, str]:
    """How Prefect's own client logs in: a name and password, else a key."""
    if said := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": "Basic " + base64.b64encode(said.encode()).decode()}
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}
