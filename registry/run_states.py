"""What runs are at, for whoever asks from anywhere: one small file a run beside the lake's tables.

`<lake>/_runs/<domain>/<run>.json` is written when a run begins, while it goes on (its heartbeat), and when it ends. It
says nothing that the lake hangs on: a run that is killed leaves it as it was, and the next run of the domain, which has
the domain's lock and so knows that nobody else is at work, marks it crashed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from registry.objects import Stored, objects_of

State = Literal["running", "completed", "failed", "stopped", "crashed"]
"""`stopped`: by a person or a signal; `crashed`: it ended without having said so."""

KEPT = 50
"""Runs of a domain that are remembered."""

MISSED = 4
"""Heartbeats after which a run that says nothing is called silent: a busy machine may be late with one or two."""

_LOOKED_AT = 5
"""Runs that are looked at for one that was killed."""


@dataclass(frozen=True)
class RunState:
    """What a run said of itself last.

    Attributes:
        run: Its name, as it stands in `_run` of every row that it wrote.
        domain: The domain.
        state: What became of it.
        command: The driftune command that was given, or would do the same.
        code: driftune's version.
        host: The machine it ran on.
        pid: Its process there.
        began: When, ISO text in UTC, by the clock of its machine. Likewise below.
        beat: When it wrote this.
        every_s: Seconds between two heartbeats.
        ended: When it ended; empty while it goes on.
        stage: The stage it is at, or was at last.
        title: What it did there last.
        done: How much of that was done.
        total: Of how much.
        note: What else there was to say of it.
        stages: Stage -> its `seconds` and the `batches` that were done.
        outcome: What came of it (the gate's decision); empty where it didn't come so far.
        reason: Why it failed, in one line; or what else ended it.
        continues: The crashed run that it goes on with; empty where there is none.
    """

    run: str
    domain: str
    state: State = "running"
    command: str = "run"
    code: str = ""
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    began: str = field(default_factory=lambda: now())
    beat: str = ""
    every_s: float = 30.0
    ended: str = ""
    stage: str = ""
    title: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outcome: str = ""
    reason: str = ""
    continues: str = ""

    @property
    def silent_s(self) -> float:
        """Seconds since its last heartbeat, by this machine's clock; 0 of a run that has ended, or is on time."""
        if self.state != "running":
            return 0.0
        since = (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(self.beat or self.began)).total_seconds()
        return since if since > MISSED * self.every_s else 0.0

    @property
    def seconds(self) -> float:
        """Seconds from its beginning to its end, or to its last heartbeat."""
        last = dt.datetime.fromisoformat(self.ended or self.beat or self.began)
        return max(0.0, (last - dt.datetime.fromisoformat(self.began)).total_seconds())


def now() -> str:
    """The time, as it is written down."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


class RunStates:
    """The states of the runs that work on a lake.

    Args:
        url: fsspec URL of the lake, or a folder.
    """

    def __init__(self, url: str) -> None:
        self._objects = objects_of(f"{url.rstrip('/')}/_runs")

    @property
    def every_s(self) -> float:
        """Seconds between two heartbeats: a file costs nothing, a request to an object store money."""
        return 5.0 if self._objects.local("") is not None else 30.0

    def write(self, state: RunState) -> None:
        """Writes what a run is at, with the time."""
        text = json.dumps(asdict(replace(state, beat=now())), ensure_ascii=False)
        self._objects.put(f"{state.domain}/{state.run}.json", text.encode())

    def read(self, domain: str, latest: int = KEPT) -> list[RunState]:
        """The runs of a domain, the one that began last first; what is no such file is passed over.

        Args:
            domain: The domain.
            latest: How many, of those that wrote last.
        """
        states = []
        for stored in self._stored(domain)[:latest]:
            with contextlib.suppress(FileNotFoundError):  # forgotten meanwhile
                states.append(_state(self._objects.read(stored.path)))
        return sorted((s for s in states if s is not None), key=lambda s: (s.began, s.run), reverse=True)

    def domains(self) -> list[str]:
        """The domains of which runs are known."""
        return self._objects.names("")

    def crashed(self, domain: str, reason: str) -> list[RunState]:
        """Marks the runs of a domain that never said how they ended; whoever calls holds the domain's lock.

        Each run does so when it begins, so that one is among those that wrote last.

        Args:
            domain: The domain.
            reason: How that is known.
        """
        dead = [state for state in self.read(domain, _LOOKED_AT) if state.state == "running"]
        marked = [replace(state, state="crashed", reason=reason, ended=state.beat) for state in dead]
        for state in marked:
            self.write(state)
        return marked

    def trim(self, domain: str) -> None:
        """Forgets all but the runs of a domain that wrote last."""
        for stored in self._stored(domain)[KEPT:]:
            self._objects.delete(stored.path)

    def _stored(self, domain: str) -> list[Stored]:
        """Their files, the one that was written last first."""
        found = [s for s in self._objects.walk(domain) if s.path.endswith(".json")]
        return sorted(found, key=lambda s: (s.time, s.path), reverse=True)


_STATE = TypeAdapter(RunState)


def _state(data: bytes) -> RunState | None:
    """What a file says; a newer driftune may say more. None where it isn't one, or says times that are none."""
    try:
        state = _STATE.validate_json(data)
        return state if state.seconds >= 0 and state.silent_s >= 0 else None
    except (ValueError, TypeError):
        return None
