"""The Prefect flow `refresh`: the stages of a domain, each a flow of its own, each batch a task.

What may help is tried again, as a task of its own (`flows.batches`). What has nothing to do never gets here
(`flows.run`).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency
from prefect.states import Completed

from flows.batches import listed, perform_all
from flows.house import House
from flows.making import start_base
from flows.scheduled import Part, PassedOverError, refresh_scheduled
from flows.stacking.places import GPU
from flows.stages import BASE_AFTER, PARTS, STAGES, end_part, stages_of
from flows.task_runners import PrefectExecutors
from flows.watching import watched_run, watched_stage
from registry.errors import BudgetError

_OPEN: dict[str, House] = {}
"""Houses of the runs in this process: a flow's parameters must be plain values, so a stage finds its house by run."""

_PREPARED: dict[str, House] = {}
"""Houses that a caller in this process has opened and locked, by the reference they were opened with."""


BATCHES: dict[str, Callable[[], int]] = {}
"""Batches under way in this process: what a task is called with goes along to the workers of its shards."""


@task(name="batch", task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
def perform(title: str, batch: str) -> int:
    """Runs one batch; the number of rows it wrote."""
    del title  # the task run's name
    return BATCHES[batch]()


@flow(name="stage", flow_run_name="{stage} {domain}", validate_parameters=False, persist_result=False)
def stage_flow(domain: str, stage: str, run: str) -> int:
    """Does what is left of one stage; the number of batches it did."""
    del domain
    return do_stage(stage, run)  # the flow is sent to workers with all that it names: it names a function


def do_stage(stage: str, run: str) -> int:
    """Does what is left of a stage of a run that is open in this process; the number of batches it did."""
    house = _OPEN[run]
    with watched_stage(house, stage):
        return perform_all(house, listed(STAGES[stage], house), as_task)


def as_task(title: str, run: Callable[[], int]) -> int:
    """Does a batch as a task of Prefect's, with this title; the number of rows it wrote."""
    name = uuid.uuid4().hex
    BATCHES[name] = run
    try:
        return perform(title, name)
    finally:
        del BATCHES[name]


@contextlib.contextmanager
def refresh_opened(house: House, reference: str) -> Iterator[None]:
    """Within the block, `refresh(reference)` uses this house, whose lock the caller holds."""
    _PREPARED[reference] = house
    try:
        yield
    finally:
        del _PREPARED[reference]


def gpu_place() -> AbstractContextManager[None]:
    """Within the block a place of the GPU's limit is held, which is waited for; nothing enters where it is missing."""
    return concurrency(GPU, strict=True, raise_on_lease_renewal_failure=False)


@flow(name="refresh", flow_run_name="refresh {domain}", validate_parameters=False, persist_result=False)
def refresh(domain: str, part: Part = "all", enough: int = 1) -> Any:
    """Everything from docs to a published adapter for one domain; the gate's decision.

    Args:
        domain: A name in `domains/`, or the path of a domain file.
        part: all; cpu: up to the snapshot; gpu: from the snapshot on, at the domain's turn of the GPU.
        enough: After so many new proven rows the part cpu says that there is something to train on.
    """
    prepared = _PREPARED.get(domain)
    if prepared is not None:
        return _refresh(prepared, domain)
    with gpu_place() if part == "gpu" else nullcontext():
        try:
            return refresh_scheduled(domain, part, enough, _refresh)
        except PassedOverError as passed:
            return Completed(name="PassedOver", message=str(passed))
        except BudgetError as spent:  # no failure: the next night goes on from here
            return Completed(name="Left", message=str(spent))


def _refresh(house: House, reference: str, part: Part = "all") -> str:
    """Runs every stage of a part over an open, locked house."""
    _OPEN[house.run] = house
    house.executors = PrefectExecutors()
    try:
        with watched_run(house, working=True) as watch:
            for stage in stages_of(PARTS[part]):
                stage_flow(house.domain.name, stage, house.run)
                if stage == BASE_AFTER and part == "all" and house.among == 1:  # beside others it has its turn
                    start_base(house, reference)
            watch.outcome = end_part(house, part)
            return watch.outcome
    finally:
        del _OPEN[house.run]
        house.close()
