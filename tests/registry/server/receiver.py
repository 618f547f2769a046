"""A receiver of webhooks, a real server on loopback, that does what a test tells it."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from standardwebhooks import Webhook

from tests.served import Quiet, served


@dataclass
class Received:
    """A request, as it came.

    Attributes:
        path: Where to.
        headers: By lower-case names.
        body: What it brought.
        status: What it was answered; 0 as long as it isn't.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, object]:
        """What the library of Standard Webhooks makes of it; raises where it isn't signed with the secret."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """What came, and what is answered: a status, or a status with headers, by path and number of the request."""

    url: str = ""
    answer: Callable[[str, int], int | tuple[int, dict[str, str]]] = lambda path, number: 204
    received: list[Received] = field(default_factory=list)

    def at(self, path: str) -> list[Received]:
        return [each for each in self.received if each.path == path]

    def done(self, path: str) -> list[Received]:
        """What was taken at a path, in order."""
        return [each for each in self.at(path) if 200 <= each.status < 300]

    def wait(self, enough: Callable[[Receiver], object], seconds: float = 20.0) -> None:
        """Waits until something is so."""
        until = time.monotonic() + seconds
        while not enough(self):
            assert time.monotonic() < until, f"It didn't come: {[(r.path, r.status) for r in self.received]}"
            time.sleep(0.01)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver, as long as a block runs; at any free port where none is given."""
    receiver, lock, counts = Receiver(), threading.Lock(), dict[str, int]()

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with lock:
                counts[self.path] = number = counts.get(self.path, 0) + 1
                receiver.received.append(came)
            answer = receiver.answer(self.path, number)
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            came.status = status
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

    with served(_patient(Handler), port=port) as url:
        receiver.url = url
        yield receiver


def _patient(handler: type[http.server.BaseHTTPRequestHandler]) -> type[http.server.BaseHTTPRequestHandler]:
    """A handler that doesn't complain where the other side went away while it was made to wait."""

    class Patient(handler):  # type: ignore[misc, valid-type]
        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Patient
