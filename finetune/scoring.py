"""Log-probabilities of a span of text after a prefix, under a causal language model."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune import forms
from registry.errors import TrainingError

BATCH = 16
"""Sequences in a forward pass."""

LOGITS = 2**27
"""Logits that are computed at once where each row has a prefix of its own: half a gigabyte."""

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


class Window:
    """How much a model is shown at once, and how much of that a text takes; nothing of it asks for the model.

    Args:
        tokenizer: Its tokenizer.
        max_tokens: Tokens of prefix and span together; a longer prefix loses its beginning, for all spans after it
            at the same place.
    """

    def __init__(self, tokenizer: Any, max_tokens: int = 256) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    def fits(self, spans: Iterable[Span]) -> bool:
        """Whether no text is longer than there is room for, and would lose its end."""
        return all(len(_text(self.tokenizer, span.prefix, span.text)) < self.max_tokens for span in spans)

    def room(self, spans: Sequence[Span]) -> int:
        """Tokens that are left in front of spans after one prefix, beside the longest of them; 0 where it is cut."""
        longest = max(len(forms.within(self.tokenizer, span.text)) for span in spans)
        return max(0, self.max_tokens - 1 - self.size(spans[0].prefix) - longest)

    def size(self, text: str) -> int:
        """Tokens of a text that begins something."""
        return len(forms.start(self.tokenizer, text))


class Scorer(Window):
    """Scores spans under one model.

    What several spans have in front of them is computed once: its keys and values are handed to all of them. A model
    that carries a state along instead computes it for each.

    Args:
        model: A causal language model (a PEFT model too), on the CPU or a GPU.
        tokenizer: Its tokenizer.
        max_tokens: As of a window.
        batch: Sequences in a forward pass.

    Attributes:
        texts: Texts that memory was enough for at a time, where it was short; else 0.
    """

    def __init__(self, model: Any, tokenizer: Any, *, max_tokens: int = 256, batch: int = BATCH) -> None:
        super().__init__(tokenizer, max_tokens)
        self.model = model
        self.batch = batch
        self.texts = 0
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._keeps = "logits_to_keep" in inspect.signature(inner.forward).parameters

    def scores(self, spans: Iterable[Span]) -> list[SpanScore]:
        """The score of each span, in order; equal spans are computed once.

        Raises:
            TrainingError: The model gives no numbers: compared, these would pass for a wrong choice like any other.
        """
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
                sums = self._forward(encoded[0].prefix, [e.text for _, e in part])
                for (span, e), logprob in zip(part, sums, strict=True):
                    found[span] = SpanScore(logprob, len(e.text), self._bytes(span, e))
        return [found[span] for span in asked]

    def each(self, rows: Sequence[Encoded]) -> list[list[float]]:
        """The log-probabilities of each row's text, token by token, after its own prefix.

        Rows of about one length are computed together, padded behind; none may be longer than `max_tokens`.

        Raises:
            TrainingError: The model gives no numbers.
        """
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place].prefix) - len(rows[place].text))
        found: dict[int, list[float]] = {}
        while len(found) < len(rows):
            width = len(rows[order[len(found)]].prefix) + len(rows[order[len(found)]].text)
            batch = max(1, min(self.batch, LOGITS // (width * len(self.tokenizer))))
            part = order[len(found) : len(found) + batch]
            found |= zip(part, self._together([rows[place] for place in part]), strict=True)
        return [found[place] for place in range(len(rows))]

    def _together(self, rows: Sequence[Encoded]) -> list[list[float]]:
        import torch

        device = next(self.model.parameters()).device
        texts = [(*row.prefix, *row.text) for row in rows]
        width = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts], device=device)
        first = min(len(row.prefix) for row in rows) - 1  # the first place whose next token is scored
        self.model.eval()
        found = []
        with torch.inference_mode():
            logits = self.model(input_ids=ids, use_cache=False, **self._last(width - first)).logits[:, first - width :]
            for row, own, said in zip(rows, logits, ids, strict=True):
                begin, end = len(row.prefix), len(row.prefix) + len(row.text)
                likely = torch.log_softmax(own[begin - 1 - first : end - 1 - first].float(), dim=-1)
                found.append(likely.gather(1, said[begin:end, None])[:, 0].double().tolist())
        _check_numbers(sum(row) for row in found)
        return found

    def _bytes(self, span: Span, encoded: Encoded) -> int:
        """UTF-8 bytes of what is scored of a span; tokenizers that decode may leave out a blank at its beginning."""
        cut = len(encoded.text) >= self.max_tokens - 1
        scored = self.tokenizer.decode(list(encoded.text), clean_up_tokenization_spaces=False) if cut else span.text
        return max(1, len(scored.encode()))

    def _forward(self, prefix: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> list[float]:
        """The log-probability of each of texts after one prefix.

        Shorter texts are padded behind; what comes later changes nothing before it, so that no mask is due.
        """
        import torch

        device = next(self.model.parameters()).device
        width = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts], device=device)
        self.model.eval()
        with torch.inference_mode():
            logits = self._logits(torch.tensor([prefix], device=device), ids)
            picked = torch.log_softmax(logits.float(), dim=-1).gather(2, ids[:, :, None])[:, :, 0].double()
        sums = [float(row[: len(text)].sum()) for row, text in zip(picked, texts, strict=True)]
        _check_numbers(sums)
        return sums

    def _logits(self, prefix: Any, ids: Any) -> Any:
        """Logits of each token of texts (texts, tokens) after one prefix (1, tokens): (texts, tokens, vocabulary)."""
        import torch

        width = ids.shape[1]
        before = self.model(input_ids=prefix, use_cache=True, **self._last(1))
        cache: Any = getattr(before, "past_key_values", None)
        if not _repeats(cache):
            whole = torch.cat([prefix.expand(len(ids), -1), ids[:, :-1]], dim=1)
            return self.model(input_ids=whole, use_cache=False, **self._last(width)).logits[:, -width:]
        logits = before.logits[:, -1:].expand(len(ids), -1, -1)
        if width == 1:
            return logits
        cache.batch_repeat_interleave(len(ids))
        rest = self.model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits
        return torch.cat([logits, rest], dim=1)

    def _last(self, count: int) -> dict[str, int]:
        """Tells a model that can be told so that only its last logits are wanted."""
        return {"logits_to_keep": count} if self._keeps else {}


def _check_numbers(logprobs: Iterable[float]) -> None:
    for logprob in logprobs:
        if not math.isfinite(logprob):
            raise TrainingError(
                f"The model gives no numbers (a log-probability of {logprob}): if its base alone does so too, set "
                "another dtype in [train.base_settings], else a lower learning_rate of the training"
            )


def _repeats(cache: Any) -> bool:
    """Whether a model's cache is of keys and values alone, which can be handed to several texts."""
    layers = getattr(cache, "layers", ())
    return bool(layers) and all(
        hasattr(layer, "batch_repeat_interleave") and not hasattr(layer, "recurrent_states") for layer in layers
    )


def encode_all(tokenizer: Any, prefix: str, texts: Sequence[str], max_tokens: int) -> list[Encoded]:
    """Token ids of texts after one prefix, cut at the same place for all, after the tokenizer's first token.

    Tokens never cross where prefix and text meet, and no tokenizer puts a blank there. A prefix that is too long loses
    its beginning.
    """
    spans = [_text(tokenizer, prefix, text)[: max_tokens - 1] or forms.begin(tokenizer) for text in texts]
    room = max_tokens - 1 - max(map(len, spans))
    kept = forms.start(tokenizer, prefix[-room * 16 :])[-room:] if room else []
    return [Encoded((*forms.begin(tokenizer), *kept), tuple(span)) for span in spans]


def _text(tokenizer: Any, prefix: str, text: str) -> list[int]:
    """The ids of a text after a prefix, which goes on with it."""
    return (forms.within if prefix else forms.start)(tokenizer, text)


def encode(tokenizer: Any, span: Span, max_tokens: int) -> Encoded:
    """Token ids of one span; see `encode_all`."""
    return encode_all(tokenizer, span.prefix, [span.text], max_tokens)[0]
