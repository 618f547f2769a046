"""A deployed domain refreshes itself: the whole pipeline on networkx, started by a schedule on the stack."""

from __future__ import annotations

import pytest

from tests.flows.scheduled import FIRST_S, SECOND_S, TOLD_S, Scheduled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(FIRST_S + SECOND_S + TOLD_S + 120)]


def test_two_scheduled_runs_complete_by_themselves(scheduled: Scheduled) -> None:
    """Two scheduled runs complete on a worker, and the second touches no file of lake or registry."""
    assert scheduled.second == scheduled.first
    assert any("/runs/2" in name for name in scheduled.first)


def test_the_stack_is_well_all_the_time_and_leaves_nothing(scheduled: Scheduled) -> None:
    """No part had to be started again, Prefect kept nothing in a file of its own, and all ended with the stack."""
    parts = [(part["name"], part["state"], part["restarts"]) for part in scheduled.stack["parts"]]
    assert parts == [(name, "healthy", 0) for name in ("postgres", "prefect", "cpu-worker", "registry")]
    assert not list((scheduled.home / "prefect").glob("*.db"))
    assert scheduled.left == []


def test_the_stack_lets_nobody_in_without_its_password(scheduled: Scheduled) -> None:
    """Who could make runs could have a worker run anything; so Prefect's API wants a password, kept from others."""
    assert scheduled.refused == 401
    assert (scheduled.home / "stack").stat().st_mode & 0o777 == 0o700
    assert (scheduled.home / "stack" / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_subscriber_is_told_and_has_the_adapter(scheduled: Scheduled) -> None:
    """A team that had subscribed before there was anything is told of the first version; another's folder holds it."""
    [event] = scheduled.told
    assert [event["data"][name] for name in ("domain", "channel", "version")] == ["networkx", "stable", 1]
    assert (scheduled.into / "adapter_model.safetensors").is_file()
