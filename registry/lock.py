"""One run per domain at a time: a file lock that dies with its holder."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from registry.errors import LockedError
from registry.settings import Settings
from registry.storage import storage


@contextlib.contextmanager
def held(path: Path, what: str, holder: str, refused: Callable[[str], LockedError]) -> Iterator[None]:
    """Holds a lock while the block runs, and says in it who does.

    The kernel releases it when the process ends, however it ends, so a killed holder never blocks the next one.

    Args:
        path: The lock's file.
        what: What it is, for an error of the disk.
        holder: What it says of this process.
        refused: The error where another process holds it, of what the lock says of that one.

    Raises:
        LockedError: Another process holds it.
    """
    with storage(what, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise refused(file.read()) from None
        with storage(what, path):
            file.seek(0)
            file.truncate()
            file.write(holder)
            file.flush()
        yield


@contextlib.contextmanager
def domain_lock(settings: Settings, domain: str, run: str) -> Iterator[None]:
    """Holds the lock of a domain while the block runs.

    Args:
        settings: Where home and lake are.
        domain: The domain.
        run: Name of the run that holds it.

    Raises:
        LockedError: Another run holds it; the message names the run, the process and since when.
    """
    holder = {"run": run, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()}

    def refused(text: str) -> LockedError:
        return LockedError(_busy(domain, text), domain=domain)

    with held(settings.root / "locks" / f"{domain}.lock", "the lock", json.dumps(holder), refused):
        yield


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _busy(domain: str, text: str) -> str:
    try:
        h = json.loads(text)
        who = f"run {h['run']} (process {h['pid']} on {h['host']}, since {h['since']})"
    except (ValueError, KeyError, TypeError):
        who = "another run"
    return f"Domain {domain} is held by {who}: wait for it to end, or stop it, then run the same command again"
