"""What holds for every request, before any room sees it: sizes, times, hosts; and what every answer says.

A body is bounded in size and in time. A secret in an address is refused. While the server listens on loopback alone, a
`Host` that is a name other than `localhost` is refused too: a page of another site could otherwise have its own name
point here, and read. (`DRIFTUNE_SERVE_NAMES` lists names that may stand there.) Every answer forbids that browsers
guess its type, frame it, run anything but the server's own scripts, or that caches between keep it for other callers.
"""

from __future__ import annotations

import asyncio
import re

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.server.errors import RefusedError, answer
from registry.server.settings import ServerSettings
from registry.server.tokens import PREFIX

_SECRET = re.compile(PREFIX.encode() + rb"[A-Za-z0-9_-]{40}")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Of every answer that doesn't say otherwise itself."""


class Guard:
    """ASGI middleware around all of the application."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._fault(scope)
        app = self._app if fault is None else answer(Request(scope), fault)
        await app(scope, self._bounded(receive), _telling(send))

    def _fault(self, scope: Scope) -> RefusedError | None:
        headers = Headers(scope=scope)
        if _SECRET.search(scope["query_string"]):
            message = "A token belongs in the header Authorization: Bearer, never in an address: revoke this one"
            return RefusedError(400, "secret-in-address", message)
        if not self._settings.answers_to(host_of(headers.get("host", ""))):
            message = "This server isn't called that: DRIFTUNE_SERVE_NAMES lists the names that it answers to"
            return RefusedError(421, "host", message)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._settings.body:
            return RefusedError(413, "too-large", self._too_large, {"Connection": "close"})
        return None

    @property
    def _too_large(self) -> str:
        return f"A request's body may have {self._settings.body} bytes"

    def _bounded(self, receive: Receive) -> Receive:
        """Receives a body within its bounds; what comes after it (that the caller has gone) may take any time."""
        size, more, until = 0, True, asyncio.get_running_loop().time() + self._settings.slow_s

        async def bounded() -> Message:
            nonlocal size, more
            if not more:
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, "The request's body came too slowly", {"Connection": "close"}) from error
            size += len(message.get("body", b""))
            if size > self._settings.body:
                raise HTTPException(413, self._too_large, {"Connection": "close"})
            more = message.get("more_body", False)
            return message

        return bounded


def _telling(send: Send) -> Send:
    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.add_vary_header("Authorization")
            headers.add_vary_header("Cookie")
        await send(message)

    return telling


def host_of(header: str) -> str:
    """The host of a `Host` header, without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
