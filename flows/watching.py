"""A run that is watched: what it is at, told to whatever keeps an eye on it.

`watched_run` stands around a run, `watched_stage` around each of its stages, `watched_batch` around each batch, which
may be several at once. A house that nobody watches (a test, a single function in a REPL) passes through unnoticed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.house import House


@dataclass
class Watch:
    """What is known of a run while it goes on.

    Attributes:
        stage: The stage that it is at; empty between two.
        batches: Titles of the batches under way.
        outcome: What came of it (the gate's decision), once that is known.
    """

    stage: str = ""
    batches: list[str] = field(default_factory=list)
    outcome: str = ""


@contextlib.contextmanager
def watched_run(house: House) -> Iterator[Watch]:
    """Within the block the run is watched; its lock is held by the caller."""
    house.watch = Watch()
    try:
        yield house.watch
    finally:
        house.watch = None


@contextlib.contextmanager
def watched_stage(house: House, stage: str) -> Iterator[None]:
    """Within the block the run is at this stage: what is left of it is listed, and done."""
    watch = house.watch
    if watch is None:
        yield
        return
    watch.stage = stage
    try:
        yield
    finally:
        watch.stage = ""


@contextlib.contextmanager
def watched_batch(house: House, title: str, size: int) -> Iterator[None]:
    """Within the block a batch is done, and what it made is written; several may be under way in one stage.

    Args:
        house: The run.
        title: What a person sees.
        size: How many units (pages, programs) it does.
    """
    del size  # told to nobody yet
    watch = house.watch
    if watch is None:
        yield
        return
    watch.batches.append(title)
    try:
        yield
    finally:
        watch.batches.remove(title)
