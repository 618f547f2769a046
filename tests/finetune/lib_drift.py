"""A library that drifted, `old_call(a, b)` to `new_call(a, other=b)`: its base, call sites, and some general code."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from finetune import corpus
from finetune.corpus import SourceFile
from registry.records import Example

TINY: Mapping[str, Any] = {
    "layers": 2,
    "width": 32,
    "heads": 2,
    "inner": 64,
    "vocabulary": 512,
    "context": 64,
    "batch": 4,
    "steps": 30,
    "learning_rate": 1e-2,
    "threads": 1,
    "save_every": 10,
}
OLD = [f"import lib\nx{n} = lib.old_call({n}, {n + 1})\ny = lib.other(x{n})\n" for n in range(60)]


@cache
def general() -> tuple[SourceFile, ...]:
    """A few modules of the standard library."""
    small = (file for file in corpus.standard_library() if file.path.count("/") == 0 and len(file.text) < 6000)
    return tuple(itertools.islice(small, 40))


def site(number: int, family: str, *, file: str | None = None) -> list[Example]:
    """The pairs of one call site: new over old, over a mutant, over an invented name."""
    wrong = {
        "stale": f"old_call({number}, {number + 1})\n",
        "swap": f"new_call({number + 1}, other={number})\n",
        "invented": f"mew_kall({number}, other={number + 1})\n",
    }
    return pairs(
        f"import lib\nx{number} = lib.", f"new_call({number}, other={number + 1})\n", wrong, number, family, file
    )


def sites(families: int, each: int) -> list[Example]:
    """`each` call sites of every family."""
    return [row for f in range(families) for n in range(each) for row in site(f * each + n, f"lib.f{f}")]


HEADS, ENDS = "bdfghjklmnprstvz", "aeio"
EVEN = [f"import lib\nx = lib.{head}{end}({n})\n" for n in range(4) for head in HEADS for end in ENDS]
"""What a base reads that has no reason to take one call for likelier than another."""


def crossed(numbers: Iterable[int]) -> list[Example]:
    """Call sites of sixteen families, `lib.ba(1)` or `be`, `bi`, `bo`; which is right differs, each in four families.

    What holds for the library as a whole says nothing of which call is right: only what was learned of a family does.
    """
    rows: list[Example] = []
    for number in numbers:
        for place, head in enumerate(HEADS):
            new, *wrong = (f"{head}{ENDS[(place + turn) % 4]}({number})\n" for turn in range(4))
            kinds = dict(zip(("stale", "wrong-function", "invented"), wrong, strict=True))
            rows += pairs("import lib\nx = lib.", new, kinds, number, f"lib.{head}", None)
    return rows


def pairs(prompt: str, new: str, wrong: Mapping[str, str], number: int, family: str, file: str | None) -> list[Example]:
    return [
        Example(
            domain="lib",
            kind="preference",
            releases=("old", "new"),
            parts={"programs": {}, "prompt": prompt, "chosen": new, "rejected": rejected, "suffix": ""},
            family=family,
            file=file or f"{family}.py",
            root=f"{family}:{number}",
            generator="test",
            generator_version="1",
            bug_kind=kind,
        )
        for kind, rejected in wrong.items()
    ]
