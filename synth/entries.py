"""What is written in the journal of the LLM, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from synth.budget import Scope


@dataclass(frozen=True)
class Wish:
    """A request that somebody wants to send.

    Attributes:
        request: Its key.
        domain: Who is charged.
        purpose: Who asks.
        model: Whom.
        endpoint: Its address, for its rate limits.
        scopes: The budgets that it is charged to.
        prompt_tokens: Tokens of the conversation at most.
        completion_tokens: Tokens of the answer at most.
        money: What it costs at most, in billionths.
    """

    request: str
    domain: str
    purpose: str
    model: str
    endpoint: str
    scopes: tuple[Scope, ...]
    prompt_tokens: int
    completion_tokens: int
    money: int

    @property
    def tokens(self) -> int:
        """What is reserved, both ways."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Leave:
    """A request may be sent; `Settled` has to follow.

    Attributes:
        call: Number of the call in the journal.
        attempt: Which time the request is sent, from 0.
    """

    call: int
    attempt: int


@dataclass(frozen=True)
class Wait:
    """A request can't be sent now: ask again.

    Attributes:
        seconds: After how long.
        why: `budget` (what others have reserved is in the way), `asked` (somebody is asking the same), `paused` (the
            endpoint's rate limit).
    """

    seconds: float
    why: str


@dataclass(frozen=True)
class NoLeave:
    """A request can't be sent within a budget, also if all that is on its way came to nothing.

    Attributes:
        detail: Which one, in a sentence.
    """

    detail: str


@dataclass(frozen=True)
class Settled:
    """What came of a call; also what is answered to who asks the same later.

    Attributes:
        call: Its number.
        outcome: As in `calls`.
        final: Whether it is the answer to the request for good.
        text: The answer.
        detail: What went wrong, in a sentence.
        prompt_tokens: Tokens of the conversation that are charged; None for the most that was possible.
        completion_tokens: Likewise of the answer.
        money: What is charged, in billionths; None for the most that was possible.
        seconds: How long it took.
    """

    call: int
    outcome: str
    final: bool = False
    text: str = ""
    detail: str = ""
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    money: int | None = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Pause:
    """An endpoint wants to be left alone, by all processes.

    Attributes:
        endpoint: Its address.
        seconds: For how long.
    """

    endpoint: str
    seconds: float


@dataclass(frozen=True)
class Bundle:
    """Calls that are sent as one batch.

    Attributes:
        number: Of the batch in the journal.
        mark: What the endpoint is told of it, by which it is found again.
        name: Its name at the endpoint; None where that isn't known: its process ended before it was told, or earlier.
        calls: Numbers of its calls that are on their way.
    """

    number: int
    mark: str
    name: str | None
    calls: tuple[int, ...]


@dataclass(frozen=True)
class Spent:
    """What a scope has used.

    Attributes:
        tokens: Tokens that are charged.
        money: Billionths that are charged.
        held_tokens: Tokens reserved by what is on its way.
        held_money: Billionths likewise.
        over: Tokens that endpoints counted beyond what was possible; they are in `tokens`.
    """

    tokens: int = 0
    money: int = 0
    held_tokens: int = 0
    held_money: int = 0
    over: int = 0


Entry = Wish | Settled | Pause
Decision = Leave | Wait | NoLeave | Settled
"""What comes of a wish; Settled: it was answered before, or just now by another process."""
