"""What disturbs a run, drawn from a seed: which things are killed, in which order, and after how much of its work."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.stacking.processes import descendants
from tests.chaos.stack import Stack, kill, said
from tests.chaos.witness import DOMAIN, Registry

AFTER_S = 2.0
"""Seconds after a piece of work within which something happens."""

FULL_S = 6.0
"""Seconds for which a disk is full."""

DISK_MB = 96
"""What a home's disk holds that is going to be full: three times what is on it in the end."""

STEPS_S = (-172_800, -3_600, 3_600, 172_800)
"""By how many seconds a clock is wrong."""


@dataclass(frozen=True)
class Disturbance:
    """Something that goes wrong once.

    Attributes:
        what: What it is.
        after: How many pieces of work the run has done before.
        delay: Seconds after the last of them.
    """

    what: str
    after: int
    delay: float

    def __str__(self) -> str:
        return f"{self.what} {self.delay:.1f} s after {self.after} pieces of work"


@dataclass
class Place:
    """What can be disturbed.

    Attributes:
        stack: The stack.
        registry: The registry's server of the run's home, and who listens to it.
        home: The run's home.
        deployment: Id of the domain's deployment.
    """

    stack: Stack
    registry: Registry
    home: Path
    deployment: str = ""
    _timers: list[threading.Timer] = field(default_factory=list)

    def settle(self) -> None:
        """Waits until nothing happens any more by itself."""
        for timer in self._timers:
            timer.join()

    def point(self, more: Mapping[str, str]) -> bool:
        """Has the runs to come work in the home, with more in their environment; false where nobody answers now."""
        deployments, flows = ({"name": {"any_": [name]}} for name in (DOMAIN, "refresh"))
        found = self.stack.ask("deployments/filter", deployments=deployments, flows=flows)
        if not found:
            return False
        self.deployment, variables = str(found[0]["id"]), found[0]["job_variables"]
        own = {k: v for k, v in variables["env"].items() if k not in ("LD_PRELOAD", "FAKETIME")}
        own |= {f"DRIFTUNE_{part.upper()}": str(self.home / part) for part in ("lake", "registry")}
        variables["env"] = own | {"DRIFTUNE_HOME": str(self.home), **more}
        return self.stack.ask(f"deployments/{self.deployment}", "PATCH", job_variables=variables) is not None

    def sandboxes(self) -> list[int]:
        """The servers of the sandbox."""
        below = [pid for run in self.stack.runs() for pid in descendants(run)]
        return [pid for pid in below if b"bwrap" in said(pid).partition(b"\0")[0]]


def _worker(place: Place) -> bool:
    return place.stack.kill("cpu-worker")


def _machine(place: Place) -> bool:
    """The worker with all that it started: as a machine that loses its power."""
    below = place.stack.runs()
    trees = [each for run in below for each in (run, *descendants(run))]
    place.stack.kill("cpu-worker", tree=True)
    kill(trees)
    return bool(below)


def _run(place: Place) -> bool:
    """The process of the run alone."""
    kill(place.stack.runs())
    return True


def _sandbox(place: Place) -> bool:
    found = place.sandboxes()
    kill(found[:1])
    return bool(found)


def _disk(place: Place) -> bool:
    """The home's disk is full for a while; only what is killed ends, all others meet it."""
    ballast = place.home / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    timer = threading.Timer(FULL_S, ballast.unlink)
    timer.start()
    place._timers.append(timer)
    return True


def _clock(place: Place) -> bool:
    """The machine is started again, and its clock is right from then on; it was wrong before."""
    if not place.stack.runs() or not place.point({}):
        return False
    return _machine(place)


DISK, CLOCK = "fill disk", "set clock right"
"""What happens in some trials alone."""

HOW: dict[str, Callable[[Place], bool]] = {
    DISK: _disk,
    CLOCK: _clock,
    "kill worker": _worker,
    "kill worker and run": _machine,
    "kill run": _run,
    "kill server": lambda place: place.stack.kill("prefect"),
    "kill database": lambda place: place.stack.kill("postgres"),
    "kill registry": lambda place: place.registry.kill(),
    "kill sandbox": _sandbox,
}
"""What goes wrong -> how; false where it isn't there now, so that it is tried again."""

RUNS = ("kill worker", "kill worker and run", "kill run")
"""Of these a trial has one; it has all other kills."""


def drawn(draw: random.Random, pieces: int, seed: int) -> list[Disturbance]:
    """What disturbs the trial of a seed, in order; of five trials one has a full disk, another a clock that is wrong.

    A disk that can be full is mounted, as root alone can.

    Args:
        draw: The seed's.
        pieces: Of how many pieces of work an undisturbed run is.
        seed: The seed.
    """
    what = [draw.choice(RUNS), *(name for name in HOW if name not in (*RUNS, DISK, CLOCK))]
    what += [DISK] if seed % 5 == 4 and os.getuid() == 0 else [CLOCK] if seed % 5 == 0 else []
    found = [Disturbance(name, draw.randrange(pieces), draw.uniform(0, AFTER_S)) for name in what]
    return sorted(found, key=lambda one: (one.after, one.delay))


def wrong_clock(draw: random.Random) -> dict[str, str]:
    """The environment of processes whose clock is wrong by hours or days.

    It can't be stepped under a process that runs: of libfaketime's two ways to leave alone what measures time, one
    makes `time.sleep` fail, and the other steps that clock too, as no machine does.
    """
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{draw.choice(STEPS_S):+d}"}


@contextlib.contextmanager
def small_disk(home: Path) -> Iterator[None]:
    """A disk of a home's own, as long as a block runs; none but root may mount one."""
    home.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "none", home], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
