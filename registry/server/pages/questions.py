"""What pages ask of the lake: one connection for the server, a cursor a question, answers kept while nothing changes.

A page may be asked for by anybody: no more than a few questions run at a time, each of the catalogue's views, and what
takes long is answered once for as long as no file of the lake comes or goes.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from fastapi import Request

from registry.errors import RegistryError
from registry.lake import Lake
from registry.records import RECORDS

AT_ONCE = 4
"""Questions that run at a time: each takes all the threads that DuckDB has."""

_KEPT = 64
"""Answers that are kept."""

LINE = 12
"""Questions that run or wait for their turn; who asks then is told to come again. A question that waits holds one of
the forty threads that all of the server's rooms share."""

_FRESH_S = 30
"""Seconds for which the files of a lake that is no folder are taken to be the same: listing them is slow."""

Row = dict[str, Any]


class Questions:
    """Asks a lake.

    Args:
        lake: The lake; its catalogue may be replaced at any time.
        at_once: Questions that run at a time.
        line: Questions that run or wait.
    """

    def __init__(self, lake: Lake, at_once: int = AT_ONCE, line: int = LINE) -> None:
        self._lake = lake
        self._turn = threading.BoundedSemaphore(at_once)
        self._line = threading.BoundedSemaphore(line)
        self._lock = threading.Lock()
        self._views: duckdb.DuckDBPyConnection | None = None
        self._of: object = None
        self._answers: OrderedDict[object, Any] = OrderedDict()

    def ask(self, sql: str, /, **parameters: Any) -> list[Row]:
        """The rows of one query over the catalogue's views; `$name` refers to a parameter.

        Raises:
            RegistryError: The lake can't be read, or too many ask at once.
        """
        if not self._line.acquire(blocking=False):
            raise RegistryError("Too many questions to the lake at once: try again", retryable=True)
        try:
            with self._turn, self._cursor() as cursor:
                found = cursor.execute(sql, parameters or None)
                names = [column[0] for column in found.description or ()]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        except (duckdb.Error, OSError) as error:
            first = str(error).strip().splitlines()[0]
            raise RegistryError(f"Can't read the lake {self._lake.url}: {first}", retryable=True) from error
        finally:
            self._line.release()

    def kept(self, sql: str, /, **parameters: Any) -> list[Row]:
        """As `ask`, for what takes long: the answer stays until a file of the lake comes or goes."""
        key = (self._mark(), sql, repr(sorted(parameters.items())))
        return self._keep(key, lambda: self.ask(sql, **parameters))

    def close(self) -> None:
        """Lets go of the database; the next question opens it again."""
        with self._lock:
            views, self._views, self._of = self._views, None, None
        if views is not None:
            views.close()

    def _keep(self, key: object, make: Callable[[], list[Row]]) -> list[Row]:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return list(self._answers[key])
        made = make()
        with self._lock:
            self._answers[key] = made
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return list(made)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor on the views as they are now: who replaces the catalogue renames another one over it."""
        which = self._which()
        with self._lock:
            if self._views is None or which != self._of:
                self._views, self._of = self._lake.views(), which
            return self._views.cursor()

    def _which(self) -> object:
        if not self._lake.files.local:
            return int(time.monotonic() / _FRESH_S)
        found = self._lake.catalogue.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _mark(self) -> object:
        """What changes whenever a file of the lake comes or goes: the times of its tables' folders."""
        if not self._lake.files.local:
            return int(time.monotonic() / _FRESH_S)
        return tuple(_newest(Path(self._lake.files.root) / record.table) for record in RECORDS)


def _newest(folder: Path) -> int:
    """When a folder, or one in it (generations are), was last written to, in nanoseconds; 0 where there is none."""
    try:
        inner = [entry.stat().st_mtime_ns for entry in folder.iterdir() if entry.is_dir()]
        return max([folder.stat().st_mtime_ns, *inner])
    except OSError:
        return 0


async def questions_of(request: Request) -> Questions | None:
    """The lake beside a server, as a dependency; None where there is none."""
    found: Questions | None = request.app.state.questions
    return found
