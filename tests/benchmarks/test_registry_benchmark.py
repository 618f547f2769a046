"""The benchmark of serving adapters measures all sides, and leaves its neighbours the package of its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_downloads_are_measured_and_judged() -> None:
    """A round of a few small downloads gives four figures, without an error; the exit code says what was missed."""
    command = [sys.executable, "benchmarks/registry.py", "--json", "--rounds", "1", "--downloads", "4"]
    done = subprocess.run([*command, "--megabytes", "4"], cwd=ROOT, capture_output=True, text=True, timeout=200)
    said = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert list(said) == ["errors", "memory_mb", "over_fileresponse", "over_nginx"], done.stderr
    assert said["errors"]["value"] == 0
    assert 50 < said["memory_mb"]["value"] < 1000
    met = [row["value"] >= row["wanted"] if row["better"] == "higher" else row["value"] <= row["wanted"]
           for row in said.values()]  # fmt: skip
    assert done.returncode == (0 if all(met) else 1)


def test_a_neighbour_gets_the_package() -> None:
    """A script of that folder finds benchmarks/registry.py first where it imports `registry`."""
    code = "import sys; sys.path.insert(0, 'benchmarks'); import registry.identity, registry; print(registry.__path__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"['{ROOT / 'registry'}']", done.stderr
