"""Asks an LLM: within budgets, never the same twice, many at a time.

    with Journal(home / "llm.sqlite") as journal, Asking(Client(spec, journal, "networkx", run)) as asking:
        futures = [asking.submit(request) for request in requests]
        replies = [future.result() for future in futures]

A request is reserved for in the journal, sent, settled; what failed is sent again where that can help, after a while
that grows. `ok`, `refused`, `truncated`, and what was `malformed` or `empty` twice are answers for good: whoever asks
the same later is told the same, and nothing is charged. `error`, `timeout`, `rate-limited` and `budget` are none.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from registry.domain import LlmSpec
from synth.batches import Batches
from synth.budget import Budget, most_tokens
from synth.endpoint import Endpoint
from synth.entries import Decision, Entry, Leave, NoLeave, Pause, Settled, Wait, Wish
from synth.journal import BATCH_S, SOON_S, Journal
from synth.llm import Outcome, Reply, Request
from synth.responses import FINAL, Sent
from synth.structured import MalformedError, value_of

PATIENCE_S = 300.0
"""How long a request waits for rate limits and is tried again, at most."""
TRIES = 6
"""How often a request is sent at most, where nothing was charged for it."""
RATE_LIMITED = 20
"""How often where the endpoint had no time for it."""
CHARGED = 2
"""How often where it is charged each time: no answer in time, or none of use."""
_FIRST_S, _LONGEST_S = 0.5, 20.0
"""The pause before the second try, doubled for each other, at most."""
_POLL_S = 1.0
"""How often it is looked, at least, whether what others hold is free."""

_log = logging.getLogger("driftune.llm")


class Client:
    """Asks one model for one run. Use it with `async with`, from one event loop.

    Args:
        spec: The domain's settings.
        journal: Where all is written down.
        domain: Name of the domain, which is charged.
        run: Id of the run, which is charged too.
        patience_s: How long a request waits for rate limits and is tried again, at most.

    Raises:
        ConfigurationError: The settings name no endpoint that can be asked.
    """

    def __init__(self, spec: LlmSpec, journal: Journal, domain: str, run: str, patience_s: float = PATIENCE_S) -> None:
        self.endpoint = Endpoint(spec)
        self._spec, self._domain, self._patience_s = spec, domain, patience_s
        self._budget = Budget(spec, domain, run)
        self._journal, self._scribe = journal, _Scribe(journal)
        self._batches = Batches(self.endpoint, journal, domain, self._budget.price)
        self._slots = asyncio.Semaphore(spec.concurrency)
        self._hopeless = ""
        self._has_warned = False

    async def __aenter__(self) -> Client:
        self._batches.watch()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._batches.close()
        await self.endpoint.close()
        await self._scribe.close()

    async def ask(self, request: Request) -> Reply:
        """Asks, or tells what was answered before. Whatever the endpoint does is an outcome, never an exception.

        Raises:
            ConfigurationError: The journal can't be written.
        """
        async with contextlib.nullcontext() if self._spec.batch else self._slots:
            return await self._answered(self._asked(request))

    def _asked(self, request: Request) -> _Asked:
        prompt = most_tokens(request, self.endpoint.words(request))
        money = self._budget.price.of(prompt, request.max_tokens)
        key, model, url = request.key(self._spec.model), self._spec.model, self.endpoint.url
        wish = Wish(key, self._domain, request.purpose, model, url, (), prompt, request.max_tokens, money)
        patience_s = BATCH_S if self._spec.batch else self._patience_s
        return _Asked(request, wish, time.monotonic() + patience_s)

    async def _answered(self, asked: _Asked) -> Reply:
        """Asks until there is an answer, or no use in asking."""
        while True:
            decision = await self._decided(asked)
            if isinstance(decision, Settled):
                return asked.reply(decision)
            settled, sent = await self._sent(asked, decision)
            pause = [Pause(self.endpoint.url, sent.pause_s)] if sent.pause_s > 0 else []
            await self._scribe.write(settled, *pause)
            if not sent.again:
                return asked.reply(settled)
            if not pause:
                await asyncio.sleep(asked.backoff(sent.outcome))

    async def _decided(self, asked: _Asked) -> Leave | Settled:
        """Leave to send it, or what there is instead; what is in the way is waited for."""
        if self._hopeless:
            return self._journal.answer(asked.wish.request) or Settled(0, "error", detail=self._hopeless)
        pause_s = SOON_S
        while True:
            scopes = self._budget.scopes(dt.datetime.now(dt.UTC))
            decision = await self._scribe.ask(replace(asked.wish, scopes=scopes))
            if isinstance(decision, NoLeave):
                return Settled(0, "budget", detail=decision.detail)
            if not isinstance(decision, Wait):
                return decision
            if self._is_too_late(asked, decision):
                return self._given_up(decision)
            pause_s = min(pause_s * 1.5, _POLL_S)
            await asyncio.sleep(max(decision.seconds, pause_s) * random.uniform(1, 1.2))

    def _is_too_late(self, asked: _Asked, wait: Wait) -> bool:
        """Whether it is waited for no more: who has reserved something may be a process that somebody stopped."""
        ahead = wait.seconds if wait.why == "paused" else -self._spec.timeout_s
        return time.monotonic() + ahead > asked.patience

    def _given_up(self, wait: Wait) -> Settled:
        if wait.why == "paused":
            why = f"{self.endpoint.url} wants to be left alone for {wait.seconds:.0f} s"
            return Settled(0, "rate-limited", detail=why)
        if wait.why == "budget":
            return Settled(0, "budget", detail="What is left of a budget is reserved by requests that don't end")
        return Settled(0, "timeout", detail="Another process is asking the same, and has no answer: was it stopped?")

    async def _sent(self, asked: _Asked, leave: Leave) -> tuple[Settled, Sent]:
        """Sends a request; what is written down of it, and whether it is to be sent again."""
        since = time.perf_counter()
        try:
            sent = self._judged(asked, await self._delivered(asked, leave))
        except BaseException:  # cancelled: it may have been charged
            if not self._spec.batch:
                self._journal.write([Settled(leave.call, "lost", False, "", "It was given up", None, None, None)])
            raise
        sent = self._retried(asked, sent)
        prompt, completion = sent.usage or (asked.wish.prompt_tokens, asked.wish.completion_tokens)
        detail = f"{sent.detail}{self._overdrawn(asked, prompt + completion)}"
        final = sent.outcome in FINAL and not sent.again
        money = self._budget.price.of(prompt, completion)
        seconds = time.perf_counter() - since
        return Settled(leave.call, sent.outcome, final, sent.text, detail, prompt, completion, money, seconds), sent

    async def _delivered(self, asked: _Asked, leave: Leave) -> Sent:
        if not self._spec.batch:
            return await self.endpoint.send(asked.request)
        sent = await self._batches.send(leave.call, asked.request)
        if sent is not None:
            return sent
        async with self._slots:
            return await self.endpoint.send(asked.request)

    def _judged(self, asked: _Asked, sent: Sent) -> Sent:
        """Whether an answer is of the form that was asked for."""
        if sent.hopeless:
            self._hopeless = sent.detail
        if sent.outcome != "ok" or asked.request.schema is None:
            return sent
        try:
            asked.value(sent.text)
        except MalformedError as error:
            self.endpoint.manners.told_schema = True  # it may have taken the schema and paid no heed to it
            return replace(sent, outcome="malformed", detail=str(error), again=True)
        return sent

    def _retried(self, asked: _Asked, sent: Sent) -> Sent:
        """Whether it is really sent again, and after which pause of the endpoint."""
        asked.tries[sent.outcome] += 1
        pause = sent.pause_s or asked.backoff(sent.outcome)
        most = RATE_LIMITED if sent.outcome == "rate-limited" else TRIES if sent.usage == (0, 0) else CHARGED
        in_time = time.monotonic() + pause < asked.patience
        again = sent.again and not self._hopeless and asked.tries[sent.outcome] < most and in_time
        if sent.again and not again and sent.is_unreached:
            self._hopeless = sent.detail
        return replace(sent, again=again, pause_s=pause if sent.outcome == "rate-limited" else sent.pause_s)

    def _overdrawn(self, asked: _Asked, tokens: int) -> str:
        """Tells of an endpoint that counts more than there can be: the budget's bound isn't one there."""
        if tokens <= asked.wish.tokens:
            return ""
        told = f"The endpoint counted {tokens} tokens where {asked.wish.tokens} were reserved as the most possible"
        if not self._has_warned:
            self._has_warned = True
            _log.warning("%s: budgets may be exceeded by such a difference (%s)", told, self.endpoint.url)
        return f" {told}"


@dataclass
class _Asked:
    """A request on its way.

    Attributes:
        request: What is asked.
        wish: What is reserved for it.
        patience: Until when rate limits are waited for, and it is tried again.
        tries: How often it came to what.
    """

    request: Request
    wish: Wish
    patience: float
    tries: Counter[str] = field(default_factory=Counter)
    _read: tuple[str, Any] | None = None

    def value(self, text: str) -> Any:
        """The JSON of an answer; read once.

        Raises:
            MalformedError: It doesn't fit the schema.
        """
        if self._read is None or self._read[0] != text:
            self._read = text, value_of(text, self.request.schema or {})
        return self._read[1]

    def backoff(self, outcome: str) -> float:
        """Seconds until the next try: doubled for each, with chance in it, so that not all come at once."""
        return min(_FIRST_S * 2.0 ** (self.tries[outcome] - 1), _LONGEST_S) * random.uniform(0.5, 1.5)

    def reply(self, settled: Settled) -> Reply:
        """What is told to who asked."""
        tokens = settled.prompt_tokens or 0, settled.completion_tokens or 0
        said = cast("Outcome", settled.outcome), settled.text, None, settled.detail, *tokens, settled.money or 0
        reply = Reply(self.wish.request, *said)
        if reply.outcome != "ok" or self.request.schema is None:
            return reply
        try:
            return replace(reply, value=self.value(reply.text))
        except MalformedError as error:  # who settled it, with a batch of another's, didn't know what was asked for
            return replace(reply, outcome="malformed", detail=str(error))


_Wanted = list[tuple[Sequence[Entry], asyncio.Future[list[Decision | None]]]]
"""What tasks want written, each with what it waits for."""


class _Scribe:
    """Writes what many tasks want written in one transaction at a time: here, or in a thread where that has to wait."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "driftune-journal")
        self._waiting: _Wanted = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, wish: Wish) -> Decision:
        """What comes of a wish."""
        (decision,) = await self.write(wish)
        assert decision is not None  # a wish has one
        return decision

    def write(self, *entries: Entry) -> asyncio.Future[list[Decision | None]]:
        """Done when it is written; what came of each."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Decision | None]] = loop.create_future()
        self._waiting.append((entries, done))
        if len(self._waiting) == 1 and self._task is None:
            loop.call_soon(self._write)  # with all that is wanted in this turn of the loop
        return done

    async def close(self) -> None:
        """Waits for what is being written."""
        self._write()
        while self._task is not None:
            await asyncio.wait([self._task])
        self._thread.shutdown()

    def _write(self) -> None:
        """Writes what is wanted, if nobody else is writing: that takes less than to have a thread do it."""
        if self._task is None and self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                made = self._journal.write_at_once(_entries(batch))
            except Exception as error:
                _fail(batch, error)
                return
            if made is None:
                self._task = asyncio.get_running_loop().create_task(self._wait_and_write(batch))
            else:
                _tell(batch, made)

    async def _wait_and_write(self, batch: _Wanted) -> None:
        loop = asyncio.get_running_loop()
        try:
            _tell(batch, await loop.run_in_executor(self._thread, self._journal.write, _entries(batch)))
        except Exception as error:
            _fail(batch, error)
        self._task = None
        self._write()


def _entries(batch: _Wanted) -> list[Entry]:
    return [entry for some, _ in batch for entry in some]


def _tell(batch: _Wanted, made: Sequence[Decision | None]) -> None:
    """Tells each task what came of its entries; who waited may be gone."""
    results = iter(made)
    for some, done in batch:
        own = [next(results) for _ in some]
        if not done.done():
            done.set_result(own)


def _fail(batch: _Wanted, error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)


class Asking:
    """A Client in an event loop of its own thread, for who has none: `submit` gives a future at once.

    Args:
        client: The client; it belongs to that loop from now on.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="driftune-llm", daemon=True)

    def __enter__(self) -> Asking:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives up what is on its way; it is charged, and asked for again by the next run."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def submit(self, request: Request) -> concurrent.futures.Future[Reply]:
        """Asks; any number may be submitted at once, `concurrency` of them are on their way."""
        return asyncio.run_coroutine_threadsafe(self._client.ask(request), self._loop)

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        async with self._client:
            await self._stop.wait()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
