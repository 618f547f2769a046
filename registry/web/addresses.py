"""Which addresses may be asked, and a connection to the very address that was found to be one."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import httpcore
import httpx

from registry.errors import WebError
from registry.web.answers import Network, fault, shown

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name."""

PORTS = {"http": 80, "https": 443}
LONGEST = 4_096
"""Characters of an address; servers answer 414 from 8,192 on at the latest."""

_SPECIAL = tuple(
    ipaddress.ip_network(text)  # IANA's special-purpose registries: `is_global` of some Pythons lets parts through
    for text in re.findall(
        r"\S+",
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
        "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20",
    )
)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
"""All else of IPv6 is unassigned, local, multicast, or wraps an IPv4 address: mapped, compatible, NAT64."""

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)$", re.IGNORECASE)
_QUAD = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$")
_STEERING = re.compile(r"[\x00-\x1f\x7f\\]")


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows of a host name, the preferred one first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def checked(url: str, private: Iterable[Network]) -> httpx.URL:
    """An address in its one form, without fragment: `http` or `https`, no credentials, a host that is plainly written.

    Raises:
        WebError: It can't be asked (`refused`).
    """
    if len(url) > LONGEST or _STEERING.search(url):
        raise fault("refused", f"The address {without_user(url)} is too long or has control characters or backslashes")
    try:
        found = httpx.URL(url)
        named = found.host  # decodes a name that begins with xn--, which may be none
    except (httpx.InvalidURL, ValueError) as error:
        raise fault("refused", f"{without_user(url)} is no address that can be read") from error
    if found.scheme not in PORTS or not named:
        raise fault("refused", f"{without_user(url)} is no address of the web: it starts with http:// or https://")
    if found.userinfo or "@" in found.netloc.decode("ascii", "replace"):
        raise fault("refused", f"{without_user(url)} has credentials in it, which are never sent")
    host = _plain_host(found)
    _check_literal(host, tuple(private))
    return found.copy_with(host=host, fragment=None, raw_path=found.raw_path)


def _plain_host(url: httpx.URL) -> str:
    """The host as it is compared and connected to: lower case, IDNA, without the dot of the root."""
    host = url.raw_host.decode("ascii").lower().removesuffix(".")
    if ":" in host:
        host = str(ipaddress.IPv6Address(host))  # httpx has read it as one
    labels = host.split(".")
    if ":" not in host and (len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels)):
        raise fault("refused", f"{without_user(str(url))} can't be read: {shown(host)!r} is no name of a host")
    if url.port is not None and not 0 < url.port < 65_536:
        raise fault("refused", f"{url.port} is no port")
    if ":" not in host and _NUMBER.match(labels[-1]) and not _QUAD.match(host):
        raise fault("refused", f"{shown(host)!r} is an address in disguise: write it as four decimal numbers")
    return host


def _check_literal(host: str, private: tuple[Network, ...]) -> None:
    if ":" in host or _QUAD.match(host):
        check_address(host, host, private)


def check_address(address: str, host: str, private: Iterable[Network]) -> None:
    """Refuse an address that is neither public nor named as private.

    Raises:
        WebError: It may not be asked (`refused`).
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError as error:
        raise fault("refused", f"{shown(host)} has the address {shown(address)!r}, which is none") from error
    if any(found in network for network in private) and not getattr(found, "scope_id", None):
        return
    if not is_public(found):
        raise fault(
            "refused",
            f"{shown(host)} has the address {found}, which is not public: add it to private where it may be asked",
        )


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is an ordinary one of the internet: global unicast, nothing special, nothing wrapped in it."""
    if any(address in network for network in _SPECIAL):
        return False
    if address.version == 6 and address not in _GLOBAL_V6:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def without_user(url: str) -> str:
    """An address as it may be shown: without what stands before an `@` in its host part."""
    return shown(re.sub(r"^([^/?#]*[/\\]{2})[^/?#\\]*@", r"\1***@", url))


def port_of(url: httpx.URL) -> int:
    """The port that an address means."""
    return url.port or PORTS[url.scheme]


def may_lead(start: httpx.URL, target: httpx.URL, hosts: Collection[tuple[str, int | None]]) -> bool:
    """Whether a redirect may lead to an address: the same host at its port, 80 or 443, or one of `hosts`."""
    host, port = target.raw_host.decode("ascii"), port_of(target)
    if target.raw_host == start.raw_host and (port == port_of(start) or port in PORTS.values()):
        return True
    return (host, port) in hosts or (host, None) in hosts


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the address that was vetted: one look-up, all its answers checked, no second look-up.

    Args:
        private: Networks that may be asked although they aren't public.
        resolve: Looks a name up.
    """

    def __init__(self, private: tuple[Network, ...], resolve: Resolve) -> None:
        self._private = private
        self._resolve = resolve
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first vetted address of a host that answers; TLS is held against the host's name later."""
        addresses = await self.vetted(host, port)
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._plain.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def vetted(self, host: str, port: int) -> list[str]:
        """The addresses of a host, each once, all of which may be asked.

        Raises:
            WebError: One of them may not be (`refused`), or none is known (`failed`).
        """
        if ":" in host or _QUAD.match(host):
            addresses: Sequence[str] = [host]
        else:
            addresses = await self._looked_up(host, port)
        for address in addresses:
            check_address(address, host, self._private)
        return list(dict.fromkeys(addresses))

    async def _looked_up(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            raise _unknown(host, again) from error
        if not addresses:
            raise _unknown(host, again=False)
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: there are no Unix sockets on the web."""
        raise fault("refused", "A Unix socket is no address of the web")

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between its own attempts (it makes none here)."""
        await asyncio.sleep(seconds)


def _unknown(host: str, again: bool) -> WebError:
    return fault("failed", f"No address is known of the host {shown(host)}", again=again)
