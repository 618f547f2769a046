"""`driftune deploy`: scheduled refreshes, served by this process with Prefect until it is stopped.

A scheduled run is a process of its own: it finds home, lake and registry by the absolute paths it is handed in its
environment, and ends with the process that serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flows.server import Server, die_with_parent, prefect_server
from registry.domain_files import domain_path, load_domain
from registry.errors import ConfigurationError
from registry.settings import Settings

SERVED_BY = "DRIFTUNE_SERVED_BY"
"""Environment variable that tells a scheduled run which process serves it."""


def deploy(domains: Sequence[str], cron: str) -> None:
    """Serves a scheduled refresh of each domain; returns when it is told to stop (SIGINT or SIGTERM).

    Args:
        domains: Names in `domains/`, or paths of domain files.
        cron: When, as a cron expression, UTC.

    Raises:
        ConfigurationError: A domain file or the cron expression is wrong.
        DriftuneError: No Prefect server answers.
    """
    from flows.engine import prepare_prefect

    files = {load_domain(reference).name: domain_path(reference).absolute() for reference in domains}
    settings = Settings()
    check_cron(cron)
    os.environ.update(locations(settings) | {SERVED_BY: str(os.getpid())})
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")  # a line when a run begins and one when it ends
    prepare_prefect(settings.root)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, also while the server starts
    print("Starting Prefect", flush=True)  # 10 s, 30 on a busy machine
    with contextlib.suppress(KeyboardInterrupt), prefect_server(settings.root) as server:
        print(f"Serving {', '.join(files)} at '{cron}' (UTC), on {server.address}; stop with Ctrl-C", flush=True)
        _serve(files, cron, server)
    print("Stopped; a run that was under way is continued by the next one", flush=True)


def check_cron(cron: str) -> None:
    """Checks a cron expression.

    Raises:
        ConfigurationError: It is none.
    """
    from cronsim import CronSim, CronSimError

    try:
        CronSim(cron, dt.datetime.now(dt.UTC))
    except CronSimError as error:
        raise ConfigurationError(
            f"No cron expression: {cron!r} ({error}). Five fields, minute hour day month weekday, as '0 3 * * *'",
            cron=cron,
        ) from error


def locations(settings: Settings) -> dict[str, str]:
    """The environment variables by which another process, in any folder, finds the same home, lake and registry."""
    return {
        "DRIFTUNE_HOME": str(settings.root),
        "DRIFTUNE_LAKE": settings.lake_url,
        "DRIFTUNE_REGISTRY": settings.registry_url,
    }


def _serve(files: dict[str, Path], cron: str, server: Server) -> None:
    """Registers the deployments and runs what is due, until SIGINT or SIGTERM."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.types.entrypoint import EntrypointType

    from flows.refresh import refresh

    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    runner = _runner()
    for name, path in files.items():
        deployment: Any = refresh.to_deployment(
            name=name,
            cron=cron,
            parameters={"domain": str(path)},
            concurrency_limit=one,  # a run that is due while the last one goes on is dropped, not queued
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        identifier = runner.add_deployment(deployment)
        if server.own:
            _free_turn(identifier)
    asyncio.run(_until_stopped(runner))


def _free_turn(deployment: Any) -> None:
    """Forgets a run of an earlier server, killed in its midst: it would hold the deployment's only turn for ever."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    with get_client(sync_client=True) as client:
        limit = client.read_deployment(deployment).global_concurrency_limit
        if limit is not None:
            client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=0))


def _runner() -> Any:
    """Prefect's runner; it hands SIGTERM on to `stop`, as its own way leaves a coroutine that is never awaited."""
    from prefect.runner import Runner

    class Served(Runner):
        stop_once: Callable[[], None]

        def handle_sigterm(self, *_: Any) -> None:
            self.stop_once()

    return Served(name="driftune", pause_on_shutdown=True)


async def _until_stopped(runner: Any) -> None:
    """Runs what is due until the first signal; further ones, as of a second Ctrl-C, don't disturb the clean-up."""
    loop = asyncio.get_running_loop()
    served = asyncio.ensure_future(runner.start())
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            loop.call_soon_threadsafe(served.cancel)

    runner.stop_once = stop
    loop.add_signal_handler(signal.SIGINT, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await served


def end_with_deployment() -> None:
    """In a scheduled run's process: it ends when the command that serves it does, and so does its hold on the lock."""
    if os.environ.get(SERVED_BY) == str(os.getppid()):
        die_with_parent(signal.SIGKILL)  # Prefect's own end would wait for a server that is gone
