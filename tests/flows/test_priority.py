"""Which of several domains comes first: the stalest, those with new releases, those whom somebody waits for."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path

import pytest

from flows.house import House, open_house
from flows.many import run_all, show_plans
from flows.priority import NEVER, ranked
from flows.stages import complete_key
from flows.tokens import opened
from flows.tracking import end, remember
from registry.domain import Domain
from registry.domain_files import load_domain
from registry.server import subscriptions
from registry.server.subscriptions import Wish
from registry.settings import Settings
from tests.flows.test_tracking import DOMAIN, modules
from tests.indexed import own_index

NOW = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)


def domain(name: str, weight: float = 1.0) -> Domain:
    library = {"name": name, "versions": ["1", "2"]}
    return Domain.model_validate({"name": name, "library": library, "priority": {"weight": weight}})


def completed(home: Path, *names: str) -> House:
    """A home in whose lake these domains came to their ends ten days before `NOW`."""
    houses = [House(domain(name), Settings(home=home)) for name in names]
    for house in houses:
        house.finish("refresh", "refresh", [f"all of {house.domain.name}"], [], time.monotonic())
    return houses[0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_staleness_subscribers_and_weight_decide_who_comes_first(home: Path) -> None:
    """Never run counts for a month; ten days, more for who is subscribed to, and twice as much by weight."""
    lake = completed(home, "old", "heavy", "wanted").lake
    with opened(None) as state, state.begin() as connection:
        for number in range(3):
            wish = Wish(domain="wanted", channel="stable", url=f"http://127.0.0.1:1/{number}")
            made, _ = subscriptions.create(connection, wish, "token", 9)
        subscriptions.change_status(connection, made.id, subscriptions.ENDED)
    named = {each.name: each for each in (domain("old"), domain("heavy", 4.0), domain("wanted"), domain("new"))}
    found = ranked(named, lake, NOW)
    assert [rank.domain for rank in found] == ["heavy", "new", "wanted", "old"]
    assert [round(rank.points) for rank in found] == [40, NEVER, 12, 10]
    assert [(rank.days is None, rank.subscribers) for rank in found] == [(False, 0), (True, 0), (False, 2), (False, 0)]


def test_a_release_that_no_run_went_to_makes_a_domain_stale(home: Path, tmp_path: Path) -> None:
    """A library that is followed counts a week for each newer release; an index that is down counts for nothing."""
    (tmp_path / "made").mkdir()
    file = tmp_path / "lib.toml"
    with own_index(tmp_path / "made") as index:
        file.write_text(DOMAIN.format(settings='track = "latest"', url=index.url))
        for version in ("1.0", "1.1"):
            index.add("lib", version, modules(version))
        house = open_house(str(file), moving=True)
        remember(house)
        end(house)
        named = {str(file): load_domain(str(file))}
        counts = []
        for offered in ((), ("1.2", "1.3", "2.0rc1")):
            for version in offered:
                index.add("lib", version, modules(version))
            counts.append(ranked(named, house.lake)[0].releases)
        index.down = True
        counts.append(ranked(named, house.lake)[0].releases)
    assert counts == [0, 2, 0]


def test_many_domains_ask_an_index_once_a_library(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What decides the order is what the plan goes by, and whether a run has anything to do: a domain is asked of once.

    One that has nothing to do costs no process.
    """
    (tmp_path / "made").mkdir()
    (tmp_path / "domains").mkdir()
    monkeypatch.chdir(tmp_path)
    with own_index(tmp_path / "made") as index:
        file = tmp_path / "domains" / "lib.toml"
        file.write_text(DOMAIN.format(settings='track = "latest"', url=index.url))
        for version in ("1.0", "1.1"):
            index.add("lib", version, modules(version))
        house = open_house("lib", moving=True)
        remember(house)
        end(house)
        house.finish("refresh", "refresh", [complete_key(house)], [], time.monotonic(), {"decision": "rejected"})
        for show in (lambda: show_plans([], as_json=True), lambda: run_all([], jobs=1, as_json=True)):
            index.asked.clear()
            show()
            assert [path for path, _ in index.asked] == ["/simple/lib/"]
    plan, run = map(json.loads, capsys.readouterr().out.splitlines())
    assert plan[0]["begins"] == "nothing to do"
    assert [(row["told"]["decision"], row["told"]["changed"]) for row in run["domains"]] == [("rejected", False)]
