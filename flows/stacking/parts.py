"""What the stack is made of: PostgreSQL, Prefect's server on it, workers, and the registry's server.

Each part is a process, with what starts it, what tells that it does its work, what it needs before, and how it ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.deploy import locations
from flows.engine import prepare_prefect
from flows.server import SERVE
from flows.stacking import postgres
from flows.stacking.places import CPU, GPU, HOST, Ports, Secrets
from registry.settings import Settings

ANSWER_S = 2.0
"""Seconds that a part has to say that it is well: the others are not looked after meanwhile."""


@dataclass(frozen=True)
class Part:
    """A process of the stack.

    Attributes:
        name: What it is called; its log is `NAME.log`.
        command: Program and arguments.
        healthy: Whether it does its work.
        environment: Variables beside the supervisor's own.
        needs: Parts that are healthy before it is started.
        address: Where people and programs find it; empty where nobody looks.
        account: Who runs it; the supervisor's own account where empty.
        opened: Files and sockets that it is handed.
        stop: The signal that ends it cleanly.
        with_children: Whether those that it started directly are told to end as well.
    """

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], bool]
    environment: Mapping[str, str]
    needs: tuple[str, ...] = ()
    address: str = ""
    account: str = ""
    opened: tuple[int, ...] = ()
    stop: signal.Signals = signal.SIGTERM
    with_children: bool = False


def all_parts(settings: Settings, ports: Ports, secrets: Secrets, *, gpu: bool) -> list[Part]:
    """Every part, in the order in which they start.

    Args:
        settings: Where things lie.
        ports: The port of each part.
        secrets: Passwords.
        gpu: Whether there is a worker of the GPU pool.
    """
    prepare_prefect(settings.root)
    database = postgres.Database(settings.root / "stack" / "postgres", ports.postgres, secrets.database)
    common = locations(settings) | {
        "PREFECT_API_URL": ports.api,
        "PREFECT_API_AUTH_STRING": secrets.api,
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    workers = [_worker(CPU, ports.cpu, common), *([_worker(GPU, ports.gpu, common)] if gpu else [])]
    return [_postgres(database), _prefect(ports, secrets, database, common), *workers, _registry(ports, common)]


def _postgres(database: postgres.Database) -> Part:
    opened = database.open()
    return Part(
        "postgres",
        database.command(opened),
        lambda: _succeeds(database.asking()),
        {},
        account=postgres.account(),
        opened=(opened,),
        stop=signal.SIGINT,  # it ends without waiting for who is connected
    )


def _prefect(ports: Ports, secrets: Secrets, database: postgres.Database, common: Mapping[str, str]) -> Part:
    place = ports.listening()
    own = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.url,
        "PREFECT_SERVER_API_AUTH_STRING": secrets.api,
        "PREFECT_UI_API_URL": ports.api,
        # in memory they are lost with the server, and the places that they stand for are taken for ever
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(Path(common["DRIFTUNE_HOME"]) / "stack/ui"),  # it is copied there
    }
    command = (sys.executable, "-c", SERVE, str(place))
    return Part(
        "prefect",
        command,
        lambda: _answers(f"{ports.api}/ready"),
        {**common, **own},
        needs=("postgres",),
        address=ports.api,
        opened=(place,),
    )


def _worker(pool: str, port: int, common: Mapping[str, str]) -> Part:
    kind = pool.removeprefix("driftune-")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", kind, "--type", "process"]
    command += ["--install-policy", "never", "--with-healthcheck", *(["--limit", "1"] if pool == GPU else [])]
    own = {"PREFECT_WORKER_WEBSERVER_HOST": HOST, "PREFECT_WORKER_WEBSERVER_PORT": str(port)}
    return Part(
        f"{kind}-worker",
        tuple(command),
        lambda: _answers(f"http://{HOST}:{port}/health"),
        {**common, **own},
        needs=("prefect",),
        with_children=True,
    )


def _registry(ports: Ports, common: Mapping[str, str]) -> Part:
    address = f"http://{HOST}:{ports.registry}"
    command = (sys.executable, "-m", "flows.cli", "serve", "--host", HOST, "--port", str(ports.registry))
    return Part("registry", command, lambda: _answers(f"{address}/healthz"), common, address=address)


def _answers(address: str) -> bool:
    import httpx

    try:
        return httpx.get(address, trust_env=False, timeout=ANSWER_S).is_success
    except httpx.HTTPError:
        return False


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=ANSWER_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
