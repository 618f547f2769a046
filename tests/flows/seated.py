"""A run for tests of turns: it says what runs say, and its batches are naps. `python -m tests.flows.seated …`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from flows.seat import Seat


def main(mark: str, batches: str, seconds: str, ending: str) -> None:
    """Takes turns for so many batches, of so many seconds each, and ends in one of several ways.

    The file `mark`.log gets a line when a batch begins and one when it ends: the run's name, which, and when.
    """
    seat = Seat()
    for number in range(int(batches)):
        seat.turn()
        note(mark, "begins")
        seat.tell(f"Batch {number}", 0, 1)
        if ending == "crash" and number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(seconds))
        note(mark, "ends")
    sys.stdout.write("what a library may print")
    held = Path(f"{mark}.held")
    if ending == "held" and not held.exists():
        held.touch()
        seat.say(error="It is held", exit=2, held=True)
    elif ending == "refused":
        seat.say(error="It can't be", exit=2)
    else:
        seat.say(ended={"decision": "publish", "changed": True, "address": os.environ["PREFECT_API_URL"]}, exit=0)


def note(mark: str, what: str) -> None:
    with Path(f"{mark}.log").open("a") as log:
        log.write(f"{Path(mark).name} {what} {time.monotonic()}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        note(sys.argv[1], "interrupted")
        sys.exit(130)
