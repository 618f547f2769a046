"""Which warnings of a run announce a change of the API."""

from __future__ import annotations

import re
from typing import Any

from registry.records import Verdict

_CATEGORIES = re.compile(r"Deprecat|FutureWarning|RemovedIn|\d+Warning$")
"""A warning category of such a name announces a change of the API: pandas' end with the release (`Pandas4Warning`)."""


def deprecations(verdict: Verdict) -> set[tuple[str, str]]:
    """(category, message) of the warnings that announce a change of the API."""
    rows: Any = verdict.warnings
    found = {(str(w.get("category", "")), str(w.get("message", ""))) for w in rows}
    return {(c, m) for c, m in found if _CATEGORIES.search(c)}
