"""CPU seconds of this process and all it started, those that have ended and those that still run."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Places in `/proc/PID/stat` after the command: the parent, and utime, stime, cutime, cstime (proc(5))."""


def cpu_seconds() -> float:
    """What the tree of processes under this one has used so far; who has ended counts in who waited for it."""
    stats = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(int(stat[_PARENT]), []).append(pid)
    ticks, left = 0, [os.getpid()]
    while left:
        pid = left.pop()
        left += children.get(pid, [])
        ticks += sum(map(int, stats[pid][_TIMES])) if pid in stats else 0
    return ticks / _TICKS


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended meanwhile
        return None
    return text.rpartition(")")[2].split()
