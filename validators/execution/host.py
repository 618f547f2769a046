"""The host as a conformance suite sees it: what stands there for attacks to reach, and the processes they left.

Other processes of the host are only looked at.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """What stands on the host for attacks to reach, and the name that all processes of this run have."""

    secret: str
    targets: str
    run: str


@contextmanager
def canaries() -> Iterator[Host]:
    """A file, variable, port, sockets and process on the host, which no program may reach."""
    secret = f"secret-{secrets.token_hex(8)}"
    run = f"left{secrets.token_hex(2)}"
    os.environ["DRIFTUNE_CONFORMANCE"] = secret
    with tempfile.TemporaryDirectory(prefix="driftune-conformance-") as folder, ExitStack() as stack:
        path = Path(folder) / "host.txt"
        path.write_text(secret, encoding="ascii")
        places = {"abstract": f"driftune-{secrets.token_hex(4)}", "socket": f"{folder}/socket"}
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        _answer(tcp, secret)
        for place in (f"\0{places['abstract']}", places["socket"]):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(place)
            listener.listen()
            _answer(listener, secret)
        command = Path("/proc/self/cmdline").read_text(encoding="utf-8", errors="replace")
        targets = {"path": str(path), "port": tcp.getsockname()[1], "pids": [os.getpid(), os.getppid()]}
        try:
            yield Host(secret, json.dumps({**targets, **places, "command": command}), run)
        finally:
            del os.environ["DRIFTUNE_CONFORMANCE"]


def _answer(listener: socket.socket, secret: str) -> None:
    """Tell the secret to whoever connects, until the listener is closed."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(secret.encode())

    threading.Thread(target=serve, daemon=True).start()


def marked(mark: str) -> list[int]:
    """The host's processes that have this name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text(encoding="utf-8", errors="replace").strip() == mark:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def processes() -> dict[int, tuple[int, str]]:
    """The parent and the state of each of the host's processes."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        found[int(folder.name)] = (int(parent), state)
    return found


def descendants(rows: Mapping[int, tuple[int, str]] | None = None) -> set[int]:
    """The processes below this one, as `processes` has them, by default now."""
    rows = processes() if rows is None else rows
    found = {os.getpid()}
    while more := {pid for pid, (parent, _) in rows.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def until_gone(look: Callable[[], list[int]], seconds: float = 5.0) -> list[int]:
    """What `look` still finds after at most `seconds`: nothing as soon as it finds nothing."""
    deadline = time.monotonic() + seconds
    while (there := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return there
