"""`driftune status --watch`: what runs are at, for a person and for a program."""

from __future__ import annotations

import datetime as dt
import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console

from flows import live
from flows.live import run_line
from registry.run_states import RunState, RunStates
from tests.flows.runs import start

AGO = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)).isoformat(timespec="seconds")
"""At least so long ago: the tests may be a while in getting here."""


def test_a_run_in_a_line() -> None:
    """A running one says what it is at, a silent one that it is, one that ended what became of it; no escape codes."""
    at = {"stage": "mine", "title": "Read\x1b[2J it", "done": 3, "total": 4_000, "host": "h", "pid": 7}
    now = dt.datetime.now(dt.UTC)
    ago = (now - dt.timedelta(minutes=10)).isoformat(timespec="seconds")
    said = run_line(RunState("r", "lib", began=ago, beat=now.isoformat(timespec="seconds"), **at))
    assert said.startswith("Run r running on h (process 7) for 10 min ")
    assert said.endswith(": mine, Read [2J it 3/4,000")
    assert "; SILENT for 10 min " in run_line(RunState("r", "lib", began=ago, beat=ago, **at))
    ended = RunState("r", "lib", "failed", began=AGO, ended=AGO, reason="No such page", stage="mine")
    assert run_line(ended) == f"Run r failed at mine after 0 s, {AGO}: No such page"


def test_the_table_has_a_row_for_each_run() -> None:
    """Domain, run, state and what it is at, in a phone's width too."""
    found = [RunState("r2", "lib", began=AGO, beat=AGO, stage="mine"), RunState("r1", "lib", "completed", began=AGO)]
    for width in (40, 120):
        console = Console(file=io.StringIO(), width=width)
        console.print(live._table(found))
        said = console.file.getvalue()  # type: ignore[attr-defined]
        assert all(text in said for text in ("r2", "r1", "mine", "silent"))


@pytest.mark.slow
def test_a_program_reads_each_change(tmp_path: Path) -> None:
    """A line for each run that there is, then one for each change, as long as the command goes on."""
    states = RunStates(str(tmp_path / "lake"))
    states.write(RunState("r1", "lib", "completed", began=AGO, ended=AGO))
    with start(tmp_path, "status", "lib", "--watch", "--json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        for done in (1, 2):
            states.write(RunState("r2", "lib", stage="mine", done=done, total=2))
            time.sleep(1.5)
        changes = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.terminate()
    assert (first["run"], first["state"]) == ("r1", "completed")
    assert [(c["run"], c["stage"], c["done"]) for c in changes] == [("r2", "mine", 1), ("r2", "mine", 2)]
