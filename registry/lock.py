"""One run per domain at a time: a file lock that dies with its holder."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from registry.errors import LockedError
from registry.storage import storage


@contextlib.contextmanager
def domain_lock(home: Path, domain: str, run: str) -> Iterator[None]:
    """Holds the lock of a domain while the block runs.

    The kernel releases it when the process ends, however it ends, so a killed run never blocks the next one.

    Raises:
        LockedError: Another run holds it; the message names the run, the process and since when.
    """
    path = home / "locks" / f"{domain}.lock"
    with storage("the lock", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(_held(domain, file.read()), domain=domain) from None
        holder = {"run": run, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        with storage("the lock", path):
            file.seek(0)
            file.truncate()
            file.write(json.dumps(holder))
            file.flush()
        yield


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _held(domain: str, text: str) -> str:
    try:
        h = json.loads(text)
        who = f"run {h['run']} (process {h['pid']} on {h['host']}, since {h['since']})"
    except (ValueError, KeyError, TypeError):
        who = "another run"
    return f"Domain {domain} is held by {who}: wait for it to end, or stop it, then run the same command again"
