"""Keeps the parts of a stack alive: starts them in order, asks them how they are, starts again what died or hangs.

Whatever a part leaves behind becomes a child of this process (Linux' subreaper), so that nothing is left when the stack
ends. A flow run ends with a worker that is told to end, and goes on where that is killed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.server import die_with_parent
from flows.stacking.parts import Part
from flows.stacking.processes import adopt_orphans, children, descendants, send, wait_until_gone
from registry.storage import storage

LOOK_S = 0.2
"""Seconds between two looks at whether a part has ended."""
ASK_S, ASK_SOON_S = 5.0, 0.5
"""Seconds between two questions to a part that is healthy, and to one that isn't."""
START_S = 180.0
"""Seconds a part may take to be healthy: Prefect's server 15 on a quiet machine, 60 on a busy one."""
SILENT_S, HANGS_S = 15.0, 90.0
"""Seconds without an answer after which a part is unhealthy, and after which it is killed if what it needs is well."""
FIRST_S, LONGEST_S = 0.5, 30.0
"""Seconds before a part that ended is started again, doubled each time it ends at once."""
STEADY_S = 60.0
"""Seconds for which a part has to be up until its earlier ends count no more."""
END_S = 20.0
"""Seconds a part has to end in; then it is killed."""
LOG_BYTES = 16 << 20
"""What a part's log may grow to; the one before it is kept beside it."""


@dataclass
class Running:
    """A part as it is now.

    Attributes:
        part: What it is.
        state: waiting (for what it needs), starting, healthy, unhealthy, or ended (started again soon).
        process: Its process, if it has one.
        restarts: How often it was started again.
        failures: How often it ended without having been up for long.
        since: When its process was started; on the monotonic clock, as the next three.
        due: Not started before.
        ask: Asked next.
        well: When it was healthy last.
    """

    part: Part
    state: str = "waiting"
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    failures: int = 0
    since: float = 0.0
    due: float = 0.0
    ask: float = 0.0
    well: float = 0.0


class Supervisor:
    """The parts of a stack, kept alive until it is told to stop.

    Args:
        parts: The parts, in the order in which they start.
        logs: The folder of their logs.
        changed: Told whenever the state of a part has changed, with all of them.
    """

    def __init__(self, parts: Sequence[Part], logs: Path, changed: Callable[[list[Running]], None]) -> None:
        self.parts = {part.name: Running(part) for part in parts}
        self._logs = logs
        self._changed = changed
        self._stopping = False

    def stop(self, *_: Any) -> None:
        """Has `run` return; a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Starts the parts and keeps them alive until `stop`; ends them, in the opposite order."""
        adopt_orphans()
        try:
            while not self._stopping:
                for running in self.parts.values():
                    self._look(running)
                self._bury()
                time.sleep(LOOK_S)
        finally:
            self._end_all()

    def _look(self, running: Running) -> None:
        """Starts, asks, or starts again, whatever one part needs now."""
        now = time.monotonic()
        if running.process is None:
            if now >= running.due and self._has_needs(running):
                self._start(running)
        elif running.process.poll() is not None:
            self._ended(running)
        elif now >= running.ask:
            self._ask(running)

    def _has_needs(self, running: Running) -> bool:
        return all(self.parts[name].state == "healthy" for name in running.part.needs)

    def _start(self, running: Running) -> None:
        part = running.part
        log = self._logs / f"{part.name}.log"
        as_account: dict[str, Any] = {}
        if part.account:
            as_account = {"user": part.account, "group": part.account, "extra_groups": []}
        with storage("a log of the stack", log), log.open("ab") as output:
            running.process = subprocess.Popen(
                part.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=part.opened,
                env=environment(part), start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, part.stop), **as_account,
            )  # fmt: skip
        running.since = running.well = time.monotonic()
        running.ask = 0.0
        self._become(running, "starting")

    def _ask(self, running: Running) -> None:
        answered = running.part.healthy()
        now = time.monotonic()
        running.ask = now + (ASK_S if answered else ASK_SOON_S)
        if not answered:
            self._unanswered(running, now)
            return
        running.well = now
        if now - running.since > STEADY_S:
            running.failures = 0
        _shorten(self._logs / f"{running.part.name}.log")
        self._become(running, "healthy")

    def _unanswered(self, running: Running, now: float) -> None:
        """Notes that a part doesn't answer; kills it when that has lasted too long, and is its own fault."""
        silent = now - running.well
        if running.state == "healthy" and silent > SILENT_S:
            self._become(running, "unhealthy")
        if running.state == "unhealthy" and not self._has_needs(running):
            running.well = now
        elif running.process and silent > (START_S if running.state == "starting" else HANGS_S):
            running.process.kill()

    def _ended(self, running: Running) -> None:
        """Has it started again, later each time."""
        running.process = None
        running.due = time.monotonic() + min(LONGEST_S, FIRST_S * 2.0 ** min(running.failures, 10))
        running.failures += 1
        running.restarts += 1
        self._become(running, "ended")

    def _become(self, running: Running, state: str) -> None:
        if running.state != state:
            running.state = state
            self._changed(list(self.parts.values()))

    def _bury(self) -> None:
        """Takes the exit status of orphans that ended; those of parts are their own to take."""
        own = {running.process.pid for running in self.parts.values() if running.process}
        for pid in children(os.getpid()):
            if pid not in own:
                os.waitpid(pid, os.WNOHANG)

    def _end_all(self) -> None:
        for running in reversed(self.parts.values()):
            _end(running)
            self._become(running, "ended")
        for by in (signal.SIGTERM, signal.SIGKILL):
            left = descendants(os.getpid())
            for pid in left:
                send(pid, by)
            wait_until_gone(left, END_S)
            self._bury()


def environment(part: Part) -> dict[str, str]:
    """The variables of a part. Of our own no other account gets any: there may be keys among them."""
    ours = {"PATH": os.environ.get("PATH", os.defpath)} if part.account else os.environ
    return {**ours, **part.environment}


def _end(running: Running) -> None:
    """Ends a part: asked first, killed after a while."""
    process = running.process
    if process is None:
        return
    below = children(process.pid) if running.part.with_children else []
    for pid in below:
        send(pid, signal.SIGTERM)
    wait_until_gone(below, END_S)
    process.send_signal(running.part.stop)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    running.process = None


def _shorten(log: Path) -> None:
    """Begins a log anew that has grown too long: what writes it appends, and goes on at its beginning."""
    with contextlib.suppress(FileNotFoundError):  # somebody removed it: what writes it goes on where nobody reads
        if log.stat().st_size > LOG_BYTES:
            with contextlib.suppress(OSError):  # where the disk is full, it goes without
                shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
