"""Log-probabilities of a span of text after a prefix, under a causal language model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_WORD = "".join(chr(c) for c in range(128) if chr(c).isalnum() or chr(c) == "_")


@dataclass(frozen=True)
class Span:
    """A text after a prefix."""

    prefix: str
    text: str


def closed(prefix: str, texts: Sequence[str]) -> list[Span]:
    """Spans of alternatives after one prefix, cut where tokens end, at the same place for all.

    A word that the prefix has begun moves to the spans where one of them goes on with it, and so do blanks at the
    prefix's end, which a tokenizer joins to the word that follows.
    """
    keep = prefix
    if any(text[:1] and text[0] in _WORD for text in texts):
        keep = keep.rstrip(_WORD)
    keep = keep.rstrip(" \t")
    return [Span(keep, prefix[len(keep) :] + text) for text in texts]


@dataclass(frozen=True)
class SpanScore:
    """The score of one span.

    Attributes:
        logprob: Sum of the natural log-probabilities of its tokens.
        tokens: Number of tokens.
        size: Number of UTF-8 bytes.
    """

    logprob: float
    tokens: int
    size: int

    @property
    def mean(self) -> float:
        """Mean log-probability per token, in nats."""
        return self.logprob / self.tokens

    @property
    def bits(self) -> float:
        """Bits per byte."""
        return -self.logprob / math.log(2) / self.size


@dataclass(frozen=True)
class Encoded:
    """A span as token ids: the prefix's last tokens, then the span's."""

    prefix: tuple[int, ...]
    text: tuple[int, ...]


class Scorer:
    """Scores spans under one model.

    Args:
        model: A causal language model (a PEFT model too), on the CPU or a GPU.
        tokenizer: Its tokenizer.
        max_tokens: Tokens of prefix and span together; a longer prefix loses its beginning.
        batch: Sequences in a forward pass.
    """

    def __init__(self, model: Any, tokenizer: Any, *, max_tokens: int = 256, batch: int = 16) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.batch = batch

    def scores(self, spans: Iterable[Span]) -> list[SpanScore]:
        """The score of each span, in order; equal spans are computed once."""
        asked = list(spans)
        todo = list(dict.fromkeys(asked))
        encoded = {span: encode(self.tokenizer, span, self.max_tokens) for span in todo}
        todo.sort(key=lambda s: len(encoded[s].prefix) + len(encoded[s].text))
        found: dict[Span, SpanScore] = {}
        for start in range(0, len(todo), self.batch):
            part = todo[start : start + self.batch]
            found |= zip(part, self._forward([encoded[s] for s in part]), strict=True)
        return [found[span] for span in asked]

    def _forward(self, batch: Sequence[Encoded]) -> list[SpanScore]:
        import torch

        device = next(self.model.parameters()).device
        rows = [list(e.prefix + e.text) for e in batch]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id or 0, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        self.model.eval()
        with torch.inference_mode():
            logits = self.model(
                input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False
            ).logits.float()
        scores = []
        for place, e in enumerate(batch):
            first, last = len(e.prefix), len(e.prefix) + len(e.text)
            logprobs = torch.log_softmax(logits[place, first - 1 : last - 1], dim=-1)
            picked = logprobs.gather(1, ids[place, first:last, None].to(device))
            size = len(self.tokenizer.decode(list(e.text)).encode())
            scores.append(SpanScore(float(picked.double().sum()), len(e.text), max(1, size)))
        return scores


def encode(tokenizer: Any, span: Span, max_tokens: int) -> Encoded:
    """Token ids of a span, tokens never crossing where prefix and text meet, after the tokenizer's first token.

    A prefix that is too long loses its beginning.
    """
    text = _ids(tokenizer, span.text)[: max_tokens - 1] or [tokenizer.eos_token_id]
    room = max_tokens - 1 - len(text)
    prefix = _ids(tokenizer, span.prefix[-room * 16 :])[-room:] if room else []
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return Encoded((first, *prefix), tuple(text))


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) if text else []
