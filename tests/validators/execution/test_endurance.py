"""What a pool stands: servers killed in the middle of much work, thousands of programs, a machine that is busy."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from soak import servers

from benchmarks.truth import busy
from registry.records import Program
from validators.execution.host import processes
from validators.execution.pool import Pool
from validators.execution.wall import Limits

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_servers_killed_in_the_middle_lose_no_verdict(tmp_path: Path) -> None:
    """Of 2,000 programs each comes to its verdict, in order, once, while a server is killed every hundred programs."""
    programs = [Program(code=f"x = {i}", test=f"assert x == {i - i % 2}") for i in range(2000)]
    chance = random.Random(4)
    verdicts, killed = [], 0
    with Pool(2, wall="bubblewrap") as pool:
        for verdict in pool.run(pool.build([], tmp_path), programs, attempts=1):
            verdicts.append(verdict)
            found = servers(processes()) if len(verdicts) % 100 == 0 else []
            if found:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(found), signal.SIGKILL)
                    killed += 1
    assert killed >= 15
    assert [v.program for v in verdicts] == [p.id for p in programs]
    wrong = [(v.outcome, v.detail) for i, v in enumerate(verdicts) if v.outcome != ("passed", "failed")[i % 2]]
    assert wrong == []


@pytest.mark.slow
def test_nothing_grows() -> None:
    """After 4,000 programs of every sort, memory, descriptors and processes are what they were after the first 800."""
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--executions", "4000", "--wall", "bubblewrap"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing grew" in done.stdout


@pytest.mark.slow
def test_a_busy_machine_changes_no_verdict(tmp_path: Path) -> None:
    """With four busy loops a core beside it, what needs most of its time still passes, and what is endless is late."""
    code = "import time\nwhile time.process_time() < {}:\n    pass\nx = 1"
    programs = [Program(code=code.format(seconds), test="assert x == 1") for seconds in (1.1, 60)]
    grows = "import time\nx = []\nwhile time.process_time() < 60:\n    x.append(bytearray(b'x') * 400000)"
    large = Program(code=grows, test="assert x == 1")
    with busy(4 * (os.cpu_count() or 1)), Pool(1, wall="bubblewrap", limits=Limits(memory_mb=512)) as pool:
        where = pool.build([], tmp_path)
        verdicts = list(pool.run(where, programs, timeout_s=2.0, attempts=1))
        verdicts += pool.run(where, [large], timeout_s=30.0, attempts=1)
    assert [v.outcome for v in verdicts] == ["passed", "timeout", "memory"], verdicts
