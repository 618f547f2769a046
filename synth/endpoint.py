"""One endpoint that speaks OpenAI's chat completions: a request is sent once, and what comes of it is told in one form.

Guarantees: nothing that an endpoint does raises; what it says is bounded in size; its key is in no error, log, record
or `repr`; no redirect is followed, so no conversation goes elsewhere; there is no address that is used unasked.
Non-guarantees: proxies named in the environment (`HTTPS_PROXY`) are used, as `httpx` does it.

Importing it takes a second (`openai`): it is imported where a domain has an LLM.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import openai

from registry.credentials import find_credentials, has_login, without_login
from registry.domain import LlmSpec
from registry.errors import ConfigurationError
from synth.llm import Message, Outcome, Request
from synth.structured import told

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a response at most."""
MAX_COUNT = 10**9
"""Tokens that an endpoint may say a request took; more is no count."""
CONNECT_S = 10.0

_UNCHARGED = {500, 501, 503, 529}
"""Of what fails at the server, what made no answer; a gateway's 502 or 504 may hide one that was made."""
_HOPELESS = {401, 402, 404}
"""No other request is answered either: no key, no money, no such model."""
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Sent:
    """What came of sending a request once.

    Attributes:
        outcome: As of a Reply.
        text: The answer.
        detail: What went wrong, in a sentence.
        usage: Tokens of the conversation and of the answer that are charged; None for the most that was possible.
        again: Whether sending the same again can help.
        pause_s: Seconds for which the endpoint wants to be left alone; 0 where it didn't say.
        hopeless: Whether no other request will be answered either.
    """

    outcome: Outcome
    text: str = ""
    detail: str = ""
    usage: tuple[int, int] | None = (0, 0)
    again: bool = False
    pause_s: float = 0.0
    hopeless: bool = False


@dataclass
class Manners:
    """What is known of an endpoint's ways, for as long as it is open.

    Attributes:
        takes_schema: It takes `response_format`.
        told_schema: It is told the schema in words too.
        tokens: What it calls the most tokens of an answer.
        temperature: It takes one.
    """

    takes_schema: bool = True
    told_schema: bool = False
    tokens: str = "max_tokens"
    temperature: bool = True


class Endpoint:
    """Where requests are sent; one connection pool.

    Args:
        spec: The domain's settings.

    Attributes:
        url: Its address.
        manners: What is known of its ways.

    Raises:
        ConfigurationError: There is no address, or no key for it.
    """

    def __init__(self, spec: LlmSpec) -> None:
        self.url = address(spec)
        self.manners = Manners()
        self._model, self._timeout_s = spec.model, float(spec.timeout_s)
        self._key = _key(spec.key, self.url)
        self.client = _client(self.url, self._key, self._timeout_s, spec.concurrency)

    async def close(self) -> None:
        """Closes its connections."""
        await self.client.close()

    def words(self, request: Request) -> str:
        """What is sent beside a request at most: for its worst case."""
        return told(request.schema) if request.schema else ""

    async def send(self, request: Request) -> Sent:
        """Sends a request once, or once more for each thing that the endpoint turns out not to take."""
        while True:
            manners = replace(self.manners)
            sent, refused = await self._send(request, manners)
            if refused is None or not self._learned(refused, request, manners):
                return sent

    async def _send(self, request: Request, manners: Manners) -> tuple[Sent, openai.APIStatusError | None]:
        try:
            async with asyncio.timeout(self._timeout_s):  # the client's own is one for each read
                raw = await self.client.chat.completions.with_raw_response.create(**self._asked(request, manners))
            return self._read(raw.http_response, request), None
        except openai.APIStatusError as error:
            return self._failed(error), error if error.status_code in {400, 422} else None
        except (TimeoutError, openai.APITimeoutError) as error:
            reached = not isinstance(error.__cause__, (httpx2.ConnectTimeout, httpx2.PoolTimeout))
            detail = f"No answer within {self._timeout_s:g} s" if reached else f"{self.url} can't be reached in time"
            return Sent("timeout", detail=detail, usage=None if reached else (0, 0), again=True), None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            reached = not isinstance(cause, httpx2.ConnectError)
            detail = self._clean(f"The connection to {self.url} failed: {cause or type(cause).__name__}")
            return Sent("error", detail=detail, usage=None if reached else (0, 0), again=True), None
        except Exception as error:  # whatever else a response makes the client raise
            detail = self._clean(f"No answer that can be read: {type(error).__name__}: {error}")
            return Sent("error", detail=detail, usage=None), None

    def _asked(self, request: Request, manners: Manners) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self._model, "messages": self._messages(request, manners)}
        asked[manners.tokens] = request.max_tokens
        if manners.temperature:
            asked["temperature"] = float(request.temperature)
        if request.schema and manners.takes_schema:
            schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": schema}
        return asked

    def _messages(self, request: Request, manners: Manners) -> list[Message]:
        messages: list[Message] = [dict(message) for message in request.messages]
        if request.schema and manners.told_schema and messages:
            last = messages[-1]
            messages[-1] = {**last, "content": f"{last['content']}\n\n{self.words(request)}"}
        return messages

    def _learned(self, error: openai.APIStatusError, request: Request, tried: Manners) -> bool:
        """Whether something was sent that this endpoint doesn't take, and it can do without."""
        said = f"{error.message} {error.body}"
        if tried.tokens == "max_tokens" and "max_completion_tokens" in said:
            self.manners.tokens = "max_completion_tokens"
        elif tried.temperature and "temperature" in said:
            self.manners.temperature = False
        elif request.schema and tried.takes_schema and _code(error) not in _UNANSWERABLE:
            self.manners.takes_schema, self.manners.told_schema = False, True
        else:
            return False
        return True

    def _failed(self, error: openai.APIStatusError) -> Sent:
        status, headers = error.status_code, error.response.headers
        detail = self._clean(f"Status {status}: {error.message}")
        if status == 429:
            broke = _code(error) in {"insufficient_quota", "billing_hard_limit_reached"}
            return Sent(
                "rate-limited", detail=detail, again=not broke, hopeless=broke, pause_s=_asked_pause(headers) or 0.0
            )
        if _code(error) in {"content_filter", "content_policy_violation"}:
            return Sent("refused", detail=detail)
        charged = (0, 0) if status < 500 or status in _UNCHARGED else None
        again = status >= 500 or status in {408, 409, 425}
        pause = (_asked_pause(headers) or 0.0) if status in {503, 529} else 0.0
        return Sent("error", detail=detail, usage=charged, again=again, pause_s=pause, hopeless=status in _HOPELESS)

    def _read(self, response: httpx2.Response, request: Request) -> Sent:
        """What a response with status 200 says; any of it may be missing or of another kind."""
        said = json.loads(response.content)
        choice = said["choices"][0]
        message = choice["message"]
        text, refusal, why = message.get("content"), message.get("refusal"), choice.get("finish_reason")
        answer = self._without_key(_THOUGHT.sub("", text)) if isinstance(text, str) else ""
        sent = Sent("ok", answer, usage=usage_of(said.get("usage")), pause_s=_used_up(response.headers))
        if why == "content_filter" or (isinstance(refusal, str) and refusal):
            return replace(sent, outcome="refused", detail=self._clean(str(refusal or "The endpoint's filter")))
        if why == "length":
            return replace(sent, outcome="truncated", detail=f"The answer is longer than {request.max_tokens} tokens")
        if not answer.strip():
            return replace(sent, outcome="empty", detail="The answer is empty", again=True)
        return sent

    def _clean(self, text: str) -> str:
        """One short line without the key."""
        return " ".join(self._without_key(text).split())[:400]

    def _without_key(self, text: str) -> str:
        shown = text.encode("utf-8", "replace").decode()  # half a surrogate pair can be stored nowhere
        return shown.replace(self._key, "***") if self._key else shown


_UNANSWERABLE = {"context_length_exceeded", "content_filter", "content_policy_violation", "model_not_found"}


def address(spec: LlmSpec) -> str:
    """Where a domain's LLM is asked.

    Raises:
        ConfigurationError: Nowhere is said, or it is no address.
    """
    url = (spec.base_url or os.environ.get("OPENAI_BASE_URL", "")).strip().rstrip("/")
    if not url:
        raise ConfigurationError(
            "No address of an LLM: set [llm] base_url in the domain's file, as http://127.0.0.1:8000/v1, or the "
            "environment variable OPENAI_BASE_URL"
        )
    if has_login(url) or not re.match(r"https?://[^/\s]", url):
        shown = without_login(url)
        raise ConfigurationError(f"{shown} can't be the address of an LLM: name it as https://host/v1, with no login")
    return url


def usage_of(said: Any) -> tuple[int, int] | None:
    """Tokens sent and made, as an endpoint counted them; None where it didn't, or not in numbers."""
    if not isinstance(said, Mapping):
        return None
    prompt, made, total = (_count(said.get(f"{what}_tokens")) for what in ("prompt", "completion", "total"))
    if prompt is None or made is None:
        return None
    return prompt, max(made, (total or 0) - prompt)  # some count thoughts in the total alone


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
    return value if is_count else None


def _key(reference: str, url: str) -> str:
    """The endpoint's key; none for one that runs here, where the variable isn't set."""
    local = re.match(r"https?://(localhost|127\.[\d.]+|\[::1\])([:/]|$)", url)
    name = reference.removeprefix("env:")
    if not reference or (local and not os.environ.get(name)):
        return ""
    if not reference.startswith("env:") or ":" in name:
        raise ConfigurationError("[llm] key isn't of the form env:NAME: name the environment variable that holds it")
    found = find_credentials(reference, url)
    return found.header.removeprefix("Bearer ") if found else ""


def _client(url: str, key: str, timeout_s: float, connections: int) -> openai.AsyncOpenAI:
    pool = httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bounded]},
    )
    return openai.AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=0, http_client=pool)


async def _bounded(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":  # it was asked not to; bombs come so
        raise httpx2.RemoteProtocolError("The response is compressed")
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes, up to `MAX_BYTES`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > MAX_BYTES:
                raise httpx2.RemoteProtocolError(f"The response has more than {MAX_BYTES} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _code(error: openai.APIStatusError) -> str:
    return str(getattr(error, "code", "") or "")


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """For how long an endpoint that refused wants to be left alone."""
    found = [_span(headers.get("retry-after-ms", ""), "ms"), _span(headers.get("retry-after", ""), "s")]
    said = next((seconds for seconds in found if seconds is not None), None)
    return said if said is not None else _used_up(headers) or None


def _used_up(headers: Mapping[str, str]) -> float:
    """Seconds until a limit that is used up is open again, as OpenAI's and Anthropic's headers say it."""
    longest = 0.0
    for what in ("requests", "tokens", "input-tokens", "output-tokens"):
        for left, reset in (
            (f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}"),
            (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset"),
        ):
            if headers.get(left, "").strip() == "0":
                longest = max(longest, _span(headers.get(reset, ""), "s") or 0.0)
    return longest


def _span(text: str, unit: str) -> float | None:
    """Seconds of `20`, `1m30s`, `20ms`, or until a date."""
    text = text.strip()
    try:
        return max(float(text) * _SECONDS[unit], 0.0) if re.fullmatch(r"[\d.]{1,16}", text) else _spelled(text)
    except (ValueError, OverflowError):
        return None


def _spelled(text: str) -> float | None:
    parts = _SPAN.findall(text[:64])
    if parts and _SPAN.sub("", text) == "":
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    when = dt.datetime.fromisoformat(text) if re.match(r"\d{4}-", text) else email.utils.parsedate_to_datetime(text)
    return max(when.timestamp() - time.time(), 0.0)
