"""What an LLM is asked, and what comes of it.

Any endpoint that speaks OpenAI's chat completions can answer. A request is known by what it says: the same one is sent
once, and its answer kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from registry.identity import sha256_of, sha256_of_bytes

Message = Mapping[str, str]
"""`role` (system, user, assistant) and `content`."""

Outcome = Literal["ok", "error", "timeout", "rate-limited", "refused", "truncated", "malformed", "empty", "budget"]
"""What came of a request: `ok` is the only one with an answer; `budget` was never sent."""


@dataclass(frozen=True)
class Request:
    """One thing that an LLM is asked.

    Attributes:
        purpose: Who asks, with the version of the words: `task/solution@1`.
        messages: The conversation.
        max_tokens: Tokens of the answer at most.
        schema: JSON schema that the answer has to fit; None where any text will do.
        temperature: As text: no float is part of an identity.
        sample: Which of several answers to the same words this is.
    """

    purpose: str
    messages: tuple[Message, ...]
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    temperature: str = "0.7"
    sample: int = 0

    def key(self, model: str) -> str:
        """SHA-256 that names the request to a model: what was answered under it isn't asked again."""
        messages = [[[part, _named(text)] for part, text in sorted(message.items())] for message in self.messages]
        told = [self.purpose, messages, self.max_tokens, self.schema and dict(self.schema), self.temperature]
        return sha256_of([model, *told, self.sample])


@dataclass(frozen=True)
class Reply:
    """What came of a request.

    Attributes:
        key: Of the request.
        outcome: Whether it was answered, else why not.
        text: The answer.
        value: What its JSON says, where a schema was given.
        detail: What went wrong, in a sentence.
        prompt_tokens: Tokens of the conversation, as charged.
        completion_tokens: Tokens of the answer, as charged.
        cost: What it cost, in billionths of the currency that prices are in.
    """

    key: str
    outcome: Outcome
    text: str = ""
    value: Any = None
    detail: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0


def _named(text: str) -> str:
    """The hash of a text: canonical JSON of a long one costs more than all else that is done for a request."""
    return sha256_of_bytes(text.encode("utf-8", "surrogatepass"))
