"""What keeps the stack's parts alive, over small processes; and where the parts are reached.

The parts themselves are shown on a whole pipeline, in `test_scheduled.py`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flows.stack import up
from flows.stacking.parts import Part
from flows.stacking.places import HOST, PORTS, find_ports, find_secrets
from flows.stacking.supervision import _shorten, environment
from registry.errors import ConfigurationError, LockedError
from registry.lock import held
from tests.flows.runs import ROOT, driftune

SUPERVISED = """
import signal, sys
from pathlib import Path
from flows.stacking.parts import Part
from flows.stacking.supervision import Supervisor

folder = Path(sys.argv[1])
ORPHANING = "import os, subprocess, sys, time; from pathlib import Path\\n" \
    "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\\n" \
    "Path(sys.argv[1]).write_text(f'{os.getpid()} {child.pid}'); time.sleep(600)"

def part(name, command, *needs):
    return Part(name, command, (folder / name).exists, {}, needs=needs)

def changed(now):
    print(*(f"{running.part.name}={running.state}" for running in now), flush=True)

below = part("below", (sys.executable, "-c", ORPHANING, str(folder / "pids")))
supervisor = Supervisor([below, part("above", ("sleep", "600"), "below")], folder, changed)
signal.signal(signal.SIGTERM, supervisor.stop)
supervisor.run()
"""


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_parts_start_in_order_come_again_and_leave_nothing(tmp_path: Path) -> None:
    """One waits for what it needs to be healthy; one that is killed comes again; its orphans end with the stack."""
    pids = tmp_path / "pids"
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        until(pids.exists)
        (tmp_path / "below").touch()
        (tmp_path / "above").touch()
        until(lambda: pids.read_text().count(" ") == 1)
        first, orphan = map(int, pids.read_text().split())
        lines = iter(supervisor.stdout.readline, "")
        said = []
        while "above=healthy" not in (line := next(lines)):
            said.append(line.split())
        assert all(below == "below=healthy" for below, above in said if above != "above=waiting"), said
        os.kill(first, signal.SIGKILL)
        until(lambda: not pids.read_text().startswith(f"{first} ") and pids.read_text().count(" ") == 1)
        second, another = map(int, pids.read_text().split())
        assert not gone(orphan)
        supervisor.terminate()
        supervisor.communicate(timeout=30)
        assert supervisor.returncode == 0
    assert all(map(gone, (first, second, orphan, another)))


def test_ports_are_kept_and_one_that_is_taken_is_named(tmp_path: Path) -> None:
    """Free ports are below those of outgoing connections, the same at the next start; a taken one is an error."""
    ports = find_ports(tmp_path)
    assert {ports.prefect, ports.registry, ports.postgres, ports.cpu, ports.gpu} <= set(PORTS)
    assert find_ports(tmp_path) == ports
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} is taken: name another \(--registry-port\)"):
            find_ports(tmp_path, registry=port)
    assert find_ports(tmp_path, registry=port).registry == port


def test_passwords_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    """Nobody else can read them, and nothing that prints them shows them."""
    made = find_secrets(tmp_path)
    assert find_secrets(tmp_path) == made
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert made.database not in repr(made)


def test_a_home_without_a_stack_says_so(tmp_path: Path) -> None:
    """Nothing runs, nothing is stopped, nothing is made."""
    status = driftune(tmp_path, "stack", "status", "--json")
    assert (status.returncode, json.loads(status.stdout)["running"]) == (1, False)
    assert driftune(tmp_path, "stack", "down").stdout == "Nothing to stop\n"
    assert list(tmp_path.iterdir()) == []


def test_the_port_of_a_worker_that_is_taken_is_chosen_anew(tmp_path: Path) -> None:
    """Nobody can name it, and nobody has written it down."""
    ports = find_ports(tmp_path)
    with socket.create_server((HOST, ports.cpu)):
        other = find_ports(tmp_path)
    assert other.cpu != ports.cpu
    assert (other.prefect, other.registry, other.postgres) == (ports.prefect, ports.registry, ports.postgres)


def test_a_log_that_somebody_removed_ends_no_part(tmp_path: Path) -> None:
    """It is only looked at for its length."""
    _shorten(tmp_path / "gone.log")


def test_another_account_gets_no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys lie in the environment that the stack is started in: PostgreSQL has no use for them."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    part = Part("some", ("true",), lambda: True, {"ITS": "own"})
    assert environment(part)["AWS_SECRET_ACCESS_KEY"] == "s3cret"
    assert set(environment(replace(part, account="postgres"))) == {"PATH", "ITS"}


def test_a_second_start_leaves_the_first_ones_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is begun anew."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    log = tmp_path / "stack" / "logs" / "stack.log"
    log.parent.mkdir(parents=True)
    log.write_text("what the first one says")
    with (
        held(tmp_path / "stack" / "lock", "a lock", "4711", LockedError),
        pytest.raises(LockedError, match="runs already, as process 4711: driftune stack down ends it"),
    ):
        up(detach=True, gpu=False, ports={})
    assert log.read_text() == "what the first one says"
