"""Where the parts of a stack are reached, and the passwords between them: chosen once a home, and kept."""

from __future__ import annotations

import json
import secrets as random
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from registry.errors import ConfigurationError
from registry.storage import write_file

CPU = "driftune-cpu"
"""The work pool of what needs no GPU."""
GPU = "driftune-gpu"
"""The work pool of what needs a GPU; and the global concurrency limit that such a run takes a place of."""
HOST = "127.0.0.1"
NAMED = ("prefect", "registry", "postgres")
"""The parts whose ports somebody may have written down: those of workers are asked by the supervisor alone."""
PORTS = range(20_000, 32_000)
"""Where free ports are looked for: below those that Linux gives to outgoing connections, which could take one of a
part that is being started again."""


@dataclass(frozen=True)
class Ports:
    """The port of each part, on loopback."""

    prefect: int
    registry: int
    postgres: int
    cpu: int
    gpu: int

    @property
    def api(self) -> str:
        """The address of Prefect's API."""
        return f"http://{HOST}:{self.prefect}/api"

    def listening(self) -> int:
        """A socket that Prefect's server is handed each time it starts: who comes in between waits for it.

        Raises:
            ConfigurationError: Somebody else has the port.
        """
        try:
            return socket.create_server((HOST, self.prefect), backlog=2048).detach()
        except OSError as error:
            raise taken(self.prefect, "--prefect-port") from error


@dataclass(frozen=True)
class Secrets:
    """What parts are let in by: PostgreSQL's password, and user and password of Prefect's API."""

    database: str = field(repr=False)
    api: str = field(repr=False)


def find_ports(folder: Path, **named: int | None) -> Ports:
    """The ports of the stack in a folder: those that are named, else those it had, else free ones.

    Raises:
        ConfigurationError: Somebody else has a port that is named, or that it had.
    """
    path = folder / "ports.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    wanted = kept | {name: port for name, port in named.items() if port is not None}
    occupied = [name for name, port in wanted.items() if not _free(port)]
    for name in occupied:
        if name in NAMED:
            raise taken(wanted[name], f"--{name}-port")
    chosen = {name: port for name, port in wanted.items() if name not in occupied}
    for name in Ports.__dataclass_fields__:
        chosen.setdefault(name, _any_free(set(chosen.values())))
    ports = Ports(**chosen)
    write_file(path, json.dumps(asdict(ports)).encode(), "the stack's ports")
    return ports


def find_secrets(folder: Path) -> Secrets:
    """The passwords of the stack in a folder, readable by its owner alone; made where there are none."""
    path = folder / "secrets.json"
    if not path.exists():
        made = Secrets(random.token_urlsafe(24), f"driftune:{random.token_urlsafe(24)}")
        write_file(path, json.dumps(asdict(made)).encode(), "the stack's passwords")
        path.chmod(0o600)  # nobody else enters the folder in the meantime
    return Secrets(**json.loads(path.read_text()))


def taken(port: int, option: str) -> ConfigurationError:
    """The error where somebody else has a port."""
    return ConfigurationError(f"Port {port} is taken: name another ({option}), or stop what has it", port=port)


def _any_free(chosen: set[int]) -> int:
    return next(port for port in iter(lambda: random.choice(PORTS), None) if port not in chosen and _free(port))


def _free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
