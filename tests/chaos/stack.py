"""The stack of a home, as `driftune stack up` starts it and keeps it alive; its parts are killed, and it isn't told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from flows.stacking.processes import descendants
from tests.flows.runs import ROOT, environment

SETTINGS = {"PREFECT_WORKER_QUERY_SECONDS": "2"}
"""What makes a test quicker: how often a worker asks for what is due."""


@dataclass(frozen=True)
class Stack:
    """A stack that runs.

    Attributes:
        home: Its home.
        supervisor: The process that keeps it alive.
    """

    home: Path
    supervisor: subprocess.Popen[bytes] = field(repr=False)

    def parts(self) -> dict[str, dict[str, Any]]:
        """Name -> what the stack says of a part."""
        rows = json.loads((self.home / "stack" / "state.json").read_text())["parts"]
        return {row["name"]: row for row in rows}

    def kill(self, name: str, *, tree: bool = False) -> bool:
        """Kills a part, perhaps with all that it has started; whether it ran."""
        pid = self.parts()[name]["pid"]
        if pid is None:
            return False
        kill([pid, *(descendants(pid) if tree else [])])
        return True

    def runs(self) -> list[int]:
        """The processes of flow runs, those of workers that were killed too."""
        return [pid for pid in descendants(self.supervisor.pid) if b"prefect.engine" in said(pid)]

    def is_healthy(self) -> bool:
        return all(row["state"] == "healthy" for row in self.parts().values())

    def ask(self, path: str, method: str = "POST", **body: Any) -> Any:
        """What Prefect's API says; None where it doesn't answer now."""
        secrets = json.loads((self.home / "stack" / "secrets.json").read_text())
        address = self.parts()["prefect"]["address"]
        name, _, password = secrets["api"].partition(":")
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.request(
                method, f"{address}/{path}", json=body, auth=(name, password), timeout=10, trust_env=False
            )
            if answer.is_success:
                return answer.json() if answer.content else {}
        return None


def said(pid: int) -> bytes:
    """The command line of a process, with a zero byte after each word; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pids: list[int]) -> None:
    """`kill -9`, of what is still there; all are stopped first, so that none does anything without the others."""
    for by in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, by)


def until(ready: Callable[[], object], seconds: float, what: str, every: float = 0.1) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(every)


@contextlib.contextmanager
def stack(home: Path) -> Iterator[Stack]:
    """The stack of a home, healthy, as long as a block runs."""
    log = home.with_suffix(".log")
    with log.open("wb") as output:
        command = [sys.executable, "-m", "flows.cli", "stack", "up"]
        supervisor = subprocess.Popen(
            command, cwd=ROOT, env=environment(home, **SETTINGS), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        made = Stack(home, supervisor)
        until((home / "stack" / "state.json").exists, 60, "The stack's state")
        until(lambda: made.parts() and made.is_healthy(), 400, "A healthy stack")
        yield made
    finally:
        supervisor.terminate()
        try:
            supervisor.wait(120)
        finally:
            supervisor.kill()
