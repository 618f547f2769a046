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

WALLS: dict[str, Callable[[], Pool]] = {"bubblewrap": lambda: Pool(1, limits=LIMITS)}
"""One server each, so that every program runs where the one before it did its damage."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """The default wall."""
    with WALLS["bubblewrap"]() as made:
        if (why := made.available()) is not None:
            pytest.fail(why)
        yield made


@pytest.fixture(scope="module")
def bare(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> BuiltEnvironment:
    """Python and nothing else."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    return pool.build([], folder)
