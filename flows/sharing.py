"""One of several runs that share a machine: a process of its own, which works when it is its turn."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from functools import partial

from flows.house import House, open_house
from flows.run import exit_code, run_house, told_run
from flows.seat import Seat
from registry.errors import BudgetError, DriftuneError, LockedError

ACCEPT = "accept"
"""Argument of a process that may go on where much of what there was is gone."""


@contextlib.contextmanager
def explained(seat: Seat) -> Iterator[None]:
    """Says what went wrong within the block, as the command line would."""
    try:
        yield
    except LockedError as error:
        seat.say(error=str(error), exit=error.exit_code, held=True)
    except DriftuneError as error:
        seat.say(error=str(error), exit=error.exit_code, left=isinstance(error, BudgetError))
    except Exception as error:
        seat.say(error=f"{type(error).__name__}: {error} (a bug; its traceback is in the log)", exit=1)
        raise


def _turn(house: House, seat: Seat) -> None:
    with house.watch.resting() if house.watch else contextlib.nullcontext():
        seat.turn()


def _main(reference: str, among: str, *options: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was started in the background
    seat = Seat()
    with explained(seat):
        house = open_house(reference, seat.tell, moving=True)
        house.turn, house.among, house.accept_removals = partial(_turn, house, seat), int(among), ACCEPT in options
        decision, changed = run_house(house)
        seat.say(ended=told_run(house, decision, changed=changed), exit=exit_code(house, decision))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
