"""Care of the sandbox's cache: who uses what (leases), and what goes when it takes too much room.

A lease is a shared lock on the folder or file itself, held as long as a process works with it: the kernel lets go of it
when the process ends, however it ends. What is removed is locked alone first, and a folder is renamed away before it is
deleted, so that nobody ever finds half of one; what a killed process left is deleted by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DONE = "driftune-environment.json"
"""Written last into an environment's folder; its time is when the environment was last used."""

DEFAULT_LIMIT = 10_000 << 20
_MAKING, _REMOVING = ".making-", ".removing-"
_STALE_S = 3600.0
_FORGOTTEN_S = 30 * 86400.0
_BLOCK = 4096


class Lease:
    """Says that a folder or file is in use, until `end` or until nothing refers to the lease."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def of(cls, path: Path, *, alone: bool = False) -> Lease | None:
        """A lease of what is at `path`; None where nothing is there (any more) or, `alone`, where others have one."""
        try:
            lease = cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lease._fd, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(lease._fd), path.stat()):
                return lease
        except (BlockingIOError, FileNotFoundError):
            pass
        lease.end()
        return None

    def end(self) -> None:
        """Let go."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.end()


def used(root: Path) -> None:
    """Note that an environment is used now."""
    with suppress(OSError):  # a cache that may only be read serves as well
        os.utime(root / DONE)


def trim(cache: Path, limit: int = DEFAULT_LIMIT) -> int:
    """Remove environments and wheels, those used longest ago first, until all take `limit` bytes at most.

    What any process has a lease of stays. A lock is small: it goes when its environment is gone and nobody asked for 30
    days; until then the same environment can be made again.

    Returns:
        How many bytes were removed.
    """
    _sweep(cache)
    entries = sorted(_entries(cache), key=lambda e: e.used)
    total = sum(e.size for e in entries)
    removed = 0
    for entry in entries:
        if total - removed <= limit:
            break
        if entry.remove():
            removed += entry.size
    _forget_locks(cache)
    return removed


def held(cache: Path) -> int:
    """Bytes of all environments and wheels: what `trim` holds against its limit."""
    return sum(entry.size for entry in _entries(cache))


@dataclass(frozen=True)
class _Entry:
    path: Path
    used: float
    size: int

    def remove(self) -> bool:
        """Remove it, unless it is in use."""
        lease = Lease.of(self.path, alone=True)
        if lease is None:
            return False
        try:
            if self.path.is_dir():
                _delete(self.path)
            else:
                self.path.unlink()
                with suppress(OSError):  # another wheel of this hash
                    self.path.parent.rmdir()
        except OSError:
            return False
        finally:
            lease.end()
        return True


def _delete(folder: Path) -> None:
    gone = folder.with_name(f"{_REMOVING}{os.getpid()}-{folder.name}")
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _entries(cache: Path) -> Iterator[_Entry]:
    for done in cache.glob("environments/[!.]*/" + DONE):
        with suppress(OSError, ValueError, KeyError):
            size = json.loads(done.read_text(encoding="utf-8"))["bytes"]
            yield _Entry(done.parent, done.stat().st_mtime, size)
    for wheel in cache.glob("wheels/*/*.whl"):
        with suppress(FileNotFoundError):
            status = wheel.stat()
            yield _Entry(wheel, status.st_mtime, status.st_size)


def _forget_locks(cache: Path) -> None:
    for lock in cache.glob("resolutions/*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            built = cache / "environments" / json.loads(lock.read_text(encoding="utf-8"))["environment"]
            if time.time() - lock.stat().st_mtime > _FORGOTTEN_S and not built.is_dir():
                lock.unlink()


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    return sum(-(-p.lstat().st_size // _BLOCK) * _BLOCK for p in folder.rglob("*"))


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder to make something in; it is gone afterwards, unless it was renamed."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_MAKING, dir=parent))
    lease = Lease.of(folder)
    try:
        yield folder
    finally:
        if lease is not None:
            lease.end()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Delete what builders and removers that were killed left behind."""
    for parent in (cache, cache / "environments"):
        for left in parent.glob(_REMOVING + "*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in parent.glob(_MAKING + "*"):
            with suppress(FileNotFoundError):
                old = time.time() - left.stat().st_mtime > _STALE_S
                if old and Lease.of(left, alone=True) is not None:
                    shutil.rmtree(left, ignore_errors=True)
