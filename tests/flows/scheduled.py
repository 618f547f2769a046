"""The whole pipeline on networkx, started by a schedule: run once for all tests that look at its outcome."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.flows.runs import ROOT, environment

FINISHED = re.compile(r"Flow run 'refresh [^']*' - Finished in state (\w+)")
"""How the command tells the end of a scheduled run, and its state."""

FIRST_S = 2400.0
"""Seconds the first run may take on two cores."""

SECOND_S = 300.0
"""Seconds from the end of the first run to the end of the second, which starts at a full minute."""


@dataclass(frozen=True)
class Scheduled:
    """What two scheduled runs left.

    Attributes:
        home: Home folder, with a finished run.
        log: What `driftune deploy` said.
        exit_code: What it exited with when it was asked to stop.
        first: Every file of lake and registry with its time, after the first run.
        second: The same after the second.
    """

    home: Path
    log: str
    exit_code: int
    first: dict[str, int]
    second: dict[str, int]


def run_twice(folder: Path) -> Scheduled:
    """Serves `driftune deploy networkx`, due every minute, until two runs have completed."""
    home, log = folder / "home", folder / "deploy.log"
    command = [sys.executable, "-m", "flows.cli", "deploy", "networkx", "--cron", "* * * * *"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(process, log, 1, FIRST_S)
        first = _files(home)
        _wait(process, log, 2, SECOND_S)
        second = _files(home)
        process.terminate()
        exit_code = process.wait(timeout=180)
        return Scheduled(home, log.read_text(), exit_code, first, second)
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, runs: int, seconds: float) -> None:
    """Waits until so many scheduled runs have completed."""
    end = time.monotonic() + seconds
    while len(states := FINISHED.findall(said := log.read_text())) < runs:
        assert process.poll() is None, said
        assert set(states) <= {"Completed"}, said
        assert time.monotonic() < end, f"Run {runs} did not complete within {seconds:.0f} s:\n{said}"
        time.sleep(0.5)


def _files(home: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for part in ("lake", "registry") for p in sorted((home / part).rglob("*"))}
