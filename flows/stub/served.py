"""One request to the stub: from its body to what is sent, and what of it stands in the ledger."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.stub import faults, recorded, wire
from flows.stub.answers import answer_to
from flows.stub.excerpts import purpose_of
from flows.stub.faults import Fault
from flows.stub.ledger import Ledger
from flows.stub.limits import Limits
from flows.stub.obeying import marked, orders
from flows.stub.recorded import Recorded

if TYPE_CHECKING:
    import httpx

DEPTH = 64
"""Lists and objects within each other that a body may have."""


@dataclass(frozen=True)
class Sent:
    """What a request gets.

    Attributes:
        status: HTTP status.
        body: Its JSON.
        headers: Beside the usual ones.
        way: `whole`; `never`: nothing is sent; `cut`: the connection ends in the middle.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    way: str = "whole"


@dataclass
class Stub:
    """What answers.

    Attributes:
        seed: Of every choice.
        faults: What goes wrong, and how often.
        obey: Whether what stands outside the fence is obeyed.
        schemas: Whether structured outputs are known.
        delay: Seconds that an answer takes, at least and at most.
        answers: Answers that are known.
        limits: Rate limits.
        ledger: What was asked.
        upstream: Who answers what isn't known; None: the templates do.
        record: Where upstream's answers are kept.
    """

    seed: int = 0
    faults: tuple[Fault, ...] = ()
    obey: bool = False
    schemas: bool = True
    delay: tuple[float, float] = (0.0, 0.0)
    answers: Recorded = field(default_factory=Recorded)
    limits: Limits = field(default_factory=Limits)
    ledger: Ledger = field(default_factory=Ledger)
    upstream: httpx.AsyncClient | None = None
    record: Path | None = None

    async def answer(self, data: bytes, headers: Mapping[str, str] | None = None) -> Sent:
        """What a body gets; of the headers upstream sees `authorization` alone."""
        try:
            body = read(data)
            asked = wire.asked(body, schemas=self.schemas)
        except wire.RefusedError as refused:
            return Sent(refused.status, refused.body)
        attempt = self.ledger.attempt(asked.key)
        wait = self.limits.wait(asked.tokens + asked.limit * asked.choices)
        kind = faults.drawn(self.faults, faults.OF_THE_SERVER, self._draw(asked, "server"), attempt)
        spoil = faults.drawn(self.faults, faults.SPOILS, self._draw(asked, "model"), attempt)
        await asyncio.sleep(self._draw(asked, "delay").uniform(*self.delay))
        if wait:
            sent, kind, spoil = _limited(wait), "rate-limited", ""
        elif kind in ("error", "rate-limited"):
            sent, spoil = _failed(kind, self._draw(asked, "which")), ""
        else:
            sent = await self._answered(asked, body, headers or {}, spoil)
        self._book(asked, body, {"attempt": attempt, "fault": kind, "spoil": spoil}, sent)
        if kind == "usage" and sent.status == 200:
            sent = Sent(sent.status, faults.usage(sent.body, self._draw(asked, "usage")))
        return Sent(sent.status, sent.body, {**sent.headers, **self.limits.headers}, _WAYS.get(kind, "whole"))

    async def _answered(self, asked: wire.Asked, body: Any, headers: Mapping[str, str], spoil: str) -> Sent:
        if asked.key in self.answers.whole:
            return Sent(*self.answers.whole[asked.key])
        if self.upstream is not None:
            return await self._passed_on(asked, body, headers)
        try:
            choices = [self._choice(asked, spoil, place) for place in range(asked.choices)]
        except wire.RefusedError as refused:
            return Sent(refused.status, refused.body)
        return Sent(200, wire.completion(asked, choices))

    def _choice(self, asked: wire.Asked, spoil: str, place: int) -> wire.Choice:
        text = self.answers.answer(asked)
        if text is None:
            if asked.model != wire.MODEL:
                told = f"The stub has no model {asked.model!r} and no recorded answer: ask for {wire.MODEL!r}"
                raise wire.RefusedError(404, told, code="model_not_found", param="model")
            text = answer_to(asked, self.seed + place)
        if self.obey and (done := orders(asked)):
            text = marked(text, done)
        if not spoil:
            return wire.fitted(text, asked)
        spoiled = faults.spoiled(spoil, wire.Choice(text), self._draw(asked, f"spoil {place}"))
        return spoiled if spoil == "huge" or spoiled.finish != "stop" else _cut(spoiled, asked)

    async def _passed_on(self, asked: wire.Asked, body: Any, headers: Mapping[str, str]) -> Sent:
        """Asks upstream, and keeps what came where it is an answer: what failed is asked again."""
        import httpx

        assert self.upstream is not None
        key = {"authorization": headers["authorization"]} if "authorization" in headers else {}
        try:
            came = await self.upstream.post("chat/completions", json=body, headers=key)
            said = came.json()
        except (httpx.HTTPError, ValueError) as error:
            told = f"Upstream did not answer: {type(error).__name__}"
            return Sent(502, wire.RefusedError(502, told, kind="server_error").body)
        if came.status_code == 200:
            self.answers.whole[asked.key] = (200, said)
            if self.record is not None:
                recorded.kept(self.record, asked.key, 200, said)
        return Sent(came.status_code, said)

    def _book(self, asked: wire.Asked, body: Any, line: Mapping[str, Any], sent: Sent) -> None:
        used = sent.body.get("usage") if isinstance(sent.body, dict) and sent.status == 200 else None
        cost = {name: int((used or {}).get(name) or 0) for name in ("prompt_tokens", "completion_tokens")}
        purpose = purpose_of(asked.said("system", "developer"))
        self.ledger.write(asked.key, purpose, {**line, "status": sent.status, **cost}, body)

    def _draw(self, asked: wire.Asked, what: str) -> random.Random:
        return random.Random(f"{self.seed}/{asked.key}/{what}")


_WAYS = {"timeout": "never", "cut": "cut"}


def read(data: bytes) -> Any:
    """A body's JSON.

    Raises:
        RefusedError: It is none, or too large or deep.
    """
    if len(data) > wire.MOST_BYTES:
        raise wire.RefusedError(413, f"The body has {len(data):,} bytes: at most {wire.MOST_BYTES:,} are read")
    try:
        body = json.loads(data)
        deep = _is_deep(body)
    except (ValueError, RecursionError):
        raise wire.RefusedError(400, "We could not parse the JSON body of your request") from None
    if deep:
        raise wire.RefusedError(400, f"The body is deeper than {DEPTH} lists and objects")
    return body


def _is_deep(value: Any, left: int = DEPTH) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(_is_deep(one, left - 1) for one in inner)


def _cut(choice: wire.Choice, asked: wire.Asked) -> wire.Choice:
    """A spoiled answer that keeps to its limit."""
    return choice if choice.refusal else wire.fitted(choice.text, asked)


def _limited(wait: float) -> Sent:
    """429, and when to come again; `retry-after-ms` says it exactly, as OpenAI's does."""
    body = wire.RefusedError(
        429, "Rate limit reached. Please try again later", kind="requests", code="rate_limit_exceeded"
    ).body
    return Sent(429, body, {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))})


def _failed(kind: str, draw: random.Random) -> Sent:
    if kind == "rate-limited":
        return _limited(draw.uniform(0.01, 0.2))
    status = draw.choice((500, 502, 503))
    return Sent(
        status,
        wire.RefusedError(status, "The server had an error. Try again", kind="server_error").body,
    )
