"""Batches at the scripted endpoint: sent as one, found again after a kill, and done without where there are none."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest

from registry.domain import LlmSpec
from registry.errors import ConfigurationError
from synth.client import Asking, Client
from synth.endpoint import Endpoint
from synth.entries import Leave, Wish
from synth.journal import Journal
from synth.llm import Reply, Request
from tests.flows.stubbed import Stubbed, stubbed
from tests.synth.asked.server import Said, chat, served
from tests.synth.asked.workers import numbered, started


def settings(url: str) -> dict[str, Any]:
    return {"model": "stub", "base_url": url, "batch": True, "concurrency": 2, "run_tokens": 10**9}


def replies(journal: Journal, url: str, requests: list[Request]) -> list[Reply]:
    with Asking(Client(LlmSpec(**settings(url)), journal, "d", "r")) as asking:
        return [future.result(60) for future in [asking.submit(request) for request in requests]]


def asked(stub: Stubbed) -> Counter[str]:
    """How often each was asked, as the endpoint's ledger says it."""
    return Counter(line["key"] for line in stub.lines())


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal(tmp_path / "llm.sqlite") as made:
        yield made


def test_requests_are_one_batch_and_charged_as_counted(tmp_path: Path, journal: Journal) -> None:
    """Each has its own answer; what one batch has answered isn't in another."""
    requests = [numbered(number) for number in range(20)]
    with stubbed(tmp_path / "ledger.jsonl") as stub:
        first, second = (replies(journal, stub.address, requests) for _ in range(2))
        batches = openai.OpenAI(base_url=stub.address, api_key="x").batches.list().data
        assert [batch.request_counts.total for batch in batches if batch.request_counts] == [20]
        lines = stub.lines()
    assert first == second and {reply.outcome for reply in first} == {"ok"}
    spent = journal.spent("run:r")
    assert spent.tokens == sum(line["prompt_tokens"] + line["completion_tokens"] for line in lines) > 0
    assert spent.held_tokens == 0 and len(lines) == 20


@pytest.mark.slow
def test_a_killed_process_leaves_its_batch_to_the_next(tmp_path: Path, journal: Journal) -> None:
    """Nothing is sent twice, nothing lost, and the next one waits for the same batch."""
    requests = [numbered(number) for number in range(20)]
    with stubbed(tmp_path / "ledger.jsonl", delay="2") as stub:
        process = started(journal.path, settings(stub.address), range(20))
        while not stub.lines() and process.is_alive():
            time.sleep(0.05)
        process.kill()
        process.join()
        assert {reply.outcome for reply in replies(journal, stub.address, requests)} == {"ok"}
        assert set(asked(stub).values()) == {1} and len(asked(stub)) == 20
    assert {call.outcome for _, call in journal.calls("d")} == {"ok"}


@pytest.mark.parametrize("was_made", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_batch_whose_name_nobody_wrote_down_is_found_by_its_mark(
    tmp_path: Path, journal: Journal, was_made: bool
) -> None:
    """Killed right after it was made, or right before: it is waited for, or made anew."""
    request = numbered(1)
    with stubbed(tmp_path / "ledger.jsonl") as stub:
        spec = LlmSpec(**settings(stub.address))
        with Journal(journal.path) as dead:
            leave = dead.ask(Wish(request.key("stub"), "d", "load@1", "stub", stub.address, (), 10, 10, 0))
            assert isinstance(leave, Leave)
            bundle = dead.bundle(stub.address, "d", [leave.call])
        if was_made:
            make(stub.address, Endpoint(spec).body(request), bundle.calls[0], bundle.mark)
        (reply,) = replies(journal, stub.address, [request])
        assert reply.outcome == "ok" and set(asked(stub).values()) == {1}
    outcomes = [call.outcome for _, call in journal.calls("d")]
    assert outcomes == (["ok"] if was_made else ["error", "ok"])


def make(url: str, body: dict[str, Any], call: int, mark: str) -> None:
    """A batch of one line, as the client makes it."""
    client = openai.OpenAI(base_url=url, api_key="x")
    line = {"custom_id": str(call), "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("x.jsonl", f"{json.dumps(line)}\n".encode()), purpose="batch")
    client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"driftune": mark}
    )


def test_a_journal_that_fails_is_told_to_who_waits_for_a_batch(tmp_path: Path) -> None:
    """Nobody waits for what was never sent."""
    with (
        served(lambda *_: Said(chat("hi"))) as server,
        pytest.raises(ConfigurationError, match="moved away"),
        Journal(tmp_path / "gone.sqlite") as made,
        Asking(Client(LlmSpec(**settings(server.url)), made, "d", "r")) as asks,
    ):
        future = asks.submit(numbered(1))
        while not made.spent("run:r").held_tokens:
            time.sleep(0.01)
        made.path.rename(tmp_path / "elsewhere.sqlite")
        future.result(30)


def test_an_endpoint_without_batches_is_asked_one_by_one(journal: Journal) -> None:
    """It says so once, and costs nothing; no more than `concurrency` are on their way."""

    def answer(path: str, _body: Any) -> Said:
        return Said(chat("hi")) if path.endswith("/chat/completions") else Said({"error": {"message": "no"}}, 404)

    with served(answer) as server:
        said = replies(journal, server.url, [numbered(number) for number in range(10)])
    assert [reply.outcome for reply in said] == ["ok"] * 10
    assert Counter(path for path, _ in server.asked) == {"/v1/files": 1, "/v1/chat/completions": 10}
    assert journal.spent("run:r").tokens == 150
