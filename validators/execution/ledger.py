"""The file that results are appended to: what is finished in it is not done again, whenever its writer was killed."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError, LockedError
from registry.storage import storage
from validators.execution.rows import Identifier, Result

UNFINISHED = "unavailable"
"""The outcome that nothing was done for: such a row is tried again."""

_CACHED_KB = 16384


class Names:
    """A set of ids that takes memory for a few of them only: SQLite keeps the rest in a file of its own."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # a private temporary file
        self._rows.execute(f"PRAGMA cache_size = -{_CACHED_KB}")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, done INTEGER) WITHOUT ROWID")
        self._rows.execute("BEGIN")

    def add(self, name: Identifier, *, done: bool = False) -> bool:
        """Add an id; whether it is new."""
        text = json.dumps(name)
        return self._rows.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (text, done)).rowcount > 0

    def done(self, name: Identifier) -> bool:
        """Whether an id was added as done."""
        found = self._rows.execute("SELECT done FROM ids WHERE id = ?", (json.dumps(name),)).fetchone()
        return bool(found and found[0])

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()


class Ledger:
    """Results in a file, one a line, one writer at a time.

    What is in it already is read: finished ids are in `names`. A last line that a killed writer left torn goes, and so
    do rows that were `unavailable`. In what is no regular file (a pipe) nothing is looked for.

    Args:
        path: The file; made where it isn't there.

    Attributes:
        names: The ids of finished rows.
        outcomes: How many finished rows have each (outcome, proof).

    Raises:
        ConfigurationError: It can't be written, or holds something else than results.
        LockedError: Another process writes to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = Names()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._fd = -1
        try:
            self._fd = self._open()
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                self._read()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise ConfigurationError(f"{path} can't be written: {error.strerror or error}") from error
            raise

    def append(self, result: Result) -> None:
        """Write a result; it is in the file when this returns.

        Raises:
            ConfigurationError: The disk is full. What was written half is removed by the next writer.
        """
        data = memoryview(result.line().encode() + b"\n")
        with storage("results", self.path):
            while data:
                data = data[os.write(self._fd, data) :]
        self.outcomes[result.outcome, result.proof] += 1

    def close(self) -> None:
        """Let the next one write."""
        if self._fd >= 0:
            os.close(self._fd)
        self.names.close()

    def _open(self) -> int:
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(fd)
                raise LockedError(f"Another process writes to {self.path}: wait until it has ended") from error
            except OSError:  # a pipe or a device can't be locked
                return fd
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), self.path.stat()):
                    return fd
            os.close(fd)  # it was replaced meanwhile

    def _read(self) -> None:
        kept = unfinished = 0
        for end, said in self._results():
            if said["outcome"] == UNFINISHED:
                unfinished += 1
                continue
            self.names.add(said["id"], done=True)
            self.outcomes[said["outcome"], said.get("proof", "none")] += 1
            kept = end
        if unfinished:
            self._rewrite()
        elif kept < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, kept)

    def _results(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each whole result, and where its line ends."""
        end = 0
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            for number, line in enumerate(file, 1):
                end += len(line)
                said = _result(line)
                if said is not None:
                    yield end, said
                elif line.endswith(b"\n") and line.strip():
                    wrong = f"Line {number} of {self.path} is no result: name a file of results, or a new one"
                    raise ConfigurationError(wrong)

    def _rewrite(self) -> None:
        """The same file without what is unfinished; killed meanwhile, the old one is still there."""
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("wb") as file:
            for _, said in self._results():
                if said["outcome"] != UNFINISHED:
                    file.write(json.dumps(said).encode() + b"\n")
        fd = os.open(part, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
        part.replace(self.path)
        os.close(self._fd)
        self._fd = fd


def _result(line: bytes) -> dict[str, Any] | None:
    """The result of a line; None where it isn't a whole one."""
    if not line.endswith(b"\n"):
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(said, dict) and isinstance(said.get("outcome"), str) and isinstance(said.get("id"), (str, int))
    return said if known else None
