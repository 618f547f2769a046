"""The guarded client over IPv6: a real server on ::1, and what may not be asked however it is written."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from registry.errors import WebError
from registry.web import Access, Answer, Web
from registry.web.addresses import check_address, checked
from tests.hostile_site.server import TRAP, HostileSite
from tests.served import Quiet, served

LOCAL = Access(private=("::1",))
INSIDE = (
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fe80::1%lo",
    "fd12:3456::1",
)
"""Loopback, IPv4-mapped, NAT64, link-local, unique local: what is special besides is in test_web_addresses."""


def _has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="This machine has no ::1")


@pytest.fixture
def trap() -> Iterator[HostileSite]:
    """A site whose listener on 127.0.0.2 nobody may reach."""
    with HostileSite(()) as site:
        yield site


@pytest.fixture
def server(trap: HostileSite) -> Iterator[tuple[str, list[str]]]:
    """The address of a server on ::1, and the hosts that it was asked by."""
    asked: list[str] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            leads = {
                "/inside": f"http://[::ffff:{TRAP}]:{trap.trap_port}/",
                "/on": "/page",
                "/six": "//[0:0::1]:{0}/page",
            }
            port = self.server.server_address[1]
            self.send_response(302 if self.path in leads else 404 if self.path == "/robots.txt" else 200)
            self.send_header("Location", leads.get(self.path, "").format(port))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with served(Handler, "::1") as address:
        yield address, asked


def get(url: str, access: Access, addresses: Sequence[str] = ("::1",)) -> Answer:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    async def run() -> Answer:
        async with Web(access, resolve=resolve) as web:
            return await web.get(url)

    return asyncio.run(run())


@needs_ipv6
def test_loopback_is_asked_where_it_is_named(server: tuple[str, list[str]]) -> None:
    """By its number, however that is written, and by a name that leads there; the host is told as addresses have it."""
    address, asked = server
    port = address.rpartition(":")[2]
    for url in (address, f"http://[0:0:0::0001]:{port}", f"http://six.test:{port}"):
        assert get(f"{url}/page", LOCAL).outcome == "ok"
    assert set(asked) == {f"[::1]:{port}", f"six.test:{port}"}
    for path in ("/on", "/six"):
        assert get(f"{address}{path}", LOCAL).final_url == f"{address}/page"


@needs_ipv6
def test_loopback_is_refused_where_it_is_not(server: tuple[str, list[str]], trap: HostileSite) -> None:
    """Neither by number nor by name, of several addresses none; and no redirect leads to another wall's inside."""
    address, asked = server
    port = address.rpartition(":")[2]
    for access in (Access(), Access(private=("127.0.0.1", "fd00::/8"))):
        for url in (address, f"http://six.test:{port}"):
            found = get(f"{url}/page", access)
            assert found.outcome == "refused" and "not public" in found.detail
    assert asked == []
    found = get(f"http://six.test:{port}/page", LOCAL, ("::1", f"::ffff:{TRAP}"))
    assert found.outcome == "refused" and asked == []
    found = get(f"{address}/inside", Access(hosts=(f"[::ffff:{TRAP}]",), private=("::1",)))
    assert found.outcome == "refused" and "not public" in found.detail and trap.trapped == 0


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_refused(address: str) -> None:
    """As a number in an address, and as what a name leads to; also where the IPv4 address that it wraps is named."""
    own = Access(private=("127.0.0.1", "169.254.0.0/16")).networks()
    with pytest.raises(WebError, match=r"not public|which is none"):
        check_address(address, "name.test", own)
    with pytest.raises(WebError):
        checked(f"http://[{address.replace('%', '%25')}]/", own)
