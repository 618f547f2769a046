"""What the responses of an endpoint mean: outcome, tokens that are charged, whether to send again, and when.

Non-guarantees: a refusal in words is an answer here.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from synth.llm import Outcome

MAX_COUNT = 10**9
"""Tokens that an endpoint may say a request took; more is no count."""

LONGEST_PAUSE_S = 3600.0
"""What an endpoint says is believed for an hour at most: it is written down for all runs to come."""

FINAL = frozenset({"ok", "refused", "truncated", "malformed", "empty"})
"""What is the answer for good, once it isn't tried again."""

_UNCHARGED = {500, 501, 503, 529}
"""Of what fails at the server, what made no answer; a gateway's 502 or 504 may hide one that was made."""
_HOPELESS = {401, 402, 404}
"""No other request is answered either: no key, no money, no such model."""
_AGAIN = {408, 409, 425}
_NOT_TAKEN = {400, 422}
_FILTERED = {"content_filter", "content_policy_violation"}
_BROKE = {"insufficient_quota", "billing_hard_limit_reached"}
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
        is_unreached: Whether the endpoint wasn't there.
        not_taken: Whether it was refused as servers refuse a setting that they don't know.
    """

    outcome: Outcome
    text: str = ""
    detail: str = ""
    usage: tuple[int, int] | None = (0, 0)
    again: bool = False
    pause_s: float = 0.0
    hopeless: bool = False
    is_unreached: bool = False
    not_taken: bool = False


def answered(said: Any, headers: Mapping[str, str]) -> Sent:
    """What a response with status 200 says; any of it may be missing or of another kind."""
    try:
        choice = said["choices"][0]
        message = choice["message"]
        text, refusal, why = message.get("content"), message.get("refusal"), choice.get("finish_reason")
        usage = usage_of(said.get("usage"))
    except (LookupError, TypeError, AttributeError):
        return Sent("error", detail="The response isn't one of chat completions", usage=None)
    answer = _THOUGHT.sub("", text) if isinstance(text, str) else ""
    if usage is not None and (usage[0] == 0 or (usage[1] == 0 and text)):  # some send zeros where they don't count
        usage = None
    sent = Sent("ok", answer, usage=usage, pause_s=_used_up(headers))
    if why == "content_filter" or (isinstance(refusal, str) and refusal):
        return replace(sent, outcome="refused", detail=str(refusal or "The endpoint's filter"))
    if why == "length":
        return replace(sent, outcome="truncated", detail="The answer is longer than it may be")
    if not answer.strip():
        return replace(sent, outcome="empty", detail="The answer is empty", again=True)
    return sent


def failed(status: int, body: Any, headers: Mapping[str, str]) -> Sent:
    """What a response with another status says.

    Args:
        status: Its status.
        body: Its JSON, with or without `error` around what is wrong; or text.
        headers: Its headers.
    """
    told = body.get("error", body) if isinstance(body, Mapping) else body
    code = str(told.get("code") or "") if isinstance(told, Mapping) else ""
    sent = Sent("error", detail=f"Status {status}: {_words(told)}")
    if status == 429:
        broke, pause = code in _BROKE, _asked_pause(headers) or 0.0
        return replace(sent, outcome="rate-limited", again=not broke, hopeless=broke, pause_s=pause)
    if code in _FILTERED:
        return replace(sent, outcome="refused")
    return replace(
        sent,
        usage=(0, 0) if status < 500 or status in _UNCHARGED else None,
        again=status >= 500 or status in _AGAIN,
        pause_s=(_asked_pause(headers) or 0.0) if status in {503, 529} else 0.0,
        hopeless=status in _HOPELESS,
        not_taken=status in _NOT_TAKEN and code != "context_length_exceeded",
    )


def _words(told: Any) -> str:
    try:
        return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    except (RecursionError, ValueError, TypeError):
        return "what it says can't be shown"


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
        said = float(text) * _SECONDS[unit] if re.fullmatch(r"[\d.]{1,16}", text) else _spelled(text)
        return min(max(said, 0.0), LONGEST_PAUSE_S)
    except (ValueError, OverflowError):
        return None


def _spelled(text: str) -> float:
    parts = _SPAN.findall(text[:64])
    if parts and _SPAN.sub("", text) == "":
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    when = dt.datetime.fromisoformat(text) if re.match(r"\d{4}-", text) else email.utils.parsedate_to_datetime(text)
    return when.timestamp() - time.time()
