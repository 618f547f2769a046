"""A run that is watched: what it leaves behind, what becomes of a killed one, and how a stuck one ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.deadlines import Deadlines
from flows.events import Event, listening
from flows.house import House, open_house
from flows.observers import take_over
from flows.watching import Watch, watched_batch, watched_run, watched_stage
from registry.errors import DriftuneError, SourceError, StuckError
from registry.run_states import RunState, RunStates
from registry.settings import Settings
from tests.flows.runs import ROOT, environment, kill_when

DOMAIN = '[[library]]\nname = "lib"\nversions = ["1.0", "2.0"]\n'

SCRIPT = """
import sys, threading, time
from flows import deadlines
from flows.house import open_house
from flows.watching import watched_batch, watched_run, watched_stage

deadlines.HEARD_S = 0.3

def waits():
    threading.Lock().acquire(); lock = threading.Lock(); lock.acquire(); lock.acquire()

def is_deaf():
    while True:
        try:
            waits()
        except KeyboardInterrupt:
            pass

def computes():
    while True:
        pass

house = open_house(sys.argv[1])
with watched_run(house), watched_stage(house, "mine"), watched_batch(house, "Mine it", 7):
    house.tell("Mine it", 3, 7)
    globals()[sys.argv[2]]()
"""


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A domain's file; its home is beside it."""
    path = tmp_path / "lib.toml"
    path.write_text(DOMAIN)
    return path


def opened(domain: Path) -> House:
    """A run of the domain."""
    return open_house(str(domain), settings=Settings(home=domain.parent / "home"))


def states(domain: Path) -> list[RunState]:
    """What the runs of the domain left."""
    return RunStates(str(domain.parent / "home" / "lake")).read("lib")


def begun(domain: Path, what: str, **more: str) -> subprocess.Popen[str]:
    """A run in a process of its own, in the middle of a batch that never ends."""
    command = [sys.executable, "-c", SCRIPT, str(domain), what]
    env = environment(domain.parent / "home", **more)
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_run_says_what_it_is_at_and_what_became_of_it(domain: Path) -> None:
    """Within a batch it is running, with stage and progress; afterwards completed, with what its stages took."""
    house = opened(domain)
    with watched_run(house, working=True) as watch:
        with watched_stage(house, "mine"), watched_batch(house, "Mine it", 7):
            house.tell("Mine it", 3, 7)
            watch.observers[1].beat()
            [state] = states(domain)
            assert (state.state, state.stage, state.title, state.done, state.total) == (
                "running",
                "mine",
                "Mine it",
                3,
                7,
            )
        watch.outcome = "rejected"
    [state] = states(domain)
    assert (state.run, state.state, state.outcome) == (house.run, "completed", "rejected")
    assert state.stages["mine"]["batches"] == 1
    assert state.ended


def test_a_run_with_nothing_to_do_leaves_nothing(domain: Path) -> None:
    """Stages without a batch leave no state behind."""
    house = opened(domain)
    with watched_run(house), watched_stage(house, "mine"):
        pass
    assert states(domain) == []


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [(SourceError("No such page"), "failed", "No such page"), (KeyboardInterrupt(), "stopped", "KeyboardInterrupt")],
)
def test_what_ends_a_run_is_remembered(domain: Path, error: BaseException, state: str, reason: str) -> None:
    """An error comes out as it was; the run is failed by it, or stopped."""
    house = opened(domain)
    with pytest.raises(type(error)), watched_run(house, working=True), watched_stage(house, "scrape"):
        raise error
    assert [(s.state, s.reason, s.stage) for s in states(domain)] == [(state, reason, "scrape")]


@pytest.mark.slow
def test_the_next_run_finds_that_the_last_was_killed(domain: Path) -> None:
    """Killed in a batch, a run stays `running` until the next one of its domain marks it, says so, and goes on."""
    process = begun(domain, "waits")
    kill_when(process, lambda: [s.done for s in states(domain)] == [3], seconds=60)
    [left] = states(domain)
    assert left.state == "running"
    heard: list[Event] = []
    house = opened(domain)
    with listening(heard.append), watched_run(house, working=True):
        pass
    last, killed = states(domain)
    assert (killed.run, killed.state, killed.stage) == (left.run, "crashed", "mine")
    assert (last.state, last.continues) == ("completed", left.run)
    assert [e.kind for e in heard] == ["driftune.run.crashed", "driftune.run.completed"]
    assert heard[0].facts["crashed"] == left.run
    assert take_over(house) == ""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["waits", "is_deaf"])
def test_a_stuck_run_is_ended(domain: Path, how: str) -> None:
    """What waits for what never comes is ended, said to be stuck; also where it doesn't hear that it is to end."""
    process = begun(domain, how, DRIFTUNE_STUCK_MINUTES="0.02")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No progress for" in said
    assert "mine: Mine it" in said
    assert [s.state for s in states(domain)] == ["failed" if how == "waits" else "running"]


@pytest.mark.slow
def test_what_computes_is_not_stuck_but_has_a_deadline(domain: Path) -> None:
    """A batch that tells nothing and computes goes on beyond a stuck one's minutes; a deadline ends it."""
    domain.write_text("deadlines = { synth = 0.0008 }\n" + DOMAIN)
    since = time.monotonic()
    process = begun(domain, "computes", DRIFTUNE_STUCK_MINUTES="0.01")
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - since > 0.0008 * 3600
    assert "StuckError: synth took" in said
    assert states(domain)[0].state == "failed"


def test_a_process_that_was_held_is_not_stuck(domain: Path) -> None:
    """As by docker pause: it couldn't get on for two hours, and neither could it beat; one that beats is stuck."""
    watch = Watch(opened(domain), worked=True)
    deadlines = Deadlines(watch, {})
    heard: list[Event] = []
    with listening(heard.append):
        watch.progressed -= 7200
        deadlines._beaten -= 7200
        deadlines.beat()
        assert heard == []
        watch.progressed -= 7200
        deadlines.beat()
    assert [event.kind for event in heard] == ["driftune.run.stuck"]


def test_who_watches_can_not_harm_the_run(domain: Path) -> None:
    """Where its state can't be written, a run goes on and its log says so; its own error comes out as it was."""
    lake = domain.parent / "home" / "lake"
    lake.mkdir(parents=True)
    (lake / "_runs").write_text("no folder")
    house = opened(domain)
    with pytest.raises(DriftuneError, match="Its own"), watched_run(house, working=True) as watch:
        with watched_stage(house, "mine"), watched_batch(house, "Mine it", 1):
            pass
        assert watch.stages["mine"]["batches"] == 1
        raise DriftuneError("Its own")
    log = (domain.parent / "home" / "logs" / "lib" / f"{house.run}.jsonl").read_text()
    assert "A run can't be watched (States.run): ConfigurationError: Can't write" in log


def test_a_run_in_a_thread_of_its_own_can_be_ended(domain: Path) -> None:
    """Where several domains share a process, the stuck one's thread is interrupted, and no other."""
    house, ended, begun = opened(domain), [], threading.Event()

    def run() -> None:
        try:
            with watched_run(house, working=True):
                begun.set()
                while True:
                    time.sleep(0.01)
        except StuckError as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    assert house.watch is not None
    house.watch.end("It got no further")
    thread.join(30)
    assert ended == ["It got no further: ended; the same command goes on from there"]
    assert states(domain)[0].state == "failed"
