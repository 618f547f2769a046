"""Ray: a cluster of this machine's processes that ends with the run, or one that is there already.

What is started here listens on loopback alone, tells nobody of its use, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from flows.executors import lost
from flows.working import work
from registry.errors import ConfigurationError, WorkerError

STORE = 512 << 20
"""Bytes of shared memory for what jobs read in common and what comes of them."""

LOST = (
    "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError", "RaySystemError",
    "LocalRayletDiedError", "TaskUnschedulableError",
)  # fmt: skip
"""What Ray raises where a worker, or its machine, is gone."""

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
"""Ray reads these when it is imported. It would print on standard output what comes to its ears, as of a worker that
died: a command says that itself."""

_OWN = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""For a cluster of our own. A token would be written below the user's home, and who may run processes here needs none;
where clusters are off, as they are by default elsewhere than on Linux, Ray listens on loopback alone."""

_WARM = {"idle_worker_killing_time_threshold_ms": 120_000}
"""A worker that is idle is kept for so long: Ray would end those beyond one a CPU after a second, and of several runs
that share a cluster each would lose its sandboxes and models whenever another has its turn."""

_lock = threading.Lock()
_users = 0
_open = contextlib.ExitStack()


@contextlib.contextmanager
def connected(address: str, workers: int) -> Iterator[int]:
    """How many jobs the cluster does at once; this process is connected to it until the block ends.

    Runs of several domains in a process share the connection.

    Args:
        address: `HOST:PORT`, `ray://HOST:PORT` or `auto` of a cluster that is there; empty for one of our own.
        workers: Workers of our own.

    Raises:
        ConfigurationError: There is no such cluster.
    """
    global _users
    with _lock:
        if not _users:
            _open.enter_context(_cluster(address, workers))
        _users += 1
    import ray

    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _open.close()


def started_at() -> str:
    """The address of the cluster that this process is connected to, for others of this machine."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


@contextlib.contextmanager
def _cluster(address: str, workers: int) -> Iterator[None]:
    os.environ.update(_QUIET if address else _QUIET | _OWN)
    import ray

    quiet: dict[str, Any] = {"configure_logging": False, "log_to_driver": False, "namespace": "driftune"}
    with contextlib.ExitStack() as stack:
        with _own_signals():
            if address:
                _connect(address, quiet)
            else:
                folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
                own = {"_temp_dir": stack.enter_context(folder), "object_store_memory": STORE, "_system_config": _WARM}
                ray.init("local", num_cpus=workers, include_dashboard=False, **own, **quiet)
        stack.callback(ray.shutdown)
        yield


def _connect(address: str, quiet: dict[str, Any]) -> None:
    import ray

    try:
        ray.init(address, **quiet)
        told = ray.get(ray.remote(_installed).remote())
    except (ConnectionError, ValueError, RuntimeError, ImportError, ray.exceptions.RayError) as error:
        raise ConfigurationError(
            f"No Ray cluster at {address}: {next(iter(str(error).splitlines()), '')}. "
            "Set --ray-address or DRIFTUNE_RAY_ADDRESS to one that runs, or leave it out for one of this machine",
            address=address,
        ) from error
    if told != _installed():
        raise ConfigurationError(
            f"The workers of the Ray cluster at {address} have driftune {told}, and this is {_installed()}: install "
            "the same version there",
            address=address,
        )


def _installed() -> str:
    return version("driftune")


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps this process's handlers of signals: connecting puts Ray's in their place."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():  # elsewhere Ray leaves them alone
        signal.signal(signal.SIGTERM, before)


class OnRay:
    """Calls of `work`, as Ray's tasks; each is tried once, as whoever asks counts the tries."""

    def __init__(self) -> None:
        import ray

        self._work = ray.remote(max_retries=0)(work)
        self._under_way: set[Any] = set()

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        import ray

        assert function is work
        return self.waited(title, self._work.options(name=title).remote(*arguments), ray.get)

    def waited(self, title: str, ref: Any, read: Callable[[Any], Any]) -> Any:
        """What comes of a task; its own errors as they were raised there.

        Raises:
            WorkerError: Its worker is gone.
        """
        from ray import exceptions

        self._under_way.add(ref)
        try:
            return read(ref)
        except tuple(getattr(exceptions, name) for name in LOST) as error:
            raise lost(title) from error
        except exceptions.TaskCancelledError as error:
            raise WorkerError(f"{title} has been given up", retryable=False) from error
        except exceptions.RayTaskError as error:
            raise error.cause from error
        finally:
            self._under_way.discard(ref)

    def stop(self) -> None:
        """Ends what is under way."""
        import ray

        for ref in list(self._under_way):
            with contextlib.suppress(Exception):
                ray.cancel(ref, force=True)

    def close(self) -> None:
        """See `Executor`."""
