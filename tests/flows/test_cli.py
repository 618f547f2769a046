"""The command line answers quickly and says what it can do."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

import pytest

COMMANDS = [
    "init",
    "run",
    "plan",
    "scrape",
    "synth",
    "validate",
    "curate",
    "train",
    "evaluate",
    "publish",
    "experiment",
    "prove",
    "status",
    "judge",
    "solve",
    "sql",
    "show",
    "attribute",
    "annotate",
    "forget",
    "subscribe",
    "subscription",
    "deploy",
    "doctor",
    "compact",
    "gc",
    "check",
    "registry",
    "llm-stub",
    "vllm-stub",
]


def seconds(*arguments: str) -> float:
    """Seconds that a Python process had a processor: what else the machine does is no part of it."""
    since = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - since.ru_utime - since.ru_stime


def test_help_is_quick() -> None:
    """`driftune --help` takes at most 2.5 times as long as importing typer and rich alone, in the same run."""
    pairs = [
        (seconds("-m", "flows.cli", "--help"), seconds("-c", "import typer, rich.console, rich.table"))
        for _ in range(7)
    ]
    assert statistics.median(ours / bare for ours, bare in pairs) <= 2.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """Each command of the design is there, with help of at least a sentence."""
    done = subprocess.run([sys.executable, "-m", "flows.cli", command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split("Options:")[0].split()) > 6


def test_an_unknown_option_is_the_users_error() -> None:
    """An unknown option exits with 2 and names it."""
    done = subprocess.run([sys.executable, "-m", "flows.cli", "run", "x", "--nope"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--nope" in done.stderr


def test_status_loads_no_stage() -> None:
    """What only looks at the lake doesn't import what scrapes, runs and trains: that took a second of CPU."""
    code = "import sys, flows.cli, flows.status, flows.sql; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scrapers", "finetune", "pandas"} & set(done.stdout.split())


def test_threads_wait_where_they_have_nothing_to_do() -> None:
    """What torch reads when it is imported says that they don't spin, unless a person says otherwise."""
    code = """
import os, sys, flows.cli
sys.argv = ["driftune", "--help"]
try:
    flows.cli.main()
finally:
    print(os.environ["OMP_WAIT_POLICY"])
"""
    cases: list[tuple[dict[str, str], str]] = [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")]
    for told, wanted in cases:
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | told
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == wanted
