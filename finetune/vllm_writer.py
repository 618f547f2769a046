"""Writing by vLLM, where that is installed: many texts at once on a GPU, base and adapter from one engine.

It is shown the same token ids as a model in `generation.Writer`, and what it gives is cut in the same way. Its random
numbers are its own, and it rounds otherwise: texts of both are never mixed. Spoken is its documented interface for use
offline (`LLM`, `SamplingParams`, `LoRARequest`: docs.vllm.ai).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from finetune import tuning
from finetune.bases import BaseModel
from finetune.generation import Sampling, Writer, Written
from finetune.loading import Loading
from registry.card import rank_limit, unserved
from registry.errors import ConfigurationError, TrainingError

BATCH = 256
"""Texts that it is given at a time: it sees itself how many of them go through the model together."""


def hindrance(loading: Loading, adapters: Sequence[Path]) -> str:
    """Why vLLM can't write here; empty where it can.

    Args:
        loading: How the base is put into memory.
        adapters: Folders of the adapters on it.
    """
    if importlib.util.find_spec("vllm") is None:
        return "vLLM isn't installed: pip install vllm"
    if loading.device != "cuda":
        return f"vLLM writes on CUDA, and the base is loaded on {loading.device}"
    if loading.four_bit:
        return "the base is loaded in 4 bits, which vLLM would read otherwise"
    for folder in adapters:
        why = unserved(_config(folder))
        if why:
            return f"{folder.name}: {why}"
    return ""


def _config(adapter: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return found


def version() -> str:
    """The version of vLLM: with another, other texts are written."""
    return importlib.metadata.version("vllm")


def engine(base: BaseModel, adapters: Sequence[Path]) -> Any:
    """A base in vLLM, which takes adapters up to the rank of these.

    Raises:
        TrainingError: vLLM doesn't load it.
    """
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # read when it is imported: it would tell its makers
    import vllm

    limits = [rank_limit(_config(folder)) for folder in adapters]
    lora = {"enable_lora": True, "max_loras": 1, "max_lora_rank": max(limits)} if limits else {}
    with _translated(f"load {base.name}"):
        return vllm.LLM(model=str(base.path), dtype=base.loading.dtype, seed=0, trust_remote_code=False, **lora)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Whatever vLLM raises, its engine's processes too, in one line."""
    try:
        yield
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), "").rstrip(".") or type(error).__name__
        raise TrainingError(f"vLLM can't {what}: {said}. Without it: --backend transformers") from error


class VllmWriter(Writer):
    """Writes on after prompts, by vLLM.

    Args:
        loaded: The engine, of this base.
        base: The base.
        adapter: Folder of the adapter that writes; the base alone where None.
        sampling: How texts are drawn.
    """

    def __init__(self, loaded: Any, base: BaseModel, adapter: Path | None, sampling: Sampling | None = None) -> None:
        super().__init__(_described(base), tuning.load_tokenizer(base), sampling, batch=BATCH)
        self._engine = loaded
        self._adapter = adapter

    def _batch(self, rows: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[Written]:
        """Texts of one batch, in order.

        Raises:
            TrainingError: vLLM fails, or gives back something else than it was asked for.
        """
        with _translated("write"):
            found = self._engine.generate(
                [{"prompt_token_ids": list(row)} for row in rows],
                [self._params(seed) for seed in seeds],
                use_tqdm=False,
                lora_request=self._request(),
            )
        if [list(one.prompt_token_ids) for one in found] != [list(row) for row in rows]:
            raise TrainingError("vLLM gives back other prompts than it was shown. Without it: --backend transformers")
        return [self._written(row, list(one.outputs[0].token_ids)) for row, one in zip(rows, found, strict=True)]

    def _params(self, seed: int) -> Any:
        """All that decides what is written stands here; a base's own generation config says nothing."""
        import vllm

        drawn = self.sampling.temperature > 0
        return vllm.SamplingParams(
            max_tokens=self.new_tokens,
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p if drawn else 1.0,
            seed=seed if drawn else None,
            stop=list(self.sampling.stop) or None,
            stop_token_ids=self._ends,
            ignore_eos=True,  # it stands among the others
        )

    def _request(self) -> Any:
        """The adapter, by a number that tells it from others in this engine: there is one."""
        if self._adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, str(self._adapter))


def _described(base: BaseModel) -> Any:
    """What a writer asks of a model, without its weights."""
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(base.path, trust_remote_code=False, local_files_only=True)
    own = (base.path / "generation_config.json").is_file()
    ends = GenerationConfig.from_pretrained(base.path) if own else GenerationConfig.from_model_config(config)
    return SimpleNamespace(config=config, generation_config=ends)


def check(wanted: str, why: str) -> bool:
    """Whether vLLM writes: where it is asked for, or where nothing is asked for and nothing hinders it.

    Args:
        wanted: auto, transformers or vllm.
        why: What hinders it.

    Raises:
        ConfigurationError: It is asked for and can't, or something else is asked for.
    """
    if wanted not in ("auto", "transformers", "vllm"):
        raise ConfigurationError(f"No backend {wanted!r}: choose auto, transformers or vllm")
    if wanted == "vllm" and why:
        raise ConfigurationError(f"No vLLM: {why}. Or leave --backend out")
    return wanted != "transformers" and not why
