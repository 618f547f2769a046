"""The loop of a subscription: look, act, wait; what fails is told once, and tried again later."""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Callable

from flows.subscribing.waking import Waking
from registry.errors import DriftuneError

LONGEST_S = 600.0
"""Seconds between two attempts at most, where `every` isn't longer."""


def follow(look: Callable[[], None], waking: Waking, *, once: bool, every: float) -> None:
    """Looks, again and again.

    Args:
        look: Brings the subscriber to where the channel stands, or raises.
        waking: Waits.
        once: Look once, then return.
        every: Seconds between two looks; where trying again can help, twice as long after each failure, up to
            ten minutes.

    Raises:
        DriftuneError: The only look failed.
    """
    failures, said = 0, ""
    while True:
        wait = every
        try:
            look()
            if said:
                told("What had failed works again")
            failures, said = 0, ""
        except DriftuneError as error:
            if once:
                raise
            failures += error.retryable  # what a person must mend isn't mended by waiting longer
            wait = min(every * 2 ** max(failures - 1, 0), max(every, LONGEST_S)) * random.uniform(0.9, 1.1)
            if str(error) != said:  # a domain may have its first version after weeks
                said = str(error)
                told(f"{said}; next look in {wait:.0f} s, and it is said again only after something else", failed=True)
        if once:
            return
        waking.wait(wait)


def told(text: str, *, failed: bool = False) -> None:
    """Says something, with the time, on one line: what a registry or a server sent in it moves no cursor."""
    text = "".join(c if c.isprintable() else " " for c in text)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    print(f"{now}  {text}", file=sys.stderr if failed else sys.stdout, flush=True)
