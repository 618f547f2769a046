"""Waits for the next look: until the registry's server tells of an event, where it is one, and no longer than a while.

What the server tells is a reason to look, and nothing else is taken from it: an event that never comes costs a wait.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from registry.objects_http import is_here

SILENCE_S = 60.0
"""Seconds without a byte, of events or of keeping alive, after which a connection is thought dead."""

AGAIN_S, LONGEST_S = 2.0, 60.0
"""Seconds until a connection that broke is made again: the first time, and, twice as long each time, at most."""


SOON_S = 0.5
"""Seconds in which events that come together are one reason to look: a server that floods costs two looks a second."""

HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}

LINE = 1 << 20
"""Bytes of a line of events at most."""


class Waking:
    """Waits between two looks; a context manager.

    Args:
        events: Address of the server's events; empty where the registry is no server.
        token: What the server knows the subscriber by; empty for nobody in particular.
    """

    def __init__(self, events: str = "", token: str = "") -> None:
        self._events, self._token = events, token
        self._news, self._ended = threading.Event(), threading.Event()
        self._last = ""

    def __enter__(self) -> Self:
        if self._events:
            threading.Thread(target=self._listen, name="events", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def wait(self, seconds: float) -> None:
        """Wait for news, or so long."""
        if self._news.wait(seconds):
            self._ended.wait(min(SOON_S, seconds))
        self._news.clear()

    def _listen(self) -> None:
        """Listens for as long as the process lives: it waits without a bound, so nobody waits for it."""
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        here = is_here(urlsplit(self._events).hostname or "")
        with httpx.Client(headers=headers, timeout=timeout, trust_env=not here) as client:
            again = 0.0
            while not self._ended.wait(again):
                again = min(max(AGAIN_S, 2 * again), LONGEST_S)
                with contextlib.suppress(httpx.HTTPError, httpx.StreamError):
                    again = AGAIN_S if self._hear(client) else again

    def _hear(self, client: httpx.Client) -> bool:
        """Listens until the server ends; false where it doesn't let us."""
        known = {"Last-Event-ID": self._last} if self._last else {}
        with client.stream("GET", self._events, headers=HEADERS | known) as answer:
            if not answer.is_success:
                return False
            self._news.set()  # of what came before it listened nothing is told
            for line in lines(answer):
                if line.startswith("id:"):
                    told = line[3:].strip()
                    self._last = told if told.isascii() and told.isdigit() and len(told) < 20 else ""
                if line.startswith("data:"):
                    self._news.set()
        return True


def lines(answer: httpx.Response, seconds: float = float("inf")) -> Iterator[str]:
    """The lines of events, as their bytes come.

    Raises:
        httpx.HTTPError: It is cut off, a line has no end, or it all takes longer than `seconds`.
    """
    end, left = time.monotonic() + seconds, b""
    for piece in answer.iter_raw():
        *whole, left = (left + piece).split(b"\n")
        if len(left) > LINE or time.monotonic() > end:
            raise httpx.DecodingError("A line of events, or all of them, have no end")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
