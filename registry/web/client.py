"""The client: a session on the web."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from registry.web.addresses import GuardedBackend, Resolve, checked, look_up, port_of
from registry.web.answers import Access, Answer, WebLimits, fault, shown
from registry.web.headers import PRINTABLE, sendable
from registry.web.pacing import Clock, Lanes, Sleep
from registry.web.robots import ROBOTS_BYTES, Robots
from registry.web.transport import pool
from registry.web.trip import Session, Trip


class Web:
    """A session on the web; an async context manager. See `registry.web` for what it guarantees.

    Args:
        access: Who may be asked.
        limits: How much, how long, how often.
        resolve: Looks a host name up.
        sleep: Waits; for tests.
        clock: Monotonic seconds; for tests.
    """

    def __init__(
        self,
        access: Access | None = None,
        limits: WebLimits | None = None,
        *,
        resolve: Resolve = look_up,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self.access, self.limits = access or Access(), limits or WebLimits()
        private, hosts = self.access.networks(), self.access.allowed()
        lanes = Lanes(self.limits, sleep, clock)
        self._session = Session(self.access, self.limits, private, hosts, lanes, sleep)
        self._backend = GuardedBackend(private, resolve)
        self._robots = Robots(self._robots_txt, self.limits.delay_s)

    @property
    def received(self) -> int:
        """Bytes of all responses so far."""
        return self._session.received

    async def __aenter__(self) -> Self:
        self._session.pool = pool(self.access, self._backend)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connections, self._session.pool = self._session.connected(), None
        await connections.aclose()

    async def get(self, url: str, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """Ask for an address.

        Args:
            url: An `http` or `https` one.
            etag: Of what is known of it: where it is unchanged, nothing is sent again.
            last_modified: Likewise.

        Raises:
            ConfigurationError: The session isn't open.
        """
        known = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in known.items() if value and PRINTABLE.fullmatch(value)}
        return await Trip(self._session, url, headers, self._robots).get()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a body to an address, once: no redirects, no robots.txt, no second attempt.

        Args:
            url: An `http` or `https` one.
            body: The bytes.
            headers: Such as content type and signature; they go to that address only.

        Raises:
            ConfigurationError: The session isn't open, or a header can't be sent.
        """
        return await Trip(self._session, url, sendable(headers or {})).post(body)

    async def vet(self, url: str) -> list[str]:
        """The addresses that asking for `url` would connect to now, without connecting; the session needn't be open.

        Through a proxy only an address that is written as a number is known, and vetted.

        Raises:
            WebError: It may not be asked, or its host has no address that is known.
        """
        target = checked(url, self._session.private)
        if self.access.proxy is not None:
            return []
        try:
            async with asyncio.timeout(self.limits.connect_s):
                return await self._backend.vetted(target.raw_host.decode("ascii"), port_of(target))
        except TimeoutError as error:
            raise fault("too-slow", f"No address of {shown(target.host)} within {self.limits.connect_s:g} s") from error

    async def _robots_txt(self, url: str) -> Answer:
        return await Trip(self._session, url, {}, room=ROBOTS_BYTES, cut=True).get()
