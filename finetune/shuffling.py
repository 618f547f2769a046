"""A null experiment: training rows in which nothing says which form of a call is right.

Everything else is as it is: prompts, texts, steps, replay, evaluation and gate. What gains all the same gains by
something that isn't the answer: texts of the domain read, lengths, a leak into what is held out, a gate too lenient.

At each call site the right form and the wrong ones are put into one bag, one is drawn, and it is preferred over all
the others of that site, in the completions too. Drawn so, each two forms of a site are as often preferred one way as
the other, whatever their number. A coin for each pair would not do: the right form stands in every pair of its site and
each wrong one in a single pair, so that the right one would still be learned most often.

What this leaves, since it can't be taken from texts that are shown at all: wrong forms are made from the right one, so
what they have in common is seen more often than any single mistake (a consensus, in completions; the pairs cancel out).
And what tunes on noise goes towards choosing among a site's forms at random, one in as many as there are: a gain for a
base that does worse than that. Both are gains of their own kind, and real ones.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence
from typing import Any

from finetune.evaluation import STALE
from registry.records import Example


def shuffled(examples: Iterable[Example], seed: int) -> list[Example]:
    """The `preference` rows, each site preferring a form that was drawn; rows of other kinds say what is right: none.

    Args:
        examples: Rows of the split `train`. Those of one call site share `root`, prompt and right form.
        seed: Seed of the draws.
    """
    sites: dict[str, list[Example]] = {}
    for row in sorted((e for e in examples if e.kind == "preference"), key=lambda e: e.id):
        sites.setdefault(row.root, []).append(row)
    return [row for root in sorted(sites) for row in _site(sites[root], random.Random(f"{seed} {root}"))]


def _site(rows: Sequence[Example], rng: random.Random) -> list[Example]:
    drawn = rng.choice([None, *rows])
    return list(rows) if drawn is None else [_over(drawn, row) for row in rows]


def _over(drawn: Example, row: Example) -> Example:
    """The drawn row's wrong form preferred: over the row's own, or over the right one where the row is the drawn one.

    `stale` stays what it says, a pair of the old and the new call: pairs of that kind are seen more often than others,
    and the old form would else lose more of them than it wins.
    """
    parts: Any = row.parts
    picked: Any = drawn.parts
    own = row is drawn
    return dataclasses.replace(
        row,
        parts={
            "programs": {},
            "prompt": picked["prompt"],
            "chosen": picked["rejected"],
            "rejected": parts["chosen" if own else "rejected"],
            "suffix": picked["suffix"],
        },
        bug_kind=row.bug_kind if own or row.bug_kind != STALE else drawn.bug_kind,
    )
