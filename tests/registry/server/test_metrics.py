"""`/metrics` of the server: for those who ask for it, and of the domains that they may see."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from registry.lake import Lake
from registry.run_states import RunState, RunStates, now
from tests.registry.server.serving import PRIVATE, PUBLIC, context_in, serving


def test_prometheus_is_told_of_runs_and_channels_that_its_token_may_see(tmp_path: Path) -> None:
    """Nobody is told of a private domain without its token; unless it is asked for, there is no such page."""
    lake = Lake(str(tmp_path / "lake"), tmp_path / "home")
    lake.create()
    states = RunStates(lake.url)
    for domain in (PUBLIC, PRIVATE):
        states.write(RunState("r1", domain, "completed", began="2026-01-01T00:00:00+00:00", ended=now()))
        states.write(RunState("r2", domain, "running", stage="mine", done=3, total=7))
    with serving(context_in(tmp_path, lake=lake, metrics=True)) as served:
        found = {}
        for caller in ("none", "read"):
            families = text_string_to_metric_families(served.get("/metrics", caller).text)
            found[caller] = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
        assert served.get("/metrics", "wrong").status_code == 401
    for known in found.values():
        assert known["driftune_run", PUBLIC, "running"] == 1
        assert known["driftune_run", PUBLIC, "completed"] == 0
        assert known["driftune_run_progress_done", PUBLIC] == 3
        assert known["driftune_completed_seconds", PUBLIC] < 60
    assert ("driftune_run", PRIVATE, "running") in found["read"]
    assert not any(PRIVATE in key for key in found["none"])
    assert any(key[0] == "driftune_channel_version" for key in found["none"])
