"""Events and deliveries in the state: once each, in order, by one at a time; in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import logging
import math
import threading
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from registry.channels import Entry
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.manifests import MANIFEST, manifest_bytes
from registry.records import Change, Example, SnapshotRow
from registry.server import deliveries, events, subscriptions, tokens
from registry.server.deliveries import Delivery, Job, Verdict
from registry.server.deliveries_sending import Sender, next_wait, signed
from registry.server.events import Draft, Event
from registry.server.events_payload import Teller
from registry.server.events_watch import Watch
from registry.server.feeds import atom
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.subscriptions import Subscription, Wish
from registry.store import Store
from registry.web import Access, Web, WebLimits
from tests.registry.server.receiver import receiving
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, filled_store
from tests.registry.test_store import adapter_folder, publication

SETTINGS = ServerSettings(private=(PRIVATE,), retries=(1.0, 10.0), longest_wait_s=100.0)
DRAFTS = [
    Draft(PUBLIC, "channels/stable", n, {"type": "adapter.promoted", "data": {"version": n}}) for n in range(1, 9)
]


def watch(store: Store, state: State, lake: Lake | None = None) -> Watch:
    return Watch(store, state, Teller(lake, "https://registry.test", "driftune"))


def told(state: State) -> list[Event]:
    with state.read() as connection:
        return events.after(connection, 0, most=10_000)


def subscribed(state: State, *, channel: str = "stable", url: str = "https://a.test/") -> Subscription:
    with state.begin() as connection:
        token, _ = tokens.new(connection, "team", [PUBLIC], tokens.Scope.READ, days=None, by="tests")
        return subscriptions.create(connection, Wish(domain=PUBLIC, channel=channel, url=url), token.id, 10)[0]


def added(state: State, drafts: list[Draft]) -> list[Event]:
    with state.begin() as connection:
        made = events.add(connection, drafts)
        deliveries.fan_out(connection, made, lambda event, subscription: True)
        return made


def taken(state: State, subscription: Subscription, holder: str, seconds: float = 60.0) -> Job | None:
    """What somebody gets who claims, if he can, and takes."""
    with state.begin() as connection:
        deliveries.claim(connection, subscription.id, holder, seconds)
        return deliveries.take(connection, subscription.id, holder, seconds, SETTINGS)


def test_servers_that_look_at_once_make_no_event_twice(state_url: str, tmp_path: Path) -> None:
    """Each entry of each log is one event, in its log's order, and each subscription has one delivery of it."""
    store, state = filled_store(tmp_path), State(state_url)
    for number in range(10):
        store.promote(PUBLIC, 1 + number % 2, "stable")
    subscription = subscribed(state)
    looks = [watch(Store(tmp_path / "registry"), state) for _ in range(4)]
    threads = [threading.Thread(target=look.look) for look in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = told(state)
    wanted = {(d, f"channels/{c}"): len(store.history(d, c)) for d in store.domains() for c in store.channels(d)}
    for (domain, log), number in wanted.items():
        numbers = [event.number for event in found if (event.domain, event.log) == (domain, log)]
        assert numbers == list(range(1, number + 1))
    assert [event.seq for event in found] == list(range(1, sum(wanted.values()) + 1))
    with state.read() as connection:
        rows = deliveries.listed(connection, subscription.id)
    mine = [event.seq for event in found if (event.domain, event.channel) == (PUBLIC, "stable")]
    assert sorted(row.seq for row, _ in rows) == mine
    assert len({row.id for row, _ in rows}) == len(rows)
    state.close()


def test_an_entry_out_of_turn_waits_for_the_one_before(tmp_path: Path) -> None:
    """A listing that misses one that was being written makes no gap: the rest comes with the next look."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    assert [event.number for event in added(state, [DRAFTS[0], DRAFTS[2]])] == [1]
    assert [event.number for event in added(state, DRAFTS[:4])] == [2, 3, 4]
    assert added(state, DRAFTS[:4]) == []
    state.close()


def test_another_state_calls_the_same_entry_the_same(tmp_path: Path) -> None:
    """A feed's reader sees nothing twice when a server starts with a new state."""
    states = [State(f"sqlite:///{tmp_path / name}") for name in ("a", "b")]
    assert [e.id for e in added(states[0], DRAFTS)] == [e.id for e in added(states[1], DRAFTS)]
    for state in states:
        state.close()


def test_a_look_costs_little_with_a_thousand_versions(tmp_path: Path) -> None:
    """Once all is known, a look lists names: it reads no manifest and no entry again."""
    store, state = filled_store(tmp_path), State(f"sqlite:///{tmp_path / 's.sqlite'}")
    last = store.resolve(f"{PUBLIC}@v2")
    for number in range(3, 1003):
        folder = tmp_path / "registry" / PUBLIC / "versions" / f"{number:08d}"
        folder.mkdir()
        (folder / MANIFEST).write_bytes(manifest_bytes(dataclasses.replace(last, version=number)))
    for number in range(20):
        store.promote(PUBLIC, 1 + number % 2, "stable")
    look = watch(Store(tmp_path / "registry"), state)
    assert look.look() > 20 and look.look() == 0
    began = time.process_time()
    for _ in range(5):
        look.look()
    assert (time.process_time() - began) / 5 < 0.1
    state.close()


def test_one_server_at_a_time_works_on_a_subscription(state_url: str) -> None:
    """Of many that try at once one gets it, and only he gets deliveries, one after the other."""
    state = State(state_url)
    subscription = subscribed(state)
    added(state, DRAFTS)
    got: list[str] = []

    def claim(holder: str) -> None:
        with state.begin() as connection:
            if deliveries.claim(connection, subscription.id, holder, 60):
                got.append(holder)

    threads = [threading.Thread(target=claim, args=(f"h{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (holder,) = got
    others = [taken(state, subscription, f"h{n}") for n in range(8) if f"h{n}" != holder]
    assert others == [None] * 7
    for number in range(1, 9):
        job = taken(state, subscription, holder)
        assert job and job.event.number == number
        with state.begin() as connection:
            assert deliveries.settle(connection, job, Verdict(True), None) == "done"
    assert taken(state, subscription, holder) is None
    state.close()


def test_what_a_dead_server_held_is_taken_over_under_the_same_id(state_url: str) -> None:
    """When his hold is over; what he had sent by then is sent again; what he says of it later counts no more."""
    state = State(state_url)
    subscription = subscribed(state)
    added(state, DRAFTS[:2])
    dead = taken(state, subscription, "dead", 0.3)
    assert dead and taken(state, subscription, "next") is None
    with state.read() as connection:
        assert deliveries.due(connection, 10) == []
    time.sleep(0.35)
    with state.read() as connection:
        assert deliveries.due(connection, 10) == [(subscription.id, subscription.url)]
    again = taken(state, subscription, "next")
    assert again and (again.delivery.id, again.event, again.delivery.attempts) == (dead.delivery.id, dead.event, 1)
    with state.begin() as connection:
        deliveries.settle(connection, dead, Verdict(False, gone=True), None)
        assert subscriptions.get(connection, subscription.id) == again.subscription
        deliveries.settle(connection, again, Verdict(True), None)
    following = taken(state, subscription, "next")
    assert following and following.event.number == 2
    state.close()


def test_who_lets_go_leaves_nothing_under_way(tmp_path: Path) -> None:
    """A server that is stopped makes nobody wait for the end of its hold."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    subscription = subscribed(state)
    added(state, DRAFTS[:1])
    assert taken(state, subscription, "first")
    with state.begin() as connection:
        deliveries.release(connection, subscription.id, "another")
    assert taken(state, subscription, "second") is None
    with state.begin() as connection:
        deliveries.release(connection, subscription.id, "first")
        assert deliveries.counts(connection, subscription.id)["pending"] == 1
    assert taken(state, subscription, "second")
    state.close()


def told_to(state: State, subscription: Subscription) -> list[tuple[str, int]]:
    """What a subscription is to be told, oldest first."""
    with state.read() as connection:
        rows = deliveries.listed(connection, subscription.id)
    return [(event.kind, event.data["version"]) for _, event in reversed(rows)]


def test_a_version_for_a_share_is_told_to_that_share_first(tmp_path: Path) -> None:
    """Each is told when what he gets changes, and only then: also when the share grows, and when it is taken back."""
    store, state = filled_store(tmp_path), State(f"sqlite:///{tmp_path / 's.sqlite'}")
    look = watch(Store(tmp_path / "registry"), state)
    look.look()
    team = [subscribed(state) for _ in range(24)]
    for share in (0.3, 0.6, 1.0):
        store.promote(PUBLIC, 1, "stable", share=share)
        look.look()
        got = [bool(told_to(state, each)) for each in team]
        assert got == [store.given(PUBLIC, "stable", each.id) == 1 for each in team]
        assert share == 1 or 0 < sum(got) < len(team)
    assert {tuple(told_to(state, each)) for each in team} == {(("adapter.promoted", 1),)}
    store.promote(PUBLIC, 2, "stable", share=0.5)
    store.rollback(PUBLIC, "stable")
    look.look()
    ways = {tuple(told_to(state, each)[1:]) for each in team}
    assert ways == {(), (("adapter.promoted", 2), ("adapter.rolled_back", 1))}
    assert [event.data["share"] for event in told(state) if event.channel == "stable"][-2:] == [0.5, 1.0]
    state.close()


def test_yanks_and_ends_of_life_are_told_to_those_who_may_have_the_version(tmp_path: Path) -> None:
    """With what the channels give now; a version's to channels that have held it, a domain's end to all."""
    store, state = filled_store(tmp_path), State(f"sqlite:///{tmp_path / 's.sqlite'}")
    store.promote(PUBLIC, 1, "old")
    look = watch(Store(tmp_path / "registry"), state)
    look.look()
    mine, other = subscribed(state), subscribed(state, channel="old")
    store.yank(f"{PUBLIC}@v2", "wrong weights", "ann")
    store.unyank(f"{PUBLIC}@v2", "they were right", "ann")
    store.end_of_life(PUBLIC, "use another", "bob")
    look.look()
    assert told_to(state, mine) == [("adapter.yanked", 2), ("adapter.unyanked", 2), ("adapter.end_of_life", None)]
    assert told_to(state, other) == [("adapter.end_of_life", None)]
    yanked = next(event for event in told(state) if event.kind == "adapter.yanked")
    assert yanked.data["channels"]["old"] == 1 and yanked.data["library_range"] == "networkx>=3.6,<3.7"
    assert (yanked.data["reason"], yanked.data["by"]) == ("wrong weights", "ann")
    state.close()


@pytest.mark.parametrize(
    ("failures", "asked", "low", "high"),
    [(0, None, 0.8, 1.2), (1, None, 8.0, 12.0), (0, 30.0, 30.0, 30.0), (1, 3.0, 8.0, 12.0), (0, 1e9, 100.0, 100.0)],
)
def test_waits_are_the_table_s_spread_or_what_is_asked_for(
    failures: int, asked: float | None, low: float, high: float
) -> None:
    """The longer of both, within what a receiver may ask for."""
    waits = [next_wait(SETTINGS, failures, Verdict(False, wait=asked)) for _ in range(50)]
    assert all(wait is not None and low <= wait <= high for wait in waits)
    assert len(set(waits)) > 1 or low == high
    assert next_wait(SETTINGS, 2, Verdict(False, wait=asked)) is None


def test_old_deliveries_go_and_dead_letters_stay(tmp_path: Path) -> None:
    """What arrived long ago isn't listed for ever; events stay, as they are the history."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    subscription = subscribed(state)
    added(state, DRAFTS[:2])
    for arrived in (True, False):
        job = taken(state, subscription, "h")
        assert job
        with state.begin() as connection:
            deliveries.settle(connection, job, Verdict(arrived), None)
    time.sleep(0.01)
    with state.begin() as connection:
        assert deliveries.prune(connection, 1.0) == 0
        assert deliveries.prune(connection, 0.0) == 1
        assert [row.status for row, _ in deliveries.listed(connection, subscription.id)] == ["dead"]
    assert len(told(state)) == 2
    state.close()


async def sending(sender: Sender, seconds: float) -> None:
    """Sends for a while, then is stopped, as a server is."""
    task = asyncio.create_task(sender.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_who_hangs_has_his_share_and_is_let_go_of_at_the_end(tmp_path: Path) -> None:
    """Of a host that hangs, two deliveries wait; another's arrive meanwhile; a stopped server holds nothing."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    settings = SETTINGS.model_copy(
        update={"webhooks": 3, "webhooks_host": 2, "webhook_networks": ("127.0.0.0/8",), "webhook_s": 20.0}
    )
    with receiving() as slow, receiving() as quick:
        slow.answer = lambda path, number: time.sleep(1.5) or 204
        hanging = [subscribed(state, url=f"{slow.url}/{number}") for number in range(6)]
        subscribed(state, url=f"{quick.url}/")
        added(state, DRAFTS)
        asyncio.run(sending(Sender(state, settings), 1.0))
        assert len(quick.done("/")) == len(DRAFTS) and len(slow.received) == 2
    with state.read() as connection:
        counts = [deliveries.counts(connection, each.id) for each in hanging]
        assert {(each["pending"], each["delivering"]) for each in counts} == {(len(DRAFTS), 0)}
        assert len(deliveries.due(connection, 10)) == 6
    state.close()


def test_a_name_that_turns_inside_is_refused_at_delivery(tmp_path: Path) -> None:
    """Its address is vetted at each delivery: what led outside when it was subscribed to may lead inside now."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        subscription = subscribed(state, url=f"http://turning.test:{port}/")
        added(state, DRAFTS[:1])

        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        def guarded(settings: ServerSettings) -> Web:
            return Web(Access(private=("127.0.0.2",)), WebLimits(pause_s=0), resolve=resolve)

        asyncio.run(sending(Sender(state, SETTINGS, guarded), 0.5))
        with state.read() as connection:
            ((row, _),) = deliveries.listed(connection, subscription.id)
        assert row.status == "pending" and row.attempts == 1
        assert "has to be" in row.detail and "127.0.0.1" not in row.detail
        assert receiver.received == []
    state.close()


def test_what_can_not_be_read_keeps_nothing_else_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken log is told once; the others' events are made."""
    filled_store(tmp_path)
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    broken = tmp_path / "registry" / PRIVATE / "channels" / "stable" / "00000001.json"
    manifest = tmp_path / "registry" / PRIVATE / "versions" / "00000002" / MANIFEST
    for path in (broken, manifest):
        path.chmod(0o644)
        path.write_text("{")
    look = watch(Store(tmp_path / "registry"), state)
    with caplog.at_level(logging.ERROR):
        look.look()
        look.look()
    assert {event.domain for event in told(state) if event.channel == "stable"} == {PUBLIC, OTHER}
    assert len([r for r in caplog.records if "00000001.json" in r.getMessage()]) == 1
    state.close()


def test_what_a_manifest_says_is_sent_as_json_that_all_can_read(tmp_path: Path) -> None:
    """No NaN, no half of a character, nothing without end: whoever may publish can't stop the others' deliveries."""
    store, state = filled_store(tmp_path), State(f"sqlite:///{tmp_path / 's.sqlite'}")
    last = store.resolve(f"{PUBLIC}@v2")
    rows = [{"arm": "adapter", "split": "s", "metric": "m", "value": math.nan, "ci_low": "x" * 10**6, "n": 3}]
    odd = dataclasses.replace(last, version=3, base="b" * 10**6, licences=("\ud800",), report={"rows": [*rows, 5]})
    entry = Entry("stable", 4, 3, "promote", "no time", "\ud83d \x00")
    body = watch(store, state).teller.move(PUBLIC, entry, 2, {2: last, 3: odd})
    (made,) = added(state, [Draft(PUBLIC, "channels/stable", 1, body)])
    subscribed(state)
    (event,) = told(state)
    assert event.data == json.loads(json.dumps(body, allow_nan=False))["data"] and len(json.dumps(event.body)) < 9000
    assert event.data["metrics"][0]["adapter"] == {"value": None, "ci_low": None, "ci_high": None, "n": 3}
    assert atom([event], "t", "https://registry.test", "https://registry.test/feed.atom", dt.datetime.now(dt.UTC))
    body, headers = signed(Job("h", subscribed(state), delivery(made), event, ("whsec_" + "A" * 43 + "=",)))
    assert Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)["type"] == "adapter.promoted"
    state.close()


def delivery(event: Event) -> Delivery:
    return Delivery("sub", event.seq, "msg_1", "pending", 0, None, "", 0.0, 0.0)


def test_tests_are_few_and_don_t_stay(tmp_path: Path) -> None:
    """Who asks for test events again and again fills nothing."""
    state = State(f"sqlite:///{tmp_path / 's.sqlite'}")
    subscription = subscribed(state)
    with state.begin() as connection:
        for _ in range(10):
            deliveries.send_test(connection, subscription, lambda number: {"type": "subscription.test", "data": {}})
        with pytest.raises(ConfigurationError, match="10 tests"):
            deliveries.send_test(connection, subscription, lambda number: {})
        assert events.after(connection, 0) == [] and len(events.get(connection, range(1, 20))) == 10
        deliveries.forget(connection, subscription.id)
        deliveries.prune(connection, 30)
        assert events.get(connection, range(1, 20)) == {}
    state.close()


def test_a_lake_tells_the_changes_that_a_version_covers(tmp_path: Path) -> None:
    """Of the rows that it was trained on; a snapshot that isn't there covers none."""
    lake = Lake(str(tmp_path / "lake"), tmp_path / "home", "tests")
    lake.create()
    snapshot = "5" * 64
    renamed = [(f"lib.f{n:02}", f"lib.g{n:02}") for n in range(15)]
    changes = [Change(old="a", new="b", symbol=f, kind="renamed", replacement=g) for f, g in renamed]
    made = {"file": "f", "root": "r", "generator": "g", "generator_version": "1"}
    rows = [
        Example(domain=PUBLIC, kind="drift", releases=("a", "b"), parts={"n": n}, change=change.id, **made)
        for n, change in enumerate(changes)
    ]
    splits = ["symbol", *["train"] * 14]
    held = [SnapshotRow(snapshot=snapshot, example=row.id, split=s) for row, s in zip(rows, splits, strict=True)]
    lake.append([*changes, *rows, *held])
    store, state = Store(tmp_path / "registry"), State(f"sqlite:///{tmp_path / 's.sqlite'}")
    for number, of in enumerate((snapshot, "6" * 64, "no hash'")):
        about = dataclasses.replace(publication(f"run-{number}"), snapshot=of)
        store.publish(adapter_folder(tmp_path / str(number), str(number).encode()), about)
    watch(store, state, lake).look()
    covered = [e.data["changes"] for e in told(state) if e.channel == "stable"]
    assert covered[1:] == [{"number": 0, "first": []}, None]
    assert covered[0]["number"] == 14 and len(covered[0]["first"]) == 12
    assert covered[0]["first"][0] == {"symbol": "lib.f01", "kind": "renamed", "replacement": "lib.g01"}
    state.close()
    lake.close()
