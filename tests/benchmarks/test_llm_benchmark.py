"""The benchmark of asking an LLM measures both sides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_cpu_share_is_measured_and_judged() -> None:
    """A round of a few requests gives the figure; the exit code says whether it is as wanted."""
    command = [sys.executable, "benchmarks/llm.py", "--json", "--rounds", "1", "--requests", "64"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert (said["name"], said["n"], said["wanted"]) == ("cpu_share", 1, 0.05), done.stderr
    assert done.returncode == (0 if said["value"] <= 0.05 else 1)
