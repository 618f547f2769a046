"""What is left to do, in pieces: a stage lists its batches, a batch does its work and remembers it.

A stage is a function from the house to the batches that are missing now: it subtracts what the lake says is done, so
running it again finishes what a killed run left, and a finished stage has no batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.house import House
from flows.nightly import check_cost
from flows.quota import check_disk
from flows.watching import watched_batch


@dataclass(frozen=True)
class Batch:
    """A piece of work.

    Attributes:
        title: What a person sees.
        size: How many units (pages, programs) it does.
        run: Does it, appends its outputs and the memory of it; the number of rows written.
        costs: Whether it costs money: none begins once the night's is spent.
    """

    title: str
    size: int
    run: Callable[[], int]
    costs: bool = False


Stage = Callable[[House], list[Batch]]
"""The batches a stage has left to do."""


Do = Callable[[str, Callable[[], int]], int]
"""Does a batch under its title: here and now, or as a task of Prefect's."""


def perform(stage: Stage, house: House) -> int:
    """Does what is left of a stage, batch by batch, without Prefect; how many that were."""
    batches = stage(house)
    perform_all(house, batches, lambda _title, run: run())
    return len(batches)


def perform_all(house: House, batches: Sequence[Batch], do: Do) -> None:
    """Does batches; everything that stands around each of them stands here, whatever does it."""
    total = sum(batch.size for batch in batches)
    done = 0
    if batches:
        check_disk(house)
    for batch in batches:
        house.turn()
        if batch.costs:
            check_cost(house)
        house.tell(batch.title, done, total)
        with watched_batch(house, batch.title, batch.size):
            do(batch.title, batch.run)
        done += batch.size
        house.tell(batch.title, done, total)
