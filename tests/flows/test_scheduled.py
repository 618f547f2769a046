"""A deployed domain refreshes itself: the whole pipeline on networkx, started by a schedule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.runs import driftune
from tests.flows.scheduled import FIRST_S, SECOND_S, Scheduled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(FIRST_S + SECOND_S + 120)]


def test_two_scheduled_runs_complete_by_themselves(scheduled: Scheduled) -> None:
    """Two scheduled runs complete, the second touches no file of lake or registry, and the command ends cleanly."""
    assert scheduled.second == scheduled.first
    assert any("/runs/2" in name for name in scheduled.first)
    assert scheduled.exit_code == 0
    assert scheduled.log.splitlines()[-1].startswith("Stopped")


def test_a_subscriber_has_the_adapter(scheduled: Scheduled, tmp_path: Path) -> None:
    """After the first scheduled run a subscriber's folder holds the published adapter."""
    done = driftune(scheduled.home, "subscribe", "networkx", "--into", str(tmp_path / "adapter"), "--once")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
