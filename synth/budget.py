"""What a request may cost at most, and what a run, a domain and a night may cost.

Guarantees: all is counted in whole numbers, tokens and billionths of the currency; no float is added up anywhere.
Non-guarantees: the bound on a conversation's tokens holds for tokenizers that make no more tokens than a text has
bytes, and for templates that add no more than `TEMPLATE` and `TURN`. What an endpoint counts beyond is charged too.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal

from registry.domain import LlmSpec
from synth.llm import Request

BILLION = 10**9
MILLION = 10**6

TEMPLATE = 192
"""Tokens that a template may add to a conversation: what marks its start, a date, a short system text."""
TURN = 16
"""Tokens that it may add to each message."""


@dataclass(frozen=True)
class Scope:
    """Something with a budget.

    Attributes:
        name: `run:ID`, `domain:NAME` or `night:DATE`.
        tokens: Tokens that may be used in it, both ways; 0 for any number.
        money: Billionths that may be spent in it; 0 for any sum.
    """

    name: str
    tokens: int = 0
    money: int = 0


@dataclass(frozen=True)
class Price:
    """What tokens cost: billionths of the currency for a million of them."""

    sent: int = 0
    made: int = 0

    def of(self, prompt: int, completion: int) -> int:
        """What so many tokens cost, rounded up to a billionth."""
        return -(-(prompt * self.sent + completion * self.made) // MILLION)


@dataclass(frozen=True)
class Budget:
    """What may be used by the requests of a run.

    Attributes:
        spec: The domain's settings.
        domain: Its name.
        run: The run's.
    """

    spec: LlmSpec
    domain: str
    run: str

    @property
    def price(self) -> Price:
        """What tokens cost at the endpoint."""
        return Price(billionths(self.spec.price_in), billionths(self.spec.price_out))

    def scopes(self, now: dt.datetime) -> tuple[Scope, ...]:
        """What a request is charged to, if it is sent now."""
        spec = self.spec
        return (
            Scope(f"run:{self.run}", spec.run_tokens, billionths(spec.run_money)),
            Scope(f"domain:{self.domain}", spec.domain_tokens, billionths(spec.domain_money)),
            Scope(night_of(now), spec.night_tokens, billionths(spec.night_money)),
        )


def billionths(money: float) -> int:
    """A sum of the domain's file in billionths, as it is written there."""
    return int(Decimal(str(money)) * BILLION)


def night_of(now: dt.datetime) -> str:
    """The scope of the night that a time belongs to: from noon to noon, UTC, named by the day on which it starts."""
    return f"night:{(now.astimezone(dt.UTC) - dt.timedelta(hours=12)).date().isoformat()}"


def most_tokens(request: Request, added: str = "") -> int:
    """Tokens that a conversation has at most: a token is at least a byte of what it stands for.

    Args:
        request: What is asked.
        added: Text that is sent beside it: words about its schema.
    """
    size = sum(len(part.encode("utf-8", "replace")) for message in request.messages for part in message.values())
    schema = len(json.dumps(dict(request.schema)).encode()) if request.schema else 0
    return size + schema + len(added.encode()) + TURN * len(request.messages) + TEMPLATE
