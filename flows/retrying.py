"""Trying again: what may help is tried again, after a while; what can't help isn't.

The error's class says which it is: a configuration, a licence or a schema stays wrong, a source that is away or a
worker that was killed comes back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from registry.errors import DriftuneError

Result = TypeVar("Result")

TRIES = 3
"""So often something is tried that trying again can help."""


def can_help(error: BaseException) -> bool:
    """Whether trying again what ended with this error can help: its class says so; an error of ours stays one."""
    return isinstance(error, DriftuneError) and error.retryable


@dataclass(frozen=True)
class Patience:
    """How often something is tried, and how long is waited in between.

    Attributes:
        tries: How often, the first time included.
        first_s: Seconds after the first failure, at most; twice as many after each that follows.
        most_s: But never more than these.
    """

    tries: int = TRIES
    first_s: float = 2.0
    most_s: float = 60.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures: half of them drawn, so that many who failed at once come apart."""
        longest = min(self.most_s, self.first_s * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1)

    def tried(
        self,
        call: Callable[[], Result],
        failed: Callable[[BaseException], None] = lambda _: None,
        wait: Callable[[float], object] = time.sleep,
    ) -> Result:
        """What a call gives, tried again as long as that can help.

        Args:
            call: What is tried.
            failed: Told of each failure.
            wait: Waits for so many seconds.

        Raises:
            Exception: The error of the last try.
        """
        for failures in range(1, self.tries + 1):
            try:
                return call()
            except Exception as error:
                failed(error)
                if failures == self.tries or not can_help(error):
                    raise
                wait(self.wait_s(failures))
        raise AssertionError("no try at all")  # tries is at least 1


PATIENCE = Patience()
"""How often and how long, where nobody says otherwise."""
