"""What a Client makes of an endpoint, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry.domain import LlmSpec
from registry.errors import ConfigurationError
from synth.budget import Scope
from synth.client import Asking, Client
from synth.entries import Spent, Wish
from synth.journal import Journal
from synth.llm import Reply, Request
from tests.synth.asked.server import Said, Server, chat, served

SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}


def request(text: str = "hello", **settings: Any) -> Request:
    return Request("test@1", ({"role": "user", "content": text},), 100, **settings)


@contextmanager
def asking(
    folder: Path, answer: Callable[[str, Any], Said], patience_s: float = 30.0, **settings: Any
) -> Iterator[tuple[Callable[..., list[Reply]], Server, Journal]]:
    with served(answer) as server, Journal(folder / "llm.sqlite") as journal:
        spec = LlmSpec(**{"model": "m", "base_url": server.url, "timeout_s": 2, **settings})
        with Asking(Client(spec, journal, "d", "r", patience_s)) as asks:

            def ask(*requests: Request) -> list[Reply]:
                return [future.result(60) for future in [asks.submit(one) for one in requests]]

            yield ask, server, journal


def in_order(said: Sequence[Said]) -> Callable[[str, Any], Said]:
    """Says one after the other; the last for ever."""
    left = list(said)
    return lambda _path, _body: left.pop(0) if len(left) > 1 else left[0]


def test_an_answer_is_charged_as_counted_and_never_asked_for_again(tmp_path: Path) -> None:
    """The second to ask gets the same answer, from the journal, also in another process's life."""
    for _ in range(2):
        with asking(tmp_path, lambda *_: Said(chat("hi")), price_in=1.0, price_out=2.5) as (ask, server, journal):
            first, second = ask(request(), request())
            assert first == second and (first.outcome, first.text) == ("ok", "hi")
            assert (first.prompt_tokens, first.completion_tokens, first.cost) == (10, 5, 10 * 1000 + 5 * 2500)
            assert journal.spent("domain:d") == journal.spent("run:r") == Spent(15, 22_500)
            asked = len(server.asked)
    assert asked == 0


FAULTS = {
    "rate limited": ([Said({}, 429, {"Retry-After": "0.2"}), Said(chat("hi"))], "ok", 2, 15),
    "server error": ([Said({}, 500), Said(chat("hi"))], "ok", 2, 15),
    "busy": ([Said({}, 503, {"retry-after-ms": "100"}), Said(chat("hi"))], "ok", 2, 15),
    "filtered": ([Said({"error": {"message": "no", "code": "content_filter"}}, 400)], "refused", 1, 0),
    "refusal": ([Said(chat(None, refusal="I won't"))], "refused", 1, 15),
    "too long": ([Said(chat("x = ", finish="length"))], "truncated", 1, 15),
    "empty twice": ([Said(chat("  "))], "empty", 2, 30),
    "no such model": ([Said({"error": {"message": "no model m"}}, 404)], "error", 1, 0),
    "too much": ([Said({"error": {"message": "too long", "code": "context_length_exceeded"}}, 400)], "error", 1, 0),
    "redirect": ([Said(b"", 307, {"Location": "/elsewhere"})], "error", 1, 0),
}


@pytest.mark.parametrize("said, outcome, sent, tokens", FAULTS.values(), ids=FAULTS)
def test_what_an_endpoint_does_is_an_outcome(
    tmp_path: Path, said: list[Said], outcome: str, sent: int, tokens: int
) -> None:
    """It is sent again where that can help, and charged what the endpoint counted: nothing where nothing was made."""
    with asking(tmp_path, in_order(said)) as (ask, server, journal):
        (reply,) = ask(request())
        assert (reply.outcome, len(server.asked), journal.spent("run:r")) == (outcome, sent, Spent(tokens))
        calls = [call for _, call in journal.calls("d")]
        assert [call.attempt for call in calls] == list(range(sent))
        assert calls[-1].outcome == outcome


WORST = {
    "no usage": (Said({**chat("hi"), "usage": None}), "ok"),
    "usage in words": (Said({**chat("hi"), "usage": {"prompt_tokens": "ten", "completion_tokens": -1}}), "ok"),
    "zeros": (Said(chat("hi", 0, 0)), "ok"),
    "cut": (Said(cut=True), "error"),
    "no JSON": (Said(b"<html>"), "error"),
    "list": (Said([]), "error"),
    "deep": (Said(b"[" * 100_000), "error"),
    "endless": (Said(b" " * (5 * 1024 * 1024)), "error"),
    "compressed": (Said(b"x", 200, {"Content-Encoding": "gzip"}), "error"),
    "gateway": (Said({}, 504), "error"),
    "late": (Said(chat("hi"), late_s=3), "timeout"),
}


@pytest.mark.parametrize("said, outcome", WORST.values(), ids=WORST)
def test_what_nobody_counted_is_charged_at_its_worst_case(tmp_path: Path, said: Said, outcome: str) -> None:
    """It may have been charged: what was reserved is used."""
    timeout = 1 if outcome == "timeout" else 5
    with asking(tmp_path, lambda *_: said, timeout_s=timeout, run_tokens=500) as (ask, server, journal):
        reply = ask(request())[0]
        used = journal.spent("run:r")
        call = journal.calls("d")[0][1]
        assert call.outcome == outcome and reply.outcome in {outcome, "budget"}
        assert call.prompt_tokens > len("hello") + 16 and call.completion_tokens == 100
        assert used.tokens == call.prompt_tokens + 100 and used.held_tokens == 0 and len(server.asked) == 1


def test_what_a_stopped_process_holds_is_not_waited_for_forever(tmp_path: Path) -> None:
    """Its reservations stay; who needs what it has reserved, or asks the same, is told so after a while."""
    with asking(tmp_path, lambda *_: Said(chat("hi")), 0.1, timeout_s=1, run_tokens=1000) as (ask, server, journal):
        scopes = (Scope("run:r", 1000),)
        with Journal(journal.path) as stopped:
            stopped.ask(Wish(request("a").key("m"), "d", "p@1", "m", server.url, scopes, 890, 10, 0))
            assert [reply.outcome for reply in ask(request("a"), request("b"))] == ["timeout", "budget"]
        assert not server.asked


def test_nothing_is_sent_that_does_not_fit(tmp_path: Path) -> None:
    """A request that can't fit any more is refused in words, and costs nothing; answered ones are still told."""
    with asking(tmp_path, lambda *_: Said(chat("hi")), run_tokens=330) as (ask, server, journal):
        assert [reply.outcome for reply in ask(request("a"), request("b"))] == ["ok", "ok"]
        (refused, known) = ask(request("c"), request("a"))
        assert (refused.outcome, known.outcome, len(server.asked)) == ("budget", "ok", 2)
        assert "run:r has 300 of 330 tokens left" in refused.detail
        assert journal.spent("run:r") == Spent(30)


def test_an_endpoint_that_counts_more_than_there_can_be_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it says is charged, counted apart, and said once, loudly."""
    with asking(tmp_path, lambda *_: Said(chat("hi", 9000, 5))) as (ask, _, journal):
        assert "9005 tokens" in ask(request("a"), request("b"))[0].detail
        used = journal.spent("run:r")
        assert used.tokens == 18_010 and 17_000 < used.over < used.tokens
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_a_schema_is_sent_and_its_value_read(tmp_path: Path) -> None:
    """Where the endpoint takes it, and also in an answer that words surround."""
    with asking(tmp_path, lambda *_: Said(chat('Here: [1] ```json\n{"code": "x"}\n```'))) as (ask, server, _):
        (reply,) = ask(request(schema=SCHEMA))
    assert reply.value == {"code": "x"}
    assert server.asked[0][1]["response_format"]["json_schema"]["schema"] == SCHEMA


def test_an_endpoint_that_takes_no_schema_is_told_in_words(tmp_path: Path) -> None:
    """Found out once, at no cost, and remembered."""

    def answer(_path: str, body: Any) -> Said:
        if "response_format" in body:
            return Said({"error": {"message": "unknown field response_format"}}, 400)
        return Said(chat('{"code": "x"}' if "JSON schema" in body["messages"][-1]["content"] else "what?"))

    with asking(tmp_path, answer) as (ask, server, journal):
        assert [reply.value for text in "ab" for reply in ask(request(text, schema=SCHEMA))] == [{"code": "x"}] * 2
        assert len(server.asked) == 3 and journal.spent("run:r") == Spent(30)


def test_an_endpoint_that_pays_a_schema_no_heed_is_told_in_words_too(tmp_path: Path) -> None:
    """The answer is asked for once more; both are charged."""

    def answer(_path: str, body: Any) -> Said:
        return Said(chat('{"code": "x"}' if "JSON schema" in body["messages"][-1]["content"] else "Certainly!"))

    with asking(tmp_path, answer) as (ask, _, journal):
        assert ask(request(schema=SCHEMA))[0].value == {"code": "x"}
        assert [call.outcome for _, call in journal.calls("d")] == ["malformed", "ok"]
        assert journal.spent("run:r") == Spent(30)


def test_what_stays_malformed_is_an_answer_for_good(tmp_path: Path) -> None:
    """It isn't asked for a third time, also by the next run."""
    for expected in (2, 0):
        with asking(tmp_path, lambda *_: Said(chat('{"code": 1}'))) as (ask, server, _):
            (reply,) = ask(request(schema=SCHEMA))
            assert (reply.outcome, reply.value, len(server.asked)) == ("malformed", None, expected)
            assert "$.code" in reply.detail


def test_a_reasoning_model_is_asked_as_it_wants(tmp_path: Path) -> None:
    """`max_completion_tokens` and no temperature, where it says so; what it thought aloud is no answer."""

    def answer(_path: str, body: Any) -> Said:
        if "max_tokens" in body:
            return Said({"error": {"message": "use 'max_completion_tokens' instead"}}, 400)
        if "temperature" in body:
            return Said({"error": {"message": "Unsupported value: 'temperature'"}}, 400)
        assert body["max_completion_tokens"] == 100
        return Said(chat("<think>hm</think>\nhi"))

    with asking(tmp_path, answer) as (ask, server, _):
        assert [ask(request(text))[0].text for text in "ab"] == ["hi", "hi"]
        assert len(server.asked) == 4


def test_rate_limits_are_waited_for_by_all_and_not_for_ever(tmp_path: Path) -> None:
    """After a refusal nobody asks until the endpoint may be asked again; a pause beyond patience is an outcome."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h"}
    with asking(tmp_path, lambda *_: Said(chat("hi"), headers=headers)) as (ask, server, journal):
        assert ask(request("a"))[0].outcome == "ok"
        replies = ask(request("b"), request("c"))
        assert [reply.outcome for reply in replies] == ["rate-limited"] * 2
        assert len(server.asked) == 1 and journal.spent("run:r") == Spent(15)


def test_an_endpoint_that_answers_nobody_is_asked_once(tmp_path: Path) -> None:
    """A wrong key is said once by it; what was answered before is still told."""
    said = in_order([Said(chat("hi")), Said({"error": {"message": "bad key"}}, 401)])
    with asking(tmp_path, said) as (ask, server, _):
        outcomes = [ask(request(text))[0].outcome for text in ("a", "b", "c", "a")]
        assert (outcomes, len(server.asked)) == (["ok", "error", "error", "ok"], 2)


def test_an_endpoint_that_is_not_there_is_tried_for_a_while(tmp_path: Path) -> None:
    """Then nobody else is kept waiting for it, and nothing is charged."""
    with served(lambda *_: Said()) as gone:
        url = gone.url
    with asking(tmp_path, lambda *_: Said(), patience_s=1, base_url=url) as (ask, _, journal):
        outcomes = {reply.outcome for reply in ask(*map(request, "abcdefghijkl"))}
        assert (outcomes, journal.spent("run:r")) == ({"error"}, Spent())
        assert len({call.request for _, call in journal.calls("d")}) == 8, "those that waited for a slot were asked too"


def test_the_key_is_sent_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the endpoint says it back, in an error or an answer."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("LLM_KEY", "sk-very-secret")
    said = in_order([Said(chat("sk-very-secret")), Said({"error": {"message": "Incorrect key sk-very-secret"}}, 401)])
    with asking(tmp_path, said, key="env:LLM_KEY") as (ask, server, journal):
        shown = [repr(ask(request(text))) for text in "ab"]
        assert server.headers[0]["authorization"] == "Bearer sk-very-secret"
        shown += [repr(journal.calls("d")), caplog.text]
    assert not [text for text in shown if "very-secret" in text]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"very-secret" in path.read_bytes()]


WRONG = {
    "no address": ({"base_url": ""}, "base_url"),
    "a login": ({"base_url": "https://me:word@h/v1"}, "with no login"),
    "a key itself": ({"base_url": "https://h/v1", "key": "sk-very-secret"}, "env:NAME"),
    "no key": ({"base_url": "https://h/v1", "key": "env:NO_SUCH_KEY"}, "NO_SUCH_KEY"),
    "in the clear": ({"base_url": "http://h/v1", "key": "env:PATH"}, "in the clear"),
}


@pytest.mark.parametrize("settings, words", WRONG.values(), ids=WRONG)
def test_settings_that_can_ask_nobody_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    """Before anything is sent; no host is asked that nobody named, no secret shown."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with (
        Journal(tmp_path / "llm.sqlite") as journal,
        pytest.raises(ConfigurationError, match=words) as error,
    ):
        Client(LlmSpec(model="m", **settings), journal, "d", "r")  # type: ignore[arg-type]
    assert "very-secret" not in str(error.value) and "word" not in str(error.value).replace("password", "")


def test_a_request_is_charged_for_the_bytes_that_it_has(tmp_path: Path) -> None:
    """The most that a conversation can take is bounded by its bytes, its schema's with them."""
    with asking(tmp_path, lambda *_: Said({**chat("{}"), "usage": None})) as (ask, server, journal):
        ask(request("é" * 1000, schema=SCHEMA))
        sent = json.dumps(server.asked[0][1], ensure_ascii=False).encode()
        assert journal.calls("d")[0][1].prompt_tokens > len(sent) - 200
