"""Who may write to a registry while others do: any number who publish, or one who removes.

In a folder these are file locks, which die with their holder. On S3, which has none, they are marks: whoever removes
puts his and then looks for those of publishers, a publisher puts his and then looks for those of removers; as the
service shows every mark to everybody at once, one of the two sees the other. A publisher writes his again and again, so
that of a dead one counts for a while only; one that couldn't for that long knows that it doesn't count any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from registry.errors import DriftuneError, RegistryError
from registry.objects import Objects
from registry.storage import storage

PUBLISHING_S = 1800.0
"""Seconds that a publisher's mark counts after it was written last."""
REMOVING_S = 600.0
"""Seconds that a remover's mark counts: he stops removing before."""
WAIT_S = 2 * REMOVING_S
"""Seconds that a publisher waits for removers."""
_RENEW_S = 120.0
"""Seconds after which a publisher writes his mark again."""
_MARKS = ".turns"
_CLOCK = f"{_MARKS}/clock"
_LOCKS = (".gate", ".lock")
_PAUSE_S = 0.2


def clock() -> float:
    """Seconds that go on while the machine sleeps, as do those of the marks."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def store_time(objects: Objects) -> float:
    """The time now by the clock of the store: that of an object that is written for this."""
    objects.put(_CLOCK, b"")
    put = objects.stat(_CLOCK)
    return put.time if put is not None else time.time()


@contextlib.contextmanager
def publishing(objects: Objects) -> Iterator[Callable[[], float]]:
    """While this lasts nobody removes anything; gives what tells the time on the `clock` up to which that is so, on S3.

    Raises:
        RegistryError: Somebody who removes doesn't come to an end.
    """
    folder = objects.local("")
    if folder is None:
        with _announced(objects) as mark:
            yield lambda: mark.until
    else:
        with _locked(folder, fcntl.LOCK_SH):
            yield lambda: math.inf


@contextlib.contextmanager
def removing(objects: Objects) -> Iterator[float]:
    """While this lasts nobody publishes; gives the time on the `clock` by which to stop, on S3.

    Raises:
        RegistryError: On S3, somebody publishes.
    """
    folder = objects.local("")
    until = clock() + REMOVING_S / 2 if folder is None else math.inf
    with _locked(folder, fcntl.LOCK_EX) if folder is not None else _alone(objects):
        yield until


@contextlib.contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Holds a folder's lock; who waits for it holds the gate, so that others who come don't go before him."""
    with contextlib.ExitStack() as held:
        with storage("the registry", folder):
            folder.mkdir(parents=True, exist_ok=True)
            gate, lock = (os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666) for name in _LOCKS)
            held.callback(os.close, lock)
            try:
                fcntl.flock(gate, fcntl.LOCK_EX)
                fcntl.flock(lock, kind)
            finally:
                os.close(gate)
        yield


@contextlib.contextmanager
def _announced(objects: Objects) -> Iterator[_Renewed]:
    stop = time.monotonic() + WAIT_S
    while True:
        begun = clock()
        path, now = _mark(objects, "publishing")
        if not _others(objects, "removing", now - REMOVING_S):
            break
        objects.delete(path)
        if time.monotonic() > stop:
            raise RegistryError(f"Somebody removes what isn't used in {objects.url}: try again later", retryable=True)
        time.sleep(_PAUSE_S)
    mark = _Renewed(objects, path, begun)
    try:
        yield mark
    finally:
        mark.end()
        objects.delete(path)


class _Renewed:
    """A publisher's mark, which a thread writes again and again.

    Args:
        objects: Where.
        path: The mark.
        begun: Time on the `clock` before it was put.

    Attributes:
        until: Time on the `clock` up to which it counts, less what a remover needs.
    """

    def __init__(self, objects: Objects, path: str, begun: float) -> None:
        self.until = begun + PUBLISHING_S - REMOVING_S
        self._objects, self._path = objects, path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_on, name=f"mark {path}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Leaves it as it is."""
        self._over.set()
        self._thread.join()

    def _renew_on(self) -> None:
        while not self._over.wait(_RENEW_S):
            begun = clock()
            with contextlib.suppress(DriftuneError):  # tried again, until it has run out
                self._objects.put(self._path, b"")
                if clock() < self.until:  # else somebody may have removed something meanwhile
                    self.until = begun + PUBLISHING_S - REMOVING_S


@contextlib.contextmanager
def _alone(objects: Objects) -> Iterator[None]:
    mark, now = _mark(objects, "removing")
    try:
        found = _others(objects, "publishing", now - PUBLISHING_S) + _others(
            objects, "removing", now - REMOVING_S, mark
        )
        if found:
            raise RegistryError(
                f"Nothing is removed in {objects.url} while others publish or remove ({found[0]}): try again later",
                retryable=True,
            )
        yield
    finally:
        objects.delete(mark)


def _mark(objects: Objects, kind: str) -> tuple[str, float]:
    """Puts a mark, and gives its path and its time, by the clock of those that tell the others' times."""
    path = f"{_MARKS}/{kind}/{secrets.token_hex(16)}"
    objects.put(path, b"")
    put = objects.stat(path)
    return path, put.time if put is not None else time.time()


def _others(objects: Objects, kind: str, since: float, own: str = "") -> list[str]:
    return [each.path for each in objects.walk(f"{_MARKS}/{kind}") if each.time > since and each.path != own]
