"""`driftune serve` as a process of its own, with commands beside it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flows import serve as serving
from flows.tokens import list_tokens, new_token, revoke_token, show_audit
from registry.errors import ConfigurationError
from registry.server import tokens
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.tokens import Scope
from registry.store import Store, hashes
from tests.registry.test_store import adapter_folder, publication

LARGE = 24 << 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry has a private domain with a large adapter."""
    home = tmp_path_factory.mktemp("home")
    made = adapter_folder(home / "made", os.urandom(LARGE))
    Store(home / "registry").publish(made, publication("run-1", "secretlib"))
    return home


@contextmanager
def command(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`driftune serve` on a free port, as long as a block runs, and its address; it is stopped as Ctrl-C does."""
    arguments = [sys.executable, "-m", "flows.cli", "serve", "--port", "0", "--private", "secretlib", *options]
    environment = {**os.environ, "DRIFTUNE_HOME": str(home)}
    with (home / "log").open("w+") as log:
        process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert address is not None, (home / "log").read_text()
            yield process, address[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
            process.stdout.close()


def ask(address: str, secret: str) -> int:
    headers = {"Authorization": f"Bearer {secret}"}  # the first may come before the server is up
    return httpx.get(f"{address}/registry/secretlib/", headers=headers, timeout=60, verify=False).status_code


def test_commands_change_tokens_while_it_runs_and_it_ends_cleanly(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A token opens at once and is refused at once; logs hold no secret; what is under way when it is stopped ends."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    with command(home) as (process, address):
        assert httpx.get(f"{address}/registry/secretlib/?of=nobody", timeout=60).status_code == 404
        new_token("ann", ["secretlib"], "read", None, None, as_json=True)
        made = json.loads(capsys.readouterr().out)
        assert ask(address, made["secret"]) == 200
        sha256 = hashes(Store(home / "registry").versions("secretlib")[0])["adapter_model.safetensors"]
        headers = {"Authorization": f"Bearer {made['secret']}"}
        with httpx.stream("GET", f"{address}/registry/files/{sha256[:2]}/{sha256}", headers=headers) as response:
            pieces = response.iter_bytes(65536)
            first = next(pieces)
            revoke_token(made["id"], "left the team", None, as_json=False)
            assert ask(address, made["secret"]) == 401
            process.send_signal(signal.SIGTERM)
            assert len(first) + sum(map(len, pieces)) == int(response.headers["content-length"]) > LARGE
        assert process.wait(30) == 0
    capsys.readouterr()
    list_tokens(None, as_json=True)
    show_audit(20, None, refused=False, as_json=False)
    told = capsys.readouterr().out + (home / "log").read_text()
    for said in ("left the team", "not seen", "token was revoked", '"used": "20', "GET /registry/secretlib/ "):
        assert said in told, told
    assert made["secret"] not in told
    assert "of=nobody" not in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_several_server_processes_share_one_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever process is asked, a token is known, and revoked."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    with command(home, "--workers", "3") as (process, address):
        opened = State(ServerSettings().state_url)
        with opened.begin() as connection:
            token, secret = tokens.new(connection, "w", ["*"], Scope.READ, days=1, by="a test")
        assert {ask(address, secret) for _ in range(20)} == {200}
        with opened.begin() as connection:
            tokens.revoke(connection, token.id, "a test")
        assert {ask(address, secret) for _ in range(20)} == {401}
        opened.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_connection_waits_for_no_acknowledgement() -> None:
    """With Nagle's delay on, each answer after a connection's first came 40 ms late: its body waited for an ACK."""

    async def set_at_once() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with serving._listening("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(accepted, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                nodelay = await found
                writer.close()
                await writer.wait_closed()
        return nodelay

    assert asyncio.run(set_at_once())


def test_a_port_that_is_taken_and_settings_that_cannot_be_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line each, before anything starts."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    with serving._listening("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigurationError, match=r"Can't listen on 127\.0\.0\.1, port"):
            serving.serve(port=taken.getsockname()[1])
    with pytest.raises(ConfigurationError, match="DRIFTUNE_SERVE_UPSTREAM can't be 'elsewhere'"):
        serving.serve(upstream="elsewhere")


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, False), ({"host": "::1"}, False), ({"host": "localhost"}, False), ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True), ({"host": "0.0.0.0", "private": ("x",)}, False),
    ],
)  # fmt: skip
def test_it_says_so_where_everybody_in_a_network_may_read(
    settings: dict[str, object], warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """On loopback, or with something private, there is nothing to say."""
    serving._warn(ServerSettings(**settings))
    said = capsys.readouterr().err
    assert ("can read every adapter" in said) is warned
    assert said.count("\n") == int(warned)


@pytest.mark.parametrize(
    ("settings", "public"),
    [
        ({}, {"networkx", "networkx-fast", "numpy"}),
        ({"private": ("networkx",)}, {"numpy"}),
        ({"private": ("networkx",), "public": ("networkx-fast",)}, {"networkx-fast"}),
        ({"public": ("networkx",)}, {"networkx"}),
        ({"public": ("networkx*",)}, {"networkx", "networkx-fast"}),
        ({"private": ("*",)}, set()),
        ({"private": ("n?mpy",)}, {"networkx", "networkx-fast"}),
    ],
)
def test_what_is_public(settings: dict[str, object], public: set[str]) -> None:
    """A private domain's workloads are private with it; where anything is named public, all else is private."""
    told = ServerSettings(**settings)
    assert told.is_public("NetworkX") <= told.is_public("networkx")  # some file systems find the one by the other
    assert {name for name in ("networkx", "networkx-fast", "numpy") if told.is_public(name)} == public
