"""Subscriptions over the server's own API, with a receiver that is a real server on loopback."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks import WebhookVerificationError

from registry.errors import ConfigurationError
from registry.server import audit, events, tokens
from registry.server.subscriptions import Wish, check_wish, fits
from registry.store import CANDIDATE, Store
from tests.adapters import adapter_folder
from tests.registry.server.receiver import Receiver, receiving
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.test_store import publication

QUICK = {"look_s": 0.05, "webhook_s": 2.0, "retries": (0.02, 0.02), "webhook_networks": ("127.0.0.1",)}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that looks often, tries again soon, and may send to this machine's first loopback address."""
    with serving(context_in(tmp_path_factory.mktemp("served"), **QUICK)) as running:
        yield running


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A path of the receiver's for this test alone."""
    return "/" + re.sub(r"\W", "-", request.node.name)


def ask(served: Served, method: str, path: str, caller: str = "read", **named: object) -> httpx.Response:
    return served.get(f"/api/subscriptions{path}", caller, method, **named)


def subscribed(served: Served, url: str, caller: str = "read", **wish: str) -> tuple[str, str]:
    """Id and secret of a new subscription."""
    answer = ask(served, "POST", "", caller, json={"domain": PUBLIC, "url": url, **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["secret"]


def moved(store: Store, channel: str, times: int = 1, domain: str = PUBLIC) -> list[int]:
    """Moves a channel to the domain's versions in turn; the versions."""
    found = []
    for _ in range(times):
        now = store.channels(domain).get(channel, 2)
        found.append(store.promote(domain, 3 - now, channel, reason=f"to {3 - now}", by="tests").version)
    return found


def test_moves_are_told_in_order_and_signed(served: Served, receiver: Receiver, path: str) -> None:
    """What another process does to the store is told within a look, once each, with what a team decides by."""
    _, secret = subscribed(served, receiver.url + path)
    versions = moved(Store(served.context.store.url), "stable", 5)
    receiver.wait(lambda r: len(r.done(path)) == 5)
    bodies = [each.verified(secret) for each in receiver.done(path)]
    assert [body["data"]["version"] for body in bodies] == versions
    assert {body["type"] for body in bodies} == {"adapter.promoted"}
    assert len({each.id for each in receiver.done(path)}) == 5
    said = bodies[0]["data"]
    assert (said["domain"], said["channel"], said["previous_version"]) == (PUBLIC, "stable", 3 - versions[0])
    assert (said["reason"], said["by"], said["library_range"]) == (f"to {versions[0]}", "tests", "networkx>=3.6,<3.7")
    assert said["base"]["fingerprint"] == "f" * 64 and said["licences"] == ["BSD-3-Clause", "PSF-2.0"]
    assert said["new_licences"] == [] and said["changes"] is None
    (metric,) = said["metrics"]
    assert (metric["metric"], metric["gain_over_base"]["ci_low"]) == ("choice@1", 0.1)
    assert metric["previous"]["gain_over_base"]["value"] == 0.25
    with pytest.raises(WebhookVerificationError):
        receiver.done(path)[0].verified("whsec_" + "A" * 43 + "=")


def test_only_what_was_wished_for_is_told(served: Served, receiver: Receiver, path: str) -> None:
    """Another channel, another base, another library range: nothing comes; what fits does."""
    wishes = {
        "channel": {"channel": CANDIDATE},
        "base": {"base": "other/base"},
        "older": {"library": "networkx<3.6"},
        "own": {"base": "driftune/tiny-0", "library": "networkx>=3.6.1"},
    }
    for name, wish in wishes.items():
        subscribed(served, f"{receiver.url}{path}/{name}", **wish)
    moved(served.context.store, "stable")
    receiver.wait(lambda r: r.done(f"{path}/own"))
    moved(served.context.store, CANDIDATE)
    receiver.wait(lambda r: r.done(f"{path}/channel"))
    assert [len(receiver.at(f"{path}/{name}")) for name in wishes] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("library", "spoken", "so"),
    [
        ("", "networkx>=3.6,<3.7", True),
        (">=3.5", "networkx>=3.6,<3.7", True),
        (">=3.7", "networkx>=3.6,<3.7", False),
        ("NetworkX==3.6.1", "networkx>=3.6,<3.7", True),
        ("numpy>=1", "networkx>=3.6,<3.7", False),
        ("other>=3", "lib>=2,<3; other>=3,<4", True),
        ("other<3", "lib>=2,<3; other>=3,<4", False),
        ("lib~=2.1", "lib", True),
        ("lib>=2", "", True),
        ("lib>=2", "a range of versions?", True),
    ],
)
def test_ranges_meet(library: str, spoken: str, so: bool) -> None:
    """A range fits where there is a version in both; what an adapter doesn't tell doesn't keep it back."""
    assert fits(Wish(domain="d", channel="stable", library=library, url=""), "b", spoken) == so


@pytest.mark.parametrize("library", [">=x", "lib @ https://a.test/x", "===3", "lib[all]>=2", "x" * 300, "lib>=1\n"])
def test_a_range_that_is_none_is_refused(library: str) -> None:
    """Whoever writes one learns at once."""
    with pytest.raises(ConfigurationError):
        check_wish(Wish(domain="d", channel="stable", library=library, url=""))


def test_failures_are_tried_again_under_the_same_id_and_in_order(served: Served, receiver: Receiver, path: str) -> None:
    """Each event fails at first; the next waits for it."""
    receiver.answer = lambda asked, number: 500 if asked == path and number % 2 else 204
    _, secret = subscribed(served, receiver.url + path)
    versions = moved(served.context.store, "stable", 4)
    receiver.wait(lambda r: len(r.done(path)) == 4)
    came = receiver.at(path)
    assert [each.verified(secret)["data"]["version"] for each in came] == [v for v in versions for _ in (1, 2)]
    assert [each.id for each in came[::2]] == [each.id for each in came[1::2]]


def test_what_is_given_up_is_listed_and_sent_again_when_asked(served: Served, receiver: Receiver, path: str) -> None:
    """After its last attempt an event is a dead letter, the next goes; a replay sends one, or all, in order."""
    name, secret = subscribed(served, receiver.url + path)
    receiver.answer = lambda asked, number: 500 if asked == path else 204
    first, second = moved(served.context.store, "stable", 2)
    receiver.wait(lambda r: len(r.at(path)) == 6)  # three attempts each
    until_settled(served, name, "dead", 2)
    dead = ask(served, "GET", f"/{name}/deliveries?status=dead").json()["deliveries"]
    assert [(row["version"], row["attempts"], row["code"]) for row in dead] == [(second, 3, 500), (first, 3, 500)]
    assert "500" in dead[0]["detail"] and ask(served, "GET", f"/{name}").json()["deliveries"]["dead"] == 2
    receiver.answer = lambda asked, number: 204
    one = ask(served, "POST", f"/{name}/replay", json={"events": [dead[0]["event"]]})
    assert one.json() == {"replayed": 1}
    receiver.wait(lambda r: len(r.done(path)) == 1)
    assert ask(served, "POST", f"/{name}/replay", json={}).json() == {"replayed": 1}
    receiver.wait(lambda r: len(r.done(path)) == 2)
    assert [each.verified(secret)["data"]["version"] for each in receiver.done(path)] == [second, first]
    assert {each.id for each in receiver.done(path)} == {row["id"] for row in dead}


def test_three_dead_letters_in_a_row_pause_a_subscription(served: Served, receiver: Receiver, path: str) -> None:
    """An address that is gone loses no more than these; what comes after is kept, and sent when it is resumed."""
    name, secret = subscribed(served, receiver.url + path)
    receiver.answer = lambda asked, number: 503 if asked == path else 204
    versions = moved(served.context.store, "stable", 5)
    until(lambda: ask(served, "GET", f"/{name}").json()["status"] == "paused")
    found = ask(served, "GET", f"/{name}").json()
    assert "3 deliveries in a row" in found["why"] and found["deliveries"]["dead"] == 3
    until(lambda: ask(served, "GET", f"/{name}").json()["deliveries"]["pending"] == 2)
    receiver.answer = lambda asked, number: 204
    assert ask(served, "POST", f"/{name}/resume").json()["status"] == "active"
    receiver.wait(lambda r: len(r.done(path)) == 2)
    assert [each.verified(secret)["data"]["version"] for each in receiver.done(path)] == versions[3:]


def test_410_ends_a_subscription(served: Served, receiver: Receiver, path: str) -> None:
    """Nothing more is sent there; what was to come is kept as dead letters."""
    receiver.answer = lambda asked, number: 410 if asked == path else 204
    name, _ = subscribed(served, receiver.url + path)
    moved(served.context.store, "stable", 2)
    until(lambda: ask(served, "GET", f"/{name}").json()["status"] == "ended")
    moved(served.context.store, "stable")
    look_after(served)
    assert len(receiver.at(path)) == 1 and "410" in ask(served, "GET", f"/{name}").json()["why"]
    assert ask(served, "POST", f"/{name}/replay", json={}).status_code == 400
    assert ask(served, "POST", f"/{name}/pause").status_code == 400


def test_redirects_are_not_followed(served: Served, receiver: Receiver, path: str) -> None:
    """A redirect is a failure like another: only the address that was subscribed with is asked."""
    receiver.answer = lambda asked, number: (
        (302, {"Location": f"{receiver.url}{path}/inside"}) if asked == path else 204
    )
    name, _ = subscribed(served, receiver.url + path)
    moved(served.context.store, "stable")
    until_settled(served, name, "dead", 1)
    assert not receiver.at(f"{path}/inside")


def test_the_wait_that_a_receiver_asks_for_is_kept(served: Served, receiver: Receiver, path: str) -> None:
    """Longer than the table's, as long as it isn't longer than what is kept to."""
    receiver.answer = lambda asked, number: (429, {"Retry-After": "1"}) if asked == path and number == 1 else 204
    subscribed(served, receiver.url + path)
    began = time.monotonic()
    moved(served.context.store, "stable")
    receiver.wait(lambda r: r.done(path))
    assert time.monotonic() - began >= 1.0


def test_a_pause_keeps_what_comes(served: Served, receiver: Receiver, path: str) -> None:
    """And a resumed subscription gets it, in order."""
    name, secret = subscribed(served, receiver.url + path)
    assert ask(served, "POST", f"/{name}/pause").json()["status"] == "paused"
    versions = moved(served.context.store, "stable", 2)
    look_after(served)
    assert not receiver.at(path) and ask(served, "GET", f"/{name}").json()["deliveries"]["pending"] == 2
    ask(served, "POST", f"/{name}/resume")
    receiver.wait(lambda r: len(r.done(path)) == 2)
    assert [each.verified(secret)["data"]["version"] for each in receiver.done(path)] == versions


def test_a_secret_is_changed_without_a_gap(served: Served, receiver: Receiver, path: str) -> None:
    """For a day both sign: whoever verifies with the old one, or with the new one, succeeds; neither is shown again."""
    name, old = subscribed(served, receiver.url + path)
    new = ask(served, "POST", f"/{name}/rotate").json()["secret"]
    assert ask(served, "POST", f"/{name}/test").status_code == 202
    receiver.wait(lambda r: r.done(path))
    (came,) = receiver.done(path)
    assert came.verified(old) == came.verified(new) and came.verified(new)["type"] == "subscription.test"
    shown = ask(served, "GET", f"/{name}").text + ask(served, "GET", "").text + str(audit_of(served))
    assert old not in shown and new not in shown and old != new


def test_a_revoked_token_ends_its_subscriptions(served: Served, receiver: Receiver, path: str) -> None:
    """Before anything more is told: the right is looked at when something is sent, not when it was subscribed to."""
    with served.context.state.begin() as connection:
        token, secret = tokens.new(connection, "team", [PRIVATE], tokens.Scope.READ, days=None, by="tests")
    served.secrets["team"] = secret
    name, _ = subscribed(served, receiver.url + path, "team", domain=PRIVATE)
    moved(served.context.store, "stable", domain=PRIVATE)
    receiver.wait(lambda r: r.done(path))
    with served.context.state.begin() as connection:
        tokens.revoke(connection, token.id, "the team is gone")
    moved(served.context.store, "stable", domain=PRIVATE)
    until(lambda: ask(served, "GET", f"/{name}", "all").json()["status"] == "ended")
    assert "'team'" in ask(served, "GET", f"/{name}", "all").json()["why"] and len(receiver.at(path)) == 1
    assert ask(served, "POST", f"/{name}/resume", "all").status_code == 400


def test_a_team_waits_for_the_first_version(served: Served, receiver: Receiver, path: str, tmp_path: Path) -> None:
    """Whose token names a domain subscribes before there is one, and is told of the first; no pattern is enough."""
    with served.context.state.begin() as connection:
        for name, domains in (("early", ["soon"]), ("wide", ["*", "so*"])):
            _, served.secrets[name] = tokens.new(connection, name, domains, tokens.Scope.READ, days=None, by="tests")
    asked = {"domain": "soon", "url": receiver.url + path}
    assert ask(served, "POST", "", "wide", json=asked).status_code == 404
    assert ask(served, "POST", "", "wide", json=asked | {"domain": "*"}).status_code == 404
    assert ask(served, "POST", "", "early", json=asked).status_code == 201
    store = served.context.store
    store.publish(adapter_folder(tmp_path / "made"), publication("run-1", "soon"))
    store.promote("soon", 1, "stable", reason="the first", by="tests")
    receiver.wait(lambda r: r.done(path))


def test_a_subscription_is_its_token_s_alone(served: Served, receiver: Receiver, path: str) -> None:
    """Another token sees none of it, as if it weren't there; an administrator of all domains does."""
    name, _ = subscribed(served, receiver.url + path)
    absent = ask(served, "GET", "/sub_absent", "publish").text.replace("sub_absent", "…")
    calls = [("GET", ""), ("DELETE", ""), ("GET", "/deliveries")]
    calls += [("POST", f"/{what}") for what in ("pause", "resume", "rotate", "test", "replay")]
    for method, what in calls:
        answer = ask(served, method, f"/{name}{what}", "publish", json={} if what == "/replay" else None)
        assert answer.status_code == 404 and answer.text.replace(name, "…") == absent
    mine = {each["id"] for each in ask(served, "GET", "").json()["subscriptions"]}
    others = {each["id"] for each in ask(served, "GET", "", "publish").json()["subscriptions"]}
    assert name in mine and name not in others
    assert name in {each["id"] for each in ask(served, "GET", "", "all").json()["subscriptions"]}
    assert ask(served, "DELETE", f"/{name}").status_code == 204 and ask(served, "GET", f"/{name}").status_code == 404
    assert [row.action for row in audit_of(served) if row.target == name] == ["subscribe", "unsubscribe"]


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"domain": OTHER}, 201),  # public
        ({"domain": "absentlib"}, 404),
        ({"domain": PRIVATE, "caller": "other"}, 404),
        ({"caller": "none"}, 401),
        ({"channel": "../x"}, 400),
        ({"library": "x y"}, 400),
        ({"domain": ["a"]}, 422),
        ({"more": 1}, 422),
        ({"url": "http://127.0.0.2:1/"}, 400),
        ({"url": "http://0x7f000001/"}, 400),
        ({"url": "http://[::1]/"}, 400),
        ({"url": "http://[::ffff:127.0.0.1]/"}, 400),
        ({"url": "http://169.254.169.254/latest"}, 400),
        ({"url": "http://user:pw@127.0.0.1/"}, 400),
        ({"url": "file:///etc/passwd"}, 400),
        ({"url": "x" * 5000}, 422),
    ],
)
def test_what_can_not_be_subscribed_is_refused(served: Served, wish: dict[str, object], status: int) -> None:
    """Domains that one doesn't see, addresses that nothing may be sent to, and what can't be read."""
    asked = {"domain": PUBLIC, "url": "http://127.0.0.1:9/", **wish}
    answer = ask(served, "POST", "", str(asked.pop("caller", "read")), json=asked)
    assert answer.status_code == status, answer.text
    assert "pw" not in answer.text


def until(so: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def until_settled(served: Served, name: str, status: str, number: int) -> None:
    until(lambda: ask(served, "GET", f"/{name}").json()["deliveries"][status] == number)


def look_after(served: Served) -> None:
    """Waits until the server has seen all that is in the store, and has had a turn to send it."""
    store, state = served.context.store, served.context.state

    def seen() -> bool:
        with state.read() as connection:
            marks = events.marks(connection)
        return all(
            marks.get((domain, f"channels/{channel}")) == len(store.history(domain, channel))
            for domain in store.domains()
            for channel in store.channels(domain)
        )

    until(seen)
    time.sleep(0.1)


def audit_of(served: Served) -> list[audit.Row]:
    with served.context.state.read() as connection:
        return audit.read(connection, last=1000)
