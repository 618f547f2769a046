"""What the cases are made of: responses, raw."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.hostile_site.server import HostileSite, Reply, Request


def answer(body: bytes | str = b"", status: int = 200, kind: str = "text/html", **headers: str) -> bytes:
    """A whole response; its length is that of the body unless `Content_Length` says another (or nothing)."""
    data = body.encode() if isinstance(body, str) else body
    named = {"Content-Type": kind, "Content-Length": str(len(data))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status} Any\r\n{lines}\r\n".encode("latin-1") + data


def page(text: str = "A page", **headers: str) -> bytes:
    """A page of documentation."""
    return answer(f"<html><title>{text}</title><body><h1>{text}</h1><p>Words.</p></body></html>", **headers)


def to(location: str, status: int = 302) -> bytes:
    """A redirect."""
    return answer(status=status, Location=location)


def trap(location: str) -> Reply:
    """A redirect whose `{port}` is that of the listener which nobody may reach."""
    return lambda request, site: to(location.format(port=site.trap_port))


def here(location: str) -> Reply:
    """A redirect whose `{port}` is the site's."""
    return lambda request, site: to(location.format(port=site.port))


def with_url(text: str) -> Reply:
    """A page whose `{url}` is the site's address."""
    return lambda request, site: answer(text.format(url=site.url))


def stream(head: str, chunks: Callable[[], AsyncIterator[bytes]]) -> Reply:
    """A response that comes bit by bit."""

    async def made(request: Request, site: HostileSite) -> AsyncIterator[bytes]:
        yield head.encode()
        async for chunk in chunks():
            yield chunk

    return made


def endless(head: str, chunk: bytes, pause: float = 0.0, first: bytes = b"") -> Reply:
    """A response that never ends: its head, the first bytes of its body, and always the same after these."""

    async def forever() -> AsyncIterator[bytes]:
        yield first
        while True:
            yield chunk
            await asyncio.sleep(pause)

    return stream(f"HTTP/1.1 {head}", forever)


def in_turn(*replies: bytes) -> Reply:
    """One response after the other, round and round."""
    turns = itertools.cycle(replies)
    return lambda request, site: next(turns)


def counting(location: str) -> Reply:
    """A redirect to the next number, without end."""

    def made(request: Request, site: HostileSite) -> bytes:
        return to(f"{location}?{int(request.target.partition('?')[2] or 0) + 1}")

    return made


def in_seconds(seconds: float) -> str:
    """A date as Retry-After has it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def busy(retry_after: str) -> Reply:
    """Too many requests at first, then a page."""
    return in_turn(answer(status=429, Retry_After=retry_after), page())


def gzip_bomb() -> Reply:
    """One gzip member: a kilobyte for each megabyte of nothing, without end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"<html>") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return endless("200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n", block, first=head)
