"""`driftune serve`: the registry's server, in one process or several, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from registry.errors import ConfigurationError
from registry.server.app import create_app
from registry.server.context import Context
from registry.server.running import config
from registry.server.settings import ServerSettings, is_loopback
from registry.server.state import State
from registry.settings import Settings
from registry.store import Store

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI


def serve(**options: Any) -> None:
    """Serves the registry that the environment names, until Ctrl-C or SIGTERM.

    Args:
        **options: Settings of the server, above those in the environment; None where one isn't given.

    Raises:
        ConfigurationError: A setting can't be what it is, the state can't be opened, or the port is taken.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    settings = ServerSettings(**given)
    for name, value in given.items():  # server processes read the environment
        os.environ[f"DRIFTUNE_SERVE_{name.upper()}"] = " ".join(value) if isinstance(value, tuple) else str(value)
    State(settings.state_url).close()
    listening = _listening(settings.host, settings.port)
    _warn(settings)
    print(f"Serving {Settings().registry_url} on {_address(settings.host, listening)}; Ctrl-C stops it", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn passes both on, once all has ended
    try:
        _run(config("flows.serve:make_app", settings), settings.workers, listening)
    except KeyboardInterrupt:
        _tell("Stopped")
    finally:
        listening.close()


def make_app() -> FastAPI:
    """The application of one server process, as the environment describes it."""
    settings, home = ServerSettings(), Settings()
    return create_app(
        Context(Store(home.registry_url, checks=False), _lake(home), home.root / "bases", _state(settings), settings)
    )


def _run(how: uvicorn.Config, workers: int, listening: socket.socket) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    if workers > 1:
        Multiprocess(how, sockets=[listening]).run()
    else:
        uvicorn.Server(how).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio leaves Nagle's delay on else
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)  # who comes before the server is up waits for it
    except OSError as error:
        listening.close()
        why = error.strerror or error
        raise ConfigurationError(f"Can't listen on {host}, port {port} ({why}): choose another --host or --port") from (
            error
        )
    return listening


def _warn(settings: ServerSettings) -> None:
    """Says so where everybody in a network can read everything."""
    if not (is_loopback(settings.host) or settings.private or settings.public):
        _tell(
            f"Whoever reaches {settings.host} can read every adapter: name the private domains (--private), make "
            "tokens (driftune token new), and let a proxy speak TLS before it"
        )


def _address(host: str, listening: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def _state(settings: ServerSettings) -> State:
    return State(settings.state_url)


def _lake(home: Settings) -> Any:
    from registry.lake import Lake

    if "://" not in home.lake_url and not (home.root / "driftune.duckdb").exists():
        return None
    lake = Lake(home.lake_url, home.root, "serve")
    lake.create()
    return lake


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
