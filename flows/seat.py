"""A run's end of what is said between it and whoever runs it among others (`flows.seating`).

On standard output it says, an object a line, that it would go on, how far it is, and what came of it; on standard input
it hears that it may. When that ends, so does this process: who is killed leaves no run behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from typing import Any

TELL_EVERY_S = 0.2
"""Seconds between two words on how far the same piece is."""


class Seat:
    """This process's end of what is said between it and whoever runs all."""

    def __init__(self) -> None:
        self._said, self._heard = os.fdopen(os.dup(1), "w", encoding="utf-8"), os.dup(0)
        os.dup2(2, 1)  # what libraries print is no word of ours
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # and what is said here is for no process that is started
        self._turns: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._told: tuple[str, float] = ("", 0.0)
        threading.Thread(target=self._listen, daemon=True).start()

    def turn(self) -> None:
        """Lets others go first, and returns when it is this run's turn again."""
        self.say(asks=True)
        if address := self._turns.get():
            os.environ["PREFECT_API_URL"] = address  # one server for all: it ends when the last one has

    def tell(self, title: str, done: int, total: int, note: str = "", /) -> None:
        """Takes progress (`flows.progress.Tell`)."""
        before, when = self._told
        now = time.monotonic()
        if title != before or done == total or now - when > TELL_EVERY_S:
            self._told = (title, now)
            self.say(tells=[title, done, total, note])

    def say(self, **words: Any) -> None:
        """Says something, from any thread."""
        with self._writing, contextlib.suppress(BrokenPipeError):  # nobody hears it: this process ends soon
            self._said.write(json.dumps(words) + "\n")
            self._said.flush()

    def _listen(self) -> None:
        # not through sys.stdin, whose lock would be held when this process ends, and abort it
        heard = b""
        while more := os.read(self._heard, 4096):
            *lines, heard = (heard + more).split(b"\n")
            for line in lines:
                self._turns.put(line.decode())
        os._exit(1)
