"""What of OpenAI's protocol the stub speaks: what may be asked, what is answered, and how tokens are counted.

A token is a run of at most six letters, digits or underscores, or one other character that isn't white. A conversation
costs three tokens, and each message three and those of its content; an answer those of its text. So no conversation
has more tokens than bytes of UTF-8 plus three, and three a message.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

MODEL = "stub"
"""The model whose answers are templates: under another name they would be kept, and trained on, as that one's."""

TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
"""What is counted as one."""

AROUND = 3
"""Tokens of a conversation, and of each message, beside what is said."""

MOST_CHOICES, MOST_MESSAGES = 16, 256
MOST_BYTES = 8 << 20
"""Choices, messages and bytes of a request at most."""

ROLES = ("system", "developer", "user", "assistant")

Finish = Literal["stop", "length", "content_filter"]

_KNOWN = frozenset({
    "frequency_penalty", "max_completion_tokens", "max_tokens", "messages", "metadata", "model", "n",
    "presence_penalty", "response_format", "seed", "service_tier", "stop", "store", "stream", "temperature", "top_p",
    "user",
})  # fmt: skip


class RefusedError(Exception):
    """What is answered with a status and an error in OpenAI's form.

    Attributes:
        status: HTTP status.
        message: What is wrong, and what to do.
        kind: OpenAI's `type`.
        code: OpenAI's `code`.
        param: The offending parameter.
    """

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", param: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param = status, message, kind, code, param

    @property
    def body(self) -> dict[str, Any]:
        """As it is sent."""
        told = {"message": self.message, "type": self.kind, "param": self.param or None, "code": self.code or None}
        return {"error": told}


@dataclass(frozen=True)
class Asked:
    """A request for a completion.

    Attributes:
        key: SHA-256 of all that it says.
        model: The model's name, whatever it is.
        messages: The conversation: pairs of role and text.
        limit: Tokens of each answer at most; 0: no limit.
        choices: Answers that are wanted.
        stop: Texts that an answer ends before.
        form: What the answer has to be: any text, a JSON object, or JSON that fits `schema`.
        schema: The JSON schema.
    """

    key: str
    model: str
    messages: tuple[tuple[str, str], ...]
    limit: int = 0
    choices: int = 1
    stop: tuple[str, ...] = ()
    form: Literal["text", "json_object", "json_schema"] = "text"
    schema: Mapping[str, Any] | None = None

    @property
    def tokens(self) -> int:
        """What the conversation costs."""
        return AROUND + sum(AROUND + tokens(text) for _, text in self.messages)

    def said(self, *roles: str) -> str:
        """What those of the roles said, in order."""
        return "\n\n".join(text for role, text in self.messages if role in roles)


@dataclass(frozen=True)
class Choice:
    """One answer.

    Attributes:
        text: What is said.
        refusal: What is said instead.
        finish: Why it ends.
    """

    text: str
    refusal: str = ""
    finish: Finish = "stop"

    @property
    def tokens(self) -> int:
        """What it costs."""
        return tokens(self.text) + tokens(self.refusal)


def tokens(text: str) -> int:
    """Tokens of a text."""
    return sum(1 for _ in TOKEN.finditer(text))


def fitted(text: str, asked: Asked) -> Choice:
    """An answer that ends where it has to: before a stop text, and with the last token that may be said."""
    for stop in asked.stop:
        text = text.partition(stop)[0]
    beyond = next(islice(TOKEN.finditer(text), asked.limit, None), None) if asked.limit else None
    return Choice(text) if beyond is None else Choice(text[: beyond.start()], finish="length")


def asked(body: Any, *, schemas: bool = True) -> Asked:
    """What a body asks for.

    Args:
        body: What was sent, from its JSON.
        schemas: Whether structured outputs are known.

    Raises:
        RefusedError: It isn't asked as it should be, or wants what the stub doesn't do.
    """
    if not isinstance(body, dict):
        raise RefusedError(400, "We could not parse the JSON body of your request: send an object")
    for name in body.keys() - _KNOWN:
        raise _bad(name, f"The stub doesn't know {name!r}: it knows {', '.join(sorted(_KNOWN))}", "unknown_parameter")
    if body.get("stream"):
        raise _bad("stream", "The stub doesn't stream: leave 'stream' out", "unsupported_value")
    form, schema = _form(body.get("response_format"), schemas)
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return Asked(
        key_of(body),
        _text(body, "model"),
        _messages(body.get("messages")),
        0 if limit is None else _number(limit, "max_tokens", 1 << 30),
        1 if body.get("n") is None else _number(body["n"], "n", MOST_CHOICES),
        _stop(body.get("stop")),
        form,
        schema,
    )


def key_of(body: Any) -> str:
    """SHA-256 of a body's JSON, its keys sorted."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def completion(asked: Asked, choices: Sequence[Choice]) -> dict[str, Any]:
    """A completion as it is sent; the same request's is the same to the byte."""
    said = sum(choice.tokens for choice in choices)
    return {
        "id": f"chatcmpl-{asked.key[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.model,
        "choices": [_choice(place, choice) for place, choice in enumerate(choices)],
        "usage": {
            "prompt_tokens": asked.tokens,
            "completion_tokens": said,
            "total_tokens": asked.tokens + said,
        },
        "system_fingerprint": "driftune-llm-stub",
    }


def _choice(place: int, choice: Choice) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": None if choice.refusal else choice.text,
        "refusal": choice.refusal or None,
    }
    return {"index": place, "message": message, "logprobs": None, "finish_reason": choice.finish}


def _messages(told: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(told, list) or not 0 < len(told) <= MOST_MESSAGES:
        raise _bad("messages", f"'messages' must be a list of 1 to {MOST_MESSAGES} messages")
    return tuple(_message(place, message) for place, message in enumerate(told))


def _message(place: int, told: Any) -> tuple[str, str]:
    where = f"messages[{place}]"
    if not isinstance(told, dict) or told.get("role") not in ROLES:
        raise _bad(f"{where}.role", f"'{where}' must be an object with a role of {', '.join(ROLES)}")
    content = told.get("content")
    if isinstance(content, list) and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in content):
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise _bad(
            f"{where}.content", f"'{where}.content' must be text, or a list of parts of text: the stub sees none"
        )
    return told["role"], content


def _form(told: Any, schemas: bool) -> tuple[Literal["text", "json_object", "json_schema"], Mapping[str, Any] | None]:
    if told is None or told == {"type": "text"}:
        return "text", None
    kind = told.get("type") if isinstance(told, dict) else None
    if not schemas:
        raise _bad("response_format", f"'response_format' of type {kind!r} is not supported with this model")
    if kind == "json_object":
        return "json_object", None
    schema = told["json_schema"].get("schema") if kind == "json_schema" and _is_named(told) else None
    if not isinstance(schema, dict):
        raise _bad(
            "response_format",
            "'response_format' must be of type text, json_object, or json_schema with {json_schema: {name, schema}}",
        )
    return "json_schema", schema


def _is_named(told: Any) -> bool:
    named = told.get("json_schema")
    return isinstance(named, dict) and isinstance(named.get("name"), str)


def _stop(told: Any) -> tuple[str, ...]:
    stops = [told] if isinstance(told, str) else told or []
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(s, str) and s for s in stops):
        raise _bad("stop", "'stop' must be a text, or a list of at most four")
    return tuple(stops)


def _text(body: Mapping[str, Any], name: str) -> str:
    told = body.get(name)
    if not isinstance(told, str) or not told:
        raise _bad(name, f"You must provide a {name} parameter")
    return told


def _number(told: Any, name: str, most: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 1 <= told <= most:
        raise _bad(name, f"'{name}' must be a whole number from 1 to {most}: {told!r}")
    return told


def _bad(param: str, message: str, code: str = "invalid_value") -> RefusedError:
    return RefusedError(400, message, code=code, param=param)
