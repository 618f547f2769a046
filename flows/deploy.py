"""`driftune deploy`: scheduled refreshes, on a Prefect server with its workers, or served by this process alone.

Served by this process, a scheduled run is a process of its own: it finds home, lake and registry by the absolute paths
it is handed in its environment, and ends with the process that serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.prefect_api import TAG
from flows.server import Server, die_with_parent, prefect_server
from flows.stacking.places import CPU
from registry.domain import Domain
from registry.domain_files import domain_path, load_domain
from registry.errors import ConfigurationError, DriftuneError
from registry.settings import Settings

SERVED_BY = "DRIFTUNE_SERVED_BY"
"""Environment variable that tells a scheduled run which process serves it."""


@dataclass(frozen=True)
class Request:
    """What is asked of `driftune deploy`.

    Attributes:
        cron: When domains are refreshed, UTC.
        gpu: Whether training, evaluation and publication go on in a pool of their own.
        docker: Image that the pools' containers are made of; empty for processes.
        at_once: Runs at a time in the pool without a GPU; None leaves it as it is.
        enough: With a GPU pool: after so many new proven rows it is trained.
        notify: Type and name of the Prefect block that tells somebody of trouble; empty for nobody.
        quiet_days: With such a block: after so many days without a release or an adapter that is told too.
    """

    cron: str
    gpu: bool = False
    docker: str = ""
    at_once: int | None = None
    enough: int = 1
    notify: str = ""
    quiet_days: int = 30


@dataclass(frozen=True)
class Deployed:
    """What a server has of ours, by name.

    Attributes:
        deployments: Flow and name of each deployment.
        automations: Names of the automations.
    """

    deployments: list[str]
    automations: list[str]


def serve(domains: Sequence[str], request: Request, *, removing: bool = False) -> None:
    """Serves a scheduled refresh of each domain; returns when it is told to stop (SIGINT or SIGTERM).

    Args:
        domains: Names in `domains/`, or paths of domain files.
        request: What is asked for.
        removing: Whether deployments are to be taken away.

    Raises:
        ConfigurationError: A domain file or the cron expression is wrong, or what is asked for needs a server.
        DriftuneError: No Prefect server answers.
    """
    from flows.engine import prepare_prefect

    cron = request.cron
    if removing or request != Request(cron):
        raise ConfigurationError(
            "Without a Prefect server there are no pools: name one with --server URL or PREFECT_API_URL, or leave these"
            " options out"
        )
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
        _serve_files(files, cron, server)
    print("Stopped; a run that was under way is continued by the next one", flush=True)


def deploy_to(server: str, domains: Sequence[str], request: Request, *, removing: bool, as_json: bool) -> None:
    """Creates, updates or takes away the deployments of domains on a Prefect server, and tells which they are.

    Args:
        server: The server's address; its API's is found from it.
        domains: Names in `domains/`, or paths of domain files.
        request: What is asked for.
        removing: Whether they are taken away.
        as_json: Print an object instead of lines.

    Raises:
        ConfigurationError: A domain file, the cron expression or the address is wrong, or two domains have one name;
            or there is neither a file of what is to be taken away nor anything on the server.
        DriftuneError: The server doesn't answer, or refuses.
    """
    from flows.engine import prepare_prefect
    from flows.server import healthy

    wanted = {} if removing else _named(domains)
    check_cron(request.cron)
    address = api_address(server)
    if not healthy(address):
        raise DriftuneError(f"No Prefect server answers at {address}: start one, or see what is set", retryable=True)
    os.environ["PREFECT_API_URL"] = address
    settings = Settings()
    prepare_prefect(settings.root)
    from flows import deployments  # imports Prefect, which reads its settings but once

    done = deployments.remove(*_names(domains)) if removing else deployments.create(wanted, request, settings)
    if as_json:
        print(json.dumps({"server": address, "removed": removing, **dataclasses.asdict(done)}))
        return
    verb = "Removed" if removing else "Deployed"
    print("\n".join(f"{verb} {name}" for name in done.deployments) or "Nothing was deployed")
    if not removing:
        print("\n".join(f"Automation {name}" for name in done.automations))
        print(f"On {address}. Workers run them: prefect worker start --pool {CPU}")


def api_address(server: str) -> str:
    """The address of a Prefect server's API, of that of its page or its own.

    Raises:
        ConfigurationError: It is none, or has a login in it, which would be printed and logged.
    """
    try:
        there = urlsplit(server)
    except ValueError:
        there = urlsplit("")
    if "@" in there.netloc:
        raise ConfigurationError(
            "A login in the address of a Prefect server would be seen by everybody: set PREFECT_API_AUTH_STRING instead"
        )
    if there.scheme not in ("http", "https") or not there.netloc:
        raise ConfigurationError(f"No address of a Prefect server: {server!r}. Name it as http://127.0.0.1:4200")
    address = server.rstrip("/")
    return address if "/api" in there.path else f"{address}/api"


def _named(domains: Sequence[str]) -> dict[str, Domain]:
    """How a worker is to name each domain -> the domain: a name stays one, a path becomes absolute."""
    found: dict[str, Domain] = {}
    for reference in domains:
        domain = load_domain(reference)
        path = domain_path(reference)
        found[str(path.absolute()) if Path(reference) == path else reference] = domain
    if len({domain.name for domain in found.values()}) < len(found):
        raise ConfigurationError(f"Two of {', '.join(found)} have the same name: deploy them one by one")
    return found


def _names(domains: Sequence[str]) -> tuple[list[str], dict[str, ConfigurationError]]:
    """The names of domains; and of each whose file is gone, or can't be read, why: it is what it is called by."""
    names, unread = [], {}
    for reference in domains:
        try:
            name = load_domain(reference).name
        except ConfigurationError as error:
            is_path = "/" in reference or reference.endswith(".toml")
            name = Path(reference).stem.lower() if is_path else reference
            unread[name] = error
        names.append(name)
    return names, unread


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


def _serve_files(files: dict[str, Path], cron: str, server: Server) -> None:
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
            tags=[TAG],
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
