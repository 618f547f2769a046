"""Another distribution's sandboxes, found by their entry points: the suite tells sound ones from others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from validators.execution.conformance import attacks, examine, how_many
from validators.execution.pool import load_sandbox, sandboxes

OTHERS = Path(__file__).parent / "others"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other distribution is installed, as far as importing and its metadata go."""
    monkeypatch.syspath_prepend(str(OTHERS))
    assert version("others") == "1.0"


def doctor(name: str, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    code = "from flows.cli import main; main()"
    command = [sys.executable, "-c", code, "doctor", "--sandbox", name, *options]
    paths = os.pathsep.join(map(str, (ROOT, OTHERS)))
    environment = {**os.environ, "PYTHONPATH": paths, "DRIFTUNE_HOME": str(home)}
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("others")
def test_sandboxes_of_others_are_found() -> None:
    """A sandbox of the entry-point group stands beside the built-in ones, and can't take their names."""
    assert {"careful", "credulous", "open", "bubblewrap"} <= set(sandboxes())


@pytest.mark.usefixtures("others")
def test_credulous_sandbox_is_caught(tmp_path: Path) -> None:
    """A sandbox that takes an exit status for a proof fails by several attacks, and by nothing else."""
    tried = ["exit_status", "exit_in_the_call", "output_rewritten", "sys_exit", "network_looked_up"]
    found = list(examine(lambda: load_sandbox("credulous")(1), tmp_path, lanes=1, only=tried))
    wrong = {(f.group, f.check) for f in found if not f.ok}
    assert {("strong", name) for name in tried[:3]} <= wrong
    assert not {("strong", name) for name in tried[3:]} & wrong
    assert [f.check for f in found if not f.ok and f.group == "honest"] == ["a hard exit"]


def test_doctor_stops_at_a_sandbox_that_is_none(tmp_path: Path) -> None:
    """Where programs reach the host, `driftune doctor` says so in one line a failure, and starts no attack there."""
    done = doctor("open", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "attacks on strong proof: host_canaries: A false passed, with strong proof" in done.stdout
    assert "the sandbox itself: all other checks: Not started: a program in it reaches the host" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_names_the_sandboxes_there_are(tmp_path: Path) -> None:
    """An unknown name is the user's error: one line, with the names that are known."""
    done = doctor("closed", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("driftune: No sandbox 'closed': there are bubblewrap, careful")


@pytest.mark.slow
def test_doctor_passes_a_sound_sandbox_of_others(tmp_path: Path) -> None:
    """A sound sandbox of another distribution's stands everything; `--json` gives a row for each check."""
    done = doctor("careful", tmp_path, "--json")
    rows = json.loads(done.stdout)
    assert [r for r in rows if not r["ok"]] == []
    assert done.returncode == 0
    assert len(rows) == how_many() > 3 * len(attacks())
