"""A pool behind the real wall, and environments with and without a real library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool
from validators.execution.wall import WALLS, Limits


@pytest.fixture(scope="session")
def sandbox_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of wheels and environments for the whole run."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="session", params=WALLS)
def wall(request: pytest.FixtureRequest) -> str:
    """The name of a wall that stands here: each test that runs something runs it behind both."""
    if request.param == "docker":
        request.getfixturevalue("engine")
    return str(request.param)


@pytest.fixture(scope="session")
def pool(wall: str) -> Iterator[Pool]:
    """Two servers at most."""
    with Pool(2, wall=wall, limits=Limits(memory_mb=512)) as made:
        if (why := made.available()) is not None:
            pytest.fail(why)
        yield made


@pytest.fixture(scope="session")
def bare(pool: Pool, sandbox_cache: Path) -> BuiltEnvironment:
    """Python and nothing else."""
    return pool.build([], sandbox_cache)


@pytest.fixture(scope="session")
def library(pool: Pool, sandbox_cache: Path) -> BuiltEnvironment:
    """A real library, and pytest as its tests use it."""
    return pool.build(["more-itertools==10.8.0", "pytest==9.2.0"], sandbox_cache)
