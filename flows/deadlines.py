"""A run that gets no further is ended, so that the next one goes on: nothing that is done is lost by that.

It is stuck when for `DRIFTUNE_STUCK_MINUTES` nothing was told of it, no batch began or ended, and neither its process
nor any below it computed: what waits for something that never comes. What computes for ever, without being told of, has
the deadline of its command's stages (`[deadlines]`, `DRIFTUNE_STAGE_HOURS`). First it is interrupted, as by Ctrl-C;
where that isn't heard within a minute (code that waits outside of Python), its whole process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from flows.events import happened
from flows.watching import Observer, Watch

LOOK_S = 15.0
"""Seconds between two looks, at most: what processes have computed is asked of the kernel."""

IDLE = 0.2
"""Share of a core below which nothing is computed: a waiting run, and the Prefect server below it, take less."""

HEARD_S = 60.0
"""Seconds that an interrupted run has to end in."""

HELD_S = 60.0
"""Seconds between two beats after which the process itself may have been held; or half of what makes a run stuck."""

_HOUR, _MINUTE = 3600.0, 60.0


class Deadlines(Observer):
    """Ends a run that is stuck, or that takes too long.

    Args:
        watch: The run.
        commands: Stage -> the command that it belongs to.
    """

    def __init__(self, watch: Watch, commands: dict[str, str]) -> None:
        self._watch = watch
        self._commands = commands
        self._looked = self._beaten = time.monotonic()
        self._computed = computed_s()
        self._ended: float | None = None

    def beat(self) -> None:
        """Looks whether the run goes on."""
        now, before = time.monotonic(), self._beaten
        self._beaten = now
        if now - before > max(HELD_S, self._stuck_s / 2):
            self._watch.goes_on()  # the process itself was held, as by docker pause, and gets on from here
        if self._ended is not None:
            if now - self._ended > HEARD_S:
                end_process(f"{self._watch.overdue}; it did not hear that it is to end")
            return
        if now - self._looked >= min(LOOK_S, self._stuck_s / 4 or LOOK_S):
            self._look(now)
        if why := self._why(now):
            self._ended = now
            happened(self._watch.house, "driftune.run.stuck", stage=self._watch.stage, why=why)
            self._watch.end(why)

    def _look(self, now: float) -> None:
        computed = computed_s()
        if computed - self._computed > IDLE * (now - self._looked):
            self._watch.goes_on()
        self._computed, self._looked = computed, now

    def _why(self, now: float) -> str:
        """Why the run is to be ended; empty where it is not."""
        if self._watch.rests:
            return ""
        watch, command = self._watch, self._commands.get(self._watch.stage, "")
        seconds = sum(watch.seconds_of(stage) for stage, of in self._commands.items() if of == command)
        hours = watch.house.domain.deadlines.get(command, watch.house.settings.stage_hours)  # type: ignore[call-overload]
        if command and hours and seconds > hours * _HOUR:
            return f"{command} took {seconds / _HOUR:.2g} hours and has {hours:g} ([deadlines], DRIFTUNE_STAGE_HOURS)"
        idle = now - watch.progressed
        if self._stuck_s and idle > self._stuck_s and not self._waits():
            at = f"{watch.stage}: {watch.title}" if watch.stage else "between two stages"
            return f"No progress for {idle / _MINUTE:.2g} minutes (DRIFTUNE_STUCK_MINUTES) at {at}"
        return ""

    def _waits(self) -> bool:
        """Whether it may well wait for hours: an endpoint takes them for its batches."""
        return self._watch.stage == "write" and self._watch.house.domain.llm.batch

    @property
    def _stuck_s(self) -> float:
        return self._watch.house.settings.stuck_minutes * _MINUTE


def computed_s() -> float:
    """Seconds of CPU that this process and all below it have taken (those below on Linux alone)."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = entry.read_bytes().rpartition(b")")[2].split()  # state ppid …; utime is the 12th, with cstime 15th
            parents[int(entry.parent.name)] = int(fields[1])
            ticks[int(entry.parent.name)] = sum(map(int, fields[11:15]))
    own = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    below = sum(ticks.get(pid, 0) for pid in own - {os.getpid()})
    return time.process_time() + below / os.sysconf("SC_CLK_TCK")


def interrupt(thread: threading.Thread) -> None:
    """Raises KeyboardInterrupt in a thread of this process."""
    if thread is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.pthread_kill(thread.ident or 0, signal.SIGINT)  # also ends a wait for a lock, or for the network
        return
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))


def end_process(why: str) -> None:
    """Ends this process at once; what it started ends with it."""
    print(f"driftune: {why}", file=sys.stderr, flush=True)
    os._exit(1)
