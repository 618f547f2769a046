"""What a run holds in memory hardly grows with the number of its rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_four_times_the_rows_take_hardly_more_memory() -> None:
    """From mining to curation 4,000 rows take little more than 1,000; a run after that does nothing."""
    command = [sys.executable, "benchmarks/memory.py", "--json", "--few", "1000", "--many", "4000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    said = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert list(said) == ["peak_rss", "unchanged_cpu"], done.stderr
    assert said["peak_rss"] <= 1.2  # 1.13; it had been 1.3
