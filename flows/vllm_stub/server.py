"""The stub as a server: its addresses, and the process that listens.

GET  /health, /metrics, /v1/models
POST /v1/completions
POST /v1/load_lora_adapter, /v1/unload_lora_adapter      where adapters may be changed while it runs
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flows.stub.server import Server, listening
from flows.vllm_stub import wire
from flows.vllm_stub.engine import Engine, Generation
from flows.vllm_stub.wire import RefusedError
from registry.errors import ConfigurationError

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Options:
    """What the command line says, with vLLM's names and defaults where it has them.

    Attributes:
        base: Folder of the base model.
        name: What the base is served as; its folder where empty.
        port: Where it listens on 127.0.0.1; 0: any free port.
        updating: Whether adapters may be loaded and unloaded while it runs (VLLM_ALLOW_RUNTIME_LORA_UPDATING).
        max_loras: Adapters whose requests run at a time.
        max_cpu_loras: Adapters in memory at most.
        max_lora_rank: Rank that an adapter may have at most.
        load_s: Seconds that loading an adapter takes at least.
        token_s: Seconds that a token takes at least.
        key: What a request must bring; anybody may ask where empty.
    """

    base: Path
    name: str = ""
    port: int = 0
    updating: bool = True
    max_loras: int = 1
    max_cpu_loras: int = 4
    max_lora_rank: int = 16
    load_s: float = 0.0
    token_s: float = 0.0
    key: str = ""


def serve(options: Options) -> None:
    """Listens until SIGTERM or Ctrl-C; prints its address first.

    Raises:
        ConfigurationError: There is no base, or the port is taken.
    """
    server = server_of(options)
    with listening(options.port) as place:
        print(f"http://127.0.0.1:{place.getsockname()[1]}", flush=True)
        asyncio.run(server.serve([place]))


def server_of(options: Options) -> uvicorn.Server:
    """A server that says nothing and waits for nobody when it ends.

    Raises:
        ConfigurationError: There is no base.
    """
    if not (options.base / "config.json").is_file():
        raise ConfigurationError(f"No base model in {str(options.base)!r}: give the folder of one")
    served = Served(options)
    return Server(
        uvicorn.Config(
            served.app(), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )


class Served:
    """The engine behind its addresses, and what runs there now."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.name = options.name or str(options.base)
        self.engine = Engine(options.base, options.max_lora_rank, options.max_cpu_loras, options.load_s)
        self._running: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._told: dict[tuple[str, str], float] = {}
        self._room = asyncio.Condition()

    def app(self) -> Starlette:
        """The addresses."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/health", self._health),
            ("GET", "/metrics", self._metrics),
            ("GET", "/v1/models", self._models),
            ("POST", "/v1/completions", self._complete),
        ]
        if self.options.updating:
            routes += [
                ("POST", "/v1/load_lora_adapter", self._load),
                ("POST", "/v1/unload_lora_adapter", self._unload),
            ]
        return Starlette(
            routes=[Route(path, self._guarded(handler), methods=[method]) for method, path, handler in routes],
            exception_handlers={RefusedError: _refused, 404: _nowhere},
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            wanted = f"Bearer {self.options.key}".encode()
            brought = request.headers.get("authorization", "").encode()
            if self.options.key and request.url.path.startswith("/v1") and not hmac.compare_digest(wanted, brought):
                return JSONResponse({"error": "Unauthorized"}, 401)
            return await handler(request)

        return guarded

    async def _health(self, request: Request) -> Response:
        return Response()

    async def _models(self, request: Request) -> Response:
        cards = [_card(self.name, str(self.options.base), None)]
        cards += [_card(name, path, self.name) for name, path in self.engine.paths.items()]
        return JSONResponse({"object": "list", "data": cards})

    async def _load(self, request: Request) -> Response:
        told = wire.read(await request.body())
        name, path = wire.text(told, "lora_name"), wire.text(told, "lora_path")
        if not name or not path:
            raise RefusedError(400, "Both 'lora_name' and 'lora_path' must be provided.", "InvalidUserInput")
        if name in self.engine.paths:
            taken = f"The lora adapter '{name}' has already been loaded."
            raise RefusedError(400, taken, "InvalidUserInput")
        await asyncio.to_thread(self.engine.load, name, path)
        return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: Request) -> Response:
        name = wire.text(wire.read(await request.body()), "lora_name")
        if not name:
            raise RefusedError(400, "'lora_name' needs to be provided to unload a LoRA adapter.", "InvalidUserInput")
        if name not in self.engine.paths:
            raise RefusedError(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        if not await asyncio.to_thread(self.engine.unload, name):
            told = f"Failed to remove lora adapter '{name}' from the engine."
            raise RefusedError(500, told, "InternalServerError")
        return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")

    async def _complete(self, request: Request) -> Response:
        asked = wire.asked(wire.read(await request.body()), self.engine.tokenizer, self.engine.vocabulary)
        if asked.model != self.name and asked.model not in self.engine.paths:
            raise RefusedError(404, f"The model `{asked.model}` does not exist.", "NotFoundError", "model")
        await self._enter(asked.model)
        try:
            made = await asyncio.to_thread(self.engine.start, asked)
            while len(made.tokens) < asked.new:
                await asyncio.sleep(self.options.token_s)
                await asyncio.to_thread(self.engine.step, made)
        finally:
            await self._leave(asked.model)
        return JSONResponse(self._answer(made))

    def _answer(self, made: Generation) -> dict[str, Any]:
        asked, text = made.asked, self.engine.tokenizer.decode(made.tokens)
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": "length", "logprobs": None}
        if asked.logprobs:
            choice["logprobs"] = {"token_logprobs": made.logprobs}
        if asked.prompt_logprobs:
            rows = zip(asked.ids[1:], made.prompt, strict=True)
            choice["prompt_logprobs"] = [None, *({str(token): {"logprob": value}} for token, value in rows)]
        used = {"prompt_tokens": len(asked.ids), "completion_tokens": len(made.tokens)}
        return {"object": "text_completion", "model": asked.model, "choices": [choice], "usage": used}

    async def _enter(self, name: str) -> None:
        """Waits until a request of this adapter may run: of so many adapters at a time; the base counts for none."""
        async with self._room:
            self._waiting[name] += 1
            self._tell()
            try:
                await self._room.wait_for(lambda: self._may_run(name))
            finally:
                self._waiting[name] -= 1
            self._running[name] += 1
            self._tell()

    def _may_run(self, name: str) -> bool:
        others = {one for one, count in self._running.items() if count and one != self.name}
        return name == self.name or name in others or len(others) < self.options.max_loras

    async def _leave(self, name: str) -> None:
        async with self._room:
            self._running[name] -= 1
            self._tell()
            self._room.notify_all()

    def _tell(self) -> None:
        """Which adapters run and wait: each combination is a series of its own whose value is when it was so last."""
        self._told[self._adapters(self._running), self._adapters(self._waiting)] = time.time()

    def _adapters(self, counted: Counter[str]) -> str:
        return ",".join(name for name, count in counted.items() if count and name != self.name)

    async def _metrics(self, request: Request) -> Response:
        labels = f'{{engine="0",model_name="{self.name}"}}'
        lines = [
            "# TYPE vllm:num_requests_running gauge",
            f"vllm:num_requests_running{labels} {float(self._running.total())}",
            "# TYPE vllm:num_requests_waiting gauge",
            f"vllm:num_requests_waiting{labels} {float(self._waiting.total())}",
            "# TYPE vllm:lora_requests_info gauge",
        ]
        for (running, waiting), at in self._told.items():
            labels = f'max_lora="{self.options.max_loras}",running_lora_adapters="{running}"'
            lines.append(f'vllm:lora_requests_info{{{labels},waiting_lora_adapters="{waiting}"}} {at}')
        return PlainTextResponse("\n".join(lines) + "\n")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse(error.body, error.status)


async def _nowhere(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Not Found"}, 404)


def _card(name: str, root: str, parent: str | None) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "vllm", "root": root, "parent": parent}
