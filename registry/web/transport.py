"""Connections: to vetted addresses, or to the one proxy that the caller named; and what their errors mean."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import httpcore
import httpx

from registry.errors import ConfigurationError, WebError
from registry.web.addresses import GuardedBackend
from registry.web.answers import Access, Outcome, fault, shown

_KEPT_S = 5.0
"""Seconds that an idle connection is kept: servers close theirs after 5 to 75."""


class _Meaning(NamedTuple):
    kind: type[Exception]
    outcome: Outcome
    words: str
    again: bool


_MEANINGS = (
    # The first that fits. Never the exception's own text: it may quote a header. `again`: trying again can help.
    _Meaning(httpcore.TimeoutException, "too-slow", "No connection within the time limit", again=False),
    _Meaning(httpcore.ProxyError, "failed", "The proxy doesn't let it through", again=False),
    _Meaning(httpcore.ConnectError, "failed", "It can't be connected to", again=True),
    _Meaning(httpcore.NetworkError, "failed", "The connection broke", again=True),
    _Meaning(httpcore.RemoteProtocolError, "failed", "The server broke off, or broke the rules of HTTP", again=True),
    _Meaning(httpcore.ProtocolError, "failed", "The request can't be written as HTTP", again=False),
    _Meaning(OSError, "failed", "The connection broke", again=True),
)

FAILURES = tuple(meaning.kind for meaning in _MEANINGS)
"""What a request may fail with."""


def translated(error: Exception) -> WebError:
    """What a transport's error means, in our own words."""
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return fault("failed", "TLS fails: see whether the server has a certificate of that name that is trusted here")
    meaning = next(found for found in _MEANINGS if isinstance(error, found.kind))
    return fault(meaning.outcome, meaning.words, again=meaning.again)


def _causes(error: object) -> Iterator[BaseException]:
    """An error and what it was made of: the pool cuts the chain of causes off, but the first argument is one, too."""
    while isinstance(error, BaseException):
        yield error
        error = error.__cause__ or next(iter(error.args), None)


def pool(access: Access, backend: GuardedBackend) -> httpcore.AsyncConnectionPool:
    """The connections of a session; how many there are is bounded by the turns at each host.

    Raises:
        ConfigurationError: The proxy's address or the list of authorities can't be read.
    """
    file, folder = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    try:
        context = _tls(file, folder)
    except OSError as error:
        raise ConfigurationError(f"No certificates can be read from SSL_CERT_FILE {file!r}: correct it") from error
    if access.proxy is None:
        return httpcore.AsyncConnectionPool(
            ssl_context=context, max_connections=None, keepalive_expiry=_KEPT_S, network_backend=backend
        )
    proxy = _proxy(access.proxy)
    return httpcore.AsyncHTTPProxy(
        proxy_url=httpcore.URL(scheme="http", host=proxy.raw_host, port=proxy.port, target="/"),
        ssl_context=context,
        max_connections=None,
        keepalive_expiry=_KEPT_S,
    )


@lru_cache(maxsize=4)
def _tls(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Who is trusted: what the two variables name, for an intranet's own authorities, else certifi's list (70 ms)."""
    return httpx.create_ssl_context()


def _proxy(text: str) -> httpx.URL:
    try:
        proxy = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"No address of a proxy: {shown(text)!r}. Write http://host:port") from error
    if proxy.scheme != "http" or not proxy.host or "@" in text:
        raise ConfigurationError("The proxy's address can't be used: write http://host:port, without a login")
    return proxy
