"""The stub as a server: its addresses, and the process that listens.

POST /v1/chat/completions     GET /v1/models, /v1/models/NAME
POST, GET, DELETE /v1/files, /v1/files/ID, /v1/files/ID/content
POST, GET /v1/batches, /v1/batches/ID, /v1/batches/ID/cancel
GET /ledger                   what was asked so far, in numbers
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.stub import faults, recorded
from flows.stub.batches import Batches
from flows.stub.ledger import Ledger
from flows.stub.limits import limits
from flows.stub.served import Sent, Stub, read
from flows.stub.wire import MODEL, MOST_BYTES, RefusedError
from registry.errors import ConfigurationError
from registry.objects_http import is_here

UPSTREAM_S = 600.0
"""Seconds that upstream may take."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        port: Where it listens on 127.0.0.1; 0: any free port.
        answers: File of recorded answers.
        record: File that answers of `upstream` are added to.
        upstream: Base address of the endpoint that answers.
        faults: As `error=0.2,timeout=0.1:1`.
        limits: As `requests=60,tokens=90000,seconds=60`.
        delay: Seconds that an answer takes: `0.2`, or `0.1-0.5`.
        obey: Whether it obeys what stands outside the fence.
        schemas: Whether it knows structured outputs.
        ledger: File that every request is written to.
        seed: Of every choice.
    """

    port: int = 0
    answers: Path | None = None
    record: Path | None = None
    upstream: str = ""
    faults: str = ""
    limits: str = ""
    delay: str = "0"
    obey: bool = False
    schemas: bool = True
    ledger: Path | None = None
    seed: int = 0


def serve(options: Options) -> None:
    """Listens until SIGTERM or Ctrl-C; prints its address first.

    Raises:
        ConfigurationError: An option can't be right, or the port is taken.
    """
    stub = stub_of(options)
    with listening(options.port) as place:
        print(f"http://127.0.0.1:{place.getsockname()[1]}/v1", flush=True)
        asyncio.run(listen(server_of(stub), place, stub))


def stub_of(options: Options) -> Stub:
    """What answers.

    Raises:
        ConfigurationError: An option can't be right.
    """
    if (options.record is None) != (not options.upstream):
        raise ConfigurationError("--record FILE and --upstream URL go together: what upstream answers is recorded")
    known = [recorded.read(path) for path in (options.answers, options.record) if path is not None and path.exists()]
    if options.answers is not None and not options.answers.exists():
        raise ConfigurationError(
            f"No file of answers at {options.answers}. Correct --answers", path=str(options.answers)
        )
    answers = recorded.Recorded()
    for one in known:
        answers.matching.extend(one.matching)
        answers.whole.update(one.whole)
    return Stub(
        options.seed,
        faults.planned(options.faults),
        options.obey,
        options.schemas,
        _delay(options.delay),
        answers,
        limits(options.limits),
        Ledger(options.ledger),
        _upstream(options.upstream),
        options.record,
    )


def app(stub: Stub) -> Starlette:
    """The addresses of a stub."""
    files = Batches(stub)

    async def complete(request: Request) -> Response:
        sent = await stub.answer(
            await _body(request), {k: v for k, v in request.headers.items() if k == "authorization"}
        )
        return _Response(sent)

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(MODEL)]})

    async def model(request: Request) -> Response:
        return JSONResponse(_model(request.path_params["name"]))

    async def ledger(request: Request) -> Response:
        return JSONResponse(stub.ledger.summary)

    async def upload(request: Request) -> Response:
        return JSONResponse(files.upload(request.headers.get("content-type", ""), await _body(request)))

    async def file(request: Request) -> Response:
        return JSONResponse(files.file(request.path_params["name"])[0])

    async def content(request: Request) -> Response:
        return Response(files.file(request.path_params["name"])[1], media_type="application/octet-stream")

    async def delete(request: Request) -> Response:
        return JSONResponse(files.delete(request.path_params["name"]))

    async def create(request: Request) -> Response:
        return JSONResponse(files.create(read(await _body(request)), request.headers.get("authorization", "")))

    async def batches(request: Request) -> Response:
        return JSONResponse(files.batches())

    async def batch(request: Request) -> Response:
        return JSONResponse(files.batch(request.path_params["name"]))

    async def cancel(request: Request) -> Response:
        return JSONResponse(files.cancel(request.path_params["name"]))

    routes = (
        ("POST", "/v1/chat/completions", complete),
        ("GET", "/v1/models", models),
        ("GET", "/v1/models/{name:path}", model),
        ("POST", "/v1/files", upload),
        ("GET", "/v1/files/{name}", file),
        ("GET", "/v1/files/{name}/content", content),
        ("DELETE", "/v1/files/{name}", delete),
        ("POST", "/v1/batches", create),
        ("GET", "/v1/batches", batches),
        ("GET", "/v1/batches/{name}", batch),
        ("POST", "/v1/batches/{name}/cancel", cancel),
        ("GET", "/ledger", ledger),
    )
    return Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in routes],
        exception_handlers={RefusedError: _refused, 404: _unknown, 405: _unknown, ClientDisconnect: _gone},
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse(error.body, error.status)


async def _unknown(request: Request, error: Exception) -> Response:
    told = (
        f"Unknown request URL: {request.method} {request.url.path}. The stub does chat completions, files and batches"
    )
    return JSONResponse(RefusedError(404, told, code="unknown_url").body, 404)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _body(request: Request) -> bytes:
    """A body of bounded size.

    Raises:
        RefusedError: It is larger.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > 8 * MOST_BYTES:  # a file of a batch; a request for a completion is held to an eighth
            raise RefusedError(413, f"The body is larger than {8 * MOST_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "driftune"}


class _Response(Response):
    """What a request gets; where the fault says so it never comes, or its connection ends in the middle."""

    def __init__(self, sent: Sent) -> None:
        super().__init__(json.dumps(sent.body), sent.status, dict(sent.headers), "application/json")
        self._way = sent.way

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._way == "whole":
            await super().__call__(scope, receive, send)
            return
        if self._way == "never":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        data = bytes(self.body)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})
        # Returning now leaves the promised length unsent: uvicorn closes the connection.


class Server(uvicorn.Server):
    """Ends with its process's own exit status: uvicorn raises the signal again once it is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals that end it, not raised again afterwards."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


async def listen(server: uvicorn.Server, place: socket.socket, stub: Stub) -> None:
    """Answers on a socket until the server is told to end; then closes what the stub holds."""
    with contextlib.closing(stub.ledger):
        await server.serve([place])
        if stub.upstream is not None:
            await stub.upstream.aclose()


def server_of(stub: Stub) -> uvicorn.Server:
    """A server of a stub's addresses, that says nothing and waits for nobody when it ends."""
    return Server(
        uvicorn.Config(app(stub), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[socket.socket]:
    """A socket on loopback. It says that it is TCP's: else asyncio leaves Nagle's wait of 40 ms on.

    Raises:
        ConfigurationError: The port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(f"Can't listen on port {port}: {error}. Take another --port", port=port) from error
        place.listen(1024)
        yield place


def _delay(told: str) -> tuple[float, float]:
    least, _, most = told.partition("-")
    try:
        span = float(least), float(most or least)
    except ValueError:
        span = -1.0, -1.0
    if not 0 <= span[0] <= span[1] < 1e6:
        raise ConfigurationError(f"{told!r} is no delay: write seconds, or a span as 0.1-0.5, in --delay", delay=told)
    return span


def _upstream(told: str) -> httpx.AsyncClient | None:
    """A client of upstream; a key goes to it, so what isn't this machine has to be asked by https."""
    if not told:
        return None
    parts = urlsplit(told)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here(parts.hostname or "")):
        raise ConfigurationError(f"--upstream {told!r} must be https, or http on this machine", upstream=told)
    return httpx.AsyncClient(base_url=told.rstrip("/") + "/", timeout=UPSTREAM_S)
