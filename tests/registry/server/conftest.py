"""One server a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registry.server.serving import Served, context_in, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a filled store; see `tests.registry.server.serving`."""
    with serving(context_in(tmp_path_factory.mktemp("served"))) as running:
        yield running
