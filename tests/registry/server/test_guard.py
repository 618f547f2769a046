"""Large, slow and misled requests end, and cost the others nothing."""

from __future__ import annotations

import io
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from registry.server import app as rooms
from registry.server.access import open_to_all
from registry.server.running import LOGGING, Discreet
from tests.registry.server.serving import Served, context_in, serving

SLOW_S = 0.3
probe = APIRouter()


@probe.post("/probe", dependencies=[open_to_all()])
async def _read(request: Request) -> int:
    return len(await request.body())


@probe.get("/probe", dependencies=[open_to_all()])
async def _write() -> StreamingResponse:
    async def pieces() -> object:
        for _ in range(2000):
            yield b"x" * 65536

    return StreamingResponse(pieces())  # type: ignore[arg-type]


@probe.get("/fault", dependencies=[open_to_all()])
async def _fail() -> None:
    raise ValueError("a fault that isn't foreseen")


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with little patience, and a room that reads and writes much."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "ROUTERS", (*rooms.ROUTERS, probe))
        with serving(context_in(tmp_path_factory.mktemp("probed"), slow_s=SLOW_S, body=2048, head=4096)) as running:
            yield running


@contextmanager
def connected(served: Served, window: int = 0) -> Iterator[socket.socket]:
    host, _, port = served.address.removeprefix("http://").partition(":")
    with socket.socket() as client:
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(10)
        client.connect((host, int(port)))
        yield client


def rest(client: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("size", [0, 1, 2048])
def test_a_body_within_the_bound_is_read(probed: Served, size: int) -> None:
    """What the bound allows is read in whole."""
    assert probed.get("/probe", method="POST", content=b"x" * size).json() == size


def test_a_body_beyond_the_bound_is_refused(probed: Served) -> None:
    """Said to be too large, or found to be while it comes in pieces."""
    assert probed.get("/probe", method="POST", content=b"x" * 2049).status_code == 413
    assert probed.get("/probe", method="POST", content=(b"x" * 100 for _ in range(30))).status_code == 413


def test_a_slow_body_ends_in_408(probed: Served) -> None:
    """Who sends a byte now and then gives up the connection, and is told why."""
    with connected(probed) as client:
        client.sendall(b"POST /probe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx")
        assert rest(client).startswith(b"HTTP/1.1 408 ")


def test_who_says_nothing_is_dropped(probed: Served) -> None:
    """A connection without a request holds its place for as long as patience lasts."""
    with connected(probed) as client:
        assert rest(client) == b""


def test_a_connection_that_is_used_stays(probed: Served) -> None:
    """Request after request, for longer than one may take."""
    with connected(probed) as client:
        for _ in range(6):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += client.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(SLOW_S / 3)


def test_a_slow_head_ends_the_connection(probed: Served) -> None:
    """A head in drips, each soon after the last, isn't waited for longer than one in a piece."""
    with connected(probed) as client:
        began = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for byte in b"GET / HTTP/1.1\r\n" + b"X-Drip: " + b"y" * 500:
                client.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 5


def test_one_address_leaves_half_of_the_connections_to_others(tmp_path: Path) -> None:
    """Connections of one address beyond half of all are dropped at once, and another address is answered."""
    with serving(context_in(tmp_path, connections=8)) as served, ExitStack() as stack:
        silent = [stack.enter_context(connected(served)) for _ in range(12)]
        for client in silent[4:]:
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
        host, _, port = served.address.removeprefix("http://").partition(":")
        other = stack.enter_context(socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0)))
        other.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in rest(other)
        silent[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in rest(silent[0])


def test_a_head_beyond_the_bound_is_refused(probed: Served) -> None:
    """A head is bounded in size too."""
    with connected(probed) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Large: " + b"y" * 70_000)
        assert b"200 OK" not in rest(client)


def test_who_takes_nothing_is_dropped(probed: Served) -> None:
    """An answer of 130 MB to a client that doesn't read it holds its connection for as long as patience lasts."""
    with connected(probed, window=65536) as client:
        client.sendall(b"GET /probe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(SLOW_S * 3)
        assert len(rest(client)) < 2000 * 65536


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:8765", 200), ("[::1]:1", 200), ("evil.example", 421), ("", 421)],
)
def test_on_loopback_only_loopback_names_are_answered(served: Served, host: str, status: int) -> None:
    """A page of another site whose name is made to point here can't read what is served on loopback."""
    assert served.get("/healthz", headers={"Host": host}).status_code == status


def test_every_answer_forbids_guessing_framing_and_foreign_scripts(served: Served) -> None:
    """Also a refusal, and an error."""
    for path in ("/healthz", "/nothing/here", f"/healthz?token={served.secrets['wrong']}"):
        headers = served.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Authorization, Cookie"
        assert "server" not in headers


def test_a_fault_is_answered_with_the_same_headers(probed: Served) -> None:
    """It is answered outside of the guard."""
    answer = probed.get("/fault", headers={"Connection": "close"})
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, no-cache"


def test_a_secret_in_an_address_is_refused(served: Served) -> None:
    """Addresses are logged by whatever lies between: a secret in one is lost."""
    assert served.get("/healthz?q=dt_float").status_code == 200  # the name of a symbol
    response = served.get(f"/healthz?token={served.secrets['read']}")
    assert (response.status_code, response.json()["code"]) == (400, "secret-in-address")
    assert served.secrets["read"] not in response.text


def test_logs_hold_no_secrets_and_no_queries() -> None:
    """Neither of requests nor of errors, wherever a secret stands."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(Discreet(LOGGING["formatters"]["discreet"]["format"]))
    for name in ("uvicorn.access", "uvicorn.error"):
        record = logging.makeLogRecord(
            {"name": name, "msg": "%s %s whsec_abc=", "args": ("GET /dt_abc/x?a=private", "dt_abc")}
        )
        handler.emit(record)
    try:
        raise ValueError("dt_abc")
    except ValueError as error:
        handler.emit(
            logging.makeLogRecord({"name": "uvicorn.error", "exc_info": (ValueError, error, error.__traceback__)})
        )
    access, *_ = text.getvalue().splitlines()
    assert "abc" not in text.getvalue()
    assert "private" not in access
