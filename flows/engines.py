"""The engines that a run may be spread over: `threads`, `processes`, `ray`."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, closing

from flows.crews import Crew, ProcessCrew, RayCrew, ThreadCrew
from flows.executors import Executors
from registry.errors import ConfigurationError
from registry.settings import Settings

THREADS, PROCESSES, RAY = "threads", "processes", "ray"

ENGINES = (THREADS, PROCESSES, RAY)


def check_engine(settings: Settings) -> None:
    """Checks which engine is asked for.

    Raises:
        ConfigurationError: There is none of that name, or it isn't installed.
    """
    if settings.engine not in ENGINES:
        raise ConfigurationError(
            f"No engine {settings.engine!r}: there are {', '.join(ENGINES)}. Set --engine or DRIFTUNE_ENGINE",
            engine=settings.engine,
        )
    if settings.engine == RAY and importlib.util.find_spec("ray") is None:
        raise ConfigurationError("Ray isn't installed: pip install 'driftune[ray]', or take another --engine")
    if settings.ray_address and settings.engine != RAY:
        raise ConfigurationError(
            f"The engine is {settings.engine}, with the Ray cluster {settings.ray_address}: set --engine ray too"
        )


@contextlib.contextmanager
def opened_crew(settings: Settings, executors: Executors, workers: int) -> Iterator[Crew]:
    """Who does the shards of a run, until the block ends.

    Args:
        settings: They name the engine.
        executors: Bare ones, or Prefect's.
        workers: Programs at a time that this machine is to run.

    Raises:
        ConfigurationError: There is no such engine, or no such Ray cluster.
    """
    check_engine(settings)
    with ExitStack() as stack:
        crew: Crew
        if settings.engine == RAY:
            from flows.rays import connected

            hands = stack.enter_context(connected(settings.ray_address, workers))
            crew = RayCrew(executors, hands)
        else:
            crew = ProcessCrew(executors, workers) if settings.engine == PROCESSES else ThreadCrew(executors)
        yield stack.enter_context(closing(crew))
