"""A PostgreSQL server of the tests' own, in a temporary folder, reached over a Unix socket in it.

It refuses to run as root: where tests do, it runs as the account `postgres`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgres() -> Iterator[str]:
    """The folder of its socket, as long as a block runs; its account is `driftune`, its first database `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    account: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if account:
        shutil.chown(folder, "postgres", "postgres")
    programs = _programs()
    try:
        make = ["--auth=trust", "--username=driftune", "--no-sync", "--encoding=UTF8", "--locale=C"]
        _run([programs / "initdb", "-D", folder / "data", *make], folder, account)
        run = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        with (folder / "log").open("wb") as log:
            command = [programs / "postgres", "-D", folder / "data", *run]
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **account)
        try:
            _wait(programs, folder, server)
            yield str(folder)
        finally:
            server.send_signal(signal.SIGINT)  # without waiting for clients
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    newest = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert newest, "No PostgreSQL here: install it (Debian: apt-get install postgresql)"
    return newest[-1].parent


def _run(command: list[Any], folder: Path, account: dict[str, Any]) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, **account)
    assert done.returncode == 0, done.stderr


def _wait(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while subprocess.run([programs / "pg_isready", "-q", "-h", folder], check=False).returncode != 0:
        assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.05)
