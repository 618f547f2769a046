"""Prefect's server: the configured one, the one that another command of this home started, or one of our own.

A server of our own keeps its database in the home folder and ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from registry.errors import DriftuneError
from registry.lock import flocked
from registry.storage import storage

START_S = 120.0
"""Seconds a server may take to answer: 11 where nothing else runs, 30 on a busy machine."""

FREE = 16 << 20
"""Bytes that a server's database and log want on the disk: 6 MB after a first run, twice over."""

PR_SET_PDEATHSIG = 1
"""Linux' prctl option: the signal a process gets when its parent dies (linux/prctl.h)."""


@dataclass(frozen=True)
class Server:
    """A Prefect server.

    Attributes:
        address: URL of its API.
        own: Whether this process started it, and so nobody else uses it yet.
    """

    address: str
    own: bool = False


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[Server]:
    """The server to use, whose address `PREFECT_API_URL` holds within the block.

    Prefect must not be imported before: it reads its settings but once.

    Args:
        home: The home folder; `prefect/server.lock` in it is held by the process whose server is running, and holds its
            address.

    Raises:
        ConfigurationError: The home folder can't be written, or its disk is full.
        DriftuneError: The server does not start.
    """
    configured = os.environ.get("PREFECT_API_URL")
    if configured:
        yield Server(configured)
        return
    folder = home / "prefect"
    with storage("Prefect's files", folder):
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < FREE:  # SQLite would only say that the server did not start
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lock = (folder / "server.lock").open("a+")
    with lock, _own(lock, folder) if flocked(lock) else _other(lock) as server:
        os.environ["PREFECT_API_URL"] = server.address
        try:
            yield server
        finally:
            del os.environ["PREFECT_API_URL"]


@contextlib.contextmanager
def _own(lock: IO[str], folder: Path) -> Iterator[Server]:
    """Starts a server, ended with the block."""
    lock.truncate(0)
    log = folder / "server.log"
    with (
        socket.create_server(("127.0.0.1", 0)) as place,
        storage("the log of Prefect's server", log),
        log.open("ab") as output,
        _process(place, output) as server,
    ):
        address = f"http://127.0.0.1:{place.getsockname()[1]}/api"
        place.close()  # the server has it
        _wait_until(
            lambda: healthy(address), lambda: server.poll() is None, f"Prefect's server did not start: see {log}"
        )
        lock.write(address)
        lock.flush()
        yield Server(address, own=True)


@contextlib.contextmanager
def _other(lock: IO[str]) -> Iterator[Server]:
    """Waits for the server that another process has, or is starting."""

    def address() -> str:
        lock.seek(0)
        return lock.read().strip()

    holder = "another driftune command of this home"
    _wait_until(lambda: healthy(address()), lambda: True, f"The Prefect server of {holder} does not answer: stop that")
    yield Server(address())


SERVE = """
import os, socket, sys, uvicorn
os.environ.setdefault("PREFECT_UI_API_URL", "/api")  # else its page would ask port 4200
config = uvicorn.Config("prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""
"""Serves on a socket that it is handed: of a port alone, another process may take it before this one has begun."""


@contextlib.contextmanager
def _process(place: socket.socket, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process, in a session of its own: Ctrl-C reaches this process alone, which ends the server last."""
    command = [sys.executable, "-c", SERVE, str(place.fileno())]
    child = subprocess.Popen(
        command, stdout=output, stderr=output, pass_fds=[place.fileno()], start_new_session=True,
        preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Has this process get a signal when its parent dies, however that dies (Linux; nothing elsewhere)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def healthy(address: str) -> bool:
    """Whether a Prefect server answers at the address of an API."""
    import httpx

    try:
        return bool(address) and httpx.get(f"{address}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _wait_until(ready: Callable[[], bool], alive: Callable[[], bool], failed: str) -> None:
    end = time.monotonic() + START_S
    while not ready():
        if not alive() or time.monotonic() > end:
            raise DriftuneError(failed, retryable=True)
        time.sleep(0.2)
