"""What a run says of itself, for a machine: an object a line, with run, domain and stage.

It stands in `DRIFTUNE_HOME/logs/DOMAIN/RUN.jsonl`, of bounded size, of the latest runs; with `DRIFTUNE_LOG=json` on
standard error too, instead of what a person would read there. What libraries warn of stands among it. Several runs may
go on in one process: what a thread says belongs to the run that it works for.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import sys
import time
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from flows.events import Event, listening
from flows.watching import CURRENT, Observer, Watch
from registry.run_states import KEPT

BYTES = 1 << 20
"""Of a run's log; what is older than that is in one more file of this size, what is older still is dropped."""

PROGRESS_S = 30.0
"""Seconds between two lines that say how far a run has got."""

_LINE = 8_000
"""Characters of a message, or of a traceback's end: a library's warning may quote a page."""

LOG = logging.getLogger("driftune")
"""What driftune itself says of runs; what its modules and libraries warn of reaches the log by the root logger."""


class Logs(Observer):
    """Writes a run's log.

    Args:
        watch: The run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._folder = watch.house.settings.root / "logs" / watch.house.domain.name
        self._said = time.monotonic()

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run: its beginning, its end, and what happened in between."""
        watch, since = self._watch, time.monotonic()
        with self._written(), listening(self._heard):
            self._say("run began", command=watch.house.command, continues=watch.continues)
            try:
                yield
            except BaseException as error:
                told = {"seconds": round(time.monotonic() - since, 3), "reason": str(error)}
                LOG.error("run ended", exc_info=error, extra={"facts": told})
                watch.worked = True  # that it failed is something to be kept
                raise
            self._say("run completed", seconds=round(time.monotonic() - since, 3), outcome=watch.outcome)

    @contextlib.contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Stands around a stage."""
        since = time.monotonic()
        self._say("stage began")
        yield
        done = self._watch.batches.get(stage, 0)
        self._say("stage ended", batches=done, seconds=round(time.monotonic() - since, 3))

    @contextlib.contextmanager
    def batch(self, title: str, size: int) -> Iterator[None]:
        """Stands around a batch: of one that never ends it is known that it began."""
        since = time.monotonic()
        self._say("batch began", title=title, size=size)
        yield
        self._say("batch ended", title=title, size=size, seconds=round(time.monotonic() - since, 3))

    def beat(self) -> None:
        """Says how far the run has got."""
        if time.monotonic() - self._said >= PROGRESS_S:
            watch = self._watch
            self._say("progress", title=watch.title, done=watch.done, total=watch.total, note=watch.note)

    def _heard(self, event: Event) -> None:
        if event.domain == self._watch.house.domain.name:
            self._say("event", kind=event.kind, **event.facts)

    def _say(self, message: str, **facts: Any) -> None:
        self._said = time.monotonic()
        LOG.info(message, extra={"facts": {name: value for name, value in facts.items() if value != ""}})

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """Within the block what is logged reaches the run's file, and standard error where that is asked for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._watch.house.run}.jsonl"
        handlers: list[logging.Handler] = [_File(path, maxBytes=BYTES, backupCount=1, errors="backslashreplace")]
        if self._watch.house.settings.log == "json":
            handlers.append(logging.StreamHandler(sys.stderr))
        LOG.setLevel(logging.INFO)
        LOG.propagate = False  # what listens at the root, as Prefect's console, doesn't say it to a person
        try:
            for handler in handlers:
                handler.setFormatter(_Lines(self._watch))
                handler.addFilter(self._is_mine)
                for logger, least in ((LOG, logging.INFO), (logging.getLogger(), logging.WARNING)):
                    logger.addHandler(_Least(handler, least))
            yield
        finally:
            for logger in (LOG, logging.getLogger()):
                for added in [h for h in logger.handlers if isinstance(h, _Least) and h.inner in handlers]:
                    logger.removeHandler(added)
            handlers[0].close()
            self._trim(path)

    def _is_mine(self, _record: logging.LogRecord) -> bool:
        return CURRENT.get() in (None, self._watch)

    def _trim(self, path: Path) -> None:
        """Removes the logs of all but the latest runs, and of this one where it had nothing to do."""
        logs = sorted(self._folder.glob("*.jsonl"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in [*logs[KEPT:], *([] if self._watch.worked else [path])]:
            old.unlink(missing_ok=True)
            old.with_name(f"{old.name}.1").unlink(missing_ok=True)


class _File(RotatingFileHandler):
    """A file that nobody is told of when it can't be written: the run that it tells of goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        del record


class _Least(logging.Handler):
    """Hands on what is of a level at least: one file stands behind two loggers."""

    def __init__(self, inner: logging.Handler, least: int) -> None:
        super().__init__(least)
        self.inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        self.inner.handle(record)


class _Lines(logging.Formatter):
    """A record as an object in one line."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def format(self, record: logging.LogRecord) -> str:
        house = self._watch.house
        told = {"run": house.run, "domain": house.domain.name, "stage": self._watch.stage}
        return line(record.levelname, record.getMessage(), told | self._more(record))

    def _more(self, record: logging.LogRecord) -> dict[str, Any]:
        more: dict[str, Any] = dict(getattr(record, "facts", {}))
        if record.name != LOG.name:
            more["logger"] = record.name
        if record.exc_info:
            more["error"] = self.formatException(record.exc_info)[-_LINE:]
        return more


def line(level: str, message: str, facts: dict[str, Any]) -> str:
    """What is said, as an object in one line."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    told = {"at": at, "level": level.lower(), "message": message[:_LINE], **facts}
    return json.dumps(told, ensure_ascii=False, default=str)
