"""What asking an LLM costs beside the asking: `python benchmarks/llm.py [--json]`.

* cpu_share: CPU of a process that asks within budgets and with a journal, less that of a bare asyncio loop with the
  same `openai` client, at 100 requests a second, as a share of one core. The endpoint is another process that answers
  so late that 32 requests are on their way; the two sides take turns. Answers are JSON of a schema, which is checked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import openai

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)

from ratios import Result, Target, exit_code, in_turns, table

sys.path[:] = [entry for entry in sys.path if entry != HERE]  # `synth` is the package, not the benchmark of that name

from registry.domain import LlmSpec
from synth.client import Client
from synth.journal import Journal
from synth.llm import Request

CPU_SHARE = Target("cpu_share", 0.05, "lower")

ROUNDS = 7
REQUESTS = 400
RATE = 100
CONCURRENCY = 32

PROMPT = "def spring_layout(G, k=None, pos=None):  # excerpt of a page\n" * 64
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("task", "code", "entry_point")},
    "required": ["task", "code", "entry_point"],
    "additionalProperties": False,
}
_CODE = "```python\nimport networkx as nx\n\nG = nx.path_graph(4)\nassert nx.is_tree(G)\n```\n" * 12
ANSWER = json.dumps({"task": "Draw a path of four nodes", "code": _CODE, "entry_point": "draw"})
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}

_numbers = count()


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"requests a round (default {REQUESTS})")
    asked = parser.parse_args()
    with _endpoint() as url, tempfile.TemporaryDirectory() as folder:
        results = [cpu_share(url, Path(folder), asked.rounds, asked.requests)]
    print("\n".join(r.line() for r in results) if asked.json else table(results))
    return exit_code(results)


def cpu_share(url: str, folder: Path, rounds: int, requests: int) -> Result:
    """Share of a core that a hundred requests a second take beyond the bare client's."""
    sides = [lambda: asyncio.run(_ours(url, folder, requests)), lambda: asyncio.run(_bare(url, requests))]
    for side in sides:
        side()  # imports, certificates, the journal's file
    measured = in_turns(rounds, sides)
    ours, bare = (sorted(column)[len(column) // 2] for column in zip(*measured, strict=True))
    shown = {"ours": f"{1000 * ours:.2f} ms a request", "bare": f"{1000 * bare:.2f} ms a request"}
    return Result(CPU_SHARE, [(a - b) * 100 for a, b in measured], shown)


async def _ours(url: str, folder: Path, requests: int) -> float:
    spec = LlmSpec(
        model="m", base_url=url, concurrency=CONCURRENCY, run_tokens=10**12, domain_tokens=10**12,
        night_tokens=10**12, night_money=10**6, price_in=1.0, price_out=2.0,
    )  # fmt: skip
    with Journal(folder / "llm.sqlite") as journal:
        async with Client(spec, journal, "domain", "run") as client:

            async def ask(prompt: str) -> int:
                reply = await client.ask(Request("bench@1", ({"role": "user", "content": prompt},), 512, SCHEMA))
                return len(reply.text)

            return await _spent(ask, requests)


async def _bare(url: str, requests: int) -> float:
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def ask(prompt: str) -> int:
            async with slots:
                said = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": prompt}], max_tokens=512, temperature=0.7,
                    response_format=FORMAT,
                )  # fmt: skip
            return len(said.choices[0].message.content or "")

        return await _spent(ask, requests)


async def _spent(ask: Callable[[str], Awaitable[int]], requests: int) -> float:
    """CPU seconds a request, all threads."""
    await asyncio.gather(*(ask(f"{next(_numbers)} {PROMPT}") for _ in range(CONCURRENCY)))  # connections
    since = time.process_time()
    sizes = await asyncio.gather(*(ask(f"{next(_numbers)} {PROMPT}") for _ in range(requests)))
    if set(sizes) != {len(ANSWER)}:
        raise RuntimeError("An answer is missing")
    return (time.process_time() - since) / requests


@contextlib.contextmanager
def _endpoint() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.kill()
        process.join()


def _serve(told: Connection) -> None:
    message = {"role": "assistant", "content": ANSWER}
    usage = {"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200}
    said = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    body = json.dumps({**said, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    head = f"HTTP/1.1 {http.HTTPStatus.OK.value} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = f"{head}\r\n\r\n".encode() + body

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                await asyncio.sleep(CONCURRENCY / RATE)
                writer.write(answer)
        writer.close()

    async def live() -> None:
        listening = await asyncio.start_server(one, "127.0.0.1", 0)
        told.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(live())


if __name__ == "__main__":
    sys.exit(main())
