"""Who does the shards of a run: threads of this process, processes of this machine, or the workers of a Ray cluster.

Guarantees: a crew does as many jobs at once as it has hands; a worker that dies takes its own job with it and no other;
all workers end with this process, however that ends. What comes out doesn't depend on which crew it was.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flows.executors import Executor, Executors
from flows.working import packed, work
from registry.errors import WorkerError

THREADS = 2
"""Shards at once where their programs share one pool of sandboxes: the next one begins while the last programs of the
one before it end."""


@dataclass(frozen=True)
class Piecework:
    """How jobs of a kind are done.

    Attributes:
        here: Does one in this process, with what the run has open.
        apart: Does one in another process, of what all of them read and the job alone; a function of a module, which
            gives the same.
        common: What all of them read; picklable, as jobs and results are.
    """

    here: Callable[[Any], Any]
    apart: Callable[[Any, Any], Any]
    common: Any


Do = Callable[[str, Any], Any]
"""Does a job under a title that a person sees; a WorkerError where what did it is gone."""


class Crew(Protocol):
    """Does jobs.

    Attributes:
        hands: How many at once; each is waited for by a thread of its own.
        stopped: Set where nobody wants what is under way: no job is begun or tried again until `ready` is called anew.
    """

    hands: int
    stopped: threading.Event

    def ready(self, kind: Piecework) -> AbstractContextManager[Do]:
        """Within the block, the crew does jobs of a kind."""

    def stop(self) -> None:
        """Ends what is under way, as soon as can be."""

    def close(self) -> None:
        """Ends all workers, and what they are at."""


def given_up(title: str) -> WorkerError:
    """The error of a job that nobody wants any more."""
    return WorkerError(f"{title} has been given up", retryable=False)


class ThreadCrew:
    """Threads of this process, which share what the run has open; a job that takes long looks at `stopped` itself."""

    def __init__(self, executors: Executors) -> None:
        self.hands = THREADS
        self.stopped = threading.Event()
        self._here = executors.here()

    @contextlib.contextmanager
    def ready(self, kind: Piecework) -> Iterator[Do]:
        """See `Crew`."""
        self.stopped.clear()
        yield lambda title, job: self._here.do(title, kind.here, job)

    def stop(self) -> None:
        """See `Crew`."""
        self.stopped.set()

    def close(self) -> None:
        """See `Crew`."""
        self.stop()
        self._here.close()


class ProcessCrew:
    """Processes of this machine, each started when it is first needed, and again where it was killed.

    Args:
        executors: What starts them.
        hands: How many.
    """

    def __init__(self, executors: Executors, hands: int) -> None:
        self.hands = hands
        self.stopped = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="driftune-")
        self._wanted = Path(self._folder.name, "wanted")
        self._all = [executors.process(self._wanted) for _ in range(hands)]
        self._free: queue.LifoQueue[Executor] = queue.LifoQueue()  # who was at it last has most in memory
        for each in self._all:
            self._free.put(each)

    @contextlib.contextmanager
    def ready(self, kind: Piecework) -> Iterator[Do]:
        """See `Crew`."""
        self.stopped.clear()
        self._wanted.touch()
        name = uuid.uuid4().hex
        file = Path(self._folder.name, name)
        file.write_bytes(pickle.dumps(kind.common))
        try:
            yield lambda title, job: self._do(title, work, name, file, packed(kind.apart, job))
        finally:
            file.unlink(missing_ok=True)  # a crew that was closed has taken its folder along

    def _do(self, title: str, *call: Any) -> Any:
        free = self._free.get()
        try:
            if self.stopped.is_set():
                raise given_up(title)
            return free.do(title, *call)
        finally:
            self._free.put(free)

    def stop(self) -> None:
        """See `Crew`."""
        self.stopped.set()
        self._wanted.unlink(missing_ok=True)  # its processes see that, and end at once

    def close(self) -> None:
        """See `Crew`."""
        self.stop()
        for each in self._all:
            each.close()
        self._folder.cleanup()


class RayCrew:
    """The workers of the Ray cluster that this process is connected to.

    Args:
        executors: What hands them their jobs.
        hands: How many there are.
    """

    def __init__(self, executors: Executors, hands: int) -> None:
        self.hands = hands
        self.stopped = threading.Event()
        self._ray = executors.ray()

    @contextlib.contextmanager
    def ready(self, kind: Piecework) -> Iterator[Do]:
        """See `Crew`."""
        import ray

        self.stopped.clear()
        name, common = uuid.uuid4().hex, ray.put(pickle.dumps(kind.common))

        def do(title: str, job: Any) -> Any:
            if self.stopped.is_set():
                raise given_up(title)
            return self._ray.do(title, work, name, common, packed(kind.apart, job))

        yield do

    def stop(self) -> None:
        """See `Crew`."""
        self.stopped.set()
        self._ray.stop()

    def close(self) -> None:
        """See `Crew`."""
        self.stop()
        self._ray.close()
