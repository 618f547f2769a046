"""Batched generation with the KV cache, and the unbiased estimate of pass@k.

Each text has random numbers of its own, from its own seed: what it is batched with, and where a killed evaluation went
on, decide nothing (up to the rounding of sums, which differs between widths of a batch).
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from finetune import forms
from finetune.watching import Progress
from registry.errors import TrainingError
from registry.trees import parsed

ENDS_OF_A_BODY = ("\nclass ", "\ndef ", "\n#", "\n@", "\nif ", "\nprint", "\nassert ", "\n```")
"""What begins after a function's body: there a completion ends. After Chen et al. 2021, section 2.1."""

ENDS_OF_A_PROGRAM = ("\n```",)
"""Where a whole program ends that a model goes on after."""

BATCH: Mapping[str, int] = {"cpu": 16, "cuda": 128}
"""Texts that a device writes at once."""


@dataclass(frozen=True)
class Sampling:
    """How texts are drawn.

    Attributes:
        max_tokens: Tokens of a text at most; never more than half of what the model can read.
        temperature: What logits are divided by; 0 takes the likeliest token.
        top_p: Of the likeliest tokens, those are drawn from that hold this share together.
        stop: A text ends before the first of these.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.95
    stop: tuple[str, ...] = ()

    def as_text(self) -> dict[str, Any]:
        """The settings for an identity: numbers as text."""
        numbers = {"max_tokens": self.max_tokens, "temperature": self.temperature, "top_p": self.top_p}
        return {name: str(value) for name, value in numbers.items()} | {"stop": list(self.stop)}


@dataclass(frozen=True)
class Prompt:
    """Something to go on after.

    Attributes:
        text: What stands before.
        seed: Seed of what is drawn.
        ids: Token ids that are shown instead of the text, as `finetune.forms` makes them for gaps and conversations.
    """

    text: str = ""
    seed: int = 0
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Written:
    """What was written after a prompt.

    Attributes:
        text: It, without what stopped it.
        ids: Its token ids: with the token that ends it, or that completes what it stops at.
        prompt: Token ids that were shown.
    """

    text: str
    ids: tuple[int, ...]
    prompt: tuple[int, ...]


class Writer:
    """Writes on after prompts, under one model.

    Args:
        model: A causal language model (a PEFT model too), on the CPU or a GPU.
        tokenizer: Its tokenizer.
        sampling: How texts are drawn.
        batch: Texts at a time; halved where memory doesn't hold so many.

    Attributes:
        cut: Prompts that lost their beginning, as the model can't read so much.
    """

    def __init__(self, model: Any, tokenizer: Any, sampling: Sampling | None = None, *, batch: int = 16) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.sampling = sampling or Sampling()
        self.batch = batch
        self.cut = 0
        self._ends = ends(model, tokenizer)
        context = getattr(model.config, "max_position_embeddings", None) or 2 * self.sampling.max_tokens + 1024
        self.new_tokens = max(1, min(self.sampling.max_tokens, context // 2))
        self.prompt_tokens = context - self.new_tokens

    def write(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[str]:
        """The text that comes after each prompt; see `written`."""
        return [one.text for one in self.written(prompts, progress)]

    def written(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[Written]:
        """What comes after each prompt, in order, without the prompt and without what stopped it.

        A prompt that is too long loses its beginning. Blanks at a prompt's end are best left to the model (`opened`).

        Raises:
            TrainingError: The model failed.
        """
        encoded = [self._encoded(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda place: len(encoded[place]))
        found: dict[int, Written] = {}
        while len(found) < len(order):
            part = order[len(found) : len(found) + self.batch]
            texts = self._batch([encoded[place] for place in part], [prompts[place].seed for place in part])
            if texts is None:
                self.batch = len(part) // 2
                continue
            found |= zip(part, texts, strict=True)
            if progress is not None:
                progress("write", len(found), len(order))
        return [found[place] for place in range(len(prompts))]

    def room(self, text: str) -> int:
        """Tokens that are free in front of a text."""
        return max(0, self.prompt_tokens - len(forms.begin(self.tokenizer)) - self.size(text))

    def size(self, text: str) -> int:
        """Tokens of a text."""
        return len(forms.start(self.tokenizer, text))

    def _encoded(self, prompt: Prompt) -> list[int]:
        """Token ids after the tokenizer's first token, as in training and scoring; the last that there is room for."""
        if prompt.ids:
            self.cut += len(prompt.ids) > self.prompt_tokens
            return list(prompt.ids[-self.prompt_tokens :])
        begin = forms.begin(self.tokenizer)
        text = self.tokenizer(prompt.text, add_special_tokens=False, verbose=False)["input_ids"] if prompt.text else []
        room = self.prompt_tokens - len(begin)
        self.cut += len(text) > room
        return [*begin, *(list(text)[-room:] if room > 0 else [])]

    def _batch(self, rows: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[Written] | None:
        """Texts of one batch: prompts stand right, padded on the left, so that all go on at the same place.

        None where memory doesn't hold them all at once.
        """
        import torch

        from finetune import quiet

        width = max(map(len, rows))
        device = next(self.model.parameters()).device
        ids = torch.full((len(rows), width), self._pad(), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, width - len(row) :] = torch.tensor(row)
            mask[place, width - len(row) :] = 1
        self.model.eval()
        with torch.inference_mode(), quiet.logging_off(), _bare(self.model):
            try:
                made = self.model.generate(
                    input_ids=ids.to(device),
                    attention_mask=mask.to(device),
                    generation_config=self._config(),
                    logits_processor=self._drawing(seeds),
                    stopping_criteria=_stopping(self.tokenizer, self.sampling.stop, width, len(rows)),
                )
            except torch.OutOfMemoryError as error:
                if len(rows) == 1:
                    raise TrainingError(f"The model can't write: memory doesn't hold one text ({error})") from error
                return None
            except (RuntimeError, ValueError) as error:
                raise TrainingError(f"The model can't write: {error}") from error
        return [self._written(row, new) for row, new in zip(rows, made[:, width:].tolist(), strict=True)]

    def _config(self) -> Any:
        """All that decides what is written stands here: what a model's own generation config says is not taken over."""
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=self.new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            use_cache=True,
            eos_token_id=self._ends or None,
            pad_token_id=self._pad(),
        )

    def _drawing(self, seeds: Sequence[int]) -> Any:
        from transformers import LogitsProcessorList

        drawing = _gumbel(seeds, self.sampling) if self.sampling.temperature > 0 else None
        return LogitsProcessorList([] if drawing is None else [drawing])

    def _pad(self) -> int:
        return next((t for t in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id) if t is not None), 0)

    def _written(self, prompt: Sequence[int], ids: Sequence[int]) -> Written:
        size = next((place for place, token in enumerate(ids) if token in self._ends), len(ids))
        text = text_after(self.tokenizer, prompt, ids[:size])
        end = min((at for stop in self.sampling.stop if (at := text.find(stop)) >= 0), default=len(text))
        own = size if end < len(text) else size + 1  # after what it stops at the others of its batch have it padded
        return Written(text[:end], tuple(ids[:own]), tuple(prompt))


def ends(model: Any, tokenizer: Any) -> list[int]:
    """The ids that end a text: all special tokens, and what the model's generation config ends a turn with, sorted.

    A special token in the middle would leave no trace in the text, and what the model wrote after it would be joined to
    what it wrote before. What stands for unknown signs ends nothing.
    """
    own = getattr(model.generation_config, "eos_token_id", None)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id} | {tokenizer.eos_token_id}
    found = [*(own if isinstance(own, (list, tuple)) else [own]), *special, *forms.stops(tokenizer)]
    return sorted({token for token in found if token is not None})


def text_after(tokenizer: Any, prompt: Sequence[int], ids: Sequence[int]) -> str:
    """The text of ids that follow a prompt's: decoded with these, as some tokenizers drop a text's first blank."""
    decode = functools.partial(tokenizer.decode, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    text: str = decode([*prompt, *ids])
    return text[len(decode(list(prompt))) :]


@contextmanager
def _bare(model: Any) -> Iterator[None]:
    """The model without a generation config of its own: what is set nowhere else would be taken from there."""
    from transformers import GenerationConfig

    places = [model, model.get_base_model()] if hasattr(model, "get_base_model") else [model]
    before = [vars(place).get("generation_config") for place in places]
    for place in places:
        place.generation_config = GenerationConfig()
    try:
        yield
    finally:
        for place, own in zip(places, before, strict=True):
            if own is None:
                del place.generation_config
            else:
                place.generation_config = own


QUESTION = "Complete this Python program. Answer with all of it in one code block.\n\n```python\n{code}\n```"
"""What a model is asked that was tuned to answer, not to go on."""

_BLOCK = re.compile(r"^```(?:python|py)?[ \t]*\n(.*?)(?:^```|\Z)", re.M | re.S)


DOCUMENTED = "From the documentation:\n\n```python\n{docs}\n```\n\n"
"""What stands before a question where there are docs."""


def question(tokenizer: Any, code: str, seed: int = 0, docs: str = "") -> Prompt:
    """A program to be completed, as a conversation in the base's own chat template, with docs before it if any.

    Raises:
        ConfigurationError: The base has no chat template.
    """
    said = (DOCUMENTED.format(docs=docs.strip()) if docs.strip() else "") + QUESTION.format(code=code)
    ids = forms.chat(tokenizer, [{"role": "user", "content": said}])
    return Prompt(seed=seed, ids=tuple(ids))


def answered(begun: str, answer: str) -> str:
    """The program that an answer comes to: its first code block, or what was begun and the answer where it has none."""
    block = _BLOCK.search(answer)
    return begun + answer if block is None else block[1]


def opened(prompt: str) -> str:
    """A prompt without blanks and ends of lines at its end.

    Tokenizers join these to the indentation that follows: given apart, they are tokens that a model has seldom seen
    there, and it writes worse.
    """
    return prompt.rstrip()


def end_of(prompt: str) -> tuple[str, ...]:
    """Where what is written after a prompt ends: with the function that the prompt ends in, else with the program."""
    return ENDS_OF_A_PROGRAM if nothing(prompt) is None else ENDS_OF_A_BODY


def nothing(prompt: str) -> str | None:
    """A body that does nothing, for the function or class that a prompt ends in; None where it ends in none."""
    begun = opened(prompt)
    last = begun.rpartition("\n")[2]
    own = last[: len(last) - len(last.lstrip())]
    for blanks in (own, f"{own}    ", f"{own}  ", f"{own}\t"):
        text = f"\n{blanks}pass\n"
        tree = parsed(begun + text)
        if blanks and tree is not None and isinstance(tree.body[-1], _DEFINES):
            return text
    return None


_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _stopping(tokenizer: Any, stop: Sequence[str], width: int, rows: int) -> Any:
    """Ends each text where a stop string stands in what was written; what the prompt ends with is no part of one.

    Args:
        tokenizer: The model's tokenizer.
        stop: The strings.
        width: Ids of the prompts.
        rows: Texts of the batch.
    """
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    last = max((len(text.encode()) for text in stop), default=0) + 1

    class Stopping(StoppingCriteria):
        def __init__(self) -> None:
            self.done = [False] * rows

        def __call__(self, input_ids: Any, scores: Any, **more: Any) -> Any:
            """Which texts are done, (batch,): a stop string is no longer than so many of the last tokens."""
            for place, ids in enumerate(input_ids[:, max(width, input_ids.shape[1] - last) :].tolist()):
                if not self.done[place]:
                    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                    self.done[place] = any(one in text for one in stop)
            return torch.tensor(self.done, device=input_ids.device)

    return StoppingCriteriaList([Stopping()] if stop else [])


def _gumbel(seeds: Sequence[int], sampling: Sampling) -> Any:
    """Makes the likeliest token a draw: logits plus Gumbel noise are largest at a token as often as softmax says.

    Source: Maddison, Tarlow and Minka, A* Sampling, 2014, section 2.
    """
    import torch
    from transformers import LogitsProcessor, TopPLogitsWarper

    class Drawing(LogitsProcessor):
        def __init__(self) -> None:
            self.own = [torch.Generator().manual_seed(seed) for seed in seeds]
            self.nucleus = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            """Scores of the next token, (batch, vocabulary), with noise."""
            warm = scores.float() / sampling.temperature
            if self.nucleus is not None:
                warm = self.nucleus(input_ids, warm)
            drawn = [torch.rand(warm.shape[1], generator=own, dtype=torch.float64) for own in self.own]
            uniform = torch.stack(drawn).clamp_min(torch.finfo(torch.float64).tiny)
            return warm - torch.log(-torch.log(uniform)).to(warm)

    return Drawing()


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate of how often at least one of `k` samples passes.

    Source: Chen et al., Evaluating Large Language Models Trained on Code, 2021, equation 1.

    Args:
        samples: Samples that were drawn of a task.
        passed: How many of them passed.
        k: Samples that are looked at; no more than were drawn.
    """
    if not 0 <= passed <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples, {passed} of which passed, is not defined")
    return 1 - math.comb(samples - passed, k) / math.comb(samples, k)
