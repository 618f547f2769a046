"""How often a caller may ask: a token bucket each, in the memory of one server process."""

from __future__ import annotations

import time
from collections import OrderedDict

_CALLERS = 10_000
"""Callers that are remembered; who asked longest ago is forgotten first, and starts with a full bucket again."""


class Limits:
    """Buckets of requests, by caller. Only to be used from the event loop.

    Args:
        rate: Requests a second that each bucket is filled up by; 0 for no limits.
        burst: Requests that a bucket holds.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Takes a request out of a caller's bucket: 0, or, where none is left, the seconds until there is one."""
        if not self.rate:
            return 0.0
        now = time.monotonic()
        left, since = self._buckets.get(caller, (float(self.burst), now))
        left = min(left + (now - since) * self.rate, float(self.burst))
        taken = 1.0 if left >= 1.0 else 0.0
        self._buckets[caller] = (left - taken, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1.0 - left) / self.rate
