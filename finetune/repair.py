"""Writing a program with feedback from running it: write, run, show what went wrong, write again.

`driftune solve` does it for a person, and the metric `repair@n` measures it: the same loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from finetune.tasks import PASSED, UNAVAILABLE
from registry.trees import parsed

_GOES_ON = re.compile(r"(else|elif|except|finally)\b")
"""What begins a line of the top level, and no statement."""


@dataclass(frozen=True)
class Turn:
    """One program, and what became of it.

    Attributes:
        code: The program.
        outcome: The sandbox's.
        detail: What it said, in one line.
    """

    code: str
    outcome: str
    detail: str = ""


Attempt = Callable[[Mapping[str, str], int], Mapping[str, Turn]]
"""Takes the text that the model sees for each name, and the number of the turn, from 0; what came of each name."""


def repair(prompts: Mapping[str, str], attempt: Attempt, rounds: int) -> dict[str, tuple[Turn, ...]]:
    """Up to `rounds` programs for each prompt, each written after what the one before it did wrong.

    Args:
        prompts: Name -> the prompt, without blanks at its end.
        attempt: Writes and runs a program for each name at once.
        rounds: Programs for one prompt at most.

    Returns:
        Name -> its turns; the last one passed, or there were no more rounds, or nothing could be run.
    """
    turns: dict[str, tuple[Turn, ...]] = dict.fromkeys(prompts, ())
    shown = dict(prompts)
    for number in range(rounds):
        made = attempt(shown, number) if shown else {}
        shown = {}
        for name, turn in made.items():
            turns[name] += (turn,)
            if turn.outcome not in (PASSED, UNAVAILABLE):
                shown[name] = feedback(prompts[name], turn)
    return turns


def feedback(prompt: str, turn: Turn) -> str:
    """What the model sees after a program that failed: the program, what happened to it, and the prompt again."""
    said = turn.detail.strip() or turn.outcome
    return f"{turn.code.rstrip()}\n\n# This is wrong: {turn.outcome}: {said}\n# Corrected:\n\n{prompt}"


def whole(code: str) -> str:
    """A program without the statement at its end that was cut off in the middle; as it is where it parses.

    Only the last statement of the top level goes, all of it (an `else` and its `if` alike, decorators too), and never
    the only one: what is wrong elsewhere stays wrong.
    """
    if parsed(code) is not None:
        return code
    lines = code.splitlines(keepends=True)
    starts = [place for place, line in enumerate(lines) if line[:1] not in (*" \t\r\n)]}#", "")]
    goes_on = {n for n in starts if _GOES_ON.match(lines[n])} | {b for a, b in pairwise(starts) if lines[a][0] == "@"}
    last = max((place for place in starts if place not in goes_on), default=0)
    tree = parsed("".join(lines[:last]))
    return "".join(lines[:last]) if tree is not None and tree.body else code
