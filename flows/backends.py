"""What writes for models: transformers, or vLLM where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from finetune.generation import Sampling, Writer
from flows.models import Model

Writers = Callable[[Sampling], Writer]
"""Writers of one model, for any way of drawing."""


def by_transformers(model: Model) -> Writers:
    """Writers that share the model, which is loaded when the first is wanted."""
    loaded = cache(model.load)
    return lambda sampling: Writer(*loaded(), sampling)


@dataclass(frozen=True)
class Backend:
    """What writes.

    Attributes:
        name: With its version, for identities; empty for transformers.
        writers: Of a model.
    """

    name: str = ""
    writers: Callable[[Model], Writers] = by_transformers


TRANSFORMERS = Backend()


def backend(wanted: str, found: Sequence[Model]) -> Backend:
    """The backend for models on one base: one for all of them, as what is compared must be written in one way.

    Args:
        wanted: auto, transformers or vllm.
        found: The models.

    Raises:
        ConfigurationError: vLLM is asked for and can't write for one of them.
    """
    from finetune import vllm_writer

    base, adapters = found[0].base, [model.adapter for model in found if model.adapter is not None]
    if not vllm_writer.check(wanted, vllm_writer.hindrance(base.loading, adapters)):
        return TRANSFORMERS
    shared = cache(lambda: vllm_writer.engine(base, adapters))

    def writers(model: Model) -> Writers:
        return lambda sampling: vllm_writer.VllmWriter(shared(), model.base, model.adapter, sampling)

    return Backend(f"vllm {vllm_writer.version()}", writers)
