"""A library that drifted, `old_call(a, b)` to `new_call(a, other=b)`: its base, call sites, and some general code."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
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
    new = f"new_call({number}, other={number + 1})\n"
    rows = []
    for kind, rejected in (
        ("stale", f"old_call({number}, {number + 1})\n"),
        ("swap", f"new_call({number + 1}, other={number})\n"),
        ("invented", f"mew_kall({number}, other={number + 1})\n"),
    ):
        rows.append(
            Example(
                domain="lib",
                kind="preference",
                releases=("old", "new"),
                parts={
                    "programs": {},
                    "prompt": f"import lib\nx{number} = lib.",
                    "chosen": new,
                    "rejected": rejected,
                    "suffix": "",
                },
                family=family,
                file=file or f"{family}.py",
                root=f"{family}:{number}",
                generator="test",
                generator_version="1",
                bug_kind=kind,
            )
        )
    return rows


def sites(families: int, each: int) -> list[Example]:
    """`each` call sites of every family."""
    return [row for f in range(families) for n in range(each) for row in site(f * each + n, f"lib.f{f}")]
