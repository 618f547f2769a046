"""One address on its way: asked for, followed, asked again where that can help, and answered whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore
import httpx

from registry.errors import ConfigurationError, WebError
from registry.web.addresses import checked, may_lead, port_of, without_user
from registry.web.answers import Access, Answer, Network, Outcome, Reply, WebLimits, fault, shown
from registry.web.bodies import ENCODINGS, read
from registry.web.headers import PRINTABLE, Mask
from registry.web.pacing import Lanes, Sleep, asked_wait, backoff
from registry.web.robots import AGENT, Robots
from registry.web.transport import FAILURES, translated

USER_AGENT = f"{AGENT}/0.1 (reads documentation; keeps to robots.txt)"

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MISSING = frozenset({404, 410})
_SAYS = {
    206: ", a part that was not asked for",
    304: ", unchanged, without having been asked",
    401: ": credentials are missing or wrong",
    403: ": it may not be read",
    407: ": the proxy wants credentials",
    429: ": too many requests",
}


@dataclass
class Session:
    """What the trips of a session share."""

    access: Access
    limits: WebLimits
    private: tuple[Network, ...]
    hosts: frozenset[tuple[str, int | None]]
    lanes: Lanes
    sleep: Sleep
    pool: httpcore.AsyncConnectionPool | None = None
    received: int = 0

    def connected(self) -> httpcore.AsyncConnectionPool:
        """The connections.

        Raises:
            ConfigurationError: There are none yet, or no more.
        """
        if self.pool is None:
            raise ConfigurationError("The session isn't open: write `async with Web(…) as web:`")
        return self.pool


class Trip:
    """One address on its way.

    Args:
        session: What it shares with others.
        url: The address, as it was found.
        headers: To send along.
        robots: Who says what hosts allow; nobody where robots.txt itself is asked for.
        room: Bytes of a body; the session's limit where null.
        cut: Keep the beginning of a larger body instead of refusing it.
    """

    def __init__(
        self,
        session: Session,
        url: str,
        headers: Mapping[str, str],
        robots: Robots | None = None,
        *,
        room: int | None = None,
        cut: bool = False,
    ) -> None:
        session.connected()  # else it is misuse, also of an address that is refused
        self._session, self._limits = session, session.limits
        self._url = url
        self._told_url = self._at = without_user(url)
        self._headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": ENCODINGS, **headers}
        self._asked = bool(headers)
        self._robots = robots
        self._room, self._cut = room or session.limits.body_bytes, cut
        self._status: int | None = None
        self._received = 0
        self._mask = Mask({})

    async def get(self) -> Answer:
        """Follow the address to its answer."""
        try:
            return self._answer(await self._followed())
        except WebError as error:
            return self._fault(error)

    async def post(self, body: bytes) -> Answer:
        """Send a body there, once."""
        try:
            target = self._start()
            self._at = str(target)
            async with self._session.lanes.turn(target.host):
                reply = await self._exchange("POST", target, self._opened(target), body)
            _judge(reply, asked=False, redirects=False)
            return self._answer(reply)
        except WebError as error:
            return self._fault(error)

    async def _followed(self) -> Reply:
        start = target = self._start()
        opened, seen = self._opened(start), {str(start)}
        for _ in range(self._limits.redirects + 1):
            self._at = str(target)
            reply = await self._persistent(target, opened)
            location = reply.headers.get("location", "")
            if reply.status not in _REDIRECTS or not location:
                return reply
            target = self._next(start, target, location)
            if str(target) in seen:
                raise fault("too-many-redirects", f"The redirects go in a circle, back to {shown(str(target))}")
            seen.add(str(target))
            if target.netloc != start.netloc or target.scheme != start.scheme:
                opened = {}  # once left, nothing opens it again: another host chose where it goes on
        raise fault("too-many-redirects", f"More than {self._limits.redirects} redirects, the limit")

    def _start(self) -> httpx.URL:
        found = checked(self._url, self._session.private)
        self._told_url = self._url
        return found

    def _next(self, start: httpx.URL, target: httpx.URL, location: str) -> httpx.URL:
        try:
            found = checked(str(target.join(location)), self._session.private)
        except (httpx.InvalidURL, ValueError) as error:
            raise fault("refused", f"It redirects to {without_user(location)}, which can't be read") from error
        except WebError as error:
            raise fault("refused", f"It redirects to where nothing may be asked: {error}") from error
        if not may_lead(start, found, self._session.hosts):
            raise fault(
                "refused",
                f"It redirects to {shown(str(found))}: add {found.host}:{port_of(found)} to hosts where it may",
            )
        return found

    async def _persistent(self, target: httpx.URL, opened: Mapping[str, str]) -> Reply:
        """Ask one address, again where that can help."""
        attempt = 1
        while True:
            try:
                return await self._once(target, opened)
            except WebError as error:
                if not error.retryable or attempt >= self._limits.attempts:
                    if error.retryable or error.values["outcome"] == "too-slow":
                        self._session.lanes.learn(target.host, failed=True)
                    raise
                await self._wait(target, error, attempt)
            attempt += 1

    async def _wait(self, target: httpx.URL, error: WebError, attempt: int) -> None:
        asked, longest = error.values["wait"], self._limits.wait_s
        if asked is None:
            await self._session.sleep(backoff(attempt, longest))
            return
        self._session.lanes.hold(target.host, asked)
        if asked > longest:
            self._session.lanes.learn(target.host, failed=True)
            raise fault(
                "failed", f"{error}; it wants to be left alone for {asked:.0f} s, and {longest:.0f} are waited at most"
            ) from error

    async def _once(self, target: httpx.URL, opened: Mapping[str, str]) -> Reply:
        pause = await self._robots.delay(target) if self._robots is not None else 0.0
        async with self._session.lanes.turn(target.host, pause):
            reply = await self._exchange("GET", target, opened, None)
        if reply.status not in _AGAIN:
            self._session.lanes.learn(target.host, failed=False)
        _judge(reply, asked=self._asked)
        return reply

    async def _exchange(
        self, method: str, target: httpx.URL, opened: Mapping[str, str], content: bytes | None
    ) -> Reply:
        self._status = None
        self._count(0)
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        headers = {"Host": target.netloc.decode("ascii"), **self._headers, **opened}
        extensions = {"timeout": {"connect": self._limits.connect_s}}
        try:
            async with (
                asyncio.timeout(self._limits.seconds),
                self._session.connected().stream(
                    method, url, headers=list(headers.items()), content=content, extensions=extensions
                ) as response,
            ):
                self._status = response.status
                return await read(response, self._room, self._count, cut=self._cut)
        except TimeoutError as error:
            raise fault("too-slow", f"Not done within {self._limits.seconds:g} s, the limit of a request") from error
        except FAILURES as error:
            raise translated(error) from error

    def _count(self, received: int) -> None:
        self._received += received
        self._session.received += received
        if self._session.received > self._limits.total_bytes:
            raise fault("too-large", f"This session has had its {self._limits.total_bytes} bytes")

    def _opened(self, target: httpx.URL) -> dict[str, str]:
        headers = {k: v for found in self._session.access.credentials for k, v in found.headers(str(target)).items()}
        self._mask = Mask(headers)
        return headers

    def _answer(self, reply: Reply) -> Answer:
        etag, modified = reply.headers.get("etag"), reply.headers.get("last-modified")
        return self._told(
            status=reply.status,
            outcome="unchanged" if reply.status == 304 else "ok",
            etag=etag if etag and PRINTABLE.fullmatch(etag) else None,
            last_modified=modified if modified and PRINTABLE.fullmatch(modified) else None,
            content_type=shown(reply.headers.get("content-type", "")),
            body=self._mask.body(reply.body),
        )

    def _fault(self, error: WebError) -> Answer:
        said = error.values
        return self._told(status=self._status, outcome=said["outcome"], detail=str(error), wait=said["wait"])

    def _told(
        self,
        *,
        status: int | None,
        outcome: Outcome,
        detail: str = "",
        etag: str | None = None,
        last_modified: str | None = None,
        content_type: str = "",
        body: bytes = b"",
        wait: float | None = None,
    ) -> Answer:
        """An answer, without what opened the host."""
        mask = self._mask.text
        return Answer(
            url=mask(self._told_url),
            final_url=mask(self._at),
            status=status,
            outcome=outcome,
            detail=mask(detail),
            etag=etag and mask(etag),
            last_modified=last_modified and mask(last_modified),
            content_type=mask(content_type),
            body=body,
            received=self._received,
            wait=wait,
        )


def _judge(reply: Reply, *, asked: bool, redirects: bool = True) -> None:
    """Raise what a status means, where it is no answer that can be used."""
    status = reply.status
    if (200 <= status < 300 and status != 206) or (status == 304 and asked):
        return
    if status in _REDIRECTS and redirects and reply.headers.get("location"):
        return
    if status in _MISSING:
        raise fault("missing", f"The server answered {status}: there is no such page")
    wait = asked_wait(reply.headers.get("retry-after"))
    raise fault("failed", f"The server answered {status}{_SAYS.get(status, '')}", again=status in _AGAIN, wait=wait)
