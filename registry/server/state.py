"""What changes while a server runs: tokens, subscriptions, deliveries, the audit log; in SQLite or PostgreSQL.

A room declares its tables over `metadata` and they are made where they are missing, when a server starts or a command
first uses them. Any number of server processes and commands use one state at a time: SQLite in WAL mode on a local
disk, or a PostgreSQL server. Times are seconds since 1970.

SQLite writes to the disk at each commit (`synchronous = FULL`): a token that was revoked is revoked after a power
failure too. On a network file system SQLite's locks don't hold: use PostgreSQL there.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread
import sqlalchemy as sa

from registry.errors import ConfigurationError, RegistryError
from registry.storage import storage

P = ParamSpec("P")
R = TypeVar("R")

SCHEMA = 1
"""Number of the tables' form; a file of a higher one is refused."""
_BUSY_MS = 20_000
"""How long another process may hold SQLite's file; each does for milliseconds."""
_CONNECTIONS = 16
"""To the database, at most, in each process."""
_CLOSE_S = 5.0
_LOCK = 0x64726966
"""PostgreSQL's advisory lock under which tables are made: any number that others don't use."""

metadata = sa.MetaData()
_about = sa.Table("about", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))


class State:
    """A database, with the tables of all rooms that have been imported.

    Args:
        url: As SQLAlchemy has it: `sqlite:////folder/server.sqlite`, `postgresql+psycopg://user@host/name`.

    Raises:
        ConfigurationError: It can't be opened, or a newer driftune made it.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise ConfigurationError("DRIFTUNE_SERVE_STATE is no file and no address: give postgresql://…") from error
        self.engine = _engine(self.url)
        self._threads: anyio.CapacityLimiter | None = None
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the database's connections, once those that other threads use have been given back."""
        until = time.monotonic() + _CLOSE_S
        pool = cast(sa.QueuePool, self.engine.pool)
        while pool.checkedout() and time.monotonic() < until:
            time.sleep(0.01)
        self.engine.dispose()

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction that writes. Never in the event loop: see `run`.

        SQLite has one at a time. PostgreSQL has many: what is read there to be changed is read `with_for_update()`,
        which SQLite leaves out, or changed by one statement.

        Raises:
            RegistryError: The database can't be reached, or is locked for too long.
        """
        with _translated(self.url), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that reads, of one moment, and waits for nobody who writes.

        Raises:
            RegistryError: The database can't be reached.
        """
        with _translated(self.url), self.engine.connect().execution_options(reads=True) as connection:
            yield connection

    async def run(self, what: Callable[Concatenate[sa.Connection, P], R], *args: P.args, **named: P.kwargs) -> R:
        """Calls `what(connection, …)` in a thread, in a transaction that writes."""
        return await self._in_thread(self.begin, what, *args, **named)

    async def ask(self, what: Callable[Concatenate[sa.Connection, P], R], *args: P.args, **named: P.kwargs) -> R:
        """Calls `what(connection, …)` in a thread, in a transaction that reads."""
        return await self._in_thread(self.read, what, *args, **named)

    async def _in_thread(self, transaction: Callable[[], Any], what: Callable[..., R], *args: Any, **named: Any) -> R:
        def work() -> R:
            with transaction() as connection:
                return what(connection, *args, **named)

        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_CONNECTIONS)
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def _create(self) -> None:
        with self.begin() as connection:
            if self.url.get_backend_name() == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            if sa.inspect(connection).has_table(_about.name):
                number = connection.scalar(sa.select(_about.c.value).where(_about.c.name == "schema"))
                if int(number or 0) > SCHEMA:
                    raise ConfigurationError(f"{self._told} was made by a newer driftune: use that one")
            metadata.create_all(connection)
            if connection.scalar(sa.select(_about.c.value).where(_about.c.name == "schema")) is None:
                connection.execute(_about.insert().values(name="schema", value=str(SCHEMA)))

    @property
    def _told(self) -> str:
        return _told(self.url)


def _told(url: sa.URL) -> str:
    return f"The server's state at {url.render_as_string(hide_password=True)}"


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(
            url, pool_size=4, max_overflow=_CONNECTIONS - 4, pool_pre_ping=True, hide_parameters=True,
            connect_args={"connect_timeout": 10},
        )  # fmt: skip
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ConfigurationError(f"{_told(url)} can't be kept there: give an SQLite file, or postgresql://…")
    path = Path(url.database)
    with storage("the server's state", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # webhooks' secrets are in it
    engine = sa.create_engine(url, pool_size=4, max_overflow=_CONNECTIONS - 4, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepared)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _prepared(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # Python's own begins are too late: who reads to write takes the file first
    for pragma in (f"busy_timeout = {_BUSY_MS}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _translated(url: sa.URL) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError) as error:
        why = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise RegistryError(
            f"{_told(url)} can't be used ({why}): make it reachable and writable, and try again", retryable=True
        ) from error
    except sa.exc.IntegrityError:
        raise
    except sa.exc.DatabaseError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise RegistryError(f"{_told(url)} refuses ({why}): is it the state of a driftune server?") from error
