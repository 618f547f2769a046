"""What of vLLM's interface moving an adapter needs: what is loaded, load, unload, log-probabilities, what still runs.

Read in vLLM's source of 2026: `entrypoints/openai/models/serving.py`, `entrypoints/openai/completion/protocol.py` and
`v1/metrics/loggers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from registry.errors import ConfigurationError, DriftuneError, RegistryError

LOAD_S = 600.0
"""Seconds that loading may take: an adapter is read from a disk that may be another machine's."""

ANSWER_S = 60.0
"""Seconds that any other answer may take."""

RUNNING, WAITING, ADAPTERS = "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:lora_requests_info"
_SERIES = re.compile(r"^([\w:]+)(?:\{(.*)\})?\s+(\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Model:
    """What vLLM serves under a name.

    Attributes:
        name: The name.
        root: Folder or repository that it was read from.
        parent: Name of the base, for an adapter; empty for a base.
    """

    name: str
    root: str
    parent: str


class Vllm:
    """A running vLLM.

    Args:
        url: Its address, as `http://127.0.0.1:8000`, with or without `/v1`.
        key: What it was started with as `--api-key`; empty where it wants none.

    Raises:
        ConfigurationError: It can't be there, or can't have been started with that key.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        wrong = ConfigurationError(f"No vLLM can be at {url!r}: write --vllm as http://HOST:PORT")
        if not self.url.startswith(("http://", "https://")):
            raise wrong
        if not (key.isascii() and key.isprintable()):  # httpx would name it in its error
            raise ConfigurationError("DRIFTUNE_VLLM_KEY has characters that no key has, as a line's end: set it again")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._client = httpx.Client(base_url=self.url, headers=headers, timeout=ANSWER_S, trust_env=False)
        except httpx.InvalidURL as error:
            raise wrong from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def models(self) -> list[Model]:
        """What is served: the base first, then adapters."""
        answer = self._asked("GET", "/v1/models")
        with self._understood("/v1/models"):
            rows = answer.json()["data"]
            return [Model(*(str(row.get(told) or "") for told in ("id", "root", "parent"))) for row in rows]
        raise AssertionError

    def base(self, models: Iterable[Model]) -> Model:
        """The base among what is served.

        Raises:
            DriftuneError: There is none.
        """
        found = next((model for model in models if not model.parent), None)
        if found is None:
            raise DriftuneError(f"vLLM at {self.url} serves no base: is it vLLM?")
        return found

    def load(self, name: str, folder: str) -> None:
        """Load an adapter under a name.

        Raises:
            DriftuneError: It refuses, or adapters can't be loaded while it runs.
        """
        self._asked("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder}, LOAD_S)

    def unload(self, name: str) -> None:
        """Unload an adapter; nothing happens where it isn't loaded."""
        try:
            self._asked("POST", "/v1/unload_lora_adapter", {"lora_name": name})
        except RefusedError as error:
            if error.status != 404:
                raise

    def touch(self, name: str) -> None:
        """Have it write one token with an adapter: that brings it back where it had left memory."""
        self._asked("POST", "/v1/completions", {"model": name, "prompt": [0], "max_tokens": 1})

    def logprob(self, name: str, ids: Sequence[int]) -> float:
        """Mean log-probability of the tokens after the first under a model, in nats."""
        asked = {"model": name, "prompt": list(ids), "max_tokens": 1, "temperature": 1.0, "prompt_logprobs": 0}
        answer = self._asked("POST", "/v1/completions", asked)
        with self._understood("prompt_logprobs of /v1/completions"):
            rows = answer.json()["choices"][0]["prompt_logprobs"]
            values = [float(row[str(token)]["logprob"]) for token, row in zip(ids[1:], rows[1:], strict=True)]
            return sum(values) / len(values)
        raise AssertionError

    def busy(self, name: str) -> bool | None:
        """Whether requests for an adapter run or wait; None where its metrics don't say."""
        answer = self._asked("GET", "/metrics")
        with self._understood("/metrics"):
            return _busy(list(_series(answer.text)), name)
        raise AssertionError

    def _asked(self, method: str, path: str, body: Any = None, seconds: float = ANSWER_S) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body, timeout=seconds)
        except httpx.HTTPError as error:
            raise DriftuneError(
                f"vLLM at {self.url} doesn't answer: {error or type(error).__name__}. Start it, or correct --vllm",
                retryable=True,
            ) from error
        if answer.is_success:
            return answer
        raise RefusedError(self.url, path, answer)

    @contextmanager
    def _understood(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
            raise DriftuneError(f"vLLM at {self.url} gives no {what} that can be read: {error!r}") from error


class RefusedError(RegistryError):
    """vLLM said no.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, url: str, path: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        said = _said(answer)
        if self.status == 404 and said == "Not Found":  # no such address, rather than no such model
            said = "it was started without --enable-lora, or without VLLM_ALLOW_RUNTIME_LORA_UPDATING=true"
            said = "is it a vLLM? Correct --vllm" if path == "/v1/models" else said
        if self.status == 401:
            said = "it wants its key: set DRIFTUNE_VLLM_KEY"
        super().__init__(f"vLLM at {url} refuses {path} ({self.status}): {said}", status=self.status, retryable=True)


def _said(answer: httpx.Response) -> str:
    """The message of an error, in any of the forms that vLLM has given it."""
    try:
        told: Any = answer.json()
    except (ValueError, RecursionError):
        return answer.text[:500]
    for name in ("error", "message", "detail"):
        told = told.get(name, told) if isinstance(told, Mapping) else told
    return str(told)[:500]


def _series(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Name, labels and value of each line of Prometheus' text form."""
    for name, labels, value in _SERIES.findall(text):
        yield name, dict(_LABEL.findall(labels)), value


def _busy(series: Sequence[tuple[str, dict[str, str], str]], name: str) -> bool | None:
    """Whether requests for an adapter run or wait; None where the series don't say."""
    counts = [float(value) for metric, _, value in series if metric in (RUNNING, WAITING)]
    if counts and not any(counts):  # nothing runs at all: the adapters' series may be older than the last request
        return False
    told = [(float(value), labels) for metric, labels, value in series if metric == ADAPTERS]
    if not told:
        return None
    _, labels = max(told, key=lambda one: one[0])
    named = f"{labels.get('running_lora_adapters', '')},{labels.get('waiting_lora_adapters', '')}"
    return name in [one.strip() for one in named.split(",")]
