"""`driftune registry yank`, `unyank`, `eol`, and a promotion for a share: what a person sees and a program reads."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.annotation import account
from flows.cli import app
from flows.status import _moves
from registry.errors import ConfigurationError, RegistryError
from registry.server import deliveries, events
from registry.server.settings import ServerSettings
from registry.server.state import State, metadata
from registry.store import Store
from tests.registry.test_store import WEIGHTS, adapter_folder, overwrite, publication


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A registry with two versions, both of which `stable` has held."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = Store(tmp_path / "registry")
    for number in (1, 2):
        made.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    return made


def registry(*arguments: str) -> Result:
    """What the command does."""
    done = CliRunner().invoke(app, ["registry", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_yank_is_told_wherever_the_version_is_seen(store: Store, tmp_path: Path) -> None:
    """In the list, on the version's own page and where somebody asks for it; and it can be taken back."""
    said = registry("yank", "networkx@v2", "--why", "wrong on digraphs").stdout
    assert said == "networkx@v2 is yanked: no channel gives it. 3.6.x gives v1, 3.x gives v1, stable gives v1\n"
    assert "yanked" in registry("list").stdout
    rows = json.loads(registry("list", "--json").stdout)
    assert [(row["version"], row["yanked"], row["channels"]) for row in rows] == [
        (1, None, ["3.6.x", "3.x", "stable"]), (2, "wrong on digraphs", []),
    ]  # fmt: skip
    shown = registry("show", "networkx@v2").stdout
    assert f"This version: yank at {store.standing('networkx')[0].at} by {account()}: wrong on digraphs" in shown
    [entry] = json.loads(registry("show", "networkx@v2", "--json").stdout)["standing"]
    assert (entry["action"], entry["reason"]) == ("yank", "wrong on digraphs")
    with pytest.raises(ConfigurationError, match=r"is yanked since .* pull --yanked takes it"):
        registry("pull", "networkx@v2", "--into", str(tmp_path / "into"))
    assert "Pulled networkx v2" in registry("pull", "networkx@v2", "--into", str(tmp_path / "into"), "--yanked").stdout
    told = json.loads(registry("unyank", "networkx@v2", "--why", "it was the data", "--json").stdout)
    assert (told["action"], told["channels"]["stable"], told["by"]) == ("unyank", 2, account())


def test_the_end_of_life_is_told_and_version_and_domain_are_given_as_before(store: Store, tmp_path: Path) -> None:
    """Whoever pulls is told on standard error, as long as it holds."""
    registry("eol", "networkx", "--why", "use graphs")
    assert "end of life" in registry("list").stdout
    done = registry("pull", "networkx", "--into", str(tmp_path / "into"))
    assert "Pulled networkx v2" in done.stdout
    assert "It is at the end of its life since" in done.stderr
    assert "use graphs" in done.stderr
    assert registry("eol", "networkx", "--why", "somebody cares", "--undo").stdout.startswith(
        "networkx is cared for again"
    )
    assert "end of its life" not in registry("pull", "networkx", "--into", str(tmp_path / "into")).stderr


def test_a_promotion_for_a_share_says_so(store: Store, tmp_path: Path) -> None:
    """In what is printed, in the log that is shown, and for a program."""
    store.publish(adapter_folder(tmp_path / "run-3", b"3"), publication("run-3"), channel="candidate")
    why = ("--force", "we know")
    assert registry("promote", "networkx@v3", "stable", "--share", "0.1", *why).stdout == (
        "stable holds networkx@v3 for 10% of those who follow it: we know\n"
    )
    assert store.resolve("networkx").version == 2
    assert "stable: promote for 10% at " in registry("show", "networkx@v3").stdout
    assert [(move.version, move.share) for move in _moves(store, "networkx") if move.channel == "stable"] == [
        (3, 0.1),
        (2, 1.0),
    ]
    told = json.loads(registry("promote", "networkx@v3", "stable", "--share", "0.5", "--json", *why).stdout)
    assert (told["share"], store.resolve("networkx").version) == (0.5, 2)
    registry("promote", "networkx@v3", "stable", *why)
    assert store.resolve("networkx").version == 3


def test_a_yank_needs_a_reason(store: Store) -> None:
    """Whoever follows has to know why: without --why it is the user's error."""
    assert registry("yank", "networkx@v2").exit_code == 2
    with pytest.raises(ConfigurationError, match="Say why"):
        registry("yank", "networkx@v2", "--why", " ")
    assert store.standing("networkx") == []


def test_verify_names_what_is_broken_and_exits_so(store: Store, tmp_path: Path) -> None:
    """Nothing broken is 0, anything is 1, by name; a program gets the same as an object."""
    done = registry("verify")
    assert done.exit_code == 0
    assert done.stdout.startswith("2 versions, ")
    assert "entries of logs: 0 damaged, 0 orphans" in done.stdout
    assert registry("verify", "networkx@v1").stdout == "networkx@v1 is as it was published\n"
    overwrite(store.file(store.resolve("networkx@v2"), WEIGHTS), b"x")
    done = registry("verify")
    assert done.exit_code == 1
    assert f"Damaged: {WEIGHTS} of networkx@v2 was changed" in done.stdout
    done = registry("verify", "--json")
    assert done.exit_code == 1
    [damage] = json.loads(done.stdout)["damage"]
    assert damage["versions"] == ["networkx@v2"]
    assert json.loads(done.stdout)["orphans"] == []
    with pytest.raises(RegistryError, match="networkx v2 is damaged"):
        registry("verify", "networkx@v2")


def test_gc_tells_what_it_would_remove_and_then_removes_it(store: Store) -> None:
    """With --dry-run nothing goes; both say how much that is."""
    store.objects.put(f"files/ab/ab{'0' * 62}", bytes(2_000_000))
    assert registry("gc").stdout == "Freed 0.0 MB in 0 objects\n", "it isn't a day old"
    dry = registry("gc", "--grace", "0", "--dry-run").stdout
    assert dry.splitlines()[-1] == "Would free 2.0 MB in 1 objects"
    told = json.loads(registry("gc", "--grace", "0", "--json").stdout)
    assert (told["bytes"], told["dry_run"], [gone["kind"] for gone in told["removed"]]) == (2_000_000, False, ["file"])
    assert registry("verify").exit_code == 0


def test_a_backup_is_a_registry(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one copies only what is new."""
    told = registry("backup", str(tmp_path / "copy")).stdout
    assert told.startswith("Copied ")
    assert json.loads(registry("backup", str(tmp_path / "copy"), "--json").stdout)["copied"] == 0
    with pytest.raises(ConfigurationError, match="can't lie in it"):
        registry("backup", f"{store.url}/copy")
    monkeypatch.setenv("DRIFTUNE_REGISTRY", str(tmp_path / "copy"))
    assert registry("verify").stdout.startswith("2 versions, ")


def test_gc_keeps_what_a_webhook_has_still_to_tell_of(store: Store, tmp_path: Path) -> None:
    """A version that was moved away from, before its subscriber could be reached, is there when he is."""
    for number in (3, 4, 5):
        store.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    store.objects.put("registry.json", b'{"retention": {"keep": 1, "days": 0}}')
    with closing(State(ServerSettings().state_url)) as state, state.begin() as connection:
        body = {"type": "adapter.published", "data": {"domain": "networkx", "version": 2}}
        [event] = events.add(connection, [events.Draft("networkx", "channels/stable", 1, body)])
        row = {"subscription": "s", "seq": event.seq, "id": "d", "status": deliveries.PENDING, "attempts": 0}
        columns = metadata.tables["deliveries"]
        connection.execute(columns.insert().values(row | {"detail": "", "made": 0.0, "changed": 0.0}))
    registry("gc", "--grace", "0")
    assert [adapter.version for adapter in Store(store.url).versions("networkx")] == [2, 4, 5]
