"""A real HTTP endpoint of the tests' own on 127.0.0.1: what it answers is a function of what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Said:
    """A response.

    Attributes:
        body: JSON, or bytes as they are.
        status: Its status.
        headers: More headers.
        late_s: Seconds before it is sent.
        cut: Whether the connection is closed instead.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    late_s: float = 0.0
    cut: bool = False


def chat(text: str | None, prompt: int = 10, made: int = 5, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of an answer."""
    said = {"role": "assistant", "content": text, **message}
    usage = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": said, "finish_reason": finish}]}  # fmt: skip


@dataclass
class Server:
    """A running endpoint.

    Attributes:
        answer: Takes path and body (None where there is none); what is said.
        url: Its address.
        asked: Paths and bodies, as they came; only where `keeps`.
    """

    answer: Callable[[str, Any], Said]
    url: str = ""
    keeps: bool = True
    asked: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        is_json = "json" in headers.get("content-type", "")
        path, body = head[0].split()[1], json.loads(data) if is_json else data
        if self.keeps:
            self.asked.append((path, body))
            self.headers.append(headers)
        said = self.answer(path, body)
        await asyncio.sleep(said.late_s)
        if said.cut:
            return False
        content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        shown = {"Content-Type": "application/json", "Content-Length": str(len(content)), **said.headers}
        lines = [f"HTTP/1.1 {said.status} X", *(f"{name}: {value}" for name, value in shown.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + content)
        await writer.drain()
        return True


@contextlib.contextmanager
def served(answer: Callable[[str, Any], Said], keeps: bool = True) -> Iterator[Server]:
    """An endpoint while the block runs, in a thread."""
    server, started = Server(answer, keeps=keeps), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def live() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**24)
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        started.set()
        await stop.wait()
        listening.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
