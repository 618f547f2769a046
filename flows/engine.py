"""Prefect, as driftune uses it, with no telemetry.

It is used on the server that `PREFECT_API_URL` names, else on that of the home's stack where one runs, else in this
process.

The lake is the only truth about what is done, so Prefect's caching and persisted results are off.
"""

from __future__ import annotations

import os
from pathlib import Path

from flows.stack import api as stack_api

PATIENT = {"PREFECT_CLIENT_RETRY_EXTRA_CODES": "500"}
"""What has a run wait for a server whose database is away, which answers 500: else it failed, until the next night."""


def prepare_prefect(home: Path) -> None:
    """Sets Prefect's environment; must come before Prefect is imported. The user's own profile is never touched."""
    (home / "prefect").mkdir(parents=True, exist_ok=True)  # SQLite opens its file only in a folder that is there
    settings = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "0",
        **PATIENT,
    }
    for name, value in settings.items():
        os.environ[name] = value
    address, password = stack_api(home) or ("", "")
    if address and os.environ.setdefault("PREFECT_API_URL", address) == address:
        os.environ.setdefault("PREFECT_API_AUTH_STRING", password)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
