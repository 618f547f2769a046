"""The journal: reservations, answers, the dead, and what the lake is told."""

from __future__ import annotations

import datetime as dt
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.domain import LlmSpec
from registry.errors import ConfigurationError, RegistryError
from synth.budget import Budget, Price, Scope, night_of
from synth.entries import Decision, Leave, NoLeave, Pause, Settled, Spent, Wait, Wish
from synth.journal import Journal, spent_in

RUN = Scope("run:r", tokens=1000)


def wish(request: str, tokens: int = 100, *scopes: Scope, money: int = 0) -> Wish:
    return Wish(request, "d", "p@1", "m", "http://here", scopes or (RUN,), tokens - 10, 10, money)


def leave(decision: Decision) -> int:
    assert isinstance(decision, Leave), decision
    return decision.call


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "llm.sqlite") as made:
        yield made


def test_what_fits_only_without_others_waits_and_what_never_fits_is_refused(journal: Journal) -> None:
    """Open reservations are waited for; they may settle at less."""
    first = leave(journal.ask(wish("a", 600)))
    assert journal.ask(wish("b", 600)) == Wait(0.05, "budget")
    assert isinstance(journal.ask(wish("b", 1001)), NoLeave)
    journal.write([Settled(first, "ok", True, "x", prompt_tokens=390, completion_tokens=10)])
    second = leave(journal.ask(wish("b", 600)))
    assert journal.spent("run:r") == Spent(400, 0, 600, 0)
    journal.write([Settled(second, "timeout", prompt_tokens=None, completion_tokens=None, money=None)])
    assert journal.spent("run:r") == Spent(1000)
    assert journal.ask(wish("c", 11)) == NoLeave("The budget run:r has 0 of 1000 tokens left, and this may take 11")


def test_every_budget_counts_and_none_is_charged_where_one_refuses(journal: Journal) -> None:
    """Tokens and money, of run, domain and night: what doesn't fit one is reserved in none."""
    scopes = (RUN, Scope("domain:d", money=50), Scope("night:2026-01-01"))
    leave(journal.ask(wish("a", 100, *scopes, money=30)))
    assert journal.ask(wish("b", 100, *scopes, money=30)) == Wait(0.05, "budget")
    assert isinstance(journal.ask(wish("b", 100, *scopes, money=51)), NoLeave)
    assert {journal.spent(scope.name) for scope in scopes} == {Spent(0, 0, 100, 30)}


def test_a_request_on_its_way_is_waited_for_and_its_answer_shared(tmp_path: Path, journal: Journal) -> None:
    """Whoever asks the same meanwhile, also from another process, gets that answer; a failed one is sent again."""
    call = leave(journal.ask(wish("a")))
    with Journal(tmp_path / "llm.sqlite") as other:
        assert other.ask(wish("a")) == Wait(0.05, "asked")
        journal.write([Settled(call, "error")])
        again = other.ask(wish("a"))
        assert isinstance(again, Leave) and again.attempt == 1
        answer = Settled(again.call, "ok", True, "hi", "", 5, 5, 0, 0.5)
        other.write([answer])
        assert journal.ask(wish("a")) == answer == journal.answer("a")
        assert journal.answer("b") is None


def test_what_the_dead_had_on_its_way_is_charged_and_lost(tmp_path: Path, journal: Journal) -> None:
    """At its worst case, by who waits for it; a journal that is closed does so itself."""
    code = f"""
import signal, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.synth.asked.test_journal import Journal, wish, leave
journal = Journal(Path({str(journal.path)!r}))
leave(journal.ask(wish("a", 300)))
print("asked", flush=True)
signal.pause()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "asked\n"
    with process:
        assert isinstance(journal.ask(wish("a", 300)), Wait)
        process.send_signal(signal.SIGKILL)
    with Journal(journal.path) as other:
        again = other.ask(wish("a", 300))
        assert isinstance(again, Leave) and again.attempt == 1
    assert journal.spent("run:r") == Spent(600)
    lost = [(call.outcome, call.run) for _, call in journal.calls("d")]
    assert lost == [("lost", "r")] * 2, "the run that was killed is charged, whoever finds it"
    assert len(list(journal.path.with_name("llm.sqlite.holders").iterdir())) == 1


def test_a_batch_outlives_its_process_and_is_another_ones_of_its_domain(tmp_path: Path, journal: Journal) -> None:
    """What it reserved stays reserved until it is settled; nobody takes it from a process that lives."""
    with Journal(journal.path) as other:
        call = leave(other.ask(wish("a", 300)))
        other.name(other.bundle("http://here", "d", [call]), "batch_1")
        assert journal.adopt("http://here", "d") == []
    assert journal.ask(wish("a", 300)) == Wait(0.05, "asked") and journal.spent("run:r") == Spent(0, 0, 300)
    assert journal.adopt("http://here", "other") == journal.adopt("http://there", "d") == []
    (bundle,) = journal.adopt("http://here", "d")
    assert (bundle.name, bundle.calls, journal.adopt("http://here", "d")) == ("batch_1", (call,), [])


def test_calls_are_told_until_they_are_marked(journal: Journal) -> None:
    """Those that have ended, of one domain, oldest first; money in the currency."""
    calls = [leave(journal.ask(wish(name))) for name in "abc"]
    journal.write([Settled(call, "ok", True, "x", "", 3, 4, 5) for call in calls[:2]])
    told = journal.calls("d")
    assert [call.request for _, call in told] == ["a", "b"] and told[0][1].money == 5e-9
    journal.tell([number for number, _ in told])
    journal.write([Settled(calls[2], "error", detail="no")])
    assert [call.detail for _, call in journal.calls("d")] == ["no"] and journal.calls("e") == []


def test_a_pause_holds_for_all_and_shortens_none(tmp_path: Path, journal: Journal) -> None:
    """What an endpoint wants of one process is known to all."""
    journal.write([Pause("http://here", 60), Pause("http://here", 1)])
    with Journal(tmp_path / "llm.sqlite") as other:
        paused = other.ask(wish("a"))
    assert isinstance(paused, Wait) and paused.why == "paused" and 50 < paused.seconds <= 60


def test_a_clock_that_was_set_back_leaves_no_endless_pause(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint is believed for so long: what was written down so was written by another clock."""
    with monkeypatch.context() as ahead:
        ahead.setattr("time.time", lambda: 4e9)
        journal.write([Pause("http://x", 10)])
    assert isinstance(journal.ask(wish("a")), Leave)


def test_who_can_not_wait_is_told_that_somebody_is_writing(tmp_path: Path, journal: Journal) -> None:
    """While another process writes, nothing is written at once and nothing waits; after that it is."""
    other = sqlite3.connect(tmp_path / "llm.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert journal.write_at_once([wish("a")]) is None
    other.execute("ROLLBACK")
    other.close()
    made = journal.write_at_once([wish("a"), wish("b")])
    assert made is not None
    assert [type(each) for each in made] == [Leave, Leave]


def test_a_journal_that_was_moved_away_is_written_no_more(tmp_path: Path) -> None:
    """Else its budgets would be spent twice: here, and by whoever makes a new one."""
    with pytest.raises(ConfigurationError, match="moved away"), Journal(tmp_path / "gone.sqlite") as journal:
        (tmp_path / "gone.sqlite").rename(tmp_path / "elsewhere.sqlite")
        journal.ask(wish("a"))


def test_many_open_it_at_once(tmp_path: Path) -> None:
    """The file is made by whoever comes first, and written by all."""

    def one(number: int) -> None:
        with Journal(tmp_path / "new" / "llm.sqlite") as journal:
            call = leave(journal.ask(wish(str(number), 20)))
            journal.write([Settled(call, "ok", True, "x", "", 1, 1)])

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(48)))
    with Journal(tmp_path / "new" / "llm.sqlite") as journal:
        assert journal.spent("run:r") == Spent(96)


def test_what_can_not_be_read_is_said(tmp_path: Path) -> None:
    """A newer driftune's, something else, a folder that isn't one."""
    newer, other = tmp_path / "newer.sqlite", tmp_path / "other.sqlite"
    with sqlite3.connect(newer) as rows:
        rows.execute("PRAGMA user_version = 99")
    rows.close()
    other.write_bytes(b"no database at all" * 1000)
    (tmp_path / "file").touch()
    for path, error, words in (
        (newer, ConfigurationError, "newer driftune"),
        (other, RegistryError, "move it away"),
        (tmp_path / "file" / "llm.sqlite", ConfigurationError, "not a folder"),
    ):
        with pytest.raises(error, match=words):
            Journal(path)


def test_budgets_are_whole_numbers_and_nights_begin_at_noon() -> None:
    """Prices and sums as the file says them, to the billionth; costs rounded up."""
    spec = LlmSpec(price_in=0.0375, price_out=0.15, run_money=0.1, night_tokens=7)
    budget = Budget(spec, "d", "r")
    assert budget.price == Price(37_500_000, 150_000_000) and budget.price.of(1, 0) == 38
    noon = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    assert budget.scopes(noon) == (
        Scope("run:r", spec.run_tokens, 100_000_000), Scope("domain:d"), Scope("night:2026-03-01", 7)
    )  # fmt: skip
    assert night_of(noon - dt.timedelta(seconds=1)) == "night:2026-02-28"


def test_what_was_used_is_read_without_a_right_to_write(tmp_path: Path, journal: Journal) -> None:
    """The sums of budgets are read from a file while others write to it, and from none at all."""
    leave(journal.ask(wish("a")))
    assert spent_in(tmp_path / "llm.sqlite", [RUN.name, "run:other"]) == {RUN.name: journal.spent(RUN.name)}
    assert spent_in(tmp_path / "none.sqlite", [RUN.name]) == {}
    assert not (tmp_path / "none.sqlite").exists()
