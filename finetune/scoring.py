"""Log-probabilities of a span of text after a prefix, under a causal language model."""

from __future__ import annotations

import inspect
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

    What several spans have in front of them is computed once: its keys and values are handed to all of them.

    Args:
        model: A causal language model (a PEFT model too), on the CPU or a GPU.
        tokenizer: Its tokenizer.
        max_tokens: Tokens of prefix and span together; a longer prefix loses its beginning, for all spans after it
            at the same place.
        batch: Sequences in a forward pass.
    """

    def __init__(self, model: Any, tokenizer: Any, *, max_tokens: int = 256, batch: int = 16) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.batch = batch
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        known = "logits_to_keep" in inspect.signature(inner.forward).parameters
        self._last = {"logits_to_keep": 1} if known else {}  # of a prefix only its last token predicts what is scored

    def scores(self, spans: Iterable[Span]) -> list[SpanScore]:
        """The score of each span, in order; equal spans are computed once."""
        asked = list(spans)
        after: dict[str, list[Span]] = {}
        for span in dict.fromkeys(asked):
            after.setdefault(span.prefix, []).append(span)
        found: dict[Span, SpanScore] = {}
        for prefix, group in after.items():
            encoded = encode_all(self.tokenizer, prefix, [span.text for span in group], self.max_tokens)
            pairs = sorted(zip(group, encoded, strict=True), key=lambda pair: len(pair[1].text))
            for start in range(0, len(pairs), self.batch):
                part = pairs[start : start + self.batch]
                texts = [e.text for _, e in part]
                found |= zip((span for span, _ in part), self._forward(encoded[0].prefix, texts), strict=True)
        return [found[span] for span in asked]

    def room(self, spans: Sequence[Span]) -> int:
        """Tokens that are left in front of spans after one prefix, beside the longest of them; 0 where it is cut."""
        longest = max(self.size(span.text) for span in spans)
        return max(0, self.max_tokens - 1 - self.size(spans[0].prefix) - longest)

    def size(self, text: str) -> int:
        """Tokens of a text."""
        return len(_ids(self.tokenizer, text))

    def _forward(self, prefix: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> list[SpanScore]:
        """Scores of texts after one prefix.

        Shorter texts are padded behind; what comes later changes nothing before it, so that no mask is due.
        """
        import torch

        device = next(self.model.parameters()).device
        width = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts], device=device)
        self.model.eval()
        with torch.inference_mode():
            before = self.model(input_ids=torch.tensor([prefix], device=device), use_cache=True, **self._last)
            logits = before.logits[:, -1:].expand(len(texts), -1, -1)
            if width > 1:
                cache = before.past_key_values
                cache.batch_repeat_interleave(len(texts))
                rest = self.model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits
                logits = torch.cat([logits, rest], dim=1)
            picked = torch.log_softmax(logits.float(), dim=-1).gather(2, ids[:, :, None])[:, :, 0].double()
        scores = []
        for row, text in zip(picked, texts, strict=True):
            size = len(self.tokenizer.decode(list(text)).encode())
            scores.append(SpanScore(float(row[: len(text)].sum()), len(text), max(1, size)))
        return scores


def encode_all(tokenizer: Any, prefix: str, texts: Sequence[str], max_tokens: int) -> list[Encoded]:
    """Token ids of texts after one prefix, cut at the same place for all, after the tokenizer's first token.

    Tokens never cross where prefix and text meet. A prefix that is too long loses its beginning.
    """
    spans = [_ids(tokenizer, text)[: max_tokens - 1] or [tokenizer.eos_token_id] for text in texts]
    room = max_tokens - 1 - max(map(len, spans))
    kept = _ids(tokenizer, prefix[-room * 16 :])[-room:] if room else []
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [Encoded((first, *kept), tuple(span)) for span in spans]


def encode(tokenizer: Any, span: Span, max_tokens: int) -> Encoded:
    """Token ids of one span; see `encode_all`."""
    return encode_all(tokenizer, span.prefix, [span.text], max_tokens)[0]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) if text else []
