"""What comes back from the web: an `Answer`, whatever the server did; and what may be asked, and how much."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, field
from typing import Literal

import httpx

from registry.credentials import Credentials
from registry.errors import ConfigurationError, WebError

Outcome = Literal[
    "ok", "unchanged", "missing", "refused", "forbidden", "too-large", "too-slow", "too-many-redirects", "failed"
]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAY_BE_NONE = ("redirects", "wait_s", "delay_s", "pause_s")
_SHOWN = 300
CUT = "…"
"""Ends a text that was too long to be shown."""


@dataclass(frozen=True)
class Access:
    """Who may be asked.

    Attributes:
        hosts: Hosts (`name` for any port, `name:port`) that a redirect may lead to, besides the host it starts from.
        private: Addresses and networks that may be asked although they aren't public: `127.0.0.1`, `10.1.0.0/16`.
        proxy: `http://host:port` of a proxy without a login that everything goes through. It looks names up by itself.
        credentials: What opens origins, each its own.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    proxy: str | None = None
    credentials: tuple[Credentials, ...] = ()

    def __post_init__(self) -> None:
        if self.proxy is not None and any(found.origin[0] != "https" for found in self.credentials):
            raise ConfigurationError("A login would go to the proxy in the clear: use https, or leave the proxy out")

    def allowed(self) -> frozenset[tuple[str, int | None]]:
        """Names and ports of `hosts`, in the form that addresses have; any port is null.

        Raises:
            ConfigurationError: One is no host.
        """
        return frozenset(_host(text) for text in self.hosts)

    def networks(self) -> tuple[Network, ...]:
        """The private networks that may be asked.

        Raises:
            ConfigurationError: One is none.
        """
        try:
            return tuple(ipaddress.ip_network(text) for text in self.private)
        except ValueError as error:
            raise ConfigurationError(
                f"No address or network: {error}. Write private as 127.0.0.1, 10.1.0.0/16 or fd00::/8"
            ) from error


def _host(text: str) -> tuple[str, int | None]:
    try:
        url = httpx.URL(f"http://{text}/")
        named = url.host  # decodes a name that begins with xn--, which may be none
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"{shown(text)!r} is no host: write hosts as docs.example.org or its :port") from error
    if not named or "*" in named or url.userinfo or url.path != "/":
        raise ConfigurationError(f"{shown(text)!r} is no host: write hosts as docs.example.org or its :port")
    port = text.rpartition(":")[2]
    return url.raw_host.decode("ascii").lower().removesuffix("."), int(port) if port.isdecimal() else None


@dataclass(frozen=True)
class WebLimits:
    """How much is taken, how long is waited, how often is asked.

    Attributes:
        body_bytes: Bytes of one body, as sent and after decompression.
        total_bytes: Bytes of all answers of a session.
        total_seconds: Seconds of a session; after these nothing is asked for.
        seconds: Of one request, from connecting to the last byte; waiting for a turn is not counted.
        connect_s: Seconds for connecting alone.
        redirects: Redirects followed for one address.
        attempts: Requests for one address where trying again can help.
        faults: Addresses of a host in a row that are too slow, or broken after all attempts, until it is left alone.
        wait_s: Longest wait before another attempt. A host that asks for more is left alone until that is over: what
            would be asked for there fails at once.
        delay_s: Longest crawl-delay that is kept to; a site that asks for more is left alone.
        per_host: Requests to one host at the same time.
        pause_s: Seconds between the starts of two requests to one host, where robots.txt asks for none.
    """

    body_bytes: int = 16 << 20
    total_bytes: int = 1 << 30
    total_seconds: float = 12 * 3600.0
    seconds: float = 60.0
    connect_s: float = 10.0
    redirects: int = 5
    attempts: int = 4
    faults: int = 25
    wait_s: float = 120.0
    delay_s: float = 30.0
    per_host: int = 4
    pause_s: float = 0.02

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (value >= 0 if name in _MAY_BE_NONE else value > 0):
                raise ConfigurationError(
                    f"{name} can't be {value}: {', '.join(_MAY_BE_NONE)} are 0 or more, all others above 0"
                )


@dataclass(frozen=True)
class Answer:
    """What asking for one address gave.

    Attributes:
        url: The address that was asked for.
        final_url: Where redirects led; the address of the last request where it failed.
        status: HTTP status of the last response, null where there was none.
        outcome: `ok`; `unchanged` (304); `missing` (404, 410); `refused` (an address or host that may not be asked);
            `forbidden` (robots.txt); `too-large`, `too-slow`, `too-many-redirects`; `failed` (all else).
        detail: What went wrong, in a sentence; empty where nothing did.
        etag: The validators for asking again, null where the server gave none that can be sent back.
        last_modified: Likewise.
        content_type: As the server says, which may be anything.
        body: The decompressed bytes; empty unless `ok`.
        received: Bytes of all responses on the way, headers included, as they were sent.
        wait: Seconds that the last response asks to be left alone for (`Retry-After`), null where it says nothing.
    """

    url: str
    final_url: str
    status: int | None
    outcome: Outcome
    detail: str = ""
    etag: str | None = None
    last_modified: str | None = None
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    received: int = 0
    wait: float | None = None


@dataclass(frozen=True)
class Reply:
    """One response: its body decompressed where the status is a success, else empty."""

    status: int
    headers: httpx.Headers
    body: bytes


def fault(outcome: Outcome, detail: str, *, again: bool = False, wait: float | None = None) -> WebError:
    """The error that ends a request; `wait` is what the server asks for before the next."""
    return WebError(detail, retryable=again, outcome=outcome, wait=wait)


def shown(text: str) -> str:
    """A server's text as it may stand in a detail: one line, bounded, nothing that steers a terminal."""
    plain = "".join(c if c.isprintable() else "?" for c in text[: _SHOWN + 1])
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}{CUT}"
