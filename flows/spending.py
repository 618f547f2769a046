"""What an LLM's rows have cost, what is left of the budgets, and what is still to come: for people."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.domain import LlmSpec
from registry.lake import Lake
from registry.records import Example
from synth.budget import BILLION, Budget
from synth.entries import Spent
from synth.journal import spent_in
from synth.written.dialogue import PASSING
from validators.parts import programs_of

if TYPE_CHECKING:
    from flows.house import House

OUTCOMES = """
    SELECT writer, model, outcome, sum(dialogues)::BIGINT AS dialogues, sum(rows)::BIGINT AS rows,
           sum(proven)::BIGINT AS proven, sum(kept)::BIGINT AS kept, sum(in_snapshot)::BIGINT AS in_snapshot
    FROM written WHERE domain = $domain GROUP BY ALL ORDER BY ALL
"""
HELD = "SELECT 1 FROM dialogues WHERE domain = $domain LIMIT 1"
SPENT = """
    SELECT coalesce(sum(prompt_tokens + completion_tokens), 0)::BIGINT AS tokens, coalesce(sum(money), 0.0) AS money,
           count(*) AS calls FROM calls WHERE domain = $domain
"""
WHY = """
    SELECT outcome, count(*)::BIGINT AS dialogues, arg_max(detail, "at") AS detail FROM dialogues
    WHERE domain = $domain AND outcome IN (SELECT unnest($passing)) GROUP BY outcome ORDER BY dialogues DESC, outcome
"""
MEANS = """
    SELECT writer, avg(tokens) AS tokens, avg(money) AS money, count(*) AS dialogues FROM dialogues
    WHERE domain = $domain AND tokens > 0 GROUP BY writer
"""


DETAIL = 200
"""Characters of a reason that are shown."""

PROVEN = "SELECT example FROM curated WHERE domain = $domain AND proven AND kind IN ('doc', 'test')"
WRITTEN = "SELECT DISTINCT unnest(rows) AS example FROM dialogues WHERE domain = $domain"


@dataclass(frozen=True)
class Account:
    """A budget, and what of it is used.

    Attributes:
        name: `run:ID`, `domain:NAME`, `night:DATE`.
        tokens: Its tokens; 0 for any number.
        money: Its money in billionths; 0 for any sum.
        spent: What is used.
    """

    name: str
    tokens: int
    money: int
    spent: Spent

    def line(self) -> str:
        """What is used and left, in words."""
        what, _, which = self.name.partition(":")
        used = f"{self.spent.tokens:,} tokens" + (f" of {self.tokens:,}" if self.tokens else "")
        if self.spent.money or self.money:
            used += f", {money(self.spent.money)} of money" + (f" of {money(self.money)}" if self.money else "")
        return f"{what} {which}: {used}"

    @property
    def left(self) -> tuple[int | None, int | None]:
        """Tokens and billionths that are left; None for any number."""
        spent = self.spent
        tokens = max(0, self.tokens - spent.tokens - spent.held_tokens) if self.tokens else None
        return tokens, max(0, self.money - spent.money - spent.held_money) if self.money else None


def money(billionths: float) -> str:
    """A sum, to four digits that say something."""
    return f"{billionths / BILLION:.4g}"


def accounts(spec: LlmSpec, domain: str, run: str, journal: Path) -> list[Account]:
    """The budgets of a run, with what is used of each.

    Args:
        spec: The domain's settings.
        domain: Its name.
        run: The run; where empty only the budgets are told that outlast runs.
        journal: The journal; where there is none nothing is used.
    """
    scopes = [s for s in Budget(spec, domain, run).scopes(dt.datetime.now(dt.UTC)) if run or s.name != "run:"]
    used = spent_in(journal, [s.name for s in scopes])
    return [Account(s.name, s.tokens, s.money, used.get(s.name, Spent())) for s in scopes]


def told_written(lake: Lake, domain: str) -> dict[str, Any]:
    """What a domain's LLM came to: dialogues by outcome, and what they cost; empty where it was asked nothing."""
    mine = {"domain": domain}
    held = lake.query(HELD, mine).num_rows  # the outcomes take a look at all curated rows
    outcomes = lake.query(OUTCOMES, mine).to_pylist() if held else []
    spent = lake.query(SPENT, mine).to_pylist()[0]
    why = lake.query(WHY, mine | {"passing": list(PASSING)}).to_pylist() if held else []
    told = {"outcomes": outcomes, "spent": spent, "budgets": [], "why": why}
    return told if outcomes or spent["calls"] else {}


def told_diversity(house: House) -> list[dict[str, Any]]:
    """How varied what an LLM wrote is, beside what was mined and is proven; none where it wrote nothing."""
    from synth.written.diversity import compared

    mine = {"domain": house.owner}
    if not house.lake.query(WRITTEN, mine).num_rows:
        return []
    ids = {"ids": house.lake.query(f"{PROVEN} UNION ALL {WRITTEN}", mine).column("example").to_pylist()}
    rows = house.lake.read(Example, "id IN (SELECT unnest($ids))", ids)
    programs = house.programs({name for row in rows for name in programs_of(row).values()})
    found = compared(rows, programs, house.domain.synth.seed)
    return [{"of": what, "side": side, **asdict(each)} for what, by in found.items() for side, each in by.items()]


def told_spending(house: House) -> dict[str, Any]:
    """`told_written`, and what is left of a run's budgets."""
    told = told_written(house.lake, house.owner)
    used = accounts(house.domain.llm, house.owner, house.run, house.settings.journal) if told else []
    return told | {"budgets": [account.line() for account in used]} if told else {}


def left_to_the_next(told: Mapping[str, Any]) -> int:
    """How many dialogues the next run goes on with."""
    return sum(row["dialogues"] for row in told.get("outcomes", ()) if row["outcome"] in (*PASSING, "left"))


def spending_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """`told_spending` as lines."""
    if not told:
        return
    spent = told["spent"]
    yield f"Asked {spent['calls']:,} times in all, {spent['tokens']:,} tokens, {spent['money']:.4g} of money"
    yield from (f"Budget of the {line}" for line in told["budgets"])
    if waiting := left_to_the_next(told):
        yield f"{waiting:,} dialogues are left to the next run: see the view dialogues"
    for row in told["why"]:
        detail = "".join(c if c.isprintable() else "?" for c in row["detail"][:DETAIL])  # an endpoint may have said it
        yield f"{row['dialogues']:,} of these ended as {row['outcome']}: {detail}"


def told_plan(house: House, *, listed: bool) -> str:
    """How many dialogues are left and what they cost, about and at worst; empty without an LLM.

    Args:
        house: The domain.
        listed: Whether all is done that comes before them.
    """
    from flows.authored import chosen, left, wanted

    if not wanted(house):
        return ""
    counted = listed and chosen(house) is not None
    ahead = Counter(each.writer for each in left(house)) if counted else Counter(wanted(house))
    means = {row["writer"]: row for row in house.lake.query(MEANS, {"domain": house.owner}).to_pylist()}
    named = ", ".join(f"{count:,} {name}" for name, count in sorted(ahead.items()))
    model = house.domain.llm.model
    if not ahead:
        return f"Dialogues with {model}: none"
    head = f"Dialogues with {model}{'' if counted else ', at most'}: {named}"
    return f"{head}; {_about(ahead, means)}; {_at_worst(house)}"


def _about(ahead: Mapping[str, int], means: Mapping[str, Mapping[str, Any]]) -> str:
    unknown = sorted(ahead.keys() - means.keys())
    known = {name: count for name, count in ahead.items() if name in means}
    tokens = sum(count * means[name]["tokens"] for name, count in known.items())
    cost = sum(count * means[name]["money"] for name, count in known.items())
    ended = sum(means[name]["dialogues"] for name in known)
    parts = [f"about {tokens:,.0f} tokens, {cost:.4g} of money (as {ended:,} before)"] if known else []
    parts += [f"nothing is known yet of what {', '.join(unknown)} take"] if unknown else []
    return ", ".join(parts)


def _at_worst(house: House) -> str:
    """What the budgets allow: no run takes more."""
    spec = house.domain.llm
    used = accounts(spec, house.owner, house.run, house.settings.journal)
    lefts = [account.left for account in used]
    tokens = min(each for each, _ in lefts if each is not None)  # a run has a limit of tokens
    sums = [each for _, each in lefts if each is not None]
    dearest = tokens * max(spec.price_in, spec.price_out) * (BILLION // 10**6)
    cost = f", {money(min([dearest, *sums]))} of money" if dearest else ""
    return f"at worst {tokens:,} tokens{cost}, as the budgets are"
