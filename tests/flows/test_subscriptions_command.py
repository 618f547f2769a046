"""`driftune subscription`: what is told of subscribers on the server's own machine, and what is done about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows import cli
from registry.server import audit, deliveries, events, subscriptions, tokens
from registry.server.deliveries import Verdict
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.subscriptions import Wish


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """A state with one subscription, `sub`, whose first event is a dead letter and whose second is to come."""
    monkeypatch.setenv("DRIFTUNE_SERVE_STATE", str(tmp_path / "server.sqlite"))
    opened = State(ServerSettings().state_url)
    with opened.begin() as connection:
        token, _ = tokens.new(connection, "team", ["lib"], tokens.Scope.READ, days=None, by="tests")
        wish = Wish(domain="lib", channel="stable", url="https://a.test/hook")
        made, secret = subscriptions.create(connection, wish, token.id, 1)
        body = {"type": "adapter.promoted", "data": {"version": 3}}
        drafts = [events.Draft("lib", "channels/stable", number, body) for number in (1, 2)]
        deliveries.fan_out(connection, events.add(connection, drafts), lambda event, subscription: True)
        deliveries.claim(connection, made.id, "h", 60)
        job = deliveries.take(connection, made.id, "h", 60, ServerSettings())
        assert job is not None
        deliveries.settle(connection, job, Verdict(False, code=500, detail="The server answered 500"), None)
    opened.about = (made.id, secret)  # type: ignore[attr-defined]
    return opened


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs the command; its exit code."""
    monkeypatch.setattr("sys.argv", ["driftune", "subscription", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_subscriptions_and_dead_letters_are_listed_and_sent_again(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words and as JSON, never with a secret; what was done stands in the audit log."""

    def said(*arguments: str) -> str:
        assert ended(monkeypatch, *arguments) == 0
        return capsys.readouterr().out

    name, secret = state.about  # type: ignore[attr-defined]
    listed = said("list")
    assert f"{name}  lib@stable to https://a.test/hook: active; 1 pending, 1 dead" in listed and secret not in listed
    (row,) = json.loads(said("list", "--json"))
    assert row["id"] == name and row["deliveries"]["dead"] == 1 and "secret" not in row
    assert said("deliveries", name, "--status", "dead") == (
        "1  adapter.promoted lib v3  dead, 1 attempts; the last: The server answered 500\n"
    )
    assert [each["event"] for each in json.loads(said("deliveries", name, "--json"))] == [2, 1]
    assert json.loads(said("replay", name, "--event", "1", "--json")) == {"replayed": 1}
    assert said("replay", name).startswith("0 dead letters")
    said("end", name, "--why", "the team is gone")
    assert "ended (the team is gone); 2 dead" in said("list")
    with state.read() as connection:
        actions = [(each.action, each.address) for each in audit.read(connection, last=10)]
    assert actions == [("replay", "command"), ("replay", "command"), ("end subscription", "command")]
    state.close()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("replay", "sub_0"), "No subscription has the id 'sub_0'"),
        (("deliveries", "sub_0", "--status", "lost"), "they are pending, delivering, done, dead"),
        (("end", "sub_0", "--why", " "), "Say why"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    wrong: str,
) -> None:
    """Exit code 2, and what to do."""
    assert ended(monkeypatch, *arguments) == 2
    assert wrong in capsys.readouterr().err
    state.close()
