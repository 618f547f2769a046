"""The cases: a line each where one is enough."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator

from tests.hostile_site.server import HostileSite, Request

LIMIT = 200_000
"""Bytes that a test of these cases lets a body have; every page that is meant to be read is smaller."""


def answer(body: bytes | str = b"", status: int = 200, kind: str = "text/html", **headers: str) -> bytes:
    """A whole response, with the length that it has unless `Content_Length` says another."""
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


def endless(head: str, chunk: bytes, pause: float = 0.0) -> object:
    """A response that never ends."""

    async def stream(request: Request, site: HostileSite) -> AsyncIterator[bytes]:
        yield f"HTTP/1.1 200 OK\r\n{head}".encode()
        while True:
            yield chunk
            await asyncio.sleep(pause)

    return stream


def in_turn(*replies: bytes) -> object:
    """One response after the other, round and round."""
    turns = itertools.cycle(replies)
    return lambda request, site: next(turns)


def _gzip_bomb() -> tuple[bytes, bytes]:
    """The beginning of one gzip member, and a block of it that is a megabyte of nothing, to be sent without end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"<html>") + packer.flush(zlib.Z_FULL_FLUSH)
    return head, packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
