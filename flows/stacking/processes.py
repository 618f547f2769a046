"""Processes below this one, as Linux tells of them: who they are, whether they live, and what is sent to them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""Linux' prctl option: this process becomes the parent of orphans below it (linux/prctl.h)."""
LOOK_S = 0.05
"""Seconds between two looks at whether processes have ended."""


def adopt_orphans() -> None:
    """Makes this process the parent of what those below it leave behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def children(pid: int) -> list[int]:
    """The processes that a process started, or took as orphans."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it ended meanwhile, or one of its threads
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """All processes below a process."""
    below = children(pid)
    return [*below, *(further for child in below for further in descendants(child))]


def wait_until_gone(pids: Sequence[int], seconds: float) -> None:
    """Waits until all of these have ended, but no longer than so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(is_alive(pid) for pid in pids):
        time.sleep(LOOK_S)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be buried doesn't."""
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except OSError:
        return False


def send(pid: int, by: signal.Signals) -> None:
    """Sends a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, by)
