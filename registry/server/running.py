"""How uvicorn runs the server: what it may take, how long it waits, and what it logs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from registry.server.settings import ServerSettings
from registry.server.tokens import shown


class Config(uvicorn.Config):
    """uvicorn's configuration, how patient connections are, and how many one address may have.

    Attributes:
        slow_s: Seconds that a request's head, and each piece of an answer, may take.
        most: Connections of one address.
        spared: Addresses of proxies, which have those of all.
        held: Connections that there are, by address.
    """

    slow_s: float
    most: int
    spared: tuple[str, ...]
    held: Counter[str]


def config(app: Any, settings: ServerSettings) -> Config:
    """How a server is to be run.

    Args:
        app: The application; or, where each of several processes makes its own, the name of what makes it.
        settings: What the server was told.
    """
    made = Config(
        app,
        factory=isinstance(app, str),
        http=Patient,
        ws="none",
        log_config=LOGGING,
        server_header=False,
        proxy_headers=bool(settings.proxy),
        forwarded_allow_ips=list(settings.proxy),
        workers=settings.workers,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=settings.shutdown_s,
        h11_max_incomplete_event_size=settings.head,
    )
    made.slow_s, made.spared, made.held = settings.slow_s, settings.proxy, Counter()
    made.most = (settings.connections + 1) // 2  # who takes all he may leaves as many to others
    return made


class Patient(H11Protocol):
    """A connection that waits for its client, but not forever, as uvicorn's own does.

    The head of a request has `slow_s` to arrive in whole, and so has a client to take what waits to be sent to him
    (asyncio's buffer: 64 KiB; it goes on at 16). Then the connection is dropped. One address has half of all at most;
    beyond that each is dropped at once.
    """

    def __init__(self, config: uvicorn.Config, *args: Any, **named: Any) -> None:
        super().__init__(config, *args, **named)
        self._own = cast(Config, config)  # `config` names this protocol in no other
        self._head: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        if self.client and self.client[0] not in self._own.spared:
            self._own.held[self.client[0]] += 1
            if self._own.most < self._own.held[self.client[0]]:
                transport.abort()
        self._head = self.loop.call_later(self._own.slow_s, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent."""
        super().data_received(data)
        waiting = self.conn.their_state is h11.IDLE
        if waiting and self._head is None:
            self._head = self.loop.call_later(self._own.slow_s, self.transport.abort)
        elif not waiting:
            self._head = _cancelled(self._head)

    def pause_writing(self) -> None:
        """More waits to be sent than the client takes."""
        super().pause_writing()
        self._sending = self._sending or self.loop.call_later(self._own.slow_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes what is sent."""
        super().resume_writing()
        self._sending = _cancelled(self._sending)

    def timeout_keep_alive_handler(self) -> None:
        """Closes; a client that takes nothing can't put that off for long."""
        super().timeout_keep_alive_handler()
        self._sending = self._sending or self.loop.call_later(self._own.slow_s, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        super().connection_lost(exc)
        if self.client and self.client[0] in self._own.held:
            self._own.held[self.client[0]] -= 1
            if not self._own.held[self.client[0]]:
                del self._own.held[self.client[0]]
        self._head, self._sending = _cancelled(self._head), _cancelled(self._sending)


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None


class Discreet(logging.Formatter):
    """Leaves what follows `?` in addresses, and secrets wherever they stand, out of what is logged."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, as text."""
        if record.name == "uvicorn.access" and isinstance(record.args, tuple):
            args = tuple(a.partition("?")[0] if isinstance(a, str) else a for a in record.args)
            record = logging.makeLogRecord(record.__dict__ | {"args": args})
        return shown(super().format(record))


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "discreet": {"()": "registry.server.running.Discreet", "format": "%(asctime)s %(levelname)s %(message)s"}
    },
    "handlers": {
        "plain": {"class": "logging.StreamHandler", "formatter": "discreet", "stream": "ext://sys.stderr"},
    },
    "loggers": {"uvicorn": {"handlers": ["plain"], "level": "INFO", "propagate": False}},
}
