"""One run per domain at a time, and no lock outlives its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, LockedError
from registry.lock import domain_lock
from registry.settings import Settings

HOLDER = """
import sys, time
from pathlib import Path
from registry.lock import domain_lock
from registry.settings import Settings
with domain_lock(Settings(home=Path(sys.argv[1])), "networkx", "first-run"):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], how: int) -> None:
    process.send_signal(how)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_second_run_says_who_holds_the_lock(tmp_path: Path) -> None:
    """Another process's lock is refused with run, process and since when; another domain is free."""
    process = hold(tmp_path)
    try:
        with pytest.raises(LockedError) as error, domain_lock(Settings(home=tmp_path), "networkx", "second-run"):
            pass
        for part in ("networkx", "first-run", str(process.pid), "since"):
            assert part in str(error.value)
        assert "\n" not in str(error.value)
        assert error.value.exit_code == 2
        with domain_lock(Settings(home=tmp_path), "pandas", "second-run"):
            pass
    finally:
        end(process, signal.SIGTERM)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_run_never_blocks_the_next(tmp_path: Path, how: int) -> None:
    """However the holder ends, the next run gets the lock at once."""
    end(hold(tmp_path), how)
    with domain_lock(Settings(home=tmp_path), "networkx", "next"):
        assert f'"pid": {os.getpid()}' in (tmp_path / "locks" / "networkx.lock").read_text()


def test_lock_is_free_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    """The lock ends with the block, also where the block raised."""
    settings = Settings(home=tmp_path)
    with pytest.raises(ZeroDivisionError), domain_lock(settings, "d", "one"):
        _ = 1 / 0
    with domain_lock(settings, "d", "two"), pytest.raises(LockedError), domain_lock(settings, "d", "three"):
        pass


def test_lock_that_can_not_be_written_is_the_users_error(tmp_path: Path) -> None:
    """A home that is a file is refused in one line that says what to do."""
    (tmp_path / "home").write_text("")
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(ConfigurationError, match="choose another folder"), domain_lock(settings, "d", "run"):
        pass
