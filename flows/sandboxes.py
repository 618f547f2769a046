"""`driftune doctor --sandbox NAME`: the conformance suite against a sandbox, built in or a third party's."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path

from flows.progress import progress
from validators.execution.conformance import GROUPS, Finding, examine, how_many
from validators.execution.pool import load_sandbox


def show_sandbox(name: str, *, as_json: bool) -> int:
    """Tries a sandbox and prints what came of it; 1 where it failed a check, else 0.

    Raises:
        ConfigurationError: There is no sandbox of that name.
    """
    make = partial(load_sandbox(name), 1)
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="driftune-") as cache, progress() as tell:
        for finding in examine(make, Path(cache)):
            found.append(finding)
            tell(f"Trying {name}", len(found), max(how_many(), len(found)))
    if as_json:
        print(json.dumps([asdict(f) for f in found]))
    else:
        _render(name, found)
    return int(any(not f.ok for f in found))


def _render(name: str, found: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    tried = Counter(f.group for f in found)
    failed = Counter(f.group for f in found if not f.ok)
    table = Table("", name, "checks", "failed", box=None, pad_edge=False)
    for group, title in GROUPS.items():
        if tried[group]:
            level = Text("failed", "red") if failed[group] else Text("ok", "green")
            table.add_row(level, title, str(tried[group]), str(failed[group]))
    console.print(table)
    for f in found:
        if not f.ok:
            console.print(Text(f"{GROUPS[f.group]}: {f.check}: {f.detail}"))
    sys.stdout.flush()
