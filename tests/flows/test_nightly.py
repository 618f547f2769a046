"""One cap for all domains of a lake: what the night has cost, and what doesn't begin any more."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from flows.batches import Batch, perform_all
from flows.events import Event, listening
from flows.house import House
from flows.nightly import capped, tonight
from registry.domain import Domain
from registry.errors import BudgetError
from registry.records import Call, Run
from registry.settings import Settings
from synth.budget import BILLION, Scope, night_of
from synth.entries import Leave, Settled, Wish
from synth.journal import Journal


def house(home: Path, cap: float = 10.0, **settings: Any) -> House:
    text = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}, **settings}
    return House(Domain.model_validate(text), Settings(home=home, nightly_cost=cap))


def training(cost: float, domain: str = "other") -> Run:
    """A training of another domain that cost so much."""
    said: dict[str, Any] = {"snapshot": "s", "base": "b", "base_revision": "", "recipe": {}, "adapter_sha256": "a"}
    return Run(**said, seed=int(cost * 100), domain=domain, device="cpu", steps=1, cost=cost)


def asked(money: float) -> Call:
    """An LLM's call, of another domain."""
    return Call(request="r", attempt=0, domain="another", purpose="p", model="m", outcome="answered", money=money)


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A domain in whose lake others have spent 9.5 tonight; it is only read."""
    return spending(tmp_path_factory.mktemp("spent"))


def spending(home: Path) -> House:
    made = house(home)
    made.lake.append([training(6.0), asked(3.5)])
    return made


def do(made: House, *, costs: bool) -> int:
    """Performs a batch; how many were done."""
    done: list[str] = []
    batch = Batch("Something", 1, lambda: len(done), costs)
    perform_all(made, [batch], lambda title, _run: done.append(title) or 1)
    return len(done)


def test_what_costs_does_not_begin_once_all_domains_together_have_spent_the_night(tmp_path: Path) -> None:
    """Under the cap it begins, at the cap it doesn't, whichever domain spent it; what costs nothing goes on."""
    told: list[Event] = []
    spent = spending(tmp_path)
    with listening(told.append):
        assert do(spent, costs=True) == 1
        spent.lake.append([training(0.5, "d")])
        with pytest.raises(BudgetError, match="has cost 10 of 10") as refused:
            do(spent, costs=True)
        assert do(spent, costs=False) == 1
    assert (refused.value.exit_code, refused.value.retryable) == (3, False)
    [event] = told
    assert (event.kind, event.domain) == ("driftune.budget.reached", "d")
    assert (event.facts["spent"], event.facts["cap"]) == (10.0, 10.0)


def test_the_next_night_begins_with_nothing_spent(spent: House) -> None:
    """From noon to noon, UTC: what was spent tonight is no part of the next night."""
    now = dt.datetime.now(dt.UTC)
    assert tonight(spent.lake, 10.0).spent == 9.5
    assert tonight(spent.lake, 10.0, now + dt.timedelta(days=1)).spent == 0.0
    assert not tonight(spent.lake, 0.0).over


def test_an_llm_may_spend_what_the_cap_leaves(spent: House) -> None:
    """Its budget of the night ends where the cap does, or before, as the domain's file says; without a cap it stays."""
    home = spent.settings.home
    assert capped(spent).night_money == pytest.approx(0.5)
    prices = {"model": "m", "price_in": 1.0, "price_out": 1.0}
    assert capped(house(home, llm={**prices, "night_money": 0.2})).night_money == 0.2
    assert capped(house(home, 0.0, llm={**prices, "night_money": 0.2})).night_money == 0.2
    assert 0 < capped(house(home, 1.0)).night_money < 1e-6


def test_what_the_lake_was_not_told_of_is_spent_too(tmp_path: Path) -> None:
    """Of a run that was killed: what its LLM cost counts, and doesn't count twice once the lake knows it."""
    made = spending(tmp_path)
    night = Scope(night_of(dt.datetime.now(dt.UTC)))
    with Journal(made.settings.journal) as journal:
        call = journal.ask(Wish("r2", "d", "p", "m", "e", (night,), 1, 1, BILLION // 5))
        assert isinstance(call, Leave)
        journal.write([Settled(call.call, "ok", True, money=BILLION // 5)])
        assert capped(made).night_money == pytest.approx(0.5), "0.2 of it are used"
        [(number, told)] = journal.calls("d")
        made.lake.append([told])
        journal.tell([number])
    assert capped(made).night_money == pytest.approx(0.5)


def test_spend_counts_trainings(spent: House) -> None:
    """The view of what each run took has the money of its trainings beside that of LLMs."""
    rows = spent.lake.query("SELECT domain, stage, money FROM spend WHERE money > 0 ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("another", "synth", 3.5), ("other", "train", 6.0)]
