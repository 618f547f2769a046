"""A real HTTP server on loopback that answers as its table of cases says, however wrong that is."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

HERE, TRAP = "127.0.0.1", "127.0.0.2"
"""Where the site is, and where nobody may go."""


@dataclass(frozen=True)
class Request:
    """A request that came, as it was written."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def host(self) -> str:
        return self.headers.get("host", "").rpartition(":")[0]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path if self.target.startswith("http") else self.target.partition("?")[0]


Reply = bytes | Callable[[Request, "HostileSite"], "bytes | AsyncIterator[bytes]"]


@dataclass(frozen=True)
class Case:
    """What the site does at one address, and what must come of asking for it.

    Attributes:
        name: Its path without the slash, unless `path` is given.
        outcome: Of the Answer.
        reply: Raw bytes, or what makes them, all at once or bit by bit (then the connection is closed).
        says: Part of the Answer's detail.
        host: The name that must be asked by; any where empty.
        path: Its address on the site; one that ends in `*` stands for all that begin so.
        linked: Whether the site's first page links to it.
    """

    name: str
    outcome: str
    reply: Reply
    says: str = ""
    host: str = ""
    path: str = ""
    linked: bool = True

    @property
    def target(self) -> str:
        return self.path or f"/{self.name}"

    @property
    def link(self) -> str:
        """An address that it answers at."""
        return self.target.replace("*", "0.html")


@dataclass
class HostileSite:
    """The server; a context manager.

    Args:
        cases: What it answers; anything else is a 404.
        names: What host names resolve to, one list of addresses a look-up, the last one for ever.

    Attributes:
        requests: What came, in order.
        trapped: Connections to the address where nobody may go.
    """

    cases: Iterable[Case] = field(repr=False)
    names: dict[str, Sequence[Sequence[str]]] = field(default_factory=dict, repr=False)
    requests: list[Request] = field(default_factory=list, repr=False)
    trapped: int = 0
    looked_up: Counter[str] = field(default_factory=Counter)
    port: int = 0
    trap_port: int = 0

    def __enter__(self) -> Self:
        self._table = {(case.host, case.target): case for case in self.cases}
        self._open: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.port}"

    @property
    def trap_url(self) -> str:
        return f"http://{TRAP}:{self.trap_port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def at(self, case: Case) -> str:
        """A case's address."""
        return f"http://{case.host or HERE}:{self.port}{case.link}"

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """What names resolve to; every unknown name is this site's."""
        answers = self.names.get(host, ((HERE,),))
        turn = min(self.looked_up[host], len(answers) - 1)
        self.looked_up[host] += 1
        return answers[turn]

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HERE, 0, limit=1 << 20)
        self._trap = await asyncio.start_server(self._caught, TRAP, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.trap_port = self._trap.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        self._trap.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _caught(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.trapped += 1
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.close()

    def _case(self, request: Request) -> Case | None:
        exact = self._table.get((request.host, request.path)) or self._table.get(("", request.path))
        begins = (
            c for (_, target), c in self._table.items() if target[-1] == "*" and request.path.startswith(target[:-1])
        )
        return exact or next(begins, None)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(first.split()[0], first.split()[1], headers, body)
        self.requests.append(request)
        case = self._case(request)
        reply = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n" if case is None else case.reply
        made = reply if isinstance(reply, bytes) else reply(request, self)
        if isinstance(made, bytes):
            writer.write(made)
            await writer.drain()
            return bool(made) and b"Connection: close" not in made[:500]
        async for chunk in made:
            if reader.at_eof():  # the client has gone: a server that says nothing wouldn't see it otherwise
                break
            writer.write(chunk)
            await writer.drain()
        return False
