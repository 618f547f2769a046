"""Care of the cache: what was used longest ago goes first, never what is in use, and a killed remover harms nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from validators.execution import interpreters
from validators.execution.cache import DONE, Lease, scratch, size_of, trim, used, write
from validators.execution.resolution import resolve

KB = 1024


def _environment(cache: Path, name: str, last_used: float, files: int = 1) -> Path:
    root = cache / "environments" / name
    for i in range(files):
        write(root / "lib" / f"{i}.py", "x" * 40 * KB)
    write(root / DONE, json.dumps({"bytes": size_of(root)}))
    os.utime(root / DONE, (last_used, last_used))
    return root


def _wheel(cache: Path, name: str, last_used: float) -> Path:
    path = cache / "wheels" / name / f"{name}-1.0-py3-none-any.whl"
    write(path, "x" * 40 * KB)
    os.utime(path, (last_used, last_used))
    return path


def _left(cache: Path) -> list[str]:
    return sorted(p.name for folder in ("environments", "wheels") for p in (cache / folder).iterdir())


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    """Environments and wheels go by their last use, only until the limit is met, and being used again saves one."""
    old, mid, new = (_environment(tmp_path, name, i) for i, name in enumerate(["old", "mid", "new"]))
    _wheel(tmp_path, "first", 0.5)
    assert trim(tmp_path, 10_000 * KB) == 0
    used(old)
    assert trim(tmp_path, 100 * KB) > 0
    assert _left(tmp_path) == ["new", "old"]
    assert not mid.exists()
    assert new.is_dir()


@pytest.mark.parametrize("alone", [False, True])
def test_what_is_in_use_stays(alone: bool, tmp_path: Path) -> None:
    """What this or another process holds stays, whatever the limit, and goes when it is let go."""
    root, wheel = _environment(tmp_path, "held", 0), _wheel(tmp_path, "one", 0)
    if alone:
        leases = [Lease.of(root), Lease.of(wheel)]
    else:
        code = "from validators.execution.cache import Lease; import sys; from pathlib import Path\n"
        code += "held = [Lease.of(Path(p)) for p in sys.argv[1:]]; print('held', flush=True); input()"
        command = [sys.executable, "-c", code, str(root), str(wheel)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout and holder.stdout.readline() == b"held\n"
    assert trim(tmp_path, 0) == 0
    assert _left(tmp_path) == ["held", "one"]
    if alone:
        del leases
    else:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert trim(tmp_path, 0) > 0
    assert _left(tmp_path) == []


def test_a_lease_of_what_is_gone_is_none(tmp_path: Path) -> None:
    """Who opens an environment while it is removed learns that it is gone."""
    root = _environment(tmp_path, "one", 0)
    removing = Lease.of(root, alone=True)
    assert removing is not None
    assert Lease.of(root, alone=True) is None
    root.rename(tmp_path / "environments" / ".removing-one")
    assert Lease.of(root) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from validators.execution.cache import trim

left = int(sys.argv[2])

def step(whole):
    def run(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **options)
    return run

os.rename, os.unlink, os.rmdir = step(os.rename), step(os.unlink), step(os.rmdir)
trim(Path(sys.argv[1]), 0)
"""
"""A remover that kills itself before its nth change of the disk."""


def test_a_killed_remover_leaves_whole_environments_or_none(tmp_path: Path) -> None:
    """Killed anywhere while it removes, it leaves each environment complete or out of sight; the next one deletes the rest."""
    for i in range(12):
        _environment(tmp_path, f"e{i}", i, files=20)
    for changes in (1, 2, 3, 15, 24, 25, 26, 60):  # 24 remove one: its new name, 21 files, two folders
        remover = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(changes)], check=False)
        assert remover.returncode == -signal.SIGKILL
        for root in tmp_path.glob("environments/e*"):
            assert (root / DONE).is_file()
            assert len(list((root / "lib").iterdir())) == 20
    assert len(list(tmp_path.glob("environments/e*"))) < 12
    trim(tmp_path, 10**12)
    assert [p.name for p in (tmp_path / "environments").iterdir() if p.name.startswith(".")] == []


def test_builders_keep_their_scratch(tmp_path: Path) -> None:
    """A folder in the making stays, however long it takes; one that a killed builder left goes."""
    left = tmp_path / "environments" / ".making-old"
    left.mkdir(parents=True)
    with scratch(tmp_path / "environments") as folder:
        for path in (left, folder):
            os.utime(path, (0, 0))
        trim(tmp_path)
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()


def test_locks_go_when_nobody_asks(tmp_path: Path) -> None:
    """A lock stays with its environment, and for a month without it."""
    assert resolve([], tmp_path, interpreters.find()) == []
    (lock,) = (tmp_path / "resolutions").iterdir()
    trim(tmp_path)
    assert lock.is_file()
    os.utime(lock, (0, 0))
    root = _environment(tmp_path, json.loads(lock.read_text(encoding="utf-8"))["environment"], 0)
    trim(tmp_path)
    assert lock.is_file()
    trim(tmp_path, 0)
    assert not root.exists()
    assert not lock.exists()
