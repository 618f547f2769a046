"""The flows beside `refresh` that workers run: one stage alone, and the watch for new releases."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Literal

from prefect import flow
from prefect.states import Completed

from flows.refresh import gpu_place
from flows.run import run_stage
from flows.scheduled import check_home, look_scheduled, outlive_worker
from flows.stages import PARTS

Command = Literal["scrape", "synth", "validate", "curate", "train", "evaluate", "publish"]
"""A stage that can be run alone, as the command line has it."""


@flow(name="stage", flow_run_name="{stage} {domain}", persist_result=False)
def stage(domain: str, stage: Command, gpu: bool = False) -> int:
    """Does what is left of one stage; the command's exit code.

    Args:
        domain: A name in `domains/`, or the path of a domain file.
        stage: Which.
        gpu: Whether those that train, ask models and publish do so at their turn of the GPU, as refreshes do.
    """
    check_home()
    outlive_worker()
    with gpu_place() if gpu and stage in PARTS["gpu"] else nullcontext():
        return run_stage(domain, stage)


@flow(name="watch", flow_run_name="watch {domain}", persist_result=False)
def watch(domain: str) -> Any:
    """Asks the index whether a tracked library has a release that no run went to yet; its state says where it stands.

    Args:
        domain: A name in `domains/`, or the path of a domain file.
    """
    return Completed(message=look_scheduled(domain))
