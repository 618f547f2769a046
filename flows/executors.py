"""Where a job can be done without Prefect: in this process, in one process of its own, on a Ray cluster.

An executor does one thing: a call, for which it waits. `flows.task_runners` has the same as tasks of Prefect's.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from flows.working import begin
from registry.errors import WorkerError

_STARTING = threading.Lock()


class Executor(Protocol):
    """Does calls, of as many threads at once as it has room for."""

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` gives; `title` is what a person sees of it.

        Raises:
            WorkerError: What did it is gone.
        """

    def close(self) -> None:
        """Lets go of what it has started; what is under way has ended, or is ended by its starter."""


class StoppableExecutor(Executor, Protocol):
    """One that ends what is under way by itself."""

    def stop(self) -> None:
        """Ends what is under way: those who wait for it are told so."""


class Executors(Protocol):
    """Makes executors of one family: bare ones, or Prefect's."""

    def here(self) -> Executor:
        """Calls in the thread that asks."""

    def process(self, wanted: Path) -> Executor:
        """Calls in one process, that ends when the file `wanted` is gone."""

    def ray(self) -> StoppableExecutor:
        """Calls of `flows.working.work` on the Ray cluster that this process is connected to."""


class Here:
    """In this process, by the thread that asks."""

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        del title
        return function(*arguments)

    def close(self) -> None:
        """See `Executor`."""


class OneProcess:
    """In one process, spawned at the first call (a fork would copy the threads of sandboxes); a dead one is replaced.

    Args:
        wanted: It ends when this file is gone.
    """

    def __init__(self, wanted: Path) -> None:
        self._wanted = wanted
        self._pool: ProcessPoolExecutor | None = None

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        try:
            with _without_main():
                if self._pool is None:
                    spawn = multiprocessing.get_context("spawn")
                    self._pool = ProcessPoolExecutor(1, spawn, initializer=begin, initargs=(self._wanted,))
                made = self._pool.submit(function, *arguments)
            return made.result()
        except BrokenProcessPool as error:
            self.close()
            raise lost(title) from error

    def close(self) -> None:
        """See `Executor`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)


class BareExecutors:
    """Executors that nothing else hears of."""

    def here(self) -> Executor:
        """See `Executors`."""
        return Here()

    def process(self, wanted: Path) -> Executor:
        """See `Executors`."""
        return OneProcess(wanted)

    def ray(self) -> StoppableExecutor:
        """See `Executors`."""
        from flows.rays import OnRay

        return OnRay()


def lost(title: str) -> WorkerError:
    """The error of a worker that is gone with what it did."""
    return WorkerError(f"The worker that did {title!r} is gone: it was killed, or the machine was short of memory")


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keeps a process that is started meanwhile from importing what this one was started as.

    That is what spawning does, for functions of a script, which no job is: half a second of each process where a
    benchmark is the script, more where an engine or the tests are.
    """
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
