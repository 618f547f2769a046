"""Files that appear whole or not at all, and errors of the disk in one form."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from registry.errors import ConfigurationError, RegistryError

_WHAT_TO_DO = {
    errno.ENOSPC: "No space left on the disk: free some and run the same command again, nothing is lost",
    errno.EDQUOT: "The disk quota is used up: free some space and run the same command again, nothing is lost",
    errno.EACCES: "Permission denied: make it writable, or choose another folder",
    errno.EPERM: "Not permitted: make it writable, or choose another folder",
    errno.EROFS: "It is on a read-only file system: choose another folder",
    errno.ENOTDIR: "A part of its path is a file, not a folder: choose another folder",
    errno.EEXIST: "A file is where a folder is needed: choose another folder",
}


@contextlib.contextmanager
def storage(what: str, path: Path | str) -> Iterator[None]:
    """Translates the disk's errors on `path` into one line: what, where, what to do.

    Raises:
        ConfigurationError: The disk is full, or the place can't be written.
        RegistryError: Any other input or output error.
    """
    try:
        yield
    except OSError as error:
        advice = _WHAT_TO_DO.get(error.errno or 0)
        if advice is not None:
            raise ConfigurationError(f"Can't write {what} at {path}: {advice}", path=str(path)) from error
        raise RegistryError(f"Can't write {what} at {path}: {error}", path=str(path), retryable=True) from error


def write_file(path: Path, data: bytes, what: str = "a file") -> None:
    """Writes `data` to `path` under a temporary name, syncs it, and renames it into place."""
    with storage(what, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def remove_tree(path: Path) -> None:
    """Removes a folder, also where files in it are read-only; nothing happens where there is none."""
    if path.exists():
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o700)
        shutil.rmtree(path)
