"""Rate limits as an endpoint has them: so many requests and tokens within some seconds, told in headers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from registry.errors import ConfigurationError


@dataclass
class Limits:
    """A sliding window.

    Attributes:
        requests: Requests within it; 0: no limit.
        tokens: Tokens of conversations and of answers at their longest within it; 0: no limit.
        seconds: Its length.
        clock: Seconds since some moment.
    """

    requests: int = 0
    tokens: int = 0
    seconds: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _taken: deque[tuple[float, int]] = field(default_factory=deque)

    def wait(self, tokens: int) -> float:
        """Takes a request of so many tokens; seconds after which it may come again where there is no room for it."""
        now = self._forget()
        room = (self.requests or 1 << 62) - len(self._taken), (self.tokens or 1 << 62) - self._used
        if room[0] >= 1 and (room[1] >= tokens or not self._taken):  # one that never fits goes alone
            self._taken.append((now, tokens))
            return 0.0
        short = tokens - room[1]
        for at, freed in self._taken:
            short -= freed
            if short <= 0:
                return max(0.001, at + self.seconds - now)
        return self.seconds

    @property
    def headers(self) -> dict[str, str]:
        """What is left, as OpenAI says it; nothing where there is no limit."""
        now = self._forget()
        reset = f"{max(0.0, self._taken[-1][0] + self.seconds - now) if self._taken else 0:.3f}s"
        told = {}
        for name, limit, used in (("requests", self.requests, len(self._taken)), ("tokens", self.tokens, self._used)):
            if limit:
                told[f"x-ratelimit-limit-{name}"] = str(limit)
                told[f"x-ratelimit-remaining-{name}"] = str(max(0, limit - used))
                told[f"x-ratelimit-reset-{name}"] = reset
        return told

    @property
    def _used(self) -> int:
        return sum(tokens for _, tokens in self._taken)

    def _forget(self) -> float:
        now = self.clock()
        while self._taken and self._taken[0][0] <= now - self.seconds:
            self._taken.popleft()
        return now


def limits(told: str) -> Limits:
    """Limits as they are written on the command line: `requests=60,tokens=90000,seconds=60`.

    Raises:
        ConfigurationError: One can't be read, or is unknown.
    """
    found = Limits()
    for part in filter(None, told.split(",")):
        name, _, number = part.strip().partition("=")
        try:
            if name == "seconds":
                found.seconds = float(number)
            elif name in ("requests", "tokens"):
                setattr(found, name, int(number))
            else:
                raise ValueError
        except ValueError:
            raise ConfigurationError(
                f"{part!r} is no limit: write requests=60,tokens=90000,seconds=60",
                told=told,
            ) from None
    if min(found.requests, found.tokens) < 0 or not 0 < found.seconds < 1e6:
        raise ConfigurationError(f"Limits can't be negative, nor no time: {told!r}. Correct --limits", told=told)
    return found
