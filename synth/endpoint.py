"""One endpoint that speaks OpenAI's chat completions: a request is sent once, and what comes of it is told in one form.

Guarantees: nothing that an endpoint does raises; what it says is bounded in size; its key is in no error, log, record
or `repr`; no redirect is followed, so no conversation goes elsewhere; there is no address that is used unasked.
Non-guarantees: proxies named in the environment (`HTTPS_PROXY`) are used, as `httpx` does it.

Importing it takes a second (`openai`): it is imported where a domain has an LLM.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import openai

from registry.credentials import find_credentials, has_login, without_login
from registry.domain import LlmSpec
from registry.errors import ConfigurationError
from synth.llm import Message, Request
from synth.responses import Sent, answered, failed
from synth.structured import told

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a response at most."""
MAX_FILE = 64 * 1024 * 1024
"""Bytes of a batch's answers at most."""
CONNECT_S = 10.0
SECRET = 8
"""A key of fewer characters is none, as `none` for a server of one's own: it may well be a word of an answer."""


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
            sent = await self._send(request, manners)
            if not sent.not_taken or not self.learnt(sent, request, manners):
                return sent

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent, as far as the endpoint's ways are known."""
        return self._asked(request, self.manners)

    def read(self, status: int, body: Any, headers: Mapping[str, str]) -> Sent:
        """What a response says, without the key."""
        sent = answered(body, headers) if status == 200 else failed(status, body, headers)
        return replace(sent, text=self._without_key(sent.text), detail=self._clean(sent.detail))

    async def _send(self, request: Request, manners: Manners) -> Sent:
        try:
            async with asyncio.timeout(self._timeout_s):  # the client's own is one for each read
                raw = await self.client.chat.completions.with_raw_response.create(**self._asked(request, manners))
            return self.read(200, json.loads(raw.http_response.content), raw.http_response.headers)
        except Exception as error:  # whatever a response makes the client raise
            return self.failed(error)

    def failed(self, error: Exception) -> Sent:
        """What is made of an error of the client: was anything made that may be charged?"""
        if isinstance(error, openai.APIStatusError):
            said = error.body if error.body is not None else error.message
            return self.read(error.status_code, said, error.response.headers)
        cause = error.__cause__ or error
        unreached = isinstance(cause, (httpx2.ConnectTimeout, httpx2.ConnectError))
        sent = Sent("error", usage=(0, 0) if unreached else None, is_unreached=unreached)
        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            why = f"{self.url} can't be reached in time" if unreached else f"No answer within {self._timeout_s:g} s"
            return replace(sent, outcome="timeout", detail=why, again=True)
        if isinstance(error, openai.APIConnectionError):
            why = f"The connection to {self.url} failed: {type(cause).__name__} {cause}"
            return replace(sent, detail=self._clean(why), again=True)
        return replace(sent, detail=f"No answer that can be read: {type(error).__name__}")

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

    def learnt(self, refused: Sent, request: Request, tried: Manners) -> bool:
        """Whether something was sent that this endpoint doesn't take, and it can do without."""
        if tried.tokens == "max_tokens" and "max_completion_tokens" in refused.detail:
            self.manners.tokens = "max_completion_tokens"
        elif tried.temperature and "temperature" in refused.detail:
            self.manners.temperature = False
        elif request.schema and tried.takes_schema:
            self.manners.takes_schema, self.manners.told_schema = False, True
        else:
            return False
        return True

    def _clean(self, text: str) -> str:
        """One short line without the key."""
        return " ".join(self._without_key(text).split())[:400]

    def _without_key(self, text: str) -> str:
        shown = text.encode("utf-8", "replace").decode()  # half a surrogate pair can be stored nowhere
        return shown.replace(self._key, "***") if len(self._key) >= SECRET else shown


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
        limits=httpx2.Limits(max_connections=connections + 8, max_keepalive_connections=connections + 8),  # batches
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bounded]},
    )
    return openai.AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=0, http_client=pool)


async def _bounded(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":  # it was asked not to; bombs come so
        raise httpx2.RemoteProtocolError("The response is compressed")
    response.stream = _Bounded(response.stream, MAX_FILE if response.url.path.endswith("/content") else MAX_BYTES)


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes, up to so many."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._most = stream, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > self._most:
                raise httpx2.RemoteProtocolError(f"The response has more than {self._most} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
