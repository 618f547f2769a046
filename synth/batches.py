"""Many requests as one batch, at endpoints that have batches: hours later, and cheaper.

Requests that come one soon after another are sent together. Who sent a batch may be killed: the batch goes on, and the
next client at that endpoint finds it, by its name or by the mark that it was given, and settles what came of it.

Guarantees: no request of a batch is sent again while the batch may still answer it.
Non-guarantees: an answer that another client settled isn't held to its schema before it is asked for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import openai

from registry.errors import DriftuneError
from synth.budget import Price
from synth.endpoint import Endpoint
from synth.entries import Bundle, Settled
from synth.journal import BATCH_S, Journal
from synth.llm import Request
from synth.responses import FINAL, Sent

QUIET_S = 1.0
"""After how long without another request a batch is sent."""
MOST_LINES = 1000
"""Requests of a batch: so that its answers fit into memory."""
FIRST_S, LONGEST_S = 1.0, 60.0
"""How often it is asked whether a batch is done."""
ADOPT_S = 5.0
"""How often it is looked for batches whose processes have ended; also how late one may appear in the list of all."""

_ENDED = {"completed", "failed", "expired", "cancelled"}
_NONE = {404, 405, 501}
"""What an endpoint without batches says to one."""
_MARK = "driftune"
_LISTED = 1000
_DOWNLOADS = 5

_log = logging.getLogger("driftune.llm")


@dataclass(eq=False)
class _Line:
    """A request that waits for its batch."""

    call: int
    request: Request
    sent: asyncio.Future[Sent | None] = field(default_factory=asyncio.Future)


class Batches:
    """Sends requests in batches, and finds those of processes that have ended.

    Args:
        endpoint: Where.
        journal: Where they are written down.
        domain: Whose they are.
        price: What tokens cost.
    """

    def __init__(self, endpoint: Endpoint, journal: Journal, domain: str, price: Price) -> None:
        self._endpoint, self._journal, self._domain, self._price = endpoint, journal, domain, price
        self._waiting: list[_Line] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._are_there = True

    async def send(self, call: int, request: Request) -> Sent | None:
        """Sends a request with others; None where the endpoint has no batches."""
        if not self._are_there:
            return None
        line, manners = _Line(call, request), replace(self._endpoint.manners)
        self._waiting.append(line)
        self._wind_up()
        try:
            sent = await line.sent
        except asyncio.CancelledError:
            if line in self._waiting:
                self._waiting.remove(line)
                self._journal.write([Settled(call, "error", detail="It was given up before it was sent")])
            raise
        if sent is not None and sent.not_taken and self._endpoint.learnt(sent, request, manners):
            return replace(sent, again=True)
        return sent

    def watch(self) -> None:
        """Begins to look for batches whose processes have ended."""
        self._start(self._watch())

    async def close(self) -> None:
        """Leaves what is on its way to the next one."""
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wind_up(self) -> None:
        if self._timer:
            self._timer.cancel()
        if len(self._waiting) >= MOST_LINES:
            self._leave()
        else:
            self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._leave)

    def _leave(self) -> None:
        lines, self._waiting, self._timer = self._waiting, [], None
        if lines:
            self._start(self._sent(lines))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            for bundle in self._journal.adopt(self._endpoint.url, self._domain):
                self._start(self._adopted(bundle))
            await asyncio.sleep(ADOPT_S)

    async def _sent(self, lines: Sequence[_Line]) -> None:
        try:
            results = await self._came(lines)
        except DriftuneError as error:  # the journal can't be written: who asked is told, as without batches
            for line in lines:
                if not line.sent.done():
                    line.sent.set_exception(error)
            return
        for line in lines:
            if not line.sent.done():
                line.sent.set_result(results[line.call])

    async def _came(self, lines: Sequence[_Line]) -> Mapping[int, Sent | None]:
        bundle = self._journal.bundle(self._endpoint.url, self._domain, [line.call for line in lines])
        made = await self._made(bundle, lines)
        return made if isinstance(made, Mapping) else await self._results(made, bundle.calls)

    async def _made(self, bundle: Bundle, lines: Sequence[_Line]) -> str | dict[int, Sent | None]:
        """The name of the batch that was made; what came of its calls where none was."""
        client = self._endpoint.client
        text = "".join(f"{json.dumps(self._line(line))}\n" for line in lines)
        try:
            file = await client.files.create(file=("driftune.jsonl", text.encode()), purpose="batch")
        except Exception as error:
            if isinstance(error, openai.APIStatusError) and error.status_code in _NONE:
                self._are_there = False
                _log.warning("%s has no batches: requests are sent one by one", self._endpoint.url)
                return dict.fromkeys(bundle.calls)
            return dict.fromkeys(bundle.calls, replace(self._endpoint.failed(error), usage=(0, 0)))
        try:
            batch = await client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h",
                metadata={_MARK: bundle.mark},
            )  # fmt: skip
            name = str(batch.id)
        except Exception as error:
            found = await self._named(bundle)
            if found is None:
                return dict.fromkeys(bundle.calls, self._endpoint.failed(error))
            name = found
        self._journal.name(bundle, name)
        return name

    def _line(self, line: _Line) -> dict[str, Any]:
        body = self._endpoint.body(line.request)
        return {"custom_id": str(line.call), "method": "POST", "url": "/v1/chat/completions", "body": body}

    async def _named(self, bundle: Bundle) -> str | None:
        """The batch with a mark, as the endpoint lists them; None where it can't be found."""
        try:
            seen = 0
            async for batch in self._endpoint.client.batches.list(limit=100):
                seen += 1
                if (batch.metadata or {}).get(_MARK) == bundle.mark:
                    return str(batch.id)
                if seen >= _LISTED:
                    break
        except Exception as error:
            _log.warning("%s", self._endpoint.failed(error).detail)
        return None

    async def _results(self, name: str, calls: Sequence[int]) -> dict[int, Sent | None]:
        """What came of each call of a batch, once it has ended."""
        ended = await self._ended(name)
        status = getattr(ended, "status", "lost")
        came_to_nothing = Sent("error", detail=f"The batch {name} ended as {status} without this request")
        missing = came_to_nothing if status in _ENDED - {"completed"} else replace(came_to_nothing, usage=None)
        found: dict[int, Sent | None] = dict.fromkeys(calls, missing)
        for kind in ("error_file_id", "output_file_id"):
            file = getattr(ended, kind, None)
            for line in await self._lines(str(file)) if file else ():
                number, sent = self._read(line)
                if number in found:
                    found[number] = sent
        return found

    async def _ended(self, name: str) -> Any:
        """A batch, once it has ended; None where nothing is to be learnt of it any more."""
        pause_s, until = FIRST_S, time.monotonic() + BATCH_S
        while time.monotonic() < until:
            try:
                batch = await self._endpoint.client.batches.retrieve(name)
            except Exception as error:
                if self._endpoint.failed(error).hopeless:
                    return None
            else:
                if batch.status in _ENDED:
                    return batch
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_S)
        return None

    async def _lines(self, file: str) -> list[Any]:
        for tries in range(_DOWNLOADS):
            try:
                said = await self._endpoint.client.files.content(file)
                return [json.loads(line) for line in said.content.splitlines() if line.strip()]
            except Exception as error:
                _log.warning("%s", self._endpoint.failed(error).detail)
                await asyncio.sleep(FIRST_S * 2**tries)
        return []

    def _read(self, line: Any) -> tuple[int, Sent]:
        """The call of a line, and what came of it; -1 where the line is none of ours."""
        try:
            number, response = int(line["custom_id"]), line.get("response")
            if not isinstance(response, Mapping):
                return number, self._endpoint.read(0, line.get("error"), {})
            return number, self._endpoint.read(response["status_code"], response["body"], {})
        except (LookupError, TypeError, ValueError, AttributeError):
            return -1, Sent("error")

    async def _adopted(self, bundle: Bundle) -> None:
        """Settles what came of a batch that another process sent."""
        name = bundle.name or await self._named(bundle)
        if name is None:
            await asyncio.sleep(ADOPT_S)  # it may have been on its way when its process ended
            name = await self._named(bundle)
        nothing = Sent("error", detail="Its process ended before its batch was made")
        found = await self._results(name, bundle.calls) if name else dict.fromkeys(bundle.calls, nothing)
        self._journal.write([self._settled(call, sent or nothing) for call, sent in found.items()])

    def _settled(self, call: int, sent: Sent) -> Settled:
        final = sent.outcome in FINAL and not sent.again
        prompt, made = sent.usage or (None, None)
        money = self._price.of(prompt, made) if prompt is not None and made is not None else None
        return Settled(call, sent.outcome, final, sent.text, sent.detail, prompt, made, money)
