"""Waits for the next look: until the registry's server tells of an event, where it is one, and no longer than a while.

What the server tells is a reason to look, and nothing else is taken from it: an event that never comes costs a wait.
"""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from registry.objects_http import is_here

SILENCE_S = 60.0
"""Seconds without a byte, of events or of keeping alive, after which a connection is thought dead."""

AGAIN_S, LONGEST_S = 2.0, 60.0
"""Seconds until a connection that broke is made again: the first time, and, twice as long each time, at most."""


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
        self._news.wait(seconds)
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
        with client.stream("GET", self._events, headers={"Accept": "text/event-stream", **known}) as answer:
            if not answer.is_success:
                return False
            self._news.set()  # of what came before it listened nothing is told
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    self._last = line[3:].strip()
                if line.startswith("data:"):
                    self._news.set()
        return True
