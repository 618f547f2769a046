"""Sandboxes by the name of their wall, and an environment with no packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool
from validators.execution.wall import Limits

LIMITS = Limits(memory_mb=256, disk_mb=16, processes=32)
"""Small ones, so that attacks meet them soon."""


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest) -> Callable[[], Pool]:
    """Makes a pool behind each wall: of one server, so that every program runs where the one before it was."""
    if request.param == "docker":
        request.getfixturevalue("engine")
    return lambda: Pool(1, wall=request.param, limits=LIMITS)


@pytest.fixture(scope="module")
def pool(make: Callable[[], Pool]) -> Iterator[Pool]:
    """A pool that stands."""
    with make() as made:
        if (why := made.available()) is not None:
            pytest.fail(why)
        yield made


@pytest.fixture(scope="module")
def bare(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> BuiltEnvironment:
    """Python and nothing else."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    return pool.build([], folder)
