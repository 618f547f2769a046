"""When a host may be asked: turns, pauses, and how long to wait before trying again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from random import uniform

from registry.web.answers import WebLimits, fault, shown

Sleep = Callable[[float], Awaitable[object]]
Clock = Callable[[], float]

_FIRST_S = 0.5
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass
class _Lane:
    """One host: who is being served, who is next, from when on that may start, and how often in a row it has failed."""

    gate: asyncio.Semaphore
    next: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0
    faults: int = 0


class Lanes:
    """Turns at hosts: so many at the same time, so far apart.

    Args:
        limits: `per_host`, `pause_s`, `faults` and `total_seconds` are read.
        sleep: Waits.
        clock: Monotonic seconds.
    """

    def __init__(self, limits: WebLimits, sleep: Sleep, clock: Clock) -> None:
        self._limits, self._sleep, self._clock = limits, sleep, clock
        self._lanes: dict[str, _Lane] = {}
        self._began = clock()

    @asynccontextmanager
    async def turn(self, host: str, pause: float = 0.0) -> AsyncIterator[None]:
        """A turn at a host, `pause` seconds or more after the last one began.

        Raises:
            WebError: To ask has become pointless: the session's time is over (`too-slow`), or the host has failed too
                often or wants to be left alone for longer than is waited (`failed`).
        """
        lane = self._lane(host)
        async with lane.gate:
            async with lane.next:  # one waits at a time, so that a `hold` meanwhile counts for all
                self._check(host, lane)
                now = self._clock()
                while (start := lane.free_at) > now:
                    self._check_wait(host, start - now)
                    await self._sleep(start - now)
                    now = start
                    self._check(host, lane)
                lane.free_at = now + max(pause, self._limits.pause_s)
            yield

    def _check(self, host: str, lane: _Lane) -> None:
        if self._clock() - self._began > self._limits.total_seconds:
            raise fault("too-slow", f"This session has had its {self._limits.total_seconds:g} s")
        if lane.faults >= self._limits.faults:
            raise fault("failed", f"{shown(host)} has failed {lane.faults} times in a row, and is left alone")

    def _check_wait(self, host: str, wait: float) -> None:
        """Nobody waits for longer than `wait_s`, or than the session has: who would is told at once."""
        if wait > max(self._limits.wait_s, self._limits.delay_s, self._limits.pause_s):
            raise fault("failed", f"{shown(host)} wants to be left alone for {wait:.0f} s more, and is")
        if wait > self._limits.total_seconds - (self._clock() - self._began):
            raise fault("too-slow", f"This session has its {self._limits.total_seconds:g} s before it may be asked")

    def learn(self, host: str, *, failed: bool) -> None:
        """What has come of an address of a host."""
        lane = self._lane(host)
        lane.faults = lane.faults + 1 if failed else 0

    def hold(self, host: str, seconds: float) -> None:
        """Let nobody begin a turn at a host for a while, as it has asked for; those who would wait too long fail."""
        lane = self._lane(host)
        lane.free_at = max(lane.free_at, self._clock() + seconds)

    def _lane(self, host: str) -> _Lane:
        if host not in self._lanes:
            self._lanes[host] = _Lane(asyncio.Semaphore(self._limits.per_host))
        return self._lanes[host]


def backoff(attempt: int, longest: float) -> float:
    """Seconds before the next attempt: doubling, each between half and one and a half of its mean."""
    return min(_FIRST_S * 2.0 ** (attempt - 1) * uniform(0.5, 1.5), longest)


def asked_wait(retry_after: str | None) -> float | None:
    """The seconds that a `Retry-After` asks for (a number or a date), null where it says nothing that can be read."""
    text = (retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
