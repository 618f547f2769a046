"""A pool behind the real wall, and an environment with no packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool
from validators.execution.wall import Limits


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One server, so that every program runs where the one before it did its damage."""
    with Pool(1, limits=Limits(memory_mb=256, disk_mb=16, processes=32)) as made:
        if (why := made.available()) is not None:
            pytest.fail(why)
        yield made


@pytest.fixture(scope="module")
def bare(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> BuiltEnvironment:
    """Python and nothing else."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    return pool.build([], folder)
