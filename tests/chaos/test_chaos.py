"""Everything is killed at random moments of a run: after all is back it has ended, and nothing tells that it was."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registry.census import DAMAGE, Census
from registry.errors import DriftuneError
from registry.lake import Lake
from registry.records import Work
from registry.store import Store
from tests.chaos.disturbing import CLOCK, DISK, HOW, Disturbance, Place, drawn, small_disk, wrong_clock
from tests.chaos.library import Undisturbed, planted, undisturbed
from tests.chaos.stack import Stack, stack, until
from tests.chaos.witness import BESIDE, DOMAIN, registry
from tests.flows.runs import driftune
from tests.registry import crowd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1 2 3 4 5").split()]
"""Of the trials; more by hand: `CHAOS_SEEDS="$(seq -s ' ' 1 20)"`."""
PUBLISHED_S = 7.0
"""Seconds between two versions that others publish."""
BACK_S = 300.0
"""Seconds within which a run has ended once nothing disturbs it any more."""
IMPATIENT_S = 6.0
"""Seconds without a run under way after which one is asked for, as somebody would who doesn't wait for the night."""
STARTS_S = 20.0
"""Seconds that such a run gets to start before another one is asked for."""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    """What a run leaves that nothing disturbs."""
    with undisturbed(tmp_path_factory.mktemp("undisturbed")) as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, wanted: Undisturbed) -> Iterator[Stack]:
    """A stack on which the domain is deployed, due every night."""
    home = tmp_path_factory.mktemp("stack") / "home"
    with stack(home) as made:
        done = driftune(home, "deploy", str(wanted.domain), "--cron", "0 3 * * *", "--at-once", "20")
        assert done.returncode == 0, done.stderr
        yield made


@dataclass
class Trial:
    """A run that is disturbed.

    Attributes:
        place: What can be disturbed.
        to_come: What will disturb it.
        since: When it began, for Prefect.
        happened: What has disturbed it.
        published: How many versions of another domain somebody has published meanwhile.
    """

    place: Place
    to_come: list[Disturbance]
    since: str = field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat())
    happened: list[str] = field(default_factory=list)
    published: int = 0
    _began: float = field(default_factory=time.monotonic)
    _reached: float = 0.0
    _ran: float = 0.0

    def run(self) -> None:
        """Goes on until all has happened and a run has come to its end."""
        end = time.monotonic() + BACK_S
        while self.to_come or not (self.is_complete() and self.ended_well()):
            assert time.monotonic() < end, f"{self.happened}, and then it never ended: {self.states()}"
            done = len(self.happened)
            self._disturb()
            self._publish()
            self._be_impatient()
            end = end if len(self.happened) == done else time.monotonic() + BACK_S
            time.sleep(0.3)
        self.place.settle()
        until(self.place.stack.is_healthy, 120, "All is back")

    def pieces(self) -> int:
        """How many pieces of work are done."""
        return len(list((self.place.home / "lake" / "work").glob("2*.parquet")))

    def lake(self) -> Lake:
        return Lake(str(self.place.home / "lake"), self.place.home)

    def is_complete(self) -> bool:
        return bool(self.lake().read(Work, "stage = 'refresh'"))

    def states(self) -> list[tuple[str, str, str]]:
        """Name, state and message of each run of this trial that Prefect knows of; none while it doesn't answer."""
        filters = {"deployment_id": {"any_": [self.place.deployment]}, "expected_start_time": {"after_": self.since}}
        rows = self.place.stack.ask("flow_runs/filter", sort="START_TIME_ASC", flow_runs=filters) or []
        told = [(row["name"], row["state"]["name"], row["state"]["message"] or "") for row in rows if row["state"]]
        return [each for each in told if each[1] not in ("Scheduled", "Late")]

    def ended_well(self) -> bool:
        """Whether Prefect knows of a run that completed."""
        return any(state == "Completed" for _, state, _ in self.states())

    def _disturb(self) -> None:
        """Has the next thing go wrong, once it is its time; what isn't there is waited for while a run goes on."""
        if not self.to_come:
            return
        now, (next_one, *_) = time.monotonic(), self.to_come
        if self.pieces() < next_one.after:
            self._reached = now
        elif now >= self._reached + next_one.delay:
            if HOW[next_one.what](self.place):
                self._note(f"{next_one} ({self.pieces()} done)")
            elif self.is_complete():
                self._note(f"{next_one}: not there")

    def _note(self, text: str) -> None:
        self.happened.append(f"{time.monotonic() - self._began:.1f} s: {text}")
        print(self.happened[-1], flush=True)  # noqa: T201  # a trial can be told by its seed
        self._reached = time.monotonic()
        del self.to_come[0]

    def _publish(self) -> None:
        """Publishes a version of another domain now and then."""
        if time.monotonic() - self._began < self.published * PUBLISHED_S:
            return
        with contextlib.suppress(DriftuneError):  # its disk may be full
            run = f"team-{self.published}"
            folder = crowd.adapter(self.place.home.parent / "made" / run, run)
            Store(self.place.home / "registry").publish(folder, crowd.about(run, BESIDE))
            self.published += 1

    def _be_impatient(self) -> None:
        """Asks for a run where none goes on, as a person would who doesn't wait for the night."""
        now, asked = time.monotonic(), f"deployments/{self.place.deployment}/create_flow_run"
        if self.place.stack.runs():
            self._ran = now
        elif now > self._ran + IMPATIENT_S and self.place.stack.ask(asked, state={"type": "SCHEDULED"}):
            self._ran = now + STARTS_S


@pytest.mark.parametrize("seed", SEEDS)
def test_a_disturbed_run_leaves_what_an_undisturbed_one_does(
    seed: int, running: Stack, wanted: Undisturbed, tmp_path: Path
) -> None:
    """Killed at random moments, a run ends completed, with the same lake; nothing is published or missed twice."""
    home, draw = tmp_path / "home", random.Random(seed)
    to_come = drawn(draw, wanted.pieces, seed)
    print(f"Seed {seed}: {'; '.join(map(str, to_come))}", flush=True)  # noqa: T201  # a trial can be told by its seed
    happens = {one.what for one in to_come}
    with small_disk(home) if DISK in happens else contextlib.nullcontext():
        planted(home, wanted, warm=seed % 5 != 2)
        with registry(home) as served:
            place = Place(running, served, home)
            more = wrong_clock(draw) if CLOCK in happens else {}
            until(lambda: place.point(more), 60, "The deployment of this trial")
            trial = Trial(place, to_come)
            trial.run()
            served.receiver.wait(lambda _: len(served.told(BESIDE)) == trial.published, 60)
            served.receiver.wait(lambda _: served.told(DOMAIN), 60)
            assert served.told(BESIDE) == list(range(2, trial.published + 2))
            assert served.told(DOMAIN) == [1]
        check(trial, wanted)
    print(f"Seed {seed}: {trial.states()}", flush=True)  # noqa: T201  # a trial can be told by its seed


def check(trial: Trial, wanted: Undisturbed) -> None:
    """Checks what a run has left."""
    home = trial.place.home
    expected, found = wanted.fingerprint(), trial.lake().fingerprint()
    assert {table for table in expected if expected[table] != found[table]} == set()
    store, before = Store(home / "registry"), Store(wanted.home / "registry")
    assert store.versions(DOMAIN) == before.versions(DOMAIN)
    assert moves(store) == moves(before)
    assert [one.what for one in Census(store.objects).findings() if one.kind == DAMAGE] == []


def moves(store: Store) -> dict[str, list[int]]:
    """Channel -> the versions that it was moved to."""
    names = store.channel_names(DOMAIN)
    return {name: [entry.version for entry in store.history(DOMAIN, name)] for name in names}
