"""`driftune registry rollback`: subscribers get what they had before, and everybody can see why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.annotation import account
from flows.cli import app
from flows.status import read_status
from registry.errors import ConfigurationError
from registry.lake import open_lake
from registry.records import Work
from registry.store import Store
from tests.registry.test_store import adapter_folder, publication


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A registry with three versions, all of which `stable` has held."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    made = Store(tmp_path / "registry")
    for number in (1, 2, 3):
        made.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    return made


def rollback(*arguments: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, ["registry", "rollback", *arguments])
    if done.exception is not None:
        raise done.exception
    return str(done.stdout)


def test_a_channel_goes_back_and_its_log_says_why(store: Store) -> None:
    """To the version before, or to one that is named; reason and author are kept, and `status` shows what is held."""
    assert rollback("networkx", "--why", " slower for us ") == "stable holds networkx@v2 again, and no more v3\n"
    told = json.loads(rollback("networkx@stable", "--to", "networkx@v1", "--json"))
    assert (told["adapter"], told["was"], told["by"], told["reason"]) == ("networkx@v1", "networkx@v2", account(), "")
    entries = store.history("networkx", "stable")[-2:]
    assert [(e.version, e.action, e.reason, e.by) for e in entries] == [
        (2, "rollback", "slower for us", account()), (1, "rollback", "", account()),
    ]  # fmt: skip
    open_lake().append([Work(key="k", stage="curate", domain="networkx", part="curate@1", outputs=0)])
    [row] = read_status("networkx")
    assert [(move["channel"], move["version"], move["action"]) for move in row["channels"]] == [
        ("3.6.x", 1, "rollback"), ("3.x", 1, "rollback"), ("stable", 1, "rollback"),
    ]  # fmt: skip
    assert (
        f"stable holds v1 (rollback at {entries[-1].at} by {account()})" in CliRunner().invoke(app, ["status"]).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("networkx@candidate",), "No adapter 'networkx@candidate'"),
        (("numpy",), "domains with one: networkx"),
        (("networkx@v2",), "No channel can be called 'v2'"),
        (("networkx", "--to", "v9"), "No adapter 'networkx@v9'"),
        (("networkx", "--to", "other@v1"), "No adapter 'other@v1'"),
        (("networkx", "--to", "v3"), "can't go back to v3: it has held v1, v2 before"),
    ],
)
def test_what_can_not_be_gone_back_to_is_one_line(store: Store, arguments: tuple[str, ...], told: str) -> None:
    """It names what there is, and nothing moves."""
    with pytest.raises(ConfigurationError, match=told):
        rollback(*arguments)
    assert store.channels("networkx") == {"3.6.x": 3, "3.x": 3, "stable": 3}
