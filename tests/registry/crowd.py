"""What processes of the crowd do to a registry; they are forked off a server that has imported this and no more."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry.collecting import collect
from registry.manifests import Publication
from registry.store import Store
from tests.adapters import adapter_folder

CROWD = multiprocessing.get_context("forkserver")
CROWD.set_forkserver_preload(["tests.registry.crowd"])
CHANGES = ("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink")
"""What Python tells of before it does it; opening a file to write is another."""


def about(run: str, domain: str = "networkx") -> Publication:
    """What is said of an adapter of a run."""
    return Publication(
        domain=domain, library_range="networkx>=3.6,<3.7", base="tiny", base_revision="r", fingerprint="f" * 64,
        snapshot="s", run=run, licences=("MIT",), notices={"LICENSE": "MIT …"},
    )  # fmt: skip


def adapter(folder: Path, run: str) -> Path:
    """An adapter whose weights are its run's alone, and are bigger than what is written at once."""
    return adapter_folder(folder, run.encode() * 50_000)


def publish(place: str, folder: Path, run: str) -> None:
    """Publishes an adapter, and moves stable to it."""
    Store(place).publish(adapter(folder, run), about(run))


def publish_many(place: str, folder: Path, name: str, count: int, told: Any, environment: dict[str, str]) -> None:
    """Publishes versions one after the other, and tells the number of each."""
    os.environ.update(environment)
    store = Store(place)
    for n in range(count):
        run = f"{name}-{n}"
        told.put((run, store.publish(adapter(folder, run), about(run)).version))


def promote(place: str, channel: str) -> None:
    """Moves a channel to what stable gives."""
    store = Store(place)
    store.promote("networkx", store.resolve("networkx").version, channel)


def pull(place: str, into: Path) -> None:
    """Pulls what stable gives."""
    Store(place).pull("networkx", into)


def tidy(place: str) -> None:
    """Removes all that nobody can ask for, however young it is."""
    list(collect(Store(place).objects, grace_s=0))


def count_changes(told: Any, act: Callable[..., object], *arguments: object) -> None:
    """Does something, and tells how many changes of the disk it came to."""
    changes = _Changes()
    sys.addaudithook(changes)
    act(*arguments)
    told.put(changes.count)


def die_before(change: int, act: Callable[..., object], *arguments: object) -> None:
    """Does something, and is killed before it makes that change of the disk, counted from 1."""
    sys.addaudithook(_Changes(change))
    act(*arguments)


class _Changes:
    """Counts changes of the disk; before the last one the process kills itself, and nothing is tidied up."""

    def __init__(self, last: int = 0) -> None:
        self.count, self.last = 0, last

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def counted(what: Callable[..., object], *arguments: object) -> int:
    """How many changes of the disk something comes to."""
    told: Any = CROWD.SimpleQueue()
    job = CROWD.Process(target=count_changes, args=(told, what, *arguments))
    job.start()
    changes: int = told.get()
    job.join()
    return changes


def killed(change: int, within: float, what: Callable[..., object], *arguments: object) -> bool:
    """Does something in a process of its own that is killed; whether it was before its end.

    Args:
        change: Before this change of the disk, counted from 1; where 0, at a moment.
        within: The moment, in seconds.
        what: What is done.
        *arguments: With what.
    """
    job = CROWD.Process(target=die_before, args=(change, what, *arguments))
    job.start()
    if not change:
        time.sleep(within)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(job.pid or 0), signal.SIGKILL)
    job.join()
    assert job.exitcode in (0, -signal.SIGKILL)
    return job.exitcode != 0
