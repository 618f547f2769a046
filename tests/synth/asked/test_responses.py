"""What responses mean: whatever an endpoint says, it is an outcome."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.responses import MAX_COUNT, answered, failed, usage_of
from synth.structured import MalformedError, value_of

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries({}, optional={"content": JSON, "refusal": JSON})
CHOICE = st.fixed_dictionaries({}, optional={"message": MESSAGE | JSON, "finish_reason": JSON})
USAGE = st.fixed_dictionaries({}, optional={f"{what}_tokens": JSON for what in ("prompt", "completion", "total")})
BODY = st.fixed_dictionaries({}, optional={"choices": st.lists(CHOICE) | JSON, "usage": USAGE | JSON}) | JSON
NAMES = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"]
LEFT = {"x-ratelimit-remaining-tokens": "0", "anthropic-ratelimit-tokens-remaining": "0"}
HEADERS = st.dictionaries(st.sampled_from(NAMES), st.text("0123456789.smhd-:TZ+ Monja", max_size=24))


@given(BODY, HEADERS, st.integers(0, 999))
def test_nothing_that_is_said_raises(body: Any, headers: dict[str, str], status: int) -> None:
    """Whatever a response holds: an outcome, tokens that can be counted, a pause that isn't below zero."""
    for sent in (answered(body, {**headers, **LEFT}), failed(status, body, {**headers, **LEFT})):
        assert sent.pause_s >= 0 and (sent.usage is None or all(0 <= n <= MAX_COUNT for n in sent.usage))
        assert sent.outcome != "ok" or sent.text.strip()


@given(st.text('{}[]":,ab1 \n\\u', max_size=80))
def test_an_answer_is_json_of_its_schema_or_malformed(text: str) -> None:
    """Whatever the text is."""
    try:
        value = value_of(text, {"type": "object"})
    except MalformedError:
        return
    assert isinstance(value, dict)


def test_half_a_character_and_numbers_that_are_none_are_malformed() -> None:
    """What no file can hold is no value."""
    for text in ('{"a": "\\ud800"}', '{"a": NaN}', "[" * 5000, '{"a"'):
        with pytest.raises(MalformedError):
            value_of(text, {"type": "object"})


LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
PAUSES = {
    "seconds": ({"retry-after": "60"}, 60),
    "milliseconds first": ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
    "a date": ({"retry-after": format_datetime(LATER, usegmt=True)}, 3600),
    "OpenAI's": ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30.5s"}, 90.5),
    "Anthropic's": (
        {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": LATER.isoformat()},
        3600,
    ),
    "some are left": ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "90s"}, 0),
    "rubbish": ({"retry-after": "soon"}, 0),
}


@pytest.mark.parametrize("headers, seconds", PAUSES.values(), ids=PAUSES)
def test_an_endpoint_is_left_alone_for_as_long_as_it_says(headers: dict[str, str], seconds: float) -> None:
    """In whichever of the forms that are in use; for an hour at most."""
    assert failed(429, {}, headers).pause_s == pytest.approx(seconds)


def test_thoughts_that_stand_in_the_total_alone_are_charged() -> None:
    """Some endpoints count what a model thought in `total_tokens` only."""
    assert usage_of({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 515}) == (10, 505)
    assert usage_of({"prompt_tokens": 10, "completion_tokens": True}) is None
