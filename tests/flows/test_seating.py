"""Several runs in turn, by real processes that nap instead of working (`tests.flows.seated`)."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from flows.seating import BESIDE, Outcome, Wanted, share

ADDRESS = "http://127.0.0.1:1/api"


def run(
    folder: Path, name: str, batches: int, seconds: float = 0.02, ending: str = "done", weight: float = 1
) -> Wanted:
    """A run of so many batches of so many seconds."""
    command = (sys.executable, "-m", "tests.flows.seated", str(folder / name), str(batches), str(seconds), ending)
    return Wanted(name, command, weight, str(folder / f"{name}.err"))


def shared(wanted: list[Wanted], jobs: int = 1) -> dict[str, Outcome]:
    """Runs all; name -> what came of it, in the order in which they ended."""
    ended = share(wanted, jobs, lambda: ADDRESS, lambda *_: None)
    return {outcome.name: outcome for outcome in ended}


def turns(folder: Path) -> list[tuple[float, str, str]]:
    """When which run began and ended a batch, in order."""
    lines = [line.split() for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return sorted((float(at), name, what) for name, what, at in lines)


def test_small_runs_end_while_a_large_one_goes_on(tmp_path: Path) -> None:
    """A large one that was first takes turns with four small ones: they end before three quarters of it are done."""
    small = [run(tmp_path, f"small{n}", 3) for n in range(4)]
    found = shared([run(tmp_path, "large", 60), *small])
    assert list(found)[-1] == "large"
    assert {o.exit_code for o in found.values()} == {0}
    order = [name for _, name, what in turns(tmp_path) if what == "begins"]
    last = max(i for i, name in enumerate(order) if name != "large")
    assert order[:last].count("large") < 45
    assert at_a_time(tmp_path) == 1
    assert found["large"].worked_s > 60 * 0.02 > max(found[s.name].worked_s for s in small)


def test_as_many_work_at_a_time_as_are_wanted(tmp_path: Path) -> None:
    """With two jobs two batches overlap and never three; a few more processes are open, however many there are."""
    before = children()
    ended = share([run(tmp_path, f"r{n}", 3, 0.03) for n in range(2 + BESIDE + 1)], 2, lambda: ADDRESS, lambda *_: None)
    assert 1 < max(len(children() - before) for _ in ended) <= 2 + BESIDE
    assert at_a_time(tmp_path) == 2


def at_a_time(folder: Path) -> int:
    """How many batches were under way at once, at most."""
    steps = itertools.accumulate(1 if what == "begins" else -1 for _, _, what in turns(folder))
    return max(steps)


def test_weight_is_a_share_of_the_time(tmp_path: Path) -> None:
    """Of two that are alike one of three times the weight has done three times as much when it ends."""
    shared([run(tmp_path, "light", 12, 0.04), run(tmp_path, "heavy", 12, 0.04, weight=3)])
    order = [name for _, name, what in turns(tmp_path) if what == "begins"]
    last = max(i for i, name in enumerate(order) if name == "heavy")
    assert 2 <= order[:last].count("light") <= 6


def test_one_that_fails_ends_no_other(tmp_path: Path) -> None:
    """Refused, killed and held: each is told as what it is, the held one after the others; the rest is done."""
    kinds = ("held", "refused", "crash", "done")
    found = shared([run(tmp_path, kind, 3, ending=kind) for kind in kinds])
    assert list(found)[-1] == "held"
    assert {name: o.exit_code for name, o in found.items()} == {"refused": 2, "crash": 1, "held": 0, "done": 0}
    assert found["refused"].error == "It can't be"
    assert "by signal 9" in found["crash"].error
    assert found["done"].told["address"] == ADDRESS
    assert "what a library may print" in (tmp_path / "done.err").read_text()


def test_stopped_runs_end_as_by_ctrl_c(tmp_path: Path) -> None:
    """Whoever stops ends what is open as Ctrl-C does: each run is interrupted, and none is left."""
    before = children()
    ended = share([run(tmp_path, f"r{n}", 1000, 0.01) for n in range(3)], 1, lambda: "", lambda *_: None)

    def stop() -> None:
        while len(list(tmp_path.glob("*.log"))) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    with closing(ended), pytest.raises(KeyboardInterrupt):
        next(ended)
    thread.join()
    assert all("interrupted" in log.read_text().splitlines()[-1] for log in tmp_path.glob("*.log"))
    assert children() <= before


def children() -> set[str]:
    """Processes that this one has started and that go on; other tests may have left some, as multiprocessing's own."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
