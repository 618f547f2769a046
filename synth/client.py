"""Asks an LLM: within budgets, never the same twice, many at a time.

    with Journal(home / "llm.sqlite") as journal, Asking(spec, journal, "networkx", run) as asking:
        futures = [asking.submit(request) for request in requests]
        replies = [future.result() for future in futures]

A request is reserved for in the journal, sent, settled; what failed is sent again where that can help, after a while
that grows. `ok`, `refused`, `truncated`, and what was `malformed` or `empty` twice are answers for good: whoever asks
the same later is told the same, and nothing is charged. `error`, `timeout`, `rate-limited` and `budget` are none.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from registry.domain import LlmSpec
from synth.budget import Budget, most_tokens
from synth.endpoint import Endpoint
from synth.journal import SOON_S, Decision, Entry, Journal, Leave, NoLeave, Pause, Settled, Wait, Wish
from synth.llm import Outcome, Reply, Request
from synth.responses import Sent
from synth.structured import MalformedError, value_of

PATIENCE_S = 300.0
"""How long a request waits for rate limits, at most."""
TRIES = {"error": 4, "timeout": 2, "malformed": 2, "empty": 2}
"""How often a request is sent at most, by how it failed: a timeout is charged at its worst case each time."""
MOST_TRIES = 20
"""How often at most where it was rate limited, which costs nothing."""
FINAL = frozenset({"ok", "refused", "truncated", "malformed", "empty"})
"""What is the answer for good, once it isn't tried again."""
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
        patience_s: How long a request waits for rate limits, at most.

    Raises:
        ConfigurationError: The settings name no endpoint that can be asked.
    """

    def __init__(self, spec: LlmSpec, journal: Journal, domain: str, run: str, patience_s: float = PATIENCE_S) -> None:
        self.endpoint = Endpoint(spec)
        self._spec, self._domain, self._patience_s = spec, domain, patience_s
        self._budget = Budget(spec, domain, run)
        self._journal, self._scribe = journal, _Scribe(journal)
        self._slots = asyncio.Semaphore(spec.concurrency)
        self._hopeless = ""
        self._has_warned = False

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.endpoint.close()
        await self._scribe.close()

    async def ask(self, request: Request) -> Reply:
        """Asks, or tells what was answered before. Whatever the endpoint does is an outcome, never an exception.

        Raises:
            ConfigurationError: The journal can't be written.
        """
        async with self._slots:
            return await self._answered(self._asked(request))

    def _asked(self, request: Request) -> _Asked:
        prompt = most_tokens(request, self.endpoint.words(request))
        money = self._budget.price.of(prompt, request.max_tokens)
        key, model, url = request.key(self._spec.model), self._spec.model, self.endpoint.url
        wish = Wish(key, self._domain, request.purpose, model, url, (), prompt, request.max_tokens, money)
        return _Asked(request, wish, time.monotonic() + self._patience_s)

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
            if decision.why == "paused" and time.monotonic() + decision.seconds > asked.patience:
                why = f"{self.endpoint.url} wants to be left alone for {decision.seconds:.0f} s"
                return Settled(0, "rate-limited", detail=why)
            pause_s = min(pause_s * 1.5, _POLL_S)
            await asyncio.sleep(max(decision.seconds, pause_s) * random.uniform(1, 1.2))

    async def _sent(self, asked: _Asked, leave: Leave) -> tuple[Settled, Sent]:
        """Sends a request; what is written down of it, and whether it is to be sent again."""
        since = time.perf_counter()
        try:
            sent = self._judged(asked, await self.endpoint.send(asked.request))
        except BaseException:  # cancelled: it may have been charged
            self._journal.write([Settled(leave.call, "lost", False, "", "It was given up", None, None, None)])
            raise
        sent = self._retried(asked, sent)
        prompt, completion = sent.usage or (asked.wish.prompt_tokens, asked.wish.completion_tokens)
        detail = f"{sent.detail}{self._overdrawn(asked, prompt + completion)}"
        final = sent.outcome in FINAL and not sent.again
        money = self._budget.price.of(prompt, completion)
        seconds = time.perf_counter() - since
        return Settled(leave.call, sent.outcome, final, sent.text, detail, prompt, completion, money, seconds), sent

    def _judged(self, asked: _Asked, sent: Sent) -> Sent:
        """Whether an answer is of the form that was asked for."""
        if sent.hopeless:
            self._hopeless = sent.detail
        if sent.outcome != "ok" or asked.request.schema is None:
            return sent
        try:
            value_of(sent.text, asked.request.schema)
        except MalformedError as error:
            self.endpoint.manners.told_schema = True  # it may have taken the schema and paid no heed to it
            return replace(sent, outcome="malformed", detail=str(error), again=True)
        return sent

    def _retried(self, asked: _Asked, sent: Sent) -> Sent:
        """Whether it is really sent again, and after which pause of the endpoint."""
        asked.tries[sent.outcome] += 1
        again = sent.again and not self._hopeless and asked.tries[sent.outcome] < TRIES.get(sent.outcome, MOST_TRIES)
        if sent.outcome == "rate-limited" and again and not sent.pause_s:
            return replace(sent, pause_s=asked.backoff(sent.outcome))
        return replace(sent, again=again)

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
        patience: Until when rate limits are waited for.
        tries: How often it came to what.
    """

    request: Request
    wish: Wish
    patience: float
    tries: Counter[str] = field(default_factory=Counter)

    def backoff(self, outcome: str) -> float:
        """Seconds until the next try: doubled for each, with chance in it, so that not all come at once."""
        return min(_FIRST_S * 2.0 ** (self.tries[outcome] - 1), _LONGEST_S) * random.uniform(0.5, 1.5)

    def reply(self, settled: Settled) -> Reply:
        """What is told to who asked."""
        schema, value = self.request.schema, None
        if settled.outcome == "ok" and schema is not None:
            value = value_of(settled.text, schema)
        tokens = settled.prompt_tokens or 0, settled.completion_tokens or 0
        outcome = cast("Outcome", settled.outcome)
        return Reply(self.wish.request, outcome, settled.text, value, settled.detail, *tokens, settled.money or 0)


class _Scribe:
    """Writes what many tasks want written in one transaction at a time, in a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "driftune-journal")
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[list[Decision | None]]]] = []
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
        if self._task is None:
            self._task = loop.create_task(self._work())
        return done

    async def close(self) -> None:
        """Waits for what is being written."""
        while self._task is not None:
            await asyncio.wait([self._task])
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            entries = [entry for some, _ in batch for entry in some]
            try:
                made = iter(await loop.run_in_executor(self._thread, self._journal.write, entries))
            except Exception as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for some, done in batch:
                results = [next(made) for _ in some]
                if not done.done():  # who waited for it may be gone
                    done.set_result(results)
        self._task = None


class Asking:
    """A Client in an event loop of its own thread, for who has none: `submit` gives a future at once.

    Args:
        spec: The domain's settings.
        journal: Where all is written down.
        domain: Name of the domain, which is charged.
        run: Id of the run, which is charged too.
        patience_s: How long a request waits for rate limits, at most.

    Raises:
        ConfigurationError: The settings name no endpoint that can be asked.
    """

    def __init__(self, spec: LlmSpec, journal: Journal, domain: str, run: str, patience_s: float = PATIENCE_S) -> None:
        self._client = Client(spec, journal, domain, run, patience_s)
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
