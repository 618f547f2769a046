"""`driftune deploy`: scheduled refreshes, served by this process with Prefect until it is stopped.

Where `PREFECT_API_URL` is set, that server holds the schedule. Else a server is started beside this process, with its
database in the home folder, and ends with it. A scheduled run is a process of its own: it finds home, lake and
registry by the absolute paths it is handed in its environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from registry.domain import domain_path, load_domain
from registry.errors import ConfigurationError, DriftuneError
from registry.settings import Settings
from registry.storage import storage

START_S = 120.0
"""Seconds a Prefect server may take to answer: 11 where nothing else runs, 30 on a busy machine."""

PR_SET_PDEATHSIG = 1
"""Linux' prctl option: the signal a process gets when its parent dies (linux/prctl.h)."""


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
    os.environ.update(locations(settings))
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")  # a line when a run begins and one when it ends
    prepare_prefect(settings.root)
    with prefect_server(settings.root) as address:
        print(f"Serving {', '.join(files)} at '{cron}' (UTC), on {address}; stop with Ctrl-C", flush=True)
        _serve(files, cron)
    print("Stopped; runs that were under way continue with the next one", flush=True)


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
        "DRIFTUNE_REGISTRY": str(settings.registry_path),
    }


def _serve(files: dict[str, Path], cron: str) -> None:
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
        runner.add_deployment(deployment)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


def _runner() -> Any:
    """Prefect's runner, which ends by SIGTERM as it does by Ctrl-C: its own way leaves a coroutine never awaited."""
    from prefect.runner import Runner

    class Served(Runner):
        def handle_sigterm(self, *_: Any) -> None:
            signal.raise_signal(signal.SIGINT)

    return Served(name="driftune", pause_on_shutdown=True)


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """The address of the Prefect server to use: the configured one, or one that lives as long as the block."""
    configured = os.environ.get("PREFECT_API_URL")
    if configured:
        yield configured
        return
    port = _free_port()
    address = f"http://127.0.0.1:{port}/api"
    log = home / "prefect" / "server.log"
    with storage("the log of Prefect's server", log):
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    with output, _process(_server_command(port), output) as server:
        _wait_until_healthy(server, address, log)
        os.environ["PREFECT_API_URL"] = address
        try:
            yield address
        finally:
            del os.environ["PREFECT_API_URL"]


def _server_command(port: int) -> list[str]:
    factory = "prefect.server.api.server:create_app"
    return [sys.executable, "-m", "uvicorn", "--factory", factory, "--host", "127.0.0.1", "--port", str(port),
            "--log-level", "error", "--lifespan", "on"]  # fmt: skip


@contextlib.contextmanager
def _process(command: list[str], output: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in a session of its own: Ctrl-C reaches this process alone, which ends the child last."""
    child = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, preexec_fn=_die_with_parent)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _die_with_parent() -> None:
    """In the child: end it when its parent dies, however that dies (Linux; nothing elsewhere)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    import httpx

    end = time.monotonic() + START_S
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end and server.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{address}/health").is_success:
                    return
            time.sleep(0.2)
    why = "did not answer" if server.poll() is None else f"ended with status {server.returncode}"
    raise DriftuneError(f"Prefect's server {why} within {START_S:.0f} s: see {log}", retryable=True)
