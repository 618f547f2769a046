"""What requests leave behind: refusals for the audit log, and when tokens were used; written a moment later.

A refusal takes as long as any other answer then, whoever it is that asks, and no answer waits for the disk. Of a
flood the log keeps the first thousand a second, and says how many it left out.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import anyio
import anyio.to_thread

from registry.server import audit, tokens
from registry.server.settings import ServerSettings
from registry.server.state import State

_WAITING = 1000
_FLUSH_S = 1.0
_PRUNE_S = 600.0


class Notes:
    """What is on its way into the state; noted in any thread."""

    def __init__(self, state: State, settings: ServerSettings) -> None:
        self._state = state
        self._settings = settings
        self._lock = threading.Lock()
        self._refusals: list[audit.Row] = []
        self._left_out = 0
        self._dropped: audit.Row | None = None
        self._used: dict[str, float] = {}

    def refused(self, row: audit.Row, *, kept: bool = True) -> None:
        """Notes a refusal, and never waits; with `kept` false it only takes as long as that."""
        noted = replace(row, at=time.time())
        with self._lock:
            if not kept:
                self._dropped = noted
            elif len(self._refusals) < _WAITING:
                self._refusals.append(noted)
            else:
                self._left_out += 1

    def used(self, token: tokens.Token, now: float) -> None:
        """Notes that a token was used, once an hour; never waits."""
        if tokens.is_stale(token, now):
            with self._lock:
                self._used[token.id] = now

    def flush(self) -> None:
        """Writes what has been noted; what can't be written stays noted."""
        with self._lock:
            rows, self._refusals = self._refusals, []
            left_out, self._left_out = self._left_out, 0
            used, self._used = self._used, {}
        if not (rows or used):
            return
        flood = audit.Row("", "", "", "", "", audit.REFUSED, f"{left_out} further refusals at the same time")
        try:
            with self._state.begin() as connection:
                audit.write(connection, *rows, *([flood] if left_out else []))
                tokens.touch(connection, used)
        except BaseException:
            with self._lock:
                self._refusals = (rows + self._refusals)[:_WAITING]
                self._left_out += left_out
            raise

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes what is noted for as long as a block runs, and what is left at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._go_on)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(_tried, self.flush)

    async def _go_on(self) -> None:
        pruned = 0.0
        while True:
            await anyio.sleep(_FLUSH_S)
            await anyio.to_thread.run_sync(_tried, self.flush)
            if time.monotonic() - pruned > _PRUNE_S:
                pruned = time.monotonic()
                await anyio.to_thread.run_sync(_tried, self._prune)

    def _prune(self) -> None:
        with self._state.begin() as connection:
            audit.prune(connection, self._settings)


def _tried(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:  # whatever it is: the next turn may do, and a server that can't write its log answers
        logging.getLogger("uvicorn.error").error("The audit log wasn't written: %s", error)
