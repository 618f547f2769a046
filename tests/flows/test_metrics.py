"""Metrics of a run, as Prometheus reads them; and nothing of the kind where nobody asked for it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows import metrics
from flows.watching import watched_batch, watched_run, watched_stage
from registry.errors import SourceError
from tests.flows.runs import ROOT, environment
from tests.flows.test_logs import lines, opened

LEAN = """
import sys
from flows.house import open_house
from flows.watching import watched_batch, watched_run, watched_stage
with watched_run(open_house(sys.argv[1]), working=True) as watch, watched_stage(watch.house, "mine"):
    with watched_batch(watch.house, "Mine it", 1):
        pass
print([name for name in sys.modules if name.split(".")[0] in ("prometheus_client", "opentelemetry", "prefect")])
"""


def free() -> str:
    """An address on loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        return f"127.0.0.1:{place.getsockname()[1]}"


def scraped(address: str) -> dict[tuple[str, ...], float]:
    """(Name, values of the labels) -> value of each sample, by Prometheus' own parser."""
    text = httpx.get(f"http://{address}/metrics", trust_env=False).text
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_prometheus_reads_what_a_run_is_at(tmp_path: Path) -> None:
    """While a run lives, its stage, progress, batches and events are there; afterwards nobody listens."""
    address = free()
    house = opened(tmp_path, metrics=address)
    with watched_run(house, working=True), watched_stage(house, "mine"):
        with pytest.raises(SourceError), watched_batch(house, "Mine it", 7):
            raise SourceError("No such page")
        house.tell("Mine it", 3, 7)
        found = scraped(address)
        with watched_run(opened(tmp_path, "other", metrics=address), working=True):
            assert scraped(address)["driftune_progress_done", "other"] == 0
        assert scraped(address)["driftune_progress_done", "lib"] == 3
    assert found["driftune_stage", "lib", "mine"] == 1
    assert found["driftune_stage_seconds_total", "lib", "mine"] > 0
    assert found["driftune_progress_total", "lib"] == 7
    assert found["driftune_batch_seconds_count", "lib", "mine"] == 1
    assert found["driftune_batches_failed_total", "lib", "mine"] == 1
    assert metrics._SERVED == {}
    with pytest.raises(httpx.ConnectError):
        scraped(address)


def test_an_address_that_is_taken_is_said_in_the_log(tmp_path: Path) -> None:
    """The run goes on without its metrics."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        house = opened(tmp_path, metrics=f"127.0.0.1:{place.getsockname()[1]}")
        with watched_run(house, working=True), watched_stage(house, "mine"), watched_batch(house, "Mine it", 1):
            pass
    said = [e["message"] for e in lines(tmp_path) if e["level"] == "warning"]
    assert len(said) == 1
    assert said[0].startswith("A run can't be watched (Metrics.run): OSError")
    assert lines(tmp_path)[-1]["message"] == "run completed"


@pytest.mark.slow
def test_what_nobody_asked_for_is_not_imported(tmp_path: Path) -> None:
    """Neither Prometheus' client nor OpenTelemetry nor Prefect is there in a run that is only watched."""
    opened(tmp_path)
    command = [sys.executable, "-c", LEAN, str(tmp_path / "lib.toml")]
    done = subprocess.run(command, cwd=ROOT, env=environment(tmp_path / "home"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
