"""Prefect, as driftune uses it: in this process unless `PREFECT_API_URL` names a server, with no telemetry.

The lake is the only truth about what is done, so Prefect's caching and persisted results are off.
"""

from __future__ import annotations

import os
from pathlib import Path


def prepare_prefect(home: Path) -> None:
    """Sets Prefect's environment; must come before Prefect is imported. The user's own profile is never touched."""
    (home / "prefect").mkdir(parents=True, exist_ok=True)  # SQLite opens its file only in a folder that is there
    settings = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "0",
    }
    for name, value in settings.items():
        os.environ[name] = value
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "ERROR")
