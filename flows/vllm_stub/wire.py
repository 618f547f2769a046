"""What of vLLM's interface the stub speaks: requests for completions, and errors in vLLM's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_TOKENS = 1024
"""Tokens that a request may ask for at most."""


class RefusedError(Exception):
    """What is answered with a status and an error as vLLM words it."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param = status, message, kind, param

    @property
    def body(self) -> dict[str, Any]:
        """As it is sent."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}}


@dataclass(frozen=True)
class Asked:
    """A request for a completion.

    Attributes:
        model: Name of the base or of an adapter.
        ids: The prompt's tokens.
        new: Tokens that are wanted.
        prompt_logprobs: Whether the prompt's log-probabilities are wanted.
        logprobs: Whether those of the new tokens are.
        temperature: 0 takes the likeliest.
        seed: Of sampling.
    """

    model: str
    ids: tuple[int, ...]
    new: int
    prompt_logprobs: bool
    logprobs: bool
    temperature: float
    seed: int


def read(body: bytes) -> dict[str, Any]:
    """A body as an object.

    Raises:
        RefusedError: It is none.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"The body is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise RefusedError(400, "The body is no JSON object")
    return told


def text(told: Mapping[str, Any], name: str) -> str:
    """A field that is a text; empty where it isn't there."""
    value = told.get(name, "")
    if not isinstance(value, str):
        raise RefusedError(400, f"{name} must be a string", param=name)
    return value


def asked(told: Mapping[str, Any], tokenizer: Any, vocabulary: int) -> Asked:
    """A request for a completion.

    Raises:
        RefusedError: It asks for what vLLM refuses, or the stub doesn't do.
    """
    if told.get("stream"):
        raise RefusedError(400, "The stub doesn't stream", param="stream")
    prompt = told.get("prompt")
    if isinstance(prompt, str):
        prompt = tokenizer(prompt, add_special_tokens=bool(told.get("add_special_tokens", True)))["input_ids"]
    numbers = isinstance(prompt, list) and all(type(token) is int and 0 <= token < vocabulary for token in prompt)
    if not numbers or not prompt:
        raise RefusedError(400, "The stub takes one prompt: a string, or token ids of the vocabulary", param="prompt")
    new = told.get("max_tokens", 16)
    if type(new) is not int or not 0 <= new <= MOST_TOKENS:
        raise RefusedError(400, f"max_tokens must be from 0 to {MOST_TOKENS}, got {new}", param="max_tokens")
    shown = told.get("prompt_logprobs")
    if shown is not None and (type(shown) is not int or shown < 0):
        raise RefusedError(400, "`prompt_logprobs` must be a positive value.", param="prompt_logprobs")
    echoed = bool(told.get("echo")) and told.get("logprobs") is not None
    return Asked(
        text(told, "model"),
        tuple(prompt),
        max(1, new),  # as vLLM does with an echo alone
        shown is not None or echoed,
        told.get("logprobs") is not None,
        float(told.get("temperature") or 0.0),
        int(told.get("seed") or 0),
    )
