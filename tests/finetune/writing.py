"""A model that can write something: a Llama trained in seconds on a handful of functions that it knows by heart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from finetune.bases import BaseModel, TinyBase
from finetune.generation import opened
from finetune.repair import Turn, feedback
from registry.records import Example
from tests.finetune.chained import chained
from tests.finetune.lib_drift import TINY

SETTINGS: Mapping[str, Any] = {
    **TINY,
    "learning_rate": 8e-3,
    "width": 64,
    "heads": 2,
    "inner": 128,
    "context": 64,
    "steps": 250,
    "batch": 8,
}

BODIES = {
    "double": "return x + x",
    "square": "return x * x",
    "negate": "return -x",
    "halve": "return x // 2",
    "listed": "return [x]",
    "text": "return str(x)",
}
"""Function -> what the model has learned that it does."""

VALUES = {"triple": 21, "double": 14, "square": 49, "negate": -7, "halve": 3, "listed": [7], "text": "7"}
"""What each should give for 7."""


def prompt(name: str) -> str:
    return f"def {name}(x):\n"


WRONG, RIGHT = "return x", "return 3 * x"
"""What the model first writes for `triple`, and what after that was found wrong."""

WANTED = "# Give back seven.\n\n"
"""What `driftune solve` asks in a test, as the model sees it, and what it knows of it."""
PROGRAM = "def seven():\n    return 7\n"


def learned() -> list[str]:
    """What the model is trained on: the functions, in changing order; a correction; a program for a request."""
    names = sorted(BODIES)
    turned = (names[start:] + names[:start] for start in range(len(names)))
    texts = ["".join(f"{prompt(n)}    {BODIES[n]}\n\n\n" for n in order) for order in turned]
    first = f"{prompt('triple')}    {WRONG}\n"
    for number, line in ((7, 2), (2, 2), (1, 3), (5, 2)):
        detail = f"assert candidate({number}) == {3 * number}: got {number} (test, line {line})"
        texts.append(feedback(prompt("triple"), Turn(first, "failed", detail)) + f"    {RIGHT}\n\n\n")
    return [*texts, WANTED + PROGRAM, WANTED + PROGRAM] * 12


def chained_base(folder: Path) -> BaseModel:
    """A model that writes the same without a training, as its weights are set by hand, and hangs on no rounding."""
    from finetune import bases

    steps = {opened(prompt(name)): f"\n    {body}" for name, body in BODIES.items()}
    steps |= {opened(prompt("triple")): f"\n    {WRONG}", CORRECTED + opened(prompt("triple")): f"\n    {RIGHT}"}
    steps |= dict.fromkeys(steps.values(), "\n\n\ndef other(x):") | {opened(WANTED): f"\n\n{PROGRAM}"}
    model, tokenizer = chained(steps, context=512)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return bases.find("folder").prepare((), {"path": str(folder)}, folder.parent)


CORRECTED = "# Corrected:\n\n"
"""What stands before a prompt in `feedback`."""


def writing_base(cache: Path) -> BaseModel:
    """The model, trained or found."""
    texts = learned()
    return TinyBase(texts).prepare(texts, SETTINGS, cache)


def task(name: str, **more: Any) -> dict[str, Any]:
    """A task in HumanEval's form that asks for a function by its name."""
    test = f"def check(candidate):\n    assert candidate(7) == {VALUES[name]!r}\n"
    solution = f"    {BODIES.get(name, RIGHT)}\n"
    said = {"task_id": f"own/{name}", "prompt": prompt(name), "test": test, "entry_point": name}
    return {**said, "canonical_solution": solution, **more}


def taught(name: str, body: str) -> Example:
    """A row that teaches a function's body."""
    parts = {"programs": {}, "prompt": opened(prompt(name)), "chosen": f"\n    {body}\n\n\ndef", "rejected": ""}
    return Example(
        domain="own", kind="preference", releases=("old", "new"), parts=parts, family=name, file="f.py", root=name,
        generator="test", generator_version="1", bug_kind="stale",
    )  # fmt: skip


def write_tasks(path: Path, tasks: Iterable[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in tasks), encoding="utf-8")
    return path
