"""Budgets and answers, held by many processes at once, also by those that are killed."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from registry.records import Call
from synth.entries import Spent
from synth.journal import Journal
from tests.synth.asked.server import Said, chat, served
from tests.synth.asked.workers import numbered, started

pytestmark = pytest.mark.slow


class Meter:
    """Answers late and with random lengths; knows what was used."""

    def __init__(self, late_s: float) -> None:
        self.late_s, self.used = late_s, 0
        self.asked: list[str] = []
        self._draw = random.Random(1)

    def answer(self, _path: str, body: Any) -> Said:
        text, limit = body["messages"][0]["content"], body["max_tokens"]
        self.asked.append(text.split()[0])
        prompt, made = len(text) // 4, self._draw.randrange(1, limit)
        self.used += prompt + made
        return Said(chat("x" * made, prompt, made), late_s=self._draw.uniform(0, self.late_s))


def test_no_budget_is_exceeded_and_most_of_it_is_used(tmp_path: Path) -> None:
    """Eight processes, 32 requests at a time each, ten thousand that don't fit: none sent twice, 95% of it usable."""
    limit, meter, path = 3_000_000, Meter(0.2), tmp_path / "llm.sqlite"
    with served(meter.answer, keeps=False) as server:
        settings = {"model": "m", "base_url": server.url, "concurrency": 32, "run_tokens": 10**9, "night_tokens": limit}
        shared = range(10_000, 10_050)
        processes = [started(path, settings, [*shared, *range(i, 10_000, 8)]) for i in range(8)]
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert max(Counter(meter.asked).values()) == 1 and len(meter.asked) < 10_050
    spent = spent_of(path)
    assert spent == dict.fromkeys(spent, Spent(meter.used)) and len(spent) >= 3
    assert 0.95 * limit <= meter.used <= limit


def test_a_kill_repeats_what_was_on_its_way_and_charges_it(tmp_path: Path) -> None:
    """Two processes ask the same; one is killed twenty times: no answer that was written down is asked for again."""
    meter, path, draw, count, concurrency = Meter(0.1), tmp_path / "llm.sqlite", random.Random(2), 800, 8
    with served(meter.answer, keeps=False) as server:
        settings = {"model": "m", "base_url": server.url, "concurrency": concurrency, "run_tokens": 10**9}
        running = [started(path, settings, range(count)) for _ in range(2)]
        known: list[tuple[int, set[str]]] = []
        for moment in sorted(draw.sample(range(1, count), 20)):
            while len(meter.asked) < moment:
                time.sleep(0.002)
            victim = running.pop(0)
            victim.kill()
            victim.join()
            known.append((len(meter.asked), answered(path)))
            running.append(started(path, settings, range(count)))
        for process in running:
            process.join()
    keys = {str(number): numbered(number).key("m") for number in range(count)}
    for at, before in known:
        assert not before & {keys[number] for number in meter.asked[at:]}
    calls = calls_of(path)
    lost = Counter(call.request for call in calls if call.outcome == "lost")
    assert {call.request for call in calls if call.outcome == "ok"} == set(keys.values())
    assert lost and max(lost_by_process(path)) <= concurrency and len(calls) == count + lost.total()
    for number, times in Counter(meter.asked).items():
        assert times <= 1 + lost[keys[number]]
    charged = sum(call.prompt_tokens + call.completion_tokens for call in calls)
    assert spent_of(path)["run:r"] == Spent(charged) and charged >= meter.used


def answered(path: Path) -> set[str]:
    """Requests whose answers are written down."""
    with sqlite3.connect(path) as rows:
        found = {request for (request,) in rows.execute("SELECT request FROM calls WHERE final")}
    rows.close()
    return found


def lost_by_process(path: Path) -> list[int]:
    """How many requests each process had on its way when it was killed."""
    with sqlite3.connect(path) as rows:
        found = rows.execute("SELECT count(*) FROM calls WHERE outcome = 'lost' GROUP BY holder").fetchall()
    rows.close()
    return [lost for (lost,) in found]


def calls_of(path: Path) -> list[Call]:
    with Journal(path) as journal:
        return [call for _, call in journal.calls("d")]


def spent_of(path: Path) -> dict[str, Spent]:
    """What was used, by scope."""
    with sqlite3.connect(path) as rows:
        names = [name for (name,) in rows.execute("SELECT name FROM scopes")]
    rows.close()
    with Journal(path) as journal:
        return {name: journal.spent(name) for name in names}
