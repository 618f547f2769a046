"""One stocked server for all of the Hub's tests, with an upstream beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registry.server.hub.stocked import stocked
from tests.registry.server.hub.upstreamed import Upstream, upstream_hub
from tests.registry.server.serving import Served, serving


@pytest.fixture(scope="package")
def upstream() -> Iterator[Upstream]:
    """A hub that knows `others/model`, on an address of its own."""
    with upstream_hub() as running:
        yield running


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Served]:
    """A server over `stocked`, which asks the upstream for what it doesn't know."""
    folder = tmp_path_factory.mktemp("hub")
    with serving(stocked(folder, upstream=upstream.url)) as running:
        yield running
