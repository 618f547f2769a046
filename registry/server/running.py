"""How uvicorn runs the server: what it may take, how long it waits, and what it logs."""

from __future__ import annotations

import logging
from typing import Any

import uvicorn

from registry.server.settings import ServerSettings
from registry.server.tokens import shown


def config(app: Any, settings: ServerSettings) -> uvicorn.Config:
    """A configuration of uvicorn.

    Args:
        app: The application; or, where each of several processes makes its own, the name of what makes it.
        settings: What the server was told.
    """
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http="h11",
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


class Discreet(logging.Filter):
    """Takes what follows `?` in addresses, and the secrets of tokens wherever they stand, out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes a record; every one is kept."""
        if isinstance(record.args, tuple):
            cut = record.name == "uvicorn.access"
            texts = (a.partition("?")[0] if cut and isinstance(a, str) else a for a in record.args)
            record.args = tuple(shown(a) if isinstance(a, str) else a for a in texts)
        record.msg = shown(str(record.msg))
        return True


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"discreet": {"()": "registry.server.running.Discreet"}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {
        "plain": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["discreet"],
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {"uvicorn": {"handlers": ["plain"], "level": "INFO", "propagate": False}},
}
