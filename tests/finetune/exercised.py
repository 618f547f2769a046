"""Functions that double a number: those of some names are learned by reward, those of others are held out.

The base has read functions of all these names, each with one of four bodies by chance: a quarter of what it writes is
right, whatever the name.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.bases import BaseModel, TinyBase
from finetune.exercises import Exercise, earns
from finetune.generation import Prompt, Sampling, Writer
from finetune.recipe import Lookup
from registry.records import Example, Program, Verdict
from tests.finetune.writing import SETTINGS
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

BODIES = ("x + x", "x * x", "-x", "x // 2")
"""What the base writes; the first is right."""

LEARNED = ("cat", "dog", "hat", "sun", "cup", "pen")
HELD_OUT = ("box", "key", "map", "jar")

VALUES = (7, 6, -3, 9)
"""What functions are tried on: the first and third decide the reward, the others are kept back."""


def row_of(name: str, kind: str = "doc", **more: Any) -> tuple[Example, Program]:
    """A proven row that shows a function, and its program."""
    program = Program(**{"code": f"def {name}(x):\n    return {BODIES[0]}\n", "test": asserted(name), **more})
    parts = {"programs": {"answer": program.id}, "prompt": ""}
    row = Example(
        domain="own", kind=kind, releases=("new",), parts=parts, family=name, file="f.py", root=name,
        symbols=(f"lib.{name}",), generator="test", generator_version="1",
    )  # fmt: skip
    return row, program


def asserted(name: str) -> str:
    return "".join(f"assert {name}({x}) == {x + x}\n" for x in VALUES)


def exercise(name: str = "cat") -> Exercise:
    """What `row_of` makes."""
    lines = asserted(name).splitlines(keepends=True)
    return Exercise(f"def {name}(x):", "".join(lines[::2]), "".join(lines[1::2]), name)


def behind(pool: Pool, built: BuiltEnvironment, programs: Iterable[Program] = ()) -> Lookup:
    """The sandbox, as a flow hands it in."""
    known = {program.id: program for program in programs}

    def judge(asked: Sequence[Program]) -> list[Verdict]:
        return list(pool.run(built, asked, timeout_s=20.0, attempts=1))

    return Lookup(lambda ids: {i: known[i] for i in ids if i in known}, judge=judge)


def guessing_base(cache: Path) -> BaseModel:
    """The base, trained or found."""
    rng = random.Random(0)
    shuffled = (rng.sample((*LEARNED, *HELD_OUT), 6) for _ in range(120))
    texts = ["".join(f"def {n}(x):\n    return {rng.choice(BODIES)}\n\n\n" for n in names) for names in shuffled]
    return TinyBase(texts).prepare(texts, {**SETTINGS, "steps": 120}, cache)


def passing(model: Any, tokenizer: Any, runs: Lookup, samples: int = 16) -> float:
    """The share of what a model writes for the functions held out that all assertions about them hold of."""
    asked = [exercise(name) for name in HELD_OUT for _ in range(samples)]
    writer = Writer(model, tokenizer, Sampling(16, 1.0, 1.0, asked[0].stop), batch=len(asked))
    texts = writer.write([Prompt(one.begun, seed) for seed, one in enumerate(asked)])
    pairs = [one.programs(text) for one, text in zip(asked, texts, strict=True)]
    found = [earns(verdict) for verdict in runs.judge([program for pair in pairs for program in pair])]
    return sum(a and b for a, b in zip(found[::2], found[1::2], strict=True)) / len(asked)


RL: Mapping[str, Any] = {
    "recipe": ["rl"],
    "lora": {"rank": 4, "alpha": 8},
    "rl": {"learning_rate": 1e-2, "steps": 40, "written": 16, "max_tokens": 48},
}
"""A `[train]` table."""
