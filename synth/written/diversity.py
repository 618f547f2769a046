"""How varied rows are: how often they say the same few words, and how many of them are one row again and again.

Measured on prompts and on code apart, and beside mined rows: a figure alone says nothing. `distinct` is the share of
runs of three tokens that are said for the first time (distinct-n: Li et al., "A Diversity-Promoting Objective Function
for Neural Conversation Models", 2016), `entropy` that of their distribution. All figures depend on how much is
measured, so of mined rows as many texts are taken as there are written ones, and of both as many tokens. Clusters are
of near-duplicates, without embeddings: by MinHash (Broder 1997), decided by Jaccard's index over the same runs.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rensa import RMinHash, RMinHashLSH

from registry.catalogue import RIGHT_ROLES
from registry.records import Example, Program
from synth.material import draw

RUN = 3
"""Tokens of a run."""

LIKE = 0.7
"""Texts are near-duplicates from this index of Jaccard on."""

_PERMUTATIONS, _BANDS = 128, 32
_TOKEN = re.compile(r"\w+|[^\w\s]")
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Diversity:
    """How varied some texts are.

    Attributes:
        texts: How many there are.
        tokens: Words and signs that `distinct` and `entropy` are of.
        distinct: Share of runs of three tokens that are the first of their kind, in [0, 1].
        entropy: Of the distribution of these runs, in bits.
        clusters: How many texts are left where near-duplicates count as one.
        largest: Share of all texts that the largest cluster has, in [0, 1].
    """

    texts: int
    tokens: int
    distinct: float
    entropy: float
    clusters: int
    largest: float


def diversity(texts: Iterable[str], most: int = 0) -> Diversity:
    """How varied texts are.

    Args:
        texts: They, in an order that says nothing: the first ones are measured.
        most: Tokens that `distinct` and `entropy` are of, at most; 0: all. What is compared takes the same of each.
    """
    tokens = [_TOKEN.findall(text.lower()) for text in texts]
    runs = [_runs(each) for each in tokens]
    taken = list(islice((run for each in runs for run in each), most or None))
    counts = Counter(taken)
    shares = [count / len(taken) for count in counts.values()]
    sizes = _clusters([frozenset(each) for each in runs])
    return Diversity(
        len(runs),
        len(taken),
        len(counts) / len(taken) if taken else 0.0,
        -sum(share * math.log2(share) for share in shares) + 0.0,
        len(sizes),
        max(sizes, default=0) / len(runs) if runs else 0.0,
    )


def compared(
    rows: Iterable[Example], programs: Mapping[str, Program], seed: int = 0
) -> dict[str, dict[str, Diversity]]:
    """How varied written rows are beside mined ones.

    Args:
        rows: Rows; those with `written` were written, of the others those of kind `doc` and `test` were mined.
        programs: Their programs, by id.
        seed: Of the order in which they are measured.

    Returns:
        `prompt` and `code`, in each `written` and `mined`.
    """
    sides: dict[str, list[Example]] = {"written": [], "mined": []}
    for row in sorted(rows, key=lambda row: draw(seed, "diversity", row.id)):
        if row.written or row.kind in ("doc", "test"):
            sides["written" if row.written else "mined"].append(row)
    found: dict[str, dict[str, Diversity]] = {}
    for name, read in (("prompt", _prompt), ("code", lambda row: _code(row, programs))):
        texts = {side: list(dict.fromkeys(filter(None, map(read, each)))) for side, each in sides.items()}
        texts["mined"] = texts["mined"][: len(texts["written"])]
        most = min(sum(len(_TOKEN.findall(text)) for text in each) for each in texts.values())
        found[name] = {side: diversity(each, most) for side, each in texts.items()}
    return found


def _prompt(row: Example) -> str:
    """What a row asks in words; code that stands in it is measured as code."""
    parts: Any = row.parts
    asked = [str(turn.get("content", "")) for turn in parts.get("turns", ()) if turn.get("role") == "user"]
    return _BLOCK.sub("", "\n".join([str(parts.get("prompt", "")), *asked])).strip()


def _code(row: Example, programs: Mapping[str, Program]) -> str:
    """The programs that a row teaches."""
    parts: Any = row.parts
    roles = [r for r in parts.get("programs", {}) if r in RIGHT_ROLES or r.startswith("block")]
    return "\n".join(programs[i].code for role in roles if (i := parts["programs"][role]) in programs)


def _runs(tokens: Sequence[str]) -> list[str]:
    """Every run of so many tokens; the whole where it is shorter."""
    count = max(1, len(tokens) - RUN + 1) if tokens else 0
    return [" ".join(tokens[i : i + RUN]) for i in range(count)]


def _clusters(sets: Sequence[frozenset[str]]) -> list[int]:
    """Sizes of the clusters of near-duplicates; each text is with the first one that it is like."""
    head: list[int] = []
    sketches = RMinHash.from_token_sets([sorted(each) for each in sets], _PERMUTATIONS, 1)
    index = RMinHashLSH(LIKE, _PERMUTATIONS, _BANDS)
    for number, each in enumerate(sets):
        near = (other for other in sorted(index.query(sketches[number])) if _likeness(each, sets[other]) >= LIKE)
        first = next(near, None)
        head.append(number if first is None else first)
        if first is None:
            index.insert(number, sketches[number])
    return list(Counter(head).values())


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)
