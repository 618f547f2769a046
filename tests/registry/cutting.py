"""A way to a server that breaks: what comes back is cut off, or another answer stands in its place."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Way:
    """What happens on it.

    Attributes:
        cuts: Bytes after which the next answers end, one for each connection; afterwards none is cut.
        answers: Whole answers that the next connections get instead.
        heads: First lines of the requests and of the answers, in order.
        passed: Bytes that came back.
        address: Where it begins.
    """

    cuts: list[int] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    passed: int = 0
    address: str = ""


@contextmanager
def way_to(server: str) -> Iterator[Way]:
    """A way to a server on loopback, as long as a block runs; a connection carries one request."""
    parts = urlsplit(server)
    way = Way()
    with socket.create_server(("127.0.0.1", 0)) as place:
        way.address = f"http://127.0.0.1:{place.getsockname()[1]}"
        place.settimeout(0.05)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    client, _ = place.accept()
                    with client:
                        client.settimeout(10)
                        _carry(client, (str(parts.hostname), parts.port or 80), way)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield way
        finally:
            ended.set()
            thread.join()


def _carry(client: socket.socket, server: tuple[str, int], way: Way) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    way.heads.append(request.partition(b"\r\n")[0].decode())
    if way.answers:
        with suppress(ConnectionError):  # who asked may have had enough
            client.sendall(way.answers.pop(0))
        return
    left = way.cuts.pop(0) if way.cuts else 1 << 40
    with socket.create_connection(server) as other:
        other.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1).replace(b"keep-alive", b"close"))
        first = True
        while left and (data := other.recv(min(left, 65536))):
            if first:
                way.heads.append(data.partition(b"\r\n")[0].decode())
            first = False
            left -= len(data)
            way.passed += len(data)
            client.sendall(data)
