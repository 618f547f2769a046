"""Where an adapter comes from, for a program: `provenance.json`, beside the card and under the same signature."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version

from registry.records import Adapter

PROVENANCE = "provenance.json"


def provenance(draft: Adapter, notices: Iterable[str]) -> str:
    """The text of a version's `provenance.json`.

    Args:
        draft: The version.
        notices: Names of the files with licence texts that travel with it.
    """
    facts = {
        "code": f"driftune {version('driftune')}",
        "domain": draft.domain,
        "library_range": draft.library_range,
        "snapshot": draft.snapshot,
        "run": draft.run,
        "base": {"name": draft.base, "revision": draft.base_revision, "fingerprint": draft.fingerprint},
        "started_from": draft.started_from,
        "written_by": list(draft.written),
        "licences": list(draft.licences),
        "notices": sorted(notices),
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"
