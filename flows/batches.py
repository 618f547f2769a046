"""What is left to do, in pieces: a stage lists its batches, a batch does its work and remembers it.

A stage is a function from the house to the batches that are missing now: it subtracts what the lake says is done, so
running it again finishes what a killed run left, and a finished stage has no batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.house import House
from flows.watching import watched_batch


@dataclass(frozen=True)
class Batch:
    """A piece of work.

    Attributes:
        title: What a person sees.
        size: How many units (pages, programs) it does.
        run: Does it, appends its outputs and the memory of it; the number of rows written.
    """

    title: str
    size: int
    run: Callable[[], int]


Stage = Callable[[House], list[Batch]]
"""The batches a stage has left to do."""


def perform(stage: Stage, house: House) -> int:
    """Does what is left of a stage, batch by batch; how many that were."""
    batches = stage(house)
    for batch in batches:
        house.tell(batch.title, 0, batch.size)
        with watched_batch(house, batch.title, batch.size):
            batch.run()
        house.tell(batch.title, batch.size, batch.size)
    return len(batches)
