"""Many dialogues at once: each is told what it asked, the sandbox is fed in batches, the order is the chosen one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from flows.dialogues import AHEAD, hold
from registry.records import Program, Verdict
from synth.llm import Reply, Request
from synth.written.dialogue import Dialogue, Ending, Trial

COUNT, WIDTH = 40, 8


def program(number: int) -> Program:
    return Program(code=f"x = {number}", test="assert x")


def verdict(program: Program, release: str) -> Verdict:
    return Verdict(program=program.id, environment=release, harness="1", policy="k=1", outcome="passed", proof="weak")


def test_dialogues_end_in_their_order_and_their_programs_run_together() -> None:
    """Whichever is answered first, endings come in order with what was theirs; few runs take the programs of many."""
    batches: list[tuple[str, int]] = []
    begun: list[int] = []
    ended: list[int] = []

    def dialogue(number: int) -> Dialogue:
        begun.append(number)
        assert number < len(ended) + AHEAD * WIDTH, "what has ended and waits for its turn is bounded"
        reply = yield Request("ask", ({"role": "user", "content": str(number)},), 5)
        assert reply.text == str(number)
        mine, release = program(number % 10), f"r{number % 2}"
        found = yield Trial(release, (mine,))
        assert {name: (v.program, v.environment) for name, v in found.items()} == {mine.id: (mine.id, release)}
        return Ending(detail=str(number))

    def answer(request: Request) -> Reply:
        number = int(request.messages[0]["content"])
        time.sleep(0.001 * (7 * number % 13))
        return Reply(f"key {number}", "ok", text=str(number), prompt_tokens=number, completion_tokens=1, cost=2)

    def attempt(release: str, programs: list[Program]) -> Mapping[str, Verdict]:
        batches.append((release, len(programs)))
        return {p.id: verdict(p, release) for p in programs}

    with ThreadPoolExecutor(WIDTH) as pool:

        def submit(request: Request) -> Future[Reply]:
            return pool.submit(answer, request)

        for each in hold((dialogue(n) for n in range(COUNT)), submit, attempt, WIDTH):
            ended.append(each.number)
            told = (each.ending.detail, each.calls, each.tokens, each.cost)
            assert told == (str(each.number), (f"key {each.number}",), each.number + 1, 2)
    assert ended == begun == list(range(COUNT))
    assert sum(size for _, size in batches) <= COUNT
    assert len(batches) <= 3 * COUNT // 4, "the sandbox is fed in batches, one for each release"


def test_a_dialogue_that_wants_nothing_ends_at_once() -> None:
    """Dialogues without a question, or that raise at once, end too; more of them than are open at a time."""

    def silent(number: int) -> Iterator[Request]:
        if number % 2:
            raise ValueError(number)
        return Ending(detail="nothing")
        yield

    found = list(hold((silent(n) for n in range(5 * WIDTH)), _nobody, _nothing, WIDTH))
    assert [each.ending.outcome for each in found] == ["written", "broken"] * (5 * WIDTH // 2)


def _nobody(request: Request) -> Future[Reply]:
    raise AssertionError(request)


def _nothing(release: str, programs: list[Program]) -> Mapping[str, Verdict]:
    raise AssertionError(release, programs)
