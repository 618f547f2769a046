"""A crew's calls as tasks of Prefect's: each shard is a task run of the stage's flow, by Prefect's own task runners.

`ThreadPoolTaskRunner`, `ProcessPoolTaskRunner` and prefect-ray's `RayTaskRunner` do what `flows.executors` does bare.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture
from prefect.states import Crashed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import quote

from flows.crews import THREADS
from flows.executors import Executor, StoppableExecutor, lost
from flows.working import begin
from registry.errors import WorkerError

F = TypeVar("F", bound=PrefectFuture[Any])


@task(name="shard", task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
def shard(title: str, function: Callable[..., Any], arguments: Any) -> Any:
    """Does a call; what it gives."""
    del title  # the task run's name
    return function(*arguments)


def submitted(runner: TaskRunner[F], called: dict[str, Any]) -> F:
    """A shard, handed to a runner as a task of the flow: the context of the task that spreads it can't be sent along.

    Each hand has a copy of the context to itself, so that nobody else misses it.
    """
    TaskRunContext.__var__.set(None)  # type: ignore[arg-type]
    return runner.submit(shard, called)


class PrefectExecutors:
    """Executors whose calls are task runs of the flow that asks for them."""

    def here(self) -> Executor:
        """See `Executors`."""
        return _Threads()

    def process(self, wanted: Path) -> Executor:
        """See `Executors`."""
        return _Process(wanted)

    def ray(self) -> StoppableExecutor:
        """See `Executors`."""
        from flows.ray_tasks import OnPrefectRay

        return OnPrefectRay()


class _Threads:
    """By threads of this process."""

    def __init__(self) -> None:
        self._runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=THREADS)
        self._runner.__enter__()

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        called = {"title": title, "function": quote(function), "arguments": quote(arguments)}
        return submitted(self._runner, called).result()

    def close(self) -> None:
        """See `Executor`."""
        self._runner.__exit__(None, None, None)


class _WarmRunner(ProcessPoolTaskRunner):
    """A runner that lives over several flows: Prefect's keeps the first one's context for all."""

    def submit(self, *arguments: Any, **options: Any) -> Any:
        """As `ProcessPoolTaskRunner.submit`."""
        self._cached_context = None
        return super().submit(*arguments, **options)


class _Process:
    """By one process, which is replaced where it was killed."""

    def __init__(self, wanted: Path) -> None:
        self._wanted = wanted
        self._runner: _WarmRunner | None = None

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        if self._runner is None:
            self._runner = _WarmRunner(max_workers=1, initializer=begin, initargs=(self._wanted,))
            self._runner.__enter__()
        future = submitted(self._runner, {"title": title, "function": function, "arguments": arguments})
        try:
            return future.result()
        except BrokenProcessPool as error:
            self.close()
            tell_crashed(future, lost(title))
            raise lost(title) from error

    def close(self) -> None:
        """See `Executor`."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.__exit__(None, None, None)


def tell_crashed(future: PrefectFuture[Any], error: WorkerError) -> None:
    """Tells Prefect's server that a task run has crashed: its worker, which would have said so, is gone."""
    run: UUID = future.task_run_id
    with (
        contextlib.suppress(Exception),
        get_client(sync_client=True) as client,
    ):  # what is shown is no matter to the run
        client.set_task_run_state(run, Crashed(message=str(error)), force=True)
