"""A real server of a test's own on loopback, over a store with public and private domains, and tokens of each kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn

from registry.lake import Lake
from registry.server import tokens
from registry.server.app import create_app
from registry.server.context import Context
from registry.server.running import config
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.tokens import Scope
from registry.store import Store
from tests.adapters import adapter_folder
from tests.registry.test_store import publication

PUBLIC, PRIVATE, OTHER, ABSENT = "networkx", "secretlib", "otherlib", "absentlib"
"""Domains of `filled_store`, each with two versions, but the last, which doesn't exist; the second is private."""

CALLERS = ("none", "wrong", "expired", "revoked", "other", "read", "publish", "admin", "all")
"""Kinds of callers: `other` may publish OTHER; `read`, `publish` and `admin` may that on PUBLIC and PRIVATE; `all` may
administer every domain."""


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        context: What it serves.
        secrets: The secret of a token of each kind, by the names in CALLERS; none for `none`.
        client: Sends the requests.
    """

    address: str
    context: Context
    secrets: dict[str, str] = field(repr=False)
    client: httpx.Client = field(repr=False)

    def headers(self, caller: str) -> dict[str, str]:
        """The headers of a request by a kind of caller."""
        return {"Authorization": f"Bearer {self.secrets[caller]}"} if caller != "none" else {}

    def get(self, path: str, caller: str = "none", method: str = "GET", **named: object) -> httpx.Response:
        """What is answered to a kind of caller; redirects aren't followed."""
        headers = {**self.headers(caller), **named.pop("headers", {})}  # type: ignore[dict-item]
        return self.client.request(method, self.address + path, headers=headers, **named)  # type: ignore[arg-type]


def filled_store(folder: Path) -> Store:
    """A store with two versions of PUBLIC, PRIVATE and OTHER."""
    store = Store(folder / "registry")
    for domain in (PUBLIC, PRIVATE, OTHER):
        for number in (1, 2):
            made = adapter_folder(folder / f"made-{domain}-{number}", f"weights of {domain} {number}".encode() * 1000)
            store.publish(made, publication(f"run-{number}", domain))
    return store


def made_tokens(state: State) -> dict[str, str]:
    """Secrets of tokens of each kind."""
    own = (PUBLIC, PRIVATE)
    kinds = {
        "expired": (own, Scope.ADMIN, 1e-6),
        "revoked": (own, Scope.ADMIN, None),
        "other": ((OTHER,), Scope.PUBLISH, None),
        "read": (own, Scope.READ, 7),
        "publish": (own, Scope.PUBLISH, 7),
        "admin": (own, Scope.ADMIN, 7),
        "all": (("*",), Scope.ADMIN, None),
    }
    secrets = {"wrong": tokens.PREFIX + "x" * 43}
    with state.begin() as connection:
        for name, (domains, scope, days) in kinds.items():
            token, secrets[name] = tokens.new(connection, name, domains, scope, days=days, by="tests")
            if name == "revoked":
                tokens.revoke(connection, token.id, "a test")
    time.sleep(0.1)  # the expired one's day is over
    return secrets


def context_in(folder: Path, *, lake: Lake | None = None, state: str = "", **settings: object) -> Context:
    """A context over a filled store in a folder; PRIVATE is private, and no rate is limited."""
    told = ServerSettings(**{"private": (PRIVATE,), "rate": 0, **settings})
    opened = State(state or f"sqlite:///{folder / 'server.sqlite'}")
    return Context(filled_store(folder), lake, folder / "bases", opened, told)


@contextmanager
def serving(context: Context) -> Iterator[Served]:
    """A server over a context, in a thread, as long as a block runs."""
    secrets = made_tokens(context.state)
    how = config(create_app(context), context.settings.model_copy(update={"port": 0, "shutdown_s": 2}))
    how.port = 0
    server = uvicorn.Server(how)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(trust_env=False, verify=False, timeout=30) as client:
            yield Served(f"http://127.0.0.1:{port}", context, secrets, client)
    finally:
        server.should_exit = True
        thread.join()
