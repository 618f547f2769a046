"""A subscriber of a registry that is a server: woken by its events, told by its webhooks, loading from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.subscribe import Request, subscribe
from flows.subscribing import waking
from flows.subscribing.wanted import Wanted
from registry.client import load_adapter
from registry.errors import ConfigurationError, RegistryError
from tests.flows.runs import start
from tests.flows.served_vllm import lora, publish
from tests.flows.test_subscribe import held
from tests.flows.test_subscribe import publish as publish_bytes
from tests.registry.cutting import way_to
from tests.registry.server.serving import PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.test_client import make_base


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    with serving(context_in(root, look_s=0.1, webhook_networks="127.0.0.0/8", private=(PRIVATE,))) as running:
        yield running


@pytest.fixture(autouse=True)
def subscriber(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may read, with a home of his own."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTUNE_REGISTRY", served.address)
    monkeypatch.setenv("DRIFTUNE_TOKEN", served.secrets["read"])


def test_an_event_wakes_the_loop(served: Served, tmp_path: Path) -> None:
    """A loop that looks every hour has a new version within seconds of its publication, also of a private domain."""
    into = tmp_path / "into"
    loop = start(
        tmp_path / "home", "subscribe", PRIVATE, "--into", str(into), "--every", "3600",
        DRIFTUNE_REGISTRY=served.address, DRIFTUNE_TOKEN=served.secrets["read"],
    )  # fmt: skip
    try:
        assert loop.stdout is not None
        assert f"holds {PRIVATE} v2 now" in loop.stdout.readline()
        time.sleep(
            0.5
        )  # it listens only then: what is published before the connection is there waits for the next look
        since = time.monotonic()
        publish_bytes(served.context.store, tmp_path / "a", "new", domain=PRIVATE)
        while f"holds {PRIVATE} v3 now" not in (line := loop.stdout.readline()):
            assert line, "It ended"
        assert time.monotonic() - since < 10
        assert held(into) == "new"
    finally:
        loop.kill()
        loop.communicate()


def test_an_adapter_is_loaded_from_a_server(served: Served, tmp_path: Path) -> None:
    """By its channel, with fingerprint and canary; the server may be named by the environment."""
    base = make_base(tmp_path / "base")
    adapter = publish(served.context.store, base, lora(base, tmp_path / "one", 1), domain="loaded")
    for registry in (served.address, None):
        loaded = load_adapter(base, "loaded@stable", registry=registry)
        assert loaded.driftune.adapter == adapter


def test_a_command_is_told_what_the_server_tells(served: Served, tmp_path: Path) -> None:
    """The news on its standard input have the server's links, which a folder can't know."""
    out = tmp_path / "out"
    subscribe(Request(Wanted(PUBLIC), command=f"sh -c 'cat > {out}'", once=True))
    data = json.loads(out.read_text())["data"]
    assert (data["domain"], data["version"], data["previous_version"]) == (PUBLIC, 2, None)
    assert data["links"]["page"].endswith(f"/domains/{PUBLIC}/v2")


def test_a_server_is_asked_to_post(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The subscription is made once, its secret is shown once; a folder registry, no token and a refusal are told."""
    request = Request(Wanted(f"{PRIVATE}@candidate", ">=3", "tiny"), webhook="http://127.0.0.1:9/hook", once=True)
    subscribe(request)
    made = capsys.readouterr().out
    assert f"posts each move of {PRIVATE}@candidate to http://127.0.0.1:9/hook" in made
    assert "whsec_" in made
    subscribe(request)
    again = capsys.readouterr().out
    assert again.startswith(made.split()[0])
    assert "already (active)" in again
    listed = served.get("/api/subscriptions", "read").json()["subscriptions"]
    assert [(row["library"], row["base"]) for row in listed] == [(">=3", "tiny")]


def test_what_keeps_a_server_from_posting_is_told(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that is a folder, no token, a wrong one, a domain that isn't there, an address that may not be."""
    cases = [
        ({"DRIFTUNE_TOKEN": served.secrets["wrong"]}, PUBLIC, "http://127.0.0.1:9/", ConfigurationError, "refuses"),
        ({}, "absentlib", "http://127.0.0.1:9/", ConfigurationError, r"refuses \(404\)"),
        ({}, PUBLIC, "ftp://127.0.0.1/", ConfigurationError, r"refuses \(4"),
        ({"DRIFTUNE_TOKEN": ""}, PUBLIC, "http://127.0.0.1:9/", ConfigurationError, "needs a token"),
        ({"DRIFTUNE_REGISTRY": "http://127.0.0.1:1"}, PUBLIC, "http://127.0.0.1:9/", RegistryError, "can't be reached"),
        ({"DRIFTUNE_REGISTRY": str(tmp_path)}, PUBLIC, "http://127.0.0.1:9/", ConfigurationError, "needs a server"),
    ]
    for variables, domain, target, kind, words in cases:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            with pytest.raises(kind, match=words):
                subscribe(Request(Wanted(domain), webhook=target))


def test_a_server_that_floods_or_lies_costs_a_look(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that no header can carry, a flood and a line without an end: two looks a second, and it listens on."""
    monkeypatch.setattr(waking, "LINE", 1 << 16)
    monkeypatch.setattr(waking, "AGAIN_S", 0.05)
    begun = b"HTTP/1.1 200 OK\r\n\r\n"
    with way_to(served.address) as way:
        way.answers += [begun + "id: é\ndata: x\n\n".encode() * 1000, begun + b"data: " + bytes(1 << 18)] * 99
        with waking.Waking(f"{way.address}/events") as woken:
            since = time.monotonic()
            woken.wait(10)
            while len(way.heads) < 6 and time.monotonic() - since < 10:
                time.sleep(0.02)
    assert len(way.heads) >= 6
    assert time.monotonic() - since >= waking.SOON_S
