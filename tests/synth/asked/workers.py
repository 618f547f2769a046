"""Processes that ask at once, as runs do: what they ask is drawn by number, the same for the same number."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from registry.domain import LlmSpec
from synth.client import Asking, Client
from synth.journal import Journal
from synth.llm import Request

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["synth.client"])


def numbered(number: int) -> Request:
    """A request of random length, for an answer of random length."""
    draw = random.Random(number)
    text = f"{number} " + "x" * draw.randrange(1500)
    return Request("load@1", ({"role": "user", "content": text},), draw.randrange(20, 800))


def ask(path: str, settings: dict[str, Any], numbers: Sequence[int]) -> None:
    """Asks all; fails where one has another outcome than an answer, or a budget that is used up."""
    with Journal(Path(path)) as journal, Asking(Client(LlmSpec(**settings), journal, "d", "r")) as asking:
        outcomes = {future.result().outcome for future in as_completed(map(asking.submit, map(numbered, numbers)))}
    if not outcomes <= {"ok", "budget"}:
        raise RuntimeError(str(outcomes))


def started(path: Path, settings: dict[str, Any], numbers: Iterable[int]) -> BaseProcess:
    """A process that asks."""
    process = CONTEXT.Process(target=ask, args=(str(path), settings, list(numbers)))
    process.start()
    return process
