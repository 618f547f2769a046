"""One server a module; one PostgreSQL a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from registry.server.settings import ServerSettings
from tests.registry.server.postgres import postgres
from tests.registry.server.serving import Served, context_in, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a filled store; see `tests.registry.server.serving`."""
    with serving(context_in(tmp_path_factory.mktemp("served"))) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The folder of a PostgreSQL server's socket."""
    with postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty state can be kept; each test that asks runs once with SQLite and once with PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'server.sqlite'}"
    return new_database(request.getfixturevalue("postgresql"))


def new_database(folder: str) -> str:
    """The address of a new database of a PostgreSQL server."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(host=folder, user="driftune", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return ServerSettings(state=f"postgresql://driftune@/{name}?host={folder}").state_url
