"""The guarded client against real servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from registry.errors import ConfigurationError
from registry.web import Access, Answer, Web, WebLimits
from tests.hostile_site.cases import page
from tests.hostile_site.server import HERE, Case, HostileSite

OWN = Access(private=(HERE,))
PLAIN = (Case("plain", "ok", page("Plain", ETag='"1"')),)


@pytest.fixture(scope="module")
def site() -> Iterator[HostileSite]:
    with HostileSite(PLAIN) as server:
        yield server


def asked(site: HostileSite, *urls: str, access: Access = OWN, limits: WebLimits | None = None) -> list[Answer]:
    async def ask() -> list[Answer]:
        async with Web(access, limits, resolve=site.resolve) as web:
            return list(await asyncio.gather(*(web.get(url) for url in urls)))

    return asyncio.run(ask())


def test_a_page_comes_back_as_it_was_sent(site: HostileSite) -> None:
    """Body, status and validator of an ordinary page."""
    (answer,) = asked(site, f"{site.url}/plain#part")
    assert (answer.outcome, answer.status, answer.etag) == ("ok", 200, '"1"')
    assert answer.final_url == f"{site.url}/plain" and b"Plain" in answer.body and answer.received > len(answer.body)


def test_a_private_address_is_refused_unless_it_is_named(site: HostileSite) -> None:
    """Loopback is not asked where access doesn't name it."""
    before = len(site.requests)
    (answer,) = asked(site, f"{site.url}/plain", access=Access())
    assert answer.outcome == "refused" and "not public" in answer.detail and len(site.requests) == before


def test_only_misuse_raises(site: HostileSite) -> None:
    """A session that isn't open, and settings that can't be, are the caller's errors."""
    with pytest.raises(ConfigurationError, match="isn't open"):
        asyncio.run(Web().get(site.url))
    with pytest.raises(ConfigurationError, match="No address or network"):
        Web(Access(private=("localhost",)))
    with pytest.raises(ConfigurationError, match="above 0"):
        WebLimits(attempts=0)
