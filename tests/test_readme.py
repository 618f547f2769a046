"""Every block of the README runs, in its order, in a copy of the repository whose home holds a finished run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows.runs import ROOT
from tests.flows.scheduled import FIRST_S, SECOND_S, Scheduled

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks() -> list[tuple[str, str]]:
    """Language and text of every block."""
    return BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def test_every_block_is_of_a_kind_that_is_run() -> None:
    """A block in another language would not be run by the test below."""
    assert {language for language, _ in blocks()} <= {"console", "python"}


@pytest.fixture
def checkout(scheduled: Scheduled, tmp_path: Path) -> Path:
    """The tracked files with their times, `.venv` and the finished home linked in."""
    copy = tmp_path / "driftune"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    (copy / ".venv").symlink_to(Path(sys.prefix))
    (copy / ".driftune").symlink_to(scheduled.home)
    return copy


@pytest.mark.slow
@pytest.mark.timeout(FIRST_S + SECOND_S + 1200)
def test_every_block_runs(checkout: Path) -> None:
    """Shell lines and Python of the README end without an error; what serves does so until it is interrupted."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTUNE_", "PREFECT_"))}
    environment |= {"DRIFTUNE_HOME": str(checkout / ".driftune"), "DRIFTUNE_SERVE_PORT": "0"}
    for language, text in blocks():
        if language == "python":
            done = subprocess.run(
                [checkout / ".venv/bin/python", "-c", text],
                cwd=checkout,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, text + done.stderr
            continue
        for line in re.findall(r"^\$ (.*)$", text, re.M):
            run_line(line, checkout, environment)


def run_line(line: str, checkout: Path, environment: dict[str, str]) -> None:
    """Runs one shell line; what serves is interrupted once it does."""
    if not re.search("driftune (deploy|serve)", line):
        done = subprocess.run(line, shell=True, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, line + done.stdout + done.stderr
        return
    log = checkout.parent / "serving.log"
    with log.open("wb") as output:
        served = subprocess.Popen(
            f"exec {line}", shell=True, cwd=checkout, env=environment, stdout=output, stderr=output
        )
        end = time.monotonic() + 180
        while "Serving" not in log.read_text():
            assert served.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=180) == 0, log.read_text()
