"""A stand-in that speaks vLLM's interface for use offline, as its documentation has it: transformers write instead.

It takes the arguments that are named here and no others, and refuses what vLLM refuses of adapters, in its words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vllm.lora.request import LoRARequest

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    finish_reason: str | None = None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput] = field(default_factory=list)


class LLM:
    made: ClassVar[list[LLM]] = []

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        seed: int = 0,
        trust_remote_code: bool = False,
        enable_lora: bool = False,
        max_loras: int = 1,
        max_lora_rank: int = 16,
    ) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if enable_lora and max_lora_rank not in RANKS:
            raise ValueError(f"max_lora_rank\n  Input should be 1, 8, … or 512, input_value={max_lora_rank}")
        self._path, self._rank = model, max_lora_rank if enable_lora else 0
        self._model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(__import__("torch"), dtype))
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self.asked: list[tuple[list[SamplingParams], LoRARequest | None]] = []
        LLM.made.append(self)

    def generate(
        self,
        prompts: Sequence[dict[str, list[int]]],
        sampling_params: Sequence[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[RequestOutput]:
        self.asked.append((list(sampling_params), lora_request))
        model = self._with(lora_request)
        pairs = zip(prompts, sampling_params, strict=True)
        return [self._written(model, prompt["prompt_token_ids"], params) for prompt, params in pairs]

    def _with(self, lora: LoRARequest | None) -> Any:
        if lora is None:
            return self._model
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        rank = json.loads((Path(lora.lora_path) / "adapter_config.json").read_text())["r"]
        if rank > self._rank:
            raise ValueError(f"LoRA rank {rank} is greater than max_lora_rank {self._rank}.")
        return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(self._path), lora.lora_path)

    def _written(self, model: Any, ids: list[int], params: SamplingParams) -> RequestOutput:
        import torch

        new: list[int] = []
        ends = params.stop_token_ids or []
        with torch.inference_mode():
            while len(new) < (params.max_tokens or 16) and not (new and new[-1] in ends):
                logits = model(input_ids=torch.tensor([[*ids, *new]])).logits[0, -1]
                new.append(int(logits.argmax()))
                text = self._tokenizer.decode(new)
                if any(stop in text for stop in params.stop or ()):
                    break
        return RequestOutput(ids, [CompletionOutput(0, self._tokenizer.decode(new), new)])
