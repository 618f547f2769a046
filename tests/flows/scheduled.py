"""The whole pipeline on networkx, started by a schedule on the stack: run once for all tests that look at it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from flows.stack import api
from tests.flows.runs import ROOT, driftune, environment, running
from tests.registry.server.receiver import Receiver, receiving

FIRST_S = 2400.0
"""Seconds the first run may take on two cores."""

SECOND_S = 300.0
"""Seconds from the end of the first run to the end of the second, which starts at a full minute."""

TOLD_S = 120.0
"""Seconds from the end of the first run until a subscriber has what it published."""

AT_LOOPBACK = {"DRIFTUNE_SERVE_WEBHOOK_NETWORKS": "127.0.0.0/8"}


@dataclass(frozen=True)
class Scheduled:
    """What two scheduled runs left.

    Attributes:
        home: Home folder, with a finished run.
        stack: How the parts of the stack were after the second run, as `driftune stack status --json` says it.
        refused: What Prefect's API answered to who has no password.
        told: What the webhook of a subscribing team received, verified.
        into: The folder that another subscriber has the adapter in.
        first: Every file of lake and registry with its time, after the first run.
        second: The same after the second.
        left: Processes of this home that were there when the stack had been stopped.
    """

    home: Path
    stack: dict[str, Any]
    refused: int
    told: list[dict[str, Any]]
    into: Path
    first: dict[str, int]
    second: dict[str, int]
    left: list[int]


def run_twice(folder: Path, domain: str = "networkx") -> Scheduled:
    """Starts the stack, subscribes, deploys a domain, due in a minute or two, then every minute; until two runs are."""
    home, name = folder / "home", Path(domain).stem
    _done(home, "stack", "up", "--detach", **AT_LOOPBACK)
    try:
        stack = _stack(home)
        team = _team(home, name, stack)
        with (
            receiving() as receiver,
            (folder / "into.log").open("wb") as log,  # a pipe that nobody reads would be full after half an hour
            subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "subscribe", name, "--into", f"{folder / 'adapter'}", "--every=5"],
                cwd=ROOT, env=environment(folder / "team", **team), stdout=log, stderr=log,
            ) as into,
        ):  # fmt: skip
            try:
                made = _done(folder / "team", "subscribe", name, "--webhook", f"{receiver.url}/hook", **team)
                _done(home, "deploy", domain, "--cron", _once())
                _until(lambda: _completed(home) >= 1, FIRST_S, "the first run")
                _until(lambda: (folder / "adapter").exists() and receiver.done("/hook"), TOLD_S, "what was published")
                first = _files(home)
                before = _completed(home)
                _done(home, "deploy", domain, "--cron", "* * * * *")
                _until(lambda: _completed(home) > before, SECOND_S, "the second run")
                told = _told(receiver, made.split()[-1])
            finally:
                into.kill()
        second, stack = _files(home), _stack(home)
        refused = httpx.get(f"{_address(stack, 'prefect')}/flows/count", trust_env=False).status_code
    finally:
        _done(home, "stack", "down")
    return Scheduled(home, stack, refused, told, folder / "adapter", first, second, running(home))


def _done(home: Path, *arguments: str, **more: str) -> str:
    done = driftune(home, *arguments, **more)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def _stack(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_done(home, "stack", "status", "--json"))
    return found


def _address(stack: dict[str, Any], part: str) -> str:
    return next(row["address"] for row in stack["parts"] if row["name"] == part)


def _team(home: Path, domain: str, stack: dict[str, Any]) -> dict[str, str]:
    """What a subscribing team is told: the address of the registry, and a token."""
    token = json.loads(_done(home, "token", "new", "team", "--domain", domain, "--json"))
    return {"DRIFTUNE_REGISTRY": _address(stack, "registry"), "DRIFTUNE_TOKEN": token["secret"]}


def _completed(home: Path) -> int:
    """How many of the scheduled runs have completed; none may have failed."""
    address, password = api(home) or ("", "")
    if not address:  # it doesn't answer just now
        return 0
    asked = {"deployments": {"tags": {"all_": ["driftune"]}}, "flows": {"name": {"any_": ["refresh"]}}}
    user, _, word = password.partition(":")
    answer = httpx.post(f"{address}/flow_runs/filter", json=asked, auth=(user, word), trust_env=False, timeout=60)
    states = [(run["state_name"], run["state"]["message"]) for run in answer.raise_for_status().json()]
    assert not [state for state in states if state[0] in ("Failed", "Crashed")], states
    return [name for name, _ in states].count("Completed")


def _once() -> str:
    """A schedule that is due in one or two minutes, and then tomorrow: a run that finds its turn taken costs 10 s."""
    due = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)
    return f"{due.minute} {due.hour} * * *"


def _told(receiver: Receiver, secret: str) -> list[dict[str, Any]]:
    """What came, each once: it may come again where a server was slow to hear that it had arrived."""
    return list({came.id: dict(came.verified(secret)) for came in receiver.done("/hook")}.values())


def _until(so: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.5)


def _files(home: Path) -> dict[str, int]:
    """Every file of lake and registry with its time, but for the locks, which say who held them last."""
    there = [path for part in ("lake", "registry") for path in sorted((home / part).rglob("*"))]
    return {str(path): path.stat().st_mtime_ns for path in there if path.parent.name != "_locks"}
