"""Servers are killed while receivers fail, hang, go and come back: nobody misses anything, nothing comes too early."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from registry.server import events, subscriptions, tokens
from registry.server.state import State
from registry.server.subscriptions import Subscription, Wish
from registry.store import Store
from tests.registry.server.receiver import Received, Receiver, receiving
from tests.registry.server.serving import PUBLIC, filled_store
from tests.registry.server.test_feeds import fields
from tests.registry.server.test_subscriptions import until

SETTINGS = {
    "LOOK_S": "0.1",
    "WEBHOOK_S": "0.4",
    "RETRIES": " ".join(["0.05"] * 500),
    "WEBHOOK_NETWORKS": "127.0.0.1",
    "RATE": "0",
}
MOVES, GONE_AFTER = 40, 7


@dataclass
class Servers:
    """Servers on one state and one store, each a process at a port of its own, which are killed and started again."""

    environment: dict[str, str]
    addresses: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, many: int) -> None:
        for _ in range(many):
            with socket.create_server(("127.0.0.1", 0)) as place:
                port = place.getsockname()[1]
            self.addresses.append(f"http://127.0.0.1:{port}")
            self._running.append(self._started(port))
        for address in self.addresses:
            self._answers(address)

    def kill(self, number: int) -> None:
        """Kills one in the middle of whatever it does, and starts it again."""
        os.kill(self._running[number].pid, signal.SIGKILL)
        self._running[number].wait()
        self._running[number] = self._started(int(self.addresses[number].rpartition(":")[2]))

    def _started(self, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def _answers(address: str) -> None:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/healthz", trust_env=False).status_code == 200:
                    return
            assert time.monotonic() < until, "The server doesn't start"
            time.sleep(0.05)

    def stop(self) -> None:
        for server in self._running:
            server.kill()
            server.wait()


@pytest.fixture
def servers(tmp_path: Path, state_url: str) -> Iterator[Servers]:
    filled_store(tmp_path)
    own = {f"DRIFTUNE_SERVE_{name}": value for name, value in SETTINGS.items()}
    own |= {"DRIFTUNE_HOME": str(tmp_path / "home"), "DRIFTUNE_REGISTRY": str(tmp_path / "registry")}
    running = Servers({**os.environ, **own, "DRIFTUNE_SERVE_STATE": state_url})
    yield running
    running.stop()


def subscribed(state_url: str, urls: list[str]) -> list[tuple[Subscription, str]]:
    """Subscriptions at these addresses, with their secrets."""
    state = State(state_url)
    with state.begin() as connection:
        token, _ = tokens.new(connection, "team", [PUBLIC], tokens.Scope.READ, days=None, by="tests")
        wishes = [Wish(domain=PUBLIC, channel="stable", url=url) for url in urls]
        made = [subscriptions.create(connection, wish, token.id, 100) for wish in wishes]
    state.close()
    return made


class Stream(threading.Thread):
    """A client of `/events` that comes back wherever it is cut off, at any of the servers."""

    def __init__(self, addresses: list[str]) -> None:
        super().__init__()
        self._addresses = itertools.cycle(addresses)
        self._last = ""
        self.told: list[str] = []
        self.cuts = 0

    def run(self) -> None:
        while len(self.told) < MOVES:
            with contextlib.suppress(httpx.HTTPError):
                self._follow(f"{next(self._addresses)}/events?domain={PUBLIC}&channel=stable")
            self.cuts += 1
            time.sleep(0.1)

    def _follow(self, address: str) -> None:
        known = {"Last-Event-ID": self._last} if self._last else {}
        with httpx.stream("GET", address, headers=known, timeout=20, trust_env=False) as answer:
            for event in fields(answer.iter_lines()):
                self._last = event.get("id", self._last)
                if "data" in event:
                    self.told.append(json.loads(event["data"])["data"]["reason"])
                if len(self.told) == MOVES:
                    return


def unsteady(draw: random.Random) -> Callable[[str, int], int | tuple[int, dict[str, str]]]:
    """How a receiver answers: one path fails half of the time, one hangs, one is gone after a while, one works."""

    def answer(path: str, number: int) -> int | tuple[int, dict[str, str]]:
        if path == "/flaky" and draw.random() < 0.5:
            return draw.choice([400, 404, 429, 500, 503])
        if path == "/hanging" and draw.random() < 0.1:
            time.sleep(0.8)  # twice as long as it is waited for
        if path == "/gone" and number > GONE_AFTER:
            return 410
        return 204, {"Connection": "close"}

    return answer


@pytest.mark.slow
def test_nothing_is_missed_and_nothing_comes_too_early(servers: Servers, state_url: str, tmp_path: Path) -> None:
    """Servers killed again and again over receivers of every kind: all events, in order, signed; streams go on."""
    many = 1 if "sqlite" in state_url else 2
    draw = random.Random(9)
    servers.start(many)
    with receiving() as receiver, socket.create_server(("127.0.0.1", 0)) as place:
        receiver.answer = unsteady(draw)
        port = place.getsockname()[1]
        place.close()
        paths = ["/steady", "/flaky", "/hanging", "/gone"]
        urls = [receiver.url + path for path in paths] + [f"http://127.0.0.1:{port}/restarting"]
        wait_for_first_look(state_url, Store(tmp_path / "registry"))
        made = subscribed(state_url, urls)
        stream = Stream(servers.addresses)
        stream.start()
        until(lambda: stream._last != "")
        lates: list[float] = []
        came = restarting(port, tmp_path, servers, receiver, lates)
        receiver.wait(lambda r: all(len(reasons(r.done(path))) == MOVES for path in paths[:3]), 30)
        stream.join(30)
        wanted = [f"move {number}" for number in range(MOVES)]
        for (_, secret), path in zip(made, [*paths, "/restarting"], strict=True):
            requests = came if path == "/restarting" else receiver.at(path)
            told = [each.verified(secret)["data"]["reason"] for each in requests]
            numbers = [int(reason.split()[1]) for reason in told]
            assert numbers == sorted(numbers), path  # each again until it is taken, none before its turn
            assert len({each.id for each in requests}) == len(set(told))  # the same id at each attempt
            assert list(dict.fromkeys(told)) == (wanted[: GONE_AFTER + 1] if path == "/gone" else wanted), path
        assert stream.told == wanted and stream.cuts > 2
        gone = [each for each in receiver.at("/gone") if each.status == 410]
        assert len({each.id for each in gone}) == 1 and len(gone) <= 1 + 4  # killed before it was noted
        assert sorted(lates)[len(lates) // 2] < 1.0  # others' failures hold nobody up


def restarting(port: int, tmp_path: Path, servers: Servers, receiver: Receiver, lates: list[float]) -> list[Received]:
    """Moves the channel; meanwhile servers are killed, and one receiver goes and comes back. What that one received."""
    store = Store(tmp_path / "registry")
    came: list[Received] = []
    kills = itertools.cycle(range(len(servers.addresses)))
    for part in range(4):
        with receiving(port) as brief:
            brief.answer = lambda path, number: (204, {"Connection": "close"})
            for number in range(part * MOVES // 4, (part + 1) * MOVES // 4):
                moved = time.monotonic()
                store.promote(PUBLIC, 1 + number % 2, "stable", reason=f"move {number}")
                time.sleep(0.05)
                if number % 10 == 7:
                    servers.kill(next(kills))
                elif number < 7:
                    receiver.wait(lambda r, n=number: f"move {n}" in reasons(r.done("/steady")))
                    lates.append(time.monotonic() - moved)
            if part == 3:
                brief.wait(lambda r: f"move {MOVES - 1}" in reasons(r.done("/restarting")), 40)
        came += brief.received
    return came


def reasons(received: list[Received]) -> list[str]:
    return list(dict.fromkeys(json.loads(each.body)["data"]["reason"] for each in received))


def wait_for_first_look(state_url: str, store: Store) -> None:
    """Waits until what was there before is known: it is told to nobody."""
    state = State(state_url)
    logs = [store.history(domain, name) for domain in store.domains() for name in store.channel_names(domain)]

    def known() -> bool:
        with state.read() as connection:
            return events.last(connection) == sum(map(len, logs))

    until(known)
    state.close()
