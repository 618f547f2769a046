"""Reading a response within limits: no more memory than the limit, whatever the server sends."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import httpcore
import httpx

from registry.web.answers import Reply, fault, shown

ENCODINGS = "gzip"
"""What is offered to servers; zlib can stop in the middle of a chunk, and documentation needs no other decoder."""

_MEMBERS = 1_000
"""Parts that a compressed body may have: writers that cut bodies make one of each 64 KiB."""
_STEP = 1 << 16
_DRAINED = 1 << 16
"""Bytes read and dropped of a response whose body isn't wanted, so that its connection can be used again."""


async def read(response: httpcore.Response, room: int, count: Callable[[int], None], *, cut: bool = False) -> Reply:
    """One response, its body decompressed, at most `room` bytes of it.

    Args:
        response: An open one.
        room: Bytes that the body may have, as sent and decompressed.
        count: Told of each portion of bytes that came.
        cut: Keep the first `room` bytes of a larger body instead of refusing it.

    Raises:
        WebError: The body is too large (`too-large`) or can't be decompressed (`failed`).
    """
    headers = httpx.Headers(response.headers)
    count(sum(len(name) + len(value) + 4 for name, value in response.headers))
    if not 200 <= response.status < 300:
        await _drain(response, count)
        return Reply(response.status, headers, b"")
    body = _Body(headers.get("content-encoding", ""), room, cut)
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > room and not cut:
        raise fault("too-large", f"{announced} bytes are announced, {room} is the limit")
    async for chunk in response.aiter_stream():
        count(len(chunk))
        if not body.take(chunk):
            break
    return Reply(response.status, headers, body.whole())


async def _drain(response: httpcore.Response, count: Callable[[int], None]) -> None:
    dropped = 0
    async for chunk in response.aiter_stream():
        count(len(chunk))
        dropped += len(chunk)
        if dropped > _DRAINED:
            break


class _Body:
    """What has come of a body."""

    def __init__(self, encoding: str, room: int, cut: bool) -> None:
        self._received = 0
        self._kept = bytearray()
        self._room, self._cut, self._full = room, cut, False
        names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
        if names and names != ["identity"] and names not in (["gzip"], ["x-gzip"]):
            raise fault("failed", f"The body is encoded as {shown(encoding)!r}, and only {ENCODINGS} was asked for")
        self._packed = bool(names) and names != ["identity"]
        self._member, self._members = zlib.decompressobj(31), 1

    def take(self, chunk: bytes) -> bool:
        """Add a chunk; whether more is wanted."""
        self._received += len(chunk)
        if self._received > self._room + _STEP:  # empty blocks decompress to nothing, without end
            return self._over()
        return self._unpack(chunk) if self._packed else self._keep(chunk)

    def whole(self) -> bytes:
        """The body.

        Raises:
            WebError: It ends in the middle of the compressed data.
        """
        if self._packed and not self._member.eof and self._received and not self._full:
            raise fault("failed", "The compressed body ends too early", again=True)
        return bytes(self._kept)

    def _unpack(self, chunk: bytes) -> bool:
        data = chunk
        while data:
            if self._member.eof:
                if not data.strip(b"\0"):
                    return True  # padding, as tape drives wrote it
                self._next_member()
            try:
                plain = self._member.decompress(data, _STEP)
            except zlib.error as error:
                raise fault("failed", "The body says that it is gzip, and isn't") from error
            if not self._keep(plain):
                return False
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return True

    def _next_member(self) -> None:
        self._member, self._members = zlib.decompressobj(31), self._members + 1
        if self._members > _MEMBERS:
            raise fault("too-large", f"More than {_MEMBERS} compressed parts, the limit, came")

    def _keep(self, plain: bytes) -> bool:
        self._kept += plain[: self._room - len(self._kept) + 1]
        return len(self._kept) <= self._room or self._over()

    def _over(self) -> bool:
        if not self._cut:
            raise fault("too-large", f"More than {self._room} bytes, the limit, came")
        del self._kept[self._room :]
        self._full = True
        return False
