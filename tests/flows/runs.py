"""How tests run `driftune` as a person does: the real command, a home of its own, a small real library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent.parent

SMALL = """\
[[library]]
name = "more-itertools"
versions = ["{old}", "{new}"]
packages = ["more_itertools"]

[synth]
mutants = 1
sites = 2
tests = 100
fim = 10
edits = 10
locate = 10

[sandbox]
memory_mb = 256
timeout_s = 4

[train.base_settings]
layers = 1
width = 32
heads = 2
inner = 64
vocabulary = 512
steps = 20
save_every = 5

[train]
price = 36.0

[train.lora]
rank = 4

[train.sft]
batch = 4
steps = 8
save_every = 2

[train.preference]
batch = 4
steps = 6
save_every = 2
"""
"""more-itertools with a model too small to learn anything: everything runs, and the gate must refuse it.

Little memory, as its endless iterators would else take so long to fill it that on a busy machine time is up first.
"""


def small_domain(folder: Path, old: str = "8.14.0", new: str = "11.2.1") -> Path:
    """Writes the small domain's file; its path."""
    path = folder / "more-itertools.toml"
    path.write_text(SMALL.format(old=old, new=new))
    return path


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a command whose home is `home`: nothing of Prefect's or driftune's leaks in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DRIFTUNE_"))}
    return kept | {"DRIFTUNE_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE"} | more


def start(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Starts a driftune command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments], cwd=ROOT, env=environment(home, **more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def driftune(home: Path, *arguments: str, timeout: float = 900, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a driftune command to its end."""
    with start(home, *arguments, **more) as process:
        out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def query(home: Path, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, as `driftune sql` gives them to a program."""
    done = driftune(home, "sql", "--format", "json", sql)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def all_that_is_kept(folder: Path) -> str:
    """Everything below a folder as text: the rows of tables as they read, other files byte by byte."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    tables = [str(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    return "".join([*tables, *(path.read_bytes().decode("latin-1") for path in files)])


def running(home: Path) -> list[int]:
    """Processes that were told this home."""
    mark = f"DRIFTUNE_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool], seconds: float = 600) -> None:
    """Kills a command with SIGKILL as soon as something is the case; it must still be running then."""
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"It ended before it could be killed: {process.communicate()}"
        assert time.monotonic() < end, "It never came so far"
        time.sleep(0.05)
    process.kill()
    process.communicate()
