"""Settings of torch and its friends for the length of a block, put back afterwards."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of glibc's mallopt options."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads; spinning idle ones off (on a busy machine they cost three to six times)."""
    with environment(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0"):
        import torch

        keep_memory()
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, count))
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def learned_only() -> Iterator[None]:
    """Let trl compute the probabilities of the next token where it is learned, and nowhere else, on a CPU too.

    trl 1.16 does so where there is Triton. Elsewhere it computes them at each token of a prompt as well, so that shapes
    stay the same for compilers, of which there is none here: that took a third of a training. What is learned is the
    same, to the last bit where it was tried.
    """
    from trl.trainer import utils

    before = getattr(utils, "_use_triton", None)
    if before is not None:
        utils._use_triton = lambda _device: True
    try:
        yield
    finally:
        if before is not None:
            utils._use_triton = before


def keep_memory() -> None:
    """Let the C library keep freed memory for the next step: giving it back to the kernel took a third of the time.

    Lasts as long as the process; does nothing where the C library isn't glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1)):
            mallopt(option, value)


@contextmanager
def one_device() -> Iterator[None]:
    """Let a trainer use the device that its model is on, however many there are.

    transformers would spread each batch over all that it sees, which trl refuses; the others are for other processes.
    """
    from transformers import TrainingArguments

    before = TrainingArguments.n_gpu
    TrainingArguments.n_gpu = property(lambda self: min(1, before.fget(self)))
    try:
        yield
    finally:
        TrainingArguments.n_gpu = before


@contextmanager
def single_process() -> Iterator[None]:
    """No network, no parallel tokenizers, no progress bars on the terminal."""
    with (
        environment(
            HF_HUB_OFFLINE="1",
            TOKENIZERS_PARALLELISM="false",
            HF_HUB_DISABLE_TELEMETRY="1",
            HF_DATASETS_DISABLE_PROGRESS_BARS="1",
            HF_HUB_DISABLE_PROGRESS_BARS="1",
        ),
        _no_hub(),
    ):
        yield


@contextmanager
def _no_hub() -> Iterator[None]:
    """Nothing asked or told of the Hub: trl sends how it is used, and peft asks for bases by their names.

    huggingface_hub reads the environment when it is imported, which may have been before, to fetch a base.
    """
    constants = sys.modules.get("huggingface_hub.constants")
    names = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {name: getattr(constants, name) for name in names} if constants else {}
    for name in before:
        setattr(constants, name, True)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(constants, name, value)


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Set environment variables, or unset those that are None, whatever they were; at the end they are so again."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def logging_off() -> Iterator[None]:
    """Keep off the terminal what transformers, trl, peft and datasets log below an error, and warn each other of.

    The warning: trl 1.16 sets an option that transformers 5.23 has renamed.
    """
    names = ("transformers", "trl", "peft", "datasets", "accelerate", "huggingface_hub")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def no_bars() -> Iterator[None]:
    """No progress bars of transformers and datasets: progress is told to our own callbacks."""
    import datasets
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    sets = datasets.are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
        if not sets:
            datasets.enable_progress_bars()
