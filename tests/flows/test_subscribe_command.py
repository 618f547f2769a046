"""`driftune subscribe --exec` runs a command for each version, at least once."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

import pytest

from flows.adapters import pull_adapter
from flows.subscribe import Request, subscribe
from flows.subscribing.wanted import Wanted
from registry.errors import ConfigurationError, DriftuneError, LockedError, WrongBaseError
from registry.store import Store
from tests.flows.runs import start
from tests.flows.served_vllm import lora
from tests.flows.served_vllm import publish as publish_real
from tests.flows.test_subscribe import publish
from tests.registry.test_client import make_base


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home" / "registry")


def look(command: str, reference: str = "networkx", limit: float = 60, **said: str) -> None:
    """One look at the registry."""
    subscribe(Request(Wanted(reference, **said), command=command, once=True, limit=limit))


def script(folder: Path, text: str) -> str:
    """A command that runs a program."""
    (folder / "command.py").write_text(text)
    return f"{sys.executable} {folder / 'command.py'}"


NOTES = """
import json, os, sys
row = {k: v for k, v in os.environ.items() if k.startswith("DRIFTUNE_")}
row["news"] = json.load(sys.stdin)
row["files"] = sorted(os.listdir(row["DRIFTUNE_FOLDER"]))
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(row) + "\\n")
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
"""


def test_the_command_is_told_what_came_and_what_it_had(store: Store, tmp_path: Path) -> None:
    """The news on standard input, facts in the environment; once a version, and from the version before."""
    command = f"{script(tmp_path, NOTES)} {tmp_path / 'out'}"
    for weights in ("one", "two", "three"):
        publish(store, tmp_path / "a", weights)
        if weights != "two":
            look(command)
            look(command)
    first, second = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert (first["DRIFTUNE_VERSION"], first["DRIFTUNE_PREVIOUS"]) == ("1", "")
    assert (second["DRIFTUNE_VERSION"], second["DRIFTUNE_PREVIOUS"]) == ("3", "1")
    assert (second["DRIFTUNE_DOMAIN"], second["DRIFTUNE_CHANNEL"]) == ("networkx", "stable")
    assert "adapter_model.safetensors" in second["files"]
    data = second["news"]["data"]
    assert (second["news"]["type"], data["version"], data["previous_version"]) == ("adapter.published", 3, 1)
    assert (data["library_range"], data["base"]["name"]) == ("networkx>=3.6,<3.7", "tiny")


def test_a_command_that_fails_is_run_again(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure, a program that isn't there and one that takes too long are told, and tried again by the next look."""
    publish(store, tmp_path / "a", "one")
    out = tmp_path / "out"
    command = script(tmp_path, NOTES)
    with pytest.raises(DriftuneError, match="for networkx v1 ended with exit code 7") as caught:
        look(f"{command} {out} 7")
    assert caught.value.retryable
    with pytest.raises(DriftuneError, match="ended with exit code 7"):
        look(f"{command} {out} 7")
    with pytest.raises(DriftuneError, match="Can't start '/nowhere/at/all'"):
        look("/nowhere/at/all x")
    slow = f"sh -c 'sleep 50 & echo $! > {tmp_path / 'pid'}; wait'"
    with pytest.raises(DriftuneError, match="took longer than 0 s"):
        look(slow, limit=0.4)
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int((tmp_path / "pid").read_text()), 0)
            time.sleep(0.05)
    look(f"{command} {out}")
    assert len(out.read_text().splitlines()) == 3
    assert "The command for networkx v1 ended with exit code 0" in capsys.readouterr().out
    for wrong, words in (("'x", "can't be read as a command"), (" ", "names no command")):
        with pytest.raises(ConfigurationError, match=words):
            look(wrong)


def test_only_one_process_runs_a_subscription(store: Store, tmp_path: Path) -> None:
    """A second one says which process has it."""
    publish(store, tmp_path / "a", "one")
    publish(store, tmp_path / "a", "two", channel="candidate")
    command = f"{script(tmp_path, 'import sys, time; time.sleep(float(sys.argv[1]))')} 30"
    process = start(tmp_path / "home", "subscribe", "networkx", "--exec", command)
    try:
        wait_for(tmp_path / "home" / "subscriptions")
        with pytest.raises(LockedError, match=f"is held by process {process.pid}: stop that first"):
            look(command)
        look(command.replace("30", "0"), "networkx@candidate")
    finally:
        process.kill()
        process.communicate()


def wait_for(folder: Path) -> None:
    """Waits until a process has written its number into a lock."""
    end = time.monotonic() + 30
    while not any(path.read_text() for path in folder.glob("*.lock")):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_versions_for_other_libraries_and_bases_are_passed_over(store: Store, tmp_path: Path) -> None:
    """The newest that the channel held and that fits is taken; where none does it is told why."""
    command = f"{script(tmp_path, NOTES)} {tmp_path / 'out'}"
    publish(store, tmp_path / "a", "one")
    newer = publish(store, tmp_path / "a", "two", library_range="networkx>=4,<5", base="large")
    assert newer.version == 2
    look(command, library=">=3.5,<3.7")
    look(command, library="networkx>=4")
    look(command, base="tiny")
    versions = [json.loads(line)["DRIFTUNE_VERSION"] for line in (tmp_path / "out").read_text().splitlines()]
    assert versions == ["1", "2", "1"]
    with pytest.raises(ConfigurationError, match=r"v2 speaks networkx>=4,<5, which has no version of --library '<3'"):
        look(command, library="<3")
    with pytest.raises(WrongBaseError, match="v2 was made for large, not for --base 'small'"):
        look(command, base="small")
    with pytest.raises(ConfigurationError, match="No range of versions: 'three !'"):
        look(command, library="three !")


def test_a_version_is_checked_on_the_subscribers_base_before_it_is_taken(store: Store, tmp_path: Path) -> None:
    """The folder stays where the canary fails, also at the next look; what fits is taken."""
    base, into = make_base(tmp_path / "base"), tmp_path / "into"
    good = lora(base, tmp_path / "good", 1)
    publish_real(store, base, good)
    request = Request(Wanted("networkx", base=str(base)), into=into, check=True, once=True)
    subscribe(request)
    before = into.resolve()
    publish_real(store, base, (good[0], tuple({**row, "logprob": 0.0} for row in good[1])), run="broken")
    for words in ("v2 gives", "v2 isn't tried again"):
        with pytest.raises(WrongBaseError, match=words):
            subscribe(request)
        assert into.resolve() == before
    publish_real(store, base, good, run="mended")
    subscribe(request)
    assert "networkx-v3" in into.resolve().name
    pull_adapter("networkx@v3", tmp_path / "pulled", base=base, check=True)
    with pytest.raises(WrongBaseError, match="v2 gives"):
        pull_adapter("networkx@v2", tmp_path / "pulled", base=base, check=True)
    with pytest.raises(WrongBaseError, match="was made for"):
        pull_adapter("networkx", tmp_path / "pulled", base=make_base(tmp_path / "other", seed=1))
    assert "networkx-v3" in (tmp_path / "pulled").resolve().name
    with pytest.raises(ConfigurationError, match="--check needs a base"):
        pull_adapter("networkx", tmp_path / "pulled", check=True)
    for wanted in (Wanted("networkx"), Wanted("networkx", base="driftune/tiny-0")):
        with pytest.raises(ConfigurationError, match="--check loads the adapter here"):
            Request(wanted, into=into, check=True)


@pytest.mark.slow
def test_killed_at_any_moment_no_version_is_missed(store: Store, tmp_path: Path) -> None:
    """SIGKILL at random moments: what was not finished is run again, so the last line is always the newest version."""
    out = tmp_path / "out"
    command = f"{script(tmp_path, 'import time; time.sleep(0.2)' + NOTES)} {out}"
    randomly = random.Random(0)
    for turn in range(6):
        publish(store, tmp_path / "a", f"turn {turn}")
        process = start(tmp_path / "home", "subscribe", "networkx", "--exec", command)
        time.sleep(randomly.uniform(0.3, 2.0))
        process.kill()
        process.communicate()
    look(command)
    versions = [int(json.loads(line)["DRIFTUNE_VERSION"]) for line in out.read_text().splitlines()]
    assert versions[-1] == 6
    assert versions == sorted(versions)
    look(command)
    assert len(out.read_text().splitlines()) == len(versions)
