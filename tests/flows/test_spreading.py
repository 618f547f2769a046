"""Work that is spread over processes gives what one process gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.spreading import spread
from tests.flows.runs import ROOT

KILLED = """
import os, sys
from flows.spreading import spread
from tests.flows.test_spreading import asleep

if __name__ == "__main__":
    list(spread(asleep, sys.argv[1], [1, 2, 3, 4], 2))
"""


def scaled(by: int, number: int) -> tuple[int, int]:
    """A job: the product, and who made it."""
    return by * number, os.getpid()


def failing(by: int, number: int) -> int:
    """A job that fails on one of its numbers."""
    return by // (number - 3)


def asleep(folder: str, number: int) -> int:
    """A job that says which process does it, and takes long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(3600)
    return number


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_jobs(processes: int) -> None:
    """One process and three give the same results in the same order."""
    made = list(spread(scaled, 7, range(20), processes))
    assert [value for value, _ in made] == [7 * n for n in range(20)]
    assert len({process for _, process in made} - {os.getpid()}) <= (processes if processes > 1 else 0)
    assert (os.getpid() in {process for _, process in made}) == (processes == 1)


def test_an_error_of_a_job_is_raised_where_the_results_are_read() -> None:
    """The error of a job in another process reaches the caller as it is."""
    with pytest.raises(ZeroDivisionError):
        list(spread(failing, 7, range(20), 2))


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(ended_by: signal.Signals, tmp_path: Path) -> None:
    """After `kill -9` or Ctrl-C of the process that spreads work none is left, though a job takes an hour."""
    script, folder = tmp_path / "main.py", tmp_path / "made"
    script.write_text(KILLED, encoding="utf-8")
    folder.mkdir()
    process = subprocess.Popen([sys.executable, script, folder], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    end = time.monotonic() + 300
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(ended_by)
    process.wait(timeout=120)
    end = time.monotonic() + 120
    while any(Path("/proc", other.name).exists() for other in folder.iterdir()):
        assert time.monotonic() < end, "They are still running"
        time.sleep(0.05)
