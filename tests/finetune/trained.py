"""A small training on the library that drifted: its recipe, and processes that die in the middle of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.bases import BaseModel, TinyBase
from finetune.chain import Chain
from finetune.tuning import Stage
from registry.records import Example
from tests.finetune.lib_drift import OLD, TINY, general, sites

TRAIN = sites(6, 6)
SMALL: Mapping[str, Any] = {
    "recipe": ["sft", "preference"],
    "lora": {"rank": 4, "alpha": 8},
    "text": {"learning_rate": 1e-2, "batch": 4, "steps": 6, "max_tokens": 64, "save_every": 4},
    "sft": {"learning_rate": 2e-2, "batch": 8, "steps": 40, "max_tokens": 64, "save_every": 4},
    "preference": {"learning_rate": 1e-2, "batch": 8, "steps": 24, "max_tokens": 64, "save_every": 4},
}
"""A `[train]` table."""


def small(**changed: Any) -> Chain:
    """The small recipe with other tables; of a table that is named, only what is given changes."""
    tables = {name: {**SMALL[name], **v} if isinstance(v, dict) else v for name, v in changed.items()}
    return Chain.of({**SMALL, **tables})


def train(base: BaseModel, work: Path, chain: Chain | None = None, **how: Any) -> dict[str, Stage]:
    """Trains a recipe on the call sites of six families, and on what a guide and two modules say."""
    return (chain or small()).train(base, [*TRAIN, *texts()], general(), work, threads=1, **how)


def texts() -> list[Example]:
    """`text` rows: a module, one that it imports, and a guide, each of which says its name in every line."""
    return [
        Example(
            domain="lib", kind="text", releases=("new",), file=file, root=file, generator="test", generator_version="1",
            parts={"programs": {}, "text": "".join(line.format(n) for n in range(20)), "depth": depth, "page": page},
        )
        for file, depth, page, line in (
            ("top.py", 1, "source", "top_{0} = call(new_call({0}, other={0}))\n"),
            ("low.py", 0, "source", "low_{0} = new_call({0}, other=1)\n"),
            ("guide.md", 0, "guide", "The guide says: write new_call({0}, other=2)\n"),
        )
    ]  # fmt: skip


@dataclass(frozen=True)
class Death:
    """Where a process is killed by SIGKILL.

    Attributes:
        stage: `base`, or a step of the recipe.
        step: After this optimiser step is computed, and before its checkpoint where it has one.
        file: Or else when a file with a name that ends so is opened to be written, or renamed.
    """

    stage: str = ""
    step: int = 0
    file: str = ""


def die(folder: Path, death: Death) -> int | None:
    """Makes the base and trains in a process of its own that dies on the way; its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["peft", "transformers.trainer", "trl.trainer.sft_trainer", "trl.trainer.dpo_trainer"]
    )
    process = context.Process(target=_make, args=(folder, death))
    process.start()
    process.join(600)  # far longer than it takes on a busy machine
    if process.is_alive():
        process.kill()
        raise AssertionError(f"The training has neither died nor ended: {death}")
    return process.exitcode


def _make(folder: Path, death: Death) -> None:
    def told(what: str, done: int, _total: int, _note: str = "") -> None:
        if (what, done) == (death.stage, death.step):
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        written = event == "os.rename" or (event == "open" and str(arguments[1]).startswith("w"))
        if written and death.file and str(arguments[0]).endswith(death.file):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audited)
    make(folder, told)


def make(folder: Path, progress: Any = None) -> dict[str, Stage]:
    """The base and the whole training, in one folder."""
    kept = [file.text for file in general() if not file.held_out]
    base = TinyBase(kept).prepare(OLD, TINY, folder / "bases", progress)
    return train(base, folder / "work", progress=progress)
