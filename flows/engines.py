"""The engines that a run may be spread over: `threads`, `processes`, `ray`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing

from flows.crews import Crew, ProcessCrew, ThreadCrew
from flows.executors import Executors
from registry.errors import ConfigurationError
from registry.settings import Settings

THREADS, PROCESSES = "threads", "processes"

ENGINES = (THREADS, PROCESSES)


def check_engine(settings: Settings) -> None:
    """Checks which engine is asked for.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if settings.engine not in ENGINES:
        raise ConfigurationError(
            f"No engine {settings.engine!r}: there are {', '.join(ENGINES)}. Set --engine or DRIFTUNE_ENGINE",
            engine=settings.engine,
        )


@contextlib.contextmanager
def opened_crew(settings: Settings, executors: Executors, workers: int) -> Iterator[Crew]:
    """Who does the shards of a run, until the block ends.

    Args:
        settings: They name the engine.
        executors: Bare ones, or Prefect's.
        workers: Programs at a time that this machine is to run.

    Raises:
        ConfigurationError: There is no such engine.
    """
    check_engine(settings)
    with closing(ProcessCrew(executors, workers) if settings.engine == PROCESSES else ThreadCrew(executors)) as crew:
        yield crew
