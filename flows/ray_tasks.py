"""A crew's calls as tasks of Prefect's on Ray, by prefect-ray's `RayTaskRunner`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect_ray.context import remote_options
from prefect_ray.task_runners import RayTaskRunner

from flows.rays import OnRay
from flows.task_runners import submitted, tell_crashed
from registry.errors import WorkerError


class OnPrefectRay(OnRay):
    """By the cluster that this process is connected to, which the runner finds and doesn't end."""

    def __init__(self) -> None:
        super().__init__()
        self._runner: RayTaskRunner[Any] = RayTaskRunner()
        self._runner.__enter__()

    def do(self, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """See `Executor`."""
        with remote_options(max_retries=0):
            called = {"title": title, "function": function, "arguments": list(arguments)}
            future = submitted(self._runner, called)
        try:
            return self.waited(title, future.wrapped_future, lambda _: future.result())
        except WorkerError as error:
            tell_crashed(future, error)
            raise

    def close(self) -> None:
        """See `Executor`."""
        self._runner.__exit__(None, None, None)
