"""Learning texts after prompts: what the steps `sft` and `text` share.

Only the text is learned, and no end token is put behind it: the prompts are code before a call, and an end token after
the call would teach that files end there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from finetune import forms
from finetune.corpus import SourceFile, windows
from finetune.packing import Packed
from finetune.recipe import Row
from finetune.retrieval import Docs
from finetune.scoring import Encoded, Span, closed, encode
from finetune.watching import Progress
from registry.errors import ConfigurationError

REPLAY_WINDOW = 250
"""Characters in a replay row of general code."""


class Learned(Protocol):
    """Something to be learned after something that is shown."""

    @property
    def kind(self) -> str:
        """What it is: calls, or a kind of rows."""
        ...

    def encode(self, tokenizer: Any, max_tokens: int) -> Encoded:
        """What is shown and what is learned as token ids; longer than `max_tokens` where it can't be cut."""
        ...


@dataclass(frozen=True)
class Completion:
    """A text to be learned after a prompt, which loses its beginning where both are too long.

    Attributes:
        prompt: What stands before it.
        text: The text.
        docs: What is put in front of the prompt, as far as there is room, is looked up here.
    """

    kind: ClassVar[str] = "calls"
    prompt: str
    text: str
    docs: Docs | None = None

    @property
    def difficulty(self) -> tuple[int, int]:
        """Characters that are learned, and that are shown."""
        return len(self.text), len(self.prompt)

    def encode(self, tokenizer: Any, max_tokens: int) -> Encoded:
        """Cut where tokens end, as calls are where they are scored."""
        span = closed(self.prompt, [self.text])[0]
        if self.docs is not None:
            room = max_tokens - 1 - size(tokenizer, span.prefix) - size(tokenizer, span.text)
            front = self.docs.front(span.prefix, room, lambda text: size(tokenizer, text))
            span = Span(front.text + span.prefix, span.text)
        return encode(tokenizer, span, max_tokens)


def size(tokenizer: Any, text: str) -> int:
    """Tokens of a text."""
    return len(forms.start(tokenizer, text))


def replay(files: Iterable[SourceFile], count: int, rng: random.Random) -> list[Completion]:
    """`count` windows of general code that isn't held out; fewer where there aren't as many."""
    pieces = [piece for file in files if not file.held_out for piece in windows(file.text, REPLAY_WINDOW)]
    return [Completion("", piece) for piece in rng.sample(pieces, min(count, len(pieces)))]


def encoded(
    rows: Iterable[Learned], tokenizer: Any, max_tokens: int, *, any_kind: bool = False, tell: Progress | None = None
) -> list[Row]:
    """Token ids, and labels of what is learned alone.

    A row that can't be cut and is too long gives its place to one of its kind that isn't.

    Args:
        rows: What is learned.
        tokenizer: The base's tokenizer.
        max_tokens: Tokens of a row.
        any_kind: Where all rows of a kind are too long, those of others take their places, as many of each kind.
        tell: Told of kinds of which all rows are too long.

    Raises:
        ConfigurationError: All rows of a kind are too long, or, with `any_kind`, all rows.
    """
    asked = list(rows)
    whole = [row.encode(tokenizer, max_tokens) for row in asked]
    found = _whole(asked, whole, max_tokens, any_kind=any_kind, tell=tell)
    return [{"input_ids": [*e.prefix, *e.text], "labels": [-100] * len(e.prefix) + list(e.text)} for e in found]


def _whole(
    rows: Sequence[Learned], found: Sequence[Encoded], max_tokens: int, *, any_kind: bool, tell: Progress | None
) -> Iterator[Encoded]:
    lengths: dict[str, list[int]] = {}
    fitting: dict[str, list[Encoded]] = {}
    for row, one in zip(rows, found, strict=True):
        lengths.setdefault(row.kind, []).append(length := len(one.prefix) + len(one.text))
        if length <= max_tokens:
            fitting.setdefault(row.kind, []).append(one)
    instead: dict[str, Iterator[Encoded]] = {kind: itertools.cycle(fitting[kind]) for kind in sorted(fitting)}
    others = _in_turn(list(instead.values()))
    for kind in sorted(lengths.keys() - fitting.keys()):
        why = (
            f"No {kind} row fits into max_tokens = {max_tokens} of [train.sft]: the shortest takes {min(lengths[kind])}"
        )
        if not fitting or not any_kind:
            raise ConfigurationError(why)
        if tell is not None:
            tell(f"{why}. {len(lengths[kind]):,} places go to other kinds", 1, 1)
        instead[kind] = others
    for row, one in zip(rows, found, strict=True):
        yield one if len(one.prefix) + len(one.text) <= max_tokens else next(instead[row.kind])


def _in_turn(kinds: Sequence[Iterator[Encoded]]) -> Iterator[Encoded]:
    """A row of each kind, then another of each, without end; none where there is no kind."""
    return (next(kind) for kind in itertools.cycle(kinds))


def tokens(row: Row) -> int:
    """Tokens of prompt and text."""
    return len(row["input_ids"])


def trainer(
    model: Any, tokenizer: Any, rows: Sequence[Row], arguments: dict[str, Any], max_tokens: int, *, packed: bool
) -> Any:
    """A trainer of trl on encoded rows, padded each for itself or packed into few sequences."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    return SFTTrainer(
        model=model,
        args=SFTConfig(**arguments, max_length=max_tokens),
        train_dataset=Dataset.from_dict({name: [row[name] for row in rows] for name in ("input_ids", "labels")}),
        processing_class=tokenizer,
        data_collator=Packed(tokenizer.pad_token_id) if packed else None,
    )
