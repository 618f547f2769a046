"""One run per domain at a time: a file lock that dies with its holder, or a lease where the lake is on a store."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import math
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from registry.errors import LockedError
from registry.lease import Holder, Lease
from registry.objects_s3 import S3Objects
from registry.settings import Settings
from registry.storage import storage

LOCKS = "locks"
"""Folder of the locks in a home."""
IN_LAKE = "_locks"
"""Folder of the locks in a lake, which is no table."""

_LEASES: dict[str, dict[str, Lease]] = {}
"""Run -> domain -> the lease that this process holds."""


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
        with storage(what, path):  # some file systems have no locks
            free = flocked(file)
        if not free:
            file.seek(0)
            raise refused(file.read())
        with storage(what, path):
            file.seek(0)
            file.truncate()
            file.write(holder)
            file.flush()
        yield


def flocked(file: IO[str]) -> bool:
    """Takes a file's lock, which the kernel gives back when this process ends; false where another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def domain_lock(settings: Settings, domain: str, run: str) -> Iterator[None]:
    """Holds a domain, in this home and in the lake, while the block runs.

    In a folder these are file locks. On an object store it is a lease: a holder that was killed is followed at once by
    another run of the same home, and by one of another machine once the lease has run out.

    Args:
        settings: Where home and lake are.
        domain: The domain.
        run: Name of the run that holds it.

    Raises:
        LockedError: Another run holds it; the message names the run, the process and since when.
    """
    home, lake = settings.root / LOCKS / f"{domain}.lock", settings.lake_folder
    holder: dict[str, Any] = {"run": run, "pid": os.getpid(), "host": socket.gethostname(), "since": _now()}

    def refused(text: str) -> LockedError:
        return LockedError(_busy(domain, text), domain=domain)

    with held(home, "the lock", json.dumps(holder), refused):
        if lake is not None:
            with held(lake / IN_LAKE / f"{domain}.lock", "the lock", json.dumps(holder), refused):
                yield
        else:
            with _leased(settings, domain, holder | {"place": _place(home)}, refused):
                yield


@contextlib.contextmanager
def _leased(
    settings: Settings, domain: str, holder: Mapping[str, Any], refused: Callable[[str], LockedError]
) -> Iterator[None]:
    lease = Lease(S3Objects(settings.lake_url), f"{IN_LAKE}/{domain}", holder, settings.lease_s)
    if (other := lease.take()) is not None:
        raise refused(json.dumps(dict(other)))
    leases = _LEASES.setdefault(str(holder["run"]), {})
    leases[domain] = lease
    try:
        yield
    finally:
        del leases[domain]
        lease.end()


def check_held(run: str) -> None:
    """Holds a run to the leases it has in this process: asked before each time that it writes.

    Raises:
        LockedError: It was not heard of for so long that another run has taken one.
    """
    for domain, lease in list(_LEASES.get(run, {}).items()):
        if (other := lease.check()) is not None:
            raise LockedError(
                f"Domain {domain} was taken over by {_who(other)}, as this run gave no sign of life for too long: it "
                "writes nothing more, and what it has written stays. Run the same command again once the other has "
                "ended",
                domain=domain,
            )


def held_since(run: str) -> float:
    """When this process took the last of the leases that a run has (`registry.turns.clock`); inf where it has none."""
    return max((lease.since for lease in list(_LEASES.get(run, {}).values())), default=math.inf)


def locked_domains(settings: Settings) -> set[str]:
    """The domains that somebody holds, or has held, in this home or in the lake."""
    lake = settings.lake_folder
    names = {path.stem for path in (settings.root / LOCKS).glob("*.lock")}
    if lake is None:
        return names | set(S3Objects(settings.lake_url).names(IN_LAKE))
    return names | {path.stem for path in (lake / IN_LAKE).glob("*.lock")}


def _place(lock: Path) -> str:
    """Tells a lock's file from any other of all machines that run now: who has its lock knows that nobody else has."""
    found = lock.stat()
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {found.st_dev} {found.st_ino}"
    return secrets.token_hex(16)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _busy(domain: str, text: str) -> str:
    try:
        who = _who(json.loads(text))
    except ValueError:
        who = _who({})
    return f"Domain {domain} is held by {who}: wait for it to end, or stop it, then run the same command again"


def _who(holder: Holder) -> str:
    try:
        return f"run {holder['run']} (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (KeyError, TypeError):
        return "another run"
