"""Work over several processes: the same results in the same order as in one.

Processes are spawned, not forked (a fork would copy the threads of sandboxes and of the engine), and end with this one,
however that ends.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from operator import length_hint
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

Common = TypeVar("Common")
Job = TypeVar("Job")
Result = TypeVar("Result")

_LOOK_S = 0.5
"""Seconds between two looks at whether a process is still wanted."""

_AHEAD = 4
"""Jobs a process that are handed out before the first of them is done."""

_COMMON: list[Any] = []
"""In a process of `spread`: what all of its jobs read, sent once."""


def spread(
    function: Callable[[Common, Job], Result], common: Common, jobs: Iterable[Job], processes: int
) -> Iterator[Result]:
    """`function(common, job)` of each job, in the jobs' order.

    Args:
        function: A function of a module, that depends on nothing but its arguments. Each process imports the module:
            what it doesn't need should not stand there.
        common: What all jobs read; each process reads it once, so it must be picklable, as jobs and results.
        jobs: The jobs; drawn as they can be done, so that they and what they give need not all be in memory.
        processes: Processes at most; one, or one job, is done in this process.
    """
    processes = min(processes, length_hint(jobs, processes))
    if processes < 2:
        for job in jobs:
            with collecting_rarely():
                made = function(common, job)
            yield made
        return
    with tempfile.TemporaryDirectory(prefix="driftune-") as folder:
        file = Path(folder, "common")
        file.write_bytes(pickle.dumps(common))
        pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(file,)
        )
        try:
            under_way: deque[Future[Result]] = deque()
            for job in jobs:
                if len(under_way) >= _AHEAD * processes:
                    yield under_way.popleft().result()
                with _without_main():
                    under_way.append(pool.submit(_perform, function, job))
            while under_way:
                yield under_way.popleft().result()
        except BaseException:
            file.unlink()  # its processes see that, and end at once: a job may take minutes
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keeps processes that are started meanwhile from importing what this one was started as.

    That is what spawning does, for functions of a script, which `spread` takes none of: half a second of each process
    where a benchmark is the script, more where an engine or the tests are.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Lets Python look for cycles a hundred times less often: with many trees alive it took most of the time."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] * 100, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _begin(file: Path) -> None:
    """What a process does first: it reads what all jobs read, leaves Ctrl-C to its parent, ends when that gives up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(file,), daemon=True).start()
    _COMMON.append(pickle.loads(file.read_bytes()))  # noqa: S301  # ours


def _end_with_parent(file: Path) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and file.exists():
        parent.join(_LOOK_S)
    os._exit(1)


def _perform(function: Callable[[Any, Job], Result], job: Job) -> Result:
    with collecting_rarely():
        return function(_COMMON[0], job)
