"""Who looks on from outside: the registry's server of a home, started again when killed, and who is told by it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from registry.server import events, subscriptions, tokens
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.subscriptions import Wish
from registry.store import Store
from tests.chaos.stack import until
from tests.flows.runs import ROOT, environment
from tests.registry import crowd
from tests.registry.server.receiver import Receiver, receiving

DOMAIN, BESIDE = "lib", "beside"
"""What a team has subscribed to: the domain that is run, and one that others publish meanwhile."""

QUICK = {
    "DRIFTUNE_SERVE_LOOK_S": "0.2",
    "DRIFTUNE_SERVE_RETRIES": " ".join(["0.3"] * 500),
    "DRIFTUNE_SERVE_WEBHOOK_NETWORKS": "127.0.0.1",
}


@dataclass
class Registry:
    """The registry's server of a home, and a team that is told of new versions.

    Attributes:
        home: The home.
        port: Where it listens, each time.
        receiver: The team's end.
        more: Its environment beside the home.
    """

    home: Path
    port: int
    receiver: Receiver
    more: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(self.port)]
        with (self.home.parent / "serve.log").open("ab") as log:
            env = environment(self.home, **QUICK, **self.more)
            self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)

    def keep_up(self) -> None:
        """Starts it again when it has ended."""
        while not self._stopping.wait(0.2):
            if self._process is None or self._process.poll() is not None:
                self.start()

    def kill(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        self._process.wait()
        return True

    def subscribe(self) -> None:
        """Has the team told of what `stable` of each domain moves to."""
        state = State(self._state_url())
        with state.begin() as connection:
            token, _ = tokens.new(connection, "team", [DOMAIN, BESIDE], tokens.Scope.READ, days=None, by="tests")
            for name in (DOMAIN, BESIDE):
                wish = Wish(domain=name, channel="stable", url=f"{self.receiver.url}/{name}")
                subscriptions.create(connection, wish, token.id, 100)
        state.close()

    def answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/healthz", trust_env=False, timeout=5).is_success
        return False

    def _state_url(self) -> str:
        return ServerSettings(state=str(self.home / "server.sqlite")).state_url

    def told(self, domain: str) -> list[int]:
        """The versions of which the team was told, as they came, each once."""
        seen: dict[str, int] = {}
        for one in self.receiver.done(f"/{domain}"):
            seen.setdefault(one.id, int(json.loads(one.body)["data"]["version"]))
        return list(seen.values())

    def wait_for_first_look(self) -> None:
        """Waits until it knows what there was before: that is told to nobody."""
        store, state = Store(self.home / "registry"), State(self._state_url())
        logs = [store.history(BESIDE, name) for name in store.channel_names(BESIDE)]

        def known() -> bool:
            with state.read() as connection:
                return events.last(connection) == sum(map(len, logs))

        until(known, 60, "The registry server's first look")
        state.close()


@contextlib.contextmanager
def registry(home: Path, **more: str) -> Iterator[Registry]:
    """The registry's server of a home, and a team that follows two domains, as long as a block runs."""
    first = crowd.adapter(home.parent / "made" / "first", "first")
    Store(home / "registry").publish(first, crowd.about("first", BESIDE))  # a first look has something to see
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with receiving() as receiver:
        receiver.answer = lambda path, number: (204, {"Connection": "close"})
        made = Registry(home, port, receiver, more)
        made.start()
        watch = threading.Thread(target=made.keep_up)
        watch.start()
        try:
            until(made.answers, 120, "The registry's server")
            made.subscribe()
            made.wait_for_first_look()
            yield made
        finally:
            made._stopping.set()
            watch.join()
            made.kill()
