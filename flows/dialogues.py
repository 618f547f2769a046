"""Holds many dialogues with an LLM at once: while it is waited for, the sandbox runs what others want to know.

All of it runs in the thread that wants it, but for the LLM's client: so dialogues and lake need no locks.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from registry.records import Program, Verdict
from synth.llm import Reply, Request
from synth.written.dialogue import Dialogue, Ending, Trial

BROKEN = "broken"
"""The outcome of a dialogue whose writer raised: a bug, met by an answer that nobody thought of."""

PATIENCE_S = 1.0
"""Seconds for which trials wait for others, so that the sandbox is fed in batches."""

AHEAD = 4
"""How many times as many dialogues as are open at once may have ended, or begun, after one that hasn't ended."""

Attempt = Callable[[str, list[Program]], Mapping[str, Verdict]]
"""Runs programs at a release, by its id: program id -> verdict."""


Submit = Callable[[Request], Future[Reply]]
"""Asks an LLM; the reply comes later."""


@dataclass(frozen=True)
class Ended:
    """A dialogue that has ended.

    Attributes:
        number: Which one, in the order that they were given in.
        ending: How it ended.
        calls: Keys of the requests that it made, in order.
        tokens: Tokens of these, both ways.
        cost: What they cost, in billionths.
    """

    number: int
    ending: Ending
    calls: tuple[str, ...]
    tokens: int
    cost: int


@dataclass
class _Open:
    """A dialogue that is being held."""

    dialogue: Dialogue
    calls: list[str] = field(default_factory=list)
    tokens: int = 0
    cost: int = 0


@dataclass
class _Table:
    """All that are being held, and what they wait for."""

    submit: Submit
    attempt: Attempt
    open: dict[int, _Open] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)
    replies: queue.SimpleQueue[tuple[int, Future[Reply]]] = field(default_factory=queue.SimpleQueue)

    def step(self, number: int, sent: Any) -> None:
        """Tells a dialogue what it waited for, and takes what it wants to know next."""
        held = self.open[number]
        try:
            wanted = held.dialogue.send(sent)
        except StopIteration as end:
            self._end(number, end.value)
        except Exception as error:  # whatever an LLM may say, one dialogue never stops the others
            self._end(number, Ending(outcome=BROKEN, detail=f"{type(error).__name__}: {error}"[:300]))
        else:
            if isinstance(wanted, Trial):
                self.trials[number] = wanted
            else:
                future = self.submit(wanted)
                future.add_done_callback(lambda done: self.replies.put((number, done)))

    def _end(self, number: int, ending: Ending) -> None:
        held = self.open.pop(number)
        self.ended[number] = Ended(number, ending, tuple(held.calls), held.tokens, held.cost)

    def take_replies(self) -> None:
        """Takes the replies that are there; where there is none, waits: for as long as no trial waits too."""
        with contextlib.suppress(queue.Empty):
            found = self.replies.get(timeout=PATIENCE_S if self.trials else None)
            while True:
                self._take(*found)
                found = self.replies.get_nowait()

    def _take(self, number: int, done: Future[Reply]) -> None:
        reply, held = done.result(), self.open[number]
        if reply.outcome != "budget":
            held.calls.append(reply.key)
        held.tokens += reply.prompt_tokens + reply.completion_tokens
        held.cost += reply.cost
        self.step(number, reply)

    def run_trials(self) -> None:
        """Runs what dialogues want run, at each release together."""
        waiting, self.trials = dict(sorted(self.trials.items())), {}
        found: dict[str, Mapping[str, Verdict]] = {}
        for release in sorted({trial.release for trial in waiting.values()}):
            programs = {p.id: p for trial in waiting.values() if trial.release == release for p in trial.programs}
            found[release] = self.attempt(release, list(programs.values()))
        for number, trial in waiting.items():
            self.step(number, {p.id: found[trial.release][p.id] for p in trial.programs})


def hold(dialogues: Iterable[Dialogue], submit: Submit, attempt: Attempt, width: int) -> Iterator[Ended]:
    """Holds dialogues to their ends, many at once; each is given in its turn, so that the order says nothing of chance.

    Args:
        dialogues: The dialogues; each is made when it begins.
        submit: Asks the LLM.
        attempt: Runs programs.
        width: How many are open at once.
    """
    table, left = _Table(submit, attempt), enumerate(dialogues)
    first = begun = 0
    while True:
        fresh = list(islice(left, max(0, min(width - len(table.open), AHEAD * width - (begun - first)))))
        begun += len(fresh)
        for number, dialogue in fresh:
            table.open[number] = _Open(dialogue)
            table.step(number, None)
        while first in table.ended:
            yield table.ended.pop(first)
            first += 1
        if table.open:
            _wait(table, width)
        elif not fresh:
            return


def _wait(table: _Table, width: int) -> None:
    """Waits for what comes first, and runs trials where enough have come together, or no others come."""
    before, asked = len(table.trials), len(table.open) - len(table.trials)
    if asked:
        table.take_replies()
    enough = len(table.trials) == before or len(table.trials) >= width // 2
    if table.trials and (enough or not asked):
        table.run_trials()
