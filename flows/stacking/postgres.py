"""PostgreSQL for the stack: a database of its own in the home folder, on loopback, by password.

It refuses to run as root: where driftune does, it runs as the account `postgres`. That one may not be able to enter
the home folder, so it finds its data by a folder that is handed to it open.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError, DriftuneError
from registry.storage import storage

_DEBIAN = Path("/usr/lib/postgresql")
_SINGLE = "CREATE DATABASE prefect;\n"


@dataclass(frozen=True)
class Database:
    """A database, made where there is none yet.

    Attributes:
        data: The folder it is in.
        port: The port on loopback that it is reached by.
        password: What its account `driftune` is known by.
    """

    data: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where Prefect's server finds it."""
        return f"postgresql+asyncpg://driftune:{self.password}@127.0.0.1:{self.port}/prefect"

    def open(self) -> int:
        """The open folder of its data; they are made where there are none.

        Raises:
            ConfigurationError: There is no PostgreSQL here, or no account that may run it.
            DriftuneError: It can't be made.
        """
        if not (self.data / "PG_VERSION").exists():
            self._make()
        return os.open(self.data, os.O_RDONLY | os.O_DIRECTORY)

    def command(self, opened: int) -> tuple[str, ...]:
        """What runs the server, of a process that has the folder open under this number."""
        told = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "log_min_messages=warning")
        settings = [word for setting in told for word in ("-c", setting)]
        return (program("postgres"), "-D", _by_number(opened), "-p", str(self.port), *settings)

    def asking(self) -> list[str]:
        """What asks whether it takes connections."""
        return [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "prefect"]

    def _make(self) -> None:
        """Makes it under another name, so that one which is there is whole."""
        part = self.data.with_name(f".{self.data.name}.part")
        with storage("the database", part):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True, mode=0o700)
            _give(part)
            opened = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._fill(opened)
            finally:
                os.close(opened)
            part.rename(self.data)

    def _fill(self, opened: int) -> None:
        with tempfile.TemporaryFile() as secret:
            secret.write(self.password.encode())
            secret.flush()
            _give(secret.fileno())
            make = ["--username=driftune", "--auth=scram-sha-256", f"--pwfile={_by_number(secret.fileno())}"]
            make += ["--encoding=UTF8", "--locale=C", "-D", _by_number(opened)]
            _run([program("initdb"), *make], (opened, secret.fileno()))
        _run([program("postgres"), "--single", "-D", _by_number(opened), "postgres"], (opened,), _SINGLE)


def account() -> str:
    """Who runs it: this account, or `postgres` where that is root.

    Raises:
        ConfigurationError: There is no such account.
    """
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL doesn't run as root, and there is no account postgres: run driftune as another user, or "
            "install PostgreSQL with your system's package manager (Debian: apt-get install postgresql)"
        ) from None


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them off PATH.

    Raises:
        ConfigurationError: There is none.
    """
    newest = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name) or next(map(str, reversed(newest)), None)
    if found is None:
        raise ConfigurationError(
            f"No PostgreSQL here ({name} is missing): install it with your system's package manager (Debian: apt-get "
            "install postgresql)"
        )
    return found


def _by_number(opened: int) -> str:
    """A path of what a process has open, which leads there without the right to enter the folders above."""
    return f"/proc/self/fd/{opened}"


def _give(what: Path | int) -> None:
    """Gives a folder or an open file to who runs the database."""
    if name := account():
        entry = pwd.getpwnam(name)
        os.chown(what, entry.pw_uid, entry.pw_gid)


def _run(command: list[str], opened: Sequence[int], said: str = "") -> None:
    name = account()
    as_account: dict[str, Any] = {}
    if name:  # of our variables it gets none: there may be keys among them
        as_account = {"user": name, "group": name, "extra_groups": [], "env": {"PATH": os.defpath}}
    done = subprocess.run(
        command, input=said, pass_fds=opened, cwd="/", text=True, check=False, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **as_account,
    )  # fmt: skip
    if done.returncode != 0:
        raise DriftuneError(f"The database could not be made: {' '.join(done.stdout.split())[-500:]}")
