"""Leases: a name on an object store that one process holds at a time, and of which others can tell whether it does.

A lease is a numbered object, created only if absent: of two that want the next number, one gets it. The holder writes
it again and again; whoever finds that it hasn't been written for its length takes the next number. How long ago that
was is told by the store's own times alone, so no clock of a machine is compared with another's. A holder who couldn't
write it for long, or finds a higher number, holds it no more (`check`), and knows so before others may have it: that is
measured on his own clock, which nobody sets. The number only grows: it says who came after whom.
"""

from __future__ import annotations

import contextlib
import json
import math
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from registry.errors import DriftuneError
from registry.objects import Objects
from registry.turns import clock, store_time

_RESOLUTION_S = 2.0
"""What the store's times may be off by, being whole seconds."""
_SHARE = 0.75
"""Part of a lease after which its holder no longer relies on it: what he has begun then ends before others begin."""

LONGEST_S = 24 * 3600.0
"""Seconds without a sign of life after which a lease has run out, whatever its holder says of it."""

Holder = Mapping[str, Any]
"""What a lease says of who holds it."""


class Lease:
    """A name that is held while its holder lives.

    Args:
        objects: Where.
        folder: The name.
        holder: What it says of this process. Who has the same `place` is known to be gone, by another lock.
        lease_s: Seconds without a sign of life after which others may take it.

    Attributes:
        number: How often it was taken so far, by anybody.
        since: When this process took it (`registry.turns.clock`): what it sees from then on is by no other holder.
    """

    def __init__(self, objects: Objects, folder: str, holder: Holder, lease_s: float) -> None:
        self.number, self.since = 0, math.inf
        self._objects = objects
        self._folder = folder
        self._holder = {**holder, "lease_s": lease_s, "mark": secrets.token_hex(8)}
        self._lease_s = lease_s
        self._until = 0.0
        self._taken: Holder | None = None
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_on, name=f"lease {folder}", daemon=True)

    def take(self) -> Holder | None:
        """Takes the lease, unless another has it: that one is given."""
        number, found = self._last()
        if found is not None and not self._is_free(number, found):
            return found
        if not self._has(number + 1):
            return self._last()[1] or {}
        self._thread.start()
        return None

    def check(self) -> Holder | None:
        """Nothing where it is held still, else who has taken it; one that ran out, and is nobody's, is taken again."""
        with self._turn:
            if self._taken is None and clock() >= self._until and not self._has(self.number + 1):
                self._taken = self._last()[1] or {}
            return self._taken

    def end(self) -> None:
        """Gives it back: others may have it at once."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(DriftuneError):  # then it runs out
            if self._taken is None:
                self._objects.put(self._path(self.number), self._content(ended=True))

    def _has(self, number: int) -> bool:
        """Whether it gets a number: who slept long finds free what others had and removed; the last counts."""
        begun = clock()
        if not self._objects.create(self._path(number), self._content()):
            return False
        *lower, last = self._numbers() or [0]
        if last != number:
            self._objects.delete(self._path(number))
            return False
        self.number, self.since, self._until = number, clock(), begun + self._lease_s * _SHARE
        for old in lower:
            self._objects.delete(self._path(old))
        return True

    def _renew_on(self) -> None:
        while not self._over.wait(self._lease_s / 4):
            with contextlib.suppress(DriftuneError), self._turn:  # tried again, until it has run out
                self._renew()

    def _renew(self) -> None:
        begun = clock()
        if self._taken is not None or begun >= self._until:  # whether it is still to be had is asked by `check`
            return
        self._objects.put(self._path(self.number), self._content())
        newest, found = self._last()
        if newest > self.number:
            self._taken = found or {}
        else:
            self._until = begun + self._lease_s * _SHARE

    def _is_free(self, number: int, found: Holder) -> bool:
        if found.get("ended") or found.get("place") == self._holder["place"]:
            return True
        now = store_time(self._objects)
        stored = self._objects.stat(self._path(number))
        return stored is None or now - stored.time >= self._length(found) + _RESOLUTION_S

    def _length(self, found: Holder) -> float:
        """For how long another holds it without a sign of life, as far as that is to be believed."""
        said = found.get("lease_s", self._lease_s)
        return said if isinstance(said, int | float) and 0 < said <= LONGEST_S else LONGEST_S

    def _last(self) -> tuple[int, Holder | None]:
        """The highest number and who has it; 0 and nobody where nobody ever had it."""
        while numbers := self._numbers():
            with contextlib.suppress(FileNotFoundError):  # who has the next one has just removed it
                return numbers[-1], _said(self._objects.read(self._path(numbers[-1])))
        return 0, None

    def _numbers(self) -> list[int]:
        names = (name.removesuffix(".json") for name in self._objects.names(self._folder))
        return sorted(int(name) for name in names if name.isdecimal())

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.json"

    def _content(self, *, ended: bool = False) -> bytes:
        return json.dumps({**self._holder, "ended": ended}).encode()


def _said(data: bytes) -> Holder:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
