"""Settings of torch and its friends for the length of a block, put back afterwards."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads; spinning idle ones off (on a busy machine they cost three to six times)."""
    with environment(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0"):
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(max(1, count))
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def single_process() -> Iterator[None]:
    """No network, no parallel tokenizers, no progress bars on the terminal."""
    with environment(
        HF_HUB_OFFLINE="1",
        TOKENIZERS_PARALLELISM="false",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_DATASETS_DISABLE_PROGRESS_BARS="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
    ):
        yield


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables that aren't set yet; take them away again at the end."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def logging_off() -> Iterator[None]:
    """Keep what transformers, trl, peft and datasets log below an error off the terminal."""
    names = ("transformers", "trl", "peft", "datasets", "accelerate", "huggingface_hub")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
