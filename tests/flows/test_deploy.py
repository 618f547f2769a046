"""`driftune deploy`: what is wrong is said before anything starts, and what was started ends with it.

That scheduled runs really run is shown on a whole pipeline, in `test_scheduled.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.deploy import Request, check_cron, locations, serve
from flows.server import prefect_server
from registry.errors import ConfigurationError
from registry.settings import Settings
from tests.flows.runs import ROOT, environment, running


@pytest.mark.parametrize("cron", ["* * * * *", "0 3 * * *", "*/10 8-18 * * mon-fri"])
def test_cron_expressions_are_taken(cron: str) -> None:
    """Five fields, with steps, ranges and names, are a cron expression."""
    check_cron(cron)


@pytest.mark.parametrize("cron", ["", "tomorrow", "* * * *", "61 * * * *", "0 3 * * * * *"])
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    """Anything else is the user's error, with an example of a right one."""
    with pytest.raises(ConfigurationError, match=r"No cron expression: .*'0 3"):
        check_cron(cron)


def test_nothing_starts_for_a_domain_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing domain file or a wrong schedule is refused before a server is started or a folder made."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigurationError, match=r"No domain file domains/netwrokx\.toml: did you mean networkx"):
        serve(["netwrokx"], Request("* * * * *"))
    with pytest.raises(ConfigurationError, match="No cron expression"):
        serve(["networkx"], Request("often"))
    assert list(tmp_path.iterdir()) == []


def test_locations_hold_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scheduled run is told is absolute, also where the settings are relative, and addresses stay."""
    monkeypatch.chdir(tmp_path)
    told = locations(Settings(home=Path("here"), lake="", registry="there"))
    assert told == {
        "DRIFTUNE_HOME": f"{tmp_path}/here",
        "DRIFTUNE_LAKE": f"{tmp_path}/here/lake",
        "DRIFTUNE_REGISTRY": f"{tmp_path}/there",
    }
    assert locations(Settings(lake="s3://bucket/lake"))["DRIFTUNE_LAKE"] == "s3://bucket/lake"


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`driftune deploy` of a domain that is due once a year, when it serves; and what it said then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "deploy", "networkx", "--cron", "0 0 1 1 *"],
        cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "Starting Prefect\n"
        line = process.stdout.readline()
        assert line.startswith("Serving networkx at '0 0 1 1 *' (UTC), on http://127.0.0.1:"), line
        yield process, line
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_the_command(
    stop: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home has one server; stopped in any way, the command leaves no process behind, and no file elsewhere."""
    with served(tmp_path) as (process, said):
        assert len(running(tmp_path)) == 2
        assert {p.name for p in tmp_path.iterdir()} == {"prefect"}
        assert (tmp_path / "prefect" / "prefect.db").is_file()
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        with prefect_server(tmp_path) as server:  # another command of this home takes the same one
            assert not server.own
            assert f"on {server.address};" in said
        assert len(running(tmp_path)) == 2
        process.send_signal(stop)
        out, _ = process.communicate(timeout=180)
        if stop is not signal.SIGKILL:
            assert process.returncode == 0, out
            assert out.splitlines()[-1].startswith("Stopped")
            assert "Traceback" not in out
    end = time.monotonic() + 120
    while running(tmp_path) and time.monotonic() < end:
        time.sleep(0.2)
    assert running(tmp_path) == []


UNHEARD = """
import os, sys, time
from rich.console import Console
from flows.scheduled import outlive_worker
os.environ["PREFECT__FLOW_RUN_ID"] = "of a worker"
outlive_worker()
print("begun", flush=True)
sys.stdin.read()
end = time.monotonic() + 20
while not os.path.samestat(os.fstat(2), os.stat(os.devnull)) and time.monotonic() < end:
    time.sleep(0.01)
Console(stderr=True).print("said to nobody")
print("likewise", flush=True)
"""


def test_a_run_outlives_the_worker_that_reads_what_it_says() -> None:
    """Where nobody reads its output any more a run goes on to its end, also with Prefect's way to write."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", UNHEARD], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as run:
        assert run.stdin and run.stdout and run.stderr
        assert run.stdout.readline() == b"begun\n"
        run.stdout.close()
        run.stderr.close()
        run.stdin.close()
        assert run.wait(60) == 0
