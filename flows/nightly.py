"""One cap for all: what a night's work over all domains may cost, by the lake's own account.

The night is that of LLMs' budgets, from noon to noon, UTC. What a training costs is its hours times the domain's
`[train] price`, known when it has ended; what an LLM costs is charged before it is sent. So trainings may go over the
cap by one, and what an LLM writes stays below it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.events import happened
from registry.errors import BudgetError
from synth.budget import BILLION, night_of
from synth.journal import spent_in, untold_in

if TYPE_CHECKING:
    from flows.house import House
    from registry.domain import LlmSpec
    from registry.lake import Lake

SPENT = """SELECT coalesce(sum(money), 0.0)::DOUBLE AS money FROM expenses WHERE "at" >= $since::TIMESTAMPTZ"""


@dataclass(frozen=True)
class Night:
    """What a night has cost.

    Attributes:
        name: The day on which it began.
        spent: Money, over all domains of the lake.
        cap: Money that it may cost; 0 for any.
    """

    name: str
    spent: float
    cap: float

    @property
    def over(self) -> bool:
        """Whether nothing that costs may begin any more."""
        return bool(self.cap) and self.spent >= self.cap

    def line(self) -> str:
        """What is spent, for a person."""
        return f"The night of {self.name} has cost {self.spent:.4g}" + (f" of {self.cap:.4g}" if self.cap else "")


def tonight(lake: Lake, cap: float, now: dt.datetime | None = None) -> Night:
    """What the night of a time, now where none is given, has cost since it began."""
    _, _, name = night_of(now or dt.datetime.now(dt.UTC)).partition(":")
    found = lake.query(SPENT, {"since": f"{name} 12:00:00+00"}).to_pylist()
    return Night(name, found[0]["money"], cap)


def check_cost(house: House) -> None:
    """Looks at the cap before a batch that costs.

    Raises:
        BudgetError: It is reached.
    """
    if not house.settings.nightly_cost:
        return
    night = tonight(house.lake, house.settings.nightly_cost)
    if night.over:
        happened(house, "driftune.budget.reached", budget=f"night:{night.name}", spent=night.spent, cap=night.cap)
        raise BudgetError(
            f"{night.line()} (DRIFTUNE_NIGHTLY_COST): what is left of {house.owner} is for the next night; run the "
            "same command again then, or raise it",
            spent=night.spent, cap=night.cap,
        )  # fmt: skip


def capped(house: House) -> LlmSpec:
    """The settings of the domain's LLM, whose budget of a night ends where the cap for all does."""
    spec, cap = house.domain.llm, house.settings.nightly_cost
    if not cap:
        return spec
    name = night_of(dt.datetime.now(dt.UTC))
    own = spent_in(house.settings.journal, [name])  # the budget is of what this home's LLMs cost: others have used more
    used = own[name].money if name in own else 0
    told = (used - untold_in(house.settings.journal, name)) / BILLION  # of it the lake knows
    most = max(cap - tonight(house.lake, cap).spent + told, 1 / BILLION)  # 0 would be any sum
    return spec.model_copy(update={"night_money": min(most, spec.night_money or most)})
