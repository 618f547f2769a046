"""The engine of the stub: a base and its adapters in memory, and a prefix cache that goes by names."""

from __future__ import annotations

import copy
import json
import threading
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.vllm_stub.wire import Asked, RefusedError

BLOCK = 16
"""Tokens in a block of the prefix cache, as in vLLM; what is shorter than a block isn't kept."""

_NONE = "none"
"""The adapter that does nothing: for the base, and for what peft finds no place for, of which vLLM says nothing."""


@dataclass
class Generation:
    """A completion that is being written.

    Attributes:
        asked: What was asked.
        adapter: Name of the adapter; None for the base.
        prompt: Log-probabilities of the prompt's tokens after the first, where these are wanted.
        tokens: What is written so far.
        logprobs: Of these.
        past: Keys and values of all but the last token.
    """

    asked: Asked
    adapter: str | None
    prompt: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    past: Any = None


class Engine:
    """A base with adapters.

    Args:
        folder: The base's folder.
        rank: Rank that an adapter may have at most.
        kept: Adapters in memory at most.
        load_s: Seconds that loading an adapter takes at least.
    """

    def __init__(self, folder: Path, rank: int = 16, kept: int = 4, load_s: float = 0.0) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model = _with_none(AutoModelForCausalLM.from_pretrained(folder))
        self._rank, self._kept, self._load_s = rank, kept, load_s
        self.paths: dict[str, str] = {}
        self._memory: OrderedDict[str, str] = OrderedDict()
        self._cache: dict[tuple[str | None, tuple[int, ...]], Any] = {}
        self._made = 0
        self._lock = threading.RLock()

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self._model.config.vocab_size)

    def load(self, name: str, path: str) -> None:
        """Put an adapter into memory under a name.

        Raises:
            RefusedError: There is none, or it doesn't fit.
        """
        time.sleep(self._load_s)
        with self._lock:
            self._read(name, path)
            self.paths[name] = path

    def unload(self, name: str) -> bool:
        """Forget an adapter; false where it isn't in memory."""
        with self._lock:
            if name not in self._memory:
                return False
            self._drop(name)
            del self.paths[name]
            return True

    def start(self, asked: Asked) -> Generation:
        """Read the prompt of a request: what of it is in the prefix cache under this name isn't computed."""
        import torch

        made = Generation(asked, asked.model if asked.model in self.paths else None)
        with self._lock, torch.inference_mode():
            self._use(made.adapter)
            if asked.prompt_logprobs:  # vLLM doesn't read the cache for these
                made.prompt = self._prompt(asked.ids)
                made.past = None
                self._next(made, asked.ids)
                return made
            known = self._known(made.adapter, asked.ids)
            made.past = copy.deepcopy(self._cache[known]) if known else None
            self._next(made, asked.ids[len(known[1]) if known else 0 :])
            self._keep(made)
        return made

    def step(self, made: Generation) -> None:
        """Write one more token.

        Raises:
            RefusedError: The adapter was unloaded meanwhile.
        """
        import torch

        if made.adapter is not None and made.adapter not in self.paths:
            raise RefusedError(500, f"LoRA adapter {made.adapter} was removed while it ran", "InternalServerError")
        with self._lock, torch.inference_mode():
            self._use(made.adapter)
            self._next(made, (made.tokens[-1],))

    def _prompt(self, ids: tuple[int, ...]) -> list[float]:
        import torch

        row = torch.tensor([ids])
        logits = self._model(input_ids=row, use_cache=False).logits[0, :-1].float()
        return [float(v) for v in torch.log_softmax(logits, -1).gather(1, row[0, 1:, None])[:, 0]]

    def _next(self, made: Generation, ids: tuple[int, ...]) -> None:
        """Go on with these tokens, and choose the one after them."""
        import torch

        said = self._model(input_ids=torch.tensor([ids]), past_key_values=made.past, use_cache=True)
        made.past = said.past_key_values
        likely = torch.log_softmax(said.logits[0, -1].float(), -1)
        if made.asked.temperature > 0:
            drawn = torch.Generator().manual_seed(made.asked.seed + len(made.tokens))
            token = int(torch.multinomial((likely / made.asked.temperature).softmax(-1), 1, generator=drawn))
        else:
            token = int(likely.argmax())
        made.tokens.append(token)
        made.logprobs.append(float(likely[token]))

    def _known(self, name: str | None, ids: tuple[int, ...]) -> tuple[str | None, tuple[int, ...]] | None:
        """The longest prefix that was computed under this name; one token is always left to compute."""
        ends = range((len(ids) - 1) // BLOCK * BLOCK, 0, -BLOCK)
        return next(((name, ids[:end]) for end in ends if (name, ids[:end]) in self._cache), None)

    def _keep(self, made: Generation) -> None:
        ids = made.asked.ids
        end = (len(ids) - 1) // BLOCK * BLOCK
        if end and (made.adapter, ids[:end]) not in self._cache:
            kept = copy.deepcopy(made.past)
            kept.crop(end - len(ids))
            self._cache[made.adapter, ids[:end]] = kept

    def _use(self, name: str | None) -> None:
        """Switch to an adapter, read again where it left memory, or to the base."""
        if name is not None and name not in self._memory:
            self._read(name, self.paths[name])
        if name is not None:
            self._memory.move_to_end(name)
        self._model.set_adapter(self._memory[name] if name is not None else _NONE)

    def _read(self, name: str, path: str) -> None:
        config = Path(path) / "adapter_config.json"
        if not config.is_file():
            raise RefusedError(404, f"Loading lora {name} failed: No adapter found for {path}", "NotFoundError")
        rank = json.loads(config.read_text())["r"]
        if rank > self._rank:
            told = f"LoRA rank {rank} is greater than max_lora_rank {self._rank}."
            raise RefusedError(500, told, "InternalServerError")
        while len(self._memory) >= self._kept:
            self._drop(next(iter(self._memory)))
        self._memory[name] = self._put(path)

    def _put(self, path: str) -> str:
        """An adapter's name in the model."""
        self._made += 1
        inner = f"lora{self._made}"
        with warnings.catch_warnings():  # also of keys that are missing or too many: vLLM says nothing of them
            warnings.simplefilter("ignore")
            try:
                self._model.load_adapter(path, inner)
            except ValueError:  # no module of that name in the base
                return _NONE
            except RuntimeError as error:  # another width
                self._model.delete_adapter(inner)
                raise RefusedError(500, str(error), "InternalServerError") from error
        return inner

    def _drop(self, name: str) -> None:
        """An adapter's weights leave memory."""
        inner = self._memory.pop(name)
        if inner != _NONE:
            self._model.set_adapter(_NONE)
            self._model.delete_adapter(inner)


def _with_none(model: Any) -> Any:
    """A model that adapters can be put on and taken off: with one that does nothing, which stays."""
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, LoraConfig(r=1, target_modules="all-linear"), _NONE).eval()
