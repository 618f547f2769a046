"""What is due is sent: many subscriptions at a time, each in its order; webhooks by Standard Webhooks.

Guarantees: every delivery is sent, under the same id at each attempt, until it is answered with 2xx or given up after
the last of `retries`; of a subscription the next is sent only after the one before has ended.
Targets are asked through `registry.web`: public addresses, and those that the server's settings name; no redirects; a
bound on time and on what is read. A slow receiver takes up its own turn alone: so many hosts at a time, so many
deliveries to one of them.

Not guaranteed: that an event comes once (a receiver that answers too late, or a server that is killed before it has
written the answer down, gets it again: go by `webhook-id`). A server that stands still for longer than it holds a
subscription, between asking for leave and sending, may send after another has gone on.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from registry.errors import DriftuneError
from registry.server import deliveries
from registry.server.deliveries import Job, Verdict
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.web import Access, Answer, Web, WebLimits

USER_AGENT = "driftune/0.1 (webhooks)"
_DRAIN = 100
"""So many deliveries of one subscription, until another has its turn."""
_ANSWER_BYTES = 1 << 16
_MARGIN_S = 1.0
_LOOKED_AT = 5_000
"""Subscriptions that are due and looked at in a turn: those of a host that has its share stand in nobody's way."""
_TURN_S = 0.5
_PRUNE_S = 3600.0
_JITTER = 0.2


def open_web(settings: ServerSettings) -> Web:
    """The guarded client as webhooks use it."""
    access = Access(private=settings.webhook_networks, proxy=settings.webhook_proxy or None)
    limits = WebLimits(
        body_bytes=_ANSWER_BYTES, seconds=settings.webhook_s, connect_s=min(10.0, settings.webhook_s), pause_s=0.0
    )
    return Web(access, limits)


class Sender:
    """Sends what is due, for as long as it runs; any number of them, in any processes, share a state.

    Args:
        state: Where deliveries are.
        settings: How many at a time, how long, how often.
        open_web: Makes a session on the web; for tests.
    """

    def __init__(
        self, state: State, settings: ServerSettings, open_web: Callable[[ServerSettings], Web] = open_web
    ) -> None:
        self._state, self._settings, self._open_web = state, settings, open_web
        self._holder = secrets.token_hex(16)
        self._hold_s = 1.5 * settings.webhook_s + _MARGIN_S
        self._busy: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._log = logging.getLogger("uvicorn.error")

    def wake(self) -> None:
        """Something may be due: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Sends until it is cancelled; what is under way then is let go of, for others or for the next start."""
        pruned = 0.0
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                try:
                    await self._start_due(tasks)
                    if time.monotonic() - pruned > _PRUNE_S:
                        pruned = time.monotonic()
                        await self._state.run(deliveries.prune, self._settings.delivery_days)
                except DriftuneError as error:
                    self._log.error("What is due can't be looked up: %s", error)
                except Exception:  # a fault of ours in one turn must not end all others
                    self._log.exception("What is due can't be looked up")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), min(_TURN_S, self._settings.look_s))

    async def _start_due(self, tasks: asyncio.TaskGroup) -> None:
        if len(self._busy) >= self._settings.webhooks:
            return
        at_hosts = Counter(self._busy.values())
        for subscription, url in await self._state.ask(deliveries.due, _LOOKED_AT):
            host = urlsplit(url).netloc
            full = len(self._busy) >= self._settings.webhooks or at_hosts[host] >= self._settings.webhooks_host
            if not full and subscription not in self._busy:
                at_hosts[host] += 1
                self._busy[subscription] = host
                tasks.create_task(self._serve(subscription))

    async def _serve(self, subscription: str) -> None:
        """Sends what one subscription is due, until nothing is, or an attempt fails."""
        try:
            if await self._state.run(deliveries.claim, subscription, self._holder, self._hold_s):
                try:
                    async with self._open_web(self._settings) as web:
                        await self._drain(subscription, web)
                finally:
                    await asyncio.shield(self._state.run(deliveries.release, subscription, self._holder))
        except DriftuneError as error:
            self._log.error("The deliveries of %s stopped: %s", subscription, error)
        except Exception:  # a fault of ours with one subscription must not stop the others
            self._log.exception("The deliveries of %s stopped", subscription)
        finally:
            del self._busy[subscription]
            self._wake.set()

    async def _drain(self, subscription: str, web: Web) -> None:
        for _ in range(_DRAIN):
            job = await self._state.run(deliveries.take, subscription, self._holder, self._hold_s, self._settings)
            if job is None:
                return
            verdict = judged(await web.post(job.subscription.url, *signed(job)))
            wait = next_wait(self._settings, job.subscription.failures, verdict)
            await self._state.run(deliveries.settle, job, verdict, wait)


def signed(job: Job) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery, as Standard Webhooks says; the time is that of this attempt."""
    body = json.dumps(job.event.body, separators=(",", ":"))
    at = dt.datetime.now(dt.UTC)
    signatures = [Webhook(secret).sign(job.delivery.id, at, body) for secret in job.secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": job.delivery.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return body.encode(), headers


def refusal(outcome: str, detail: object) -> str:
    """What a subscriber is told of an address that failed: not which addresses a name has inside."""
    if outcome != "refused":
        return str(detail)
    return (
        "it has to be of http or https, without a login, plainly written, and all addresses of its host public, or in "
        "DRIFTUNE_SERVE_WEBHOOK_NETWORKS"
    )


def judged(answer: Answer) -> Verdict:
    """What an answer means: 2xx is arrived, whatever follows; 410 wants nothing more; all else is tried again."""
    arrived = answer.status is not None and 200 <= answer.status < 300
    detail = "" if arrived else refusal(answer.outcome, answer.detail)
    return Verdict(arrived, answer.status == 410, answer.status, detail, answer.wait)


def next_wait(settings: ServerSettings, failures: int, verdict: Verdict) -> float | None:
    """Seconds until the next attempt, spread so that many don't come back at once; None after the last.

    Args:
        settings: `retries`, and the longest wait that a receiver may ask for.
        failures: Attempts that failed before this one.
        verdict: What came of this one.
    """
    if failures >= len(settings.retries):
        return None
    wait = settings.retries[failures] * random.uniform(1 - _JITTER, 1 + _JITTER)
    return max(wait, min(verdict.wait or 0.0, settings.longest_wait_s))
