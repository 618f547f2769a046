"""What a worker does: a process, here or on another machine, that is handed pieces of work and reads nothing else."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_LOOK_S = 0.5
"""Seconds between two looks at whether a worker is still wanted."""

_KEPT = 2
"""So much of what many jobs read is kept: what the last ones read, as those of one piece of work come together."""

_COMMON: dict[str, Any] = {}
"""In a worker: what jobs read in common, by its name."""


def begin(wanted: Path) -> None:
    """What a worker process does first: it leaves Ctrl-C to its parent, and ends when that does or gives up.

    Args:
        wanted: A file that is there as long as the worker is wanted: a job may take minutes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(wanted,), daemon=True).start()


def _end_with_parent(wanted: Path) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and wanted.exists():
        parent.join(_LOOK_S)
    os._exit(1)


def work(name: str, common: Path | bytes, job: bytes) -> Any:
    """Does a job: `function(common, job)`.

    Args:
        name: Names what is read in common: unpickled once, for all jobs that read the same.
        common: That, pickled, or the file it lies in.
        job: The function and the job, pickled.
    """
    if name not in _COMMON:
        while len(_COMMON) >= _KEPT:
            del _COMMON[next(iter(_COMMON))]
        _COMMON[name] = pickle.loads(common.read_bytes() if isinstance(common, Path) else common)  # noqa: S301  # ours
    function, asked = pickle.loads(job)  # noqa: S301  # ours
    with collecting_rarely():
        return function(_COMMON[name], asked)


def packed(function: Callable[[Any, Any], Any], job: Any) -> bytes:
    """A job as `work` takes it. The function must be a module's, which each worker imports."""
    return pickle.dumps((function, job))


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Lets Python look for cycles a hundred times less often: with many trees alive it took most of the time."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] * 100, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
