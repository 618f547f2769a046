"""Learning texts after prompts: what the steps `sft` and `text` share.

Only the text is learned, and no end token is put behind it: the prompts are code before a call, and an end token after
the call would teach that files end there.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.corpus import SourceFile, windows
from finetune.packing import Packed
from finetune.recipe import Row
from finetune.scoring import closed, encode

REPLAY_WINDOW = 250
"""Characters in a replay row of general code."""


@dataclass(frozen=True)
class Completion:
    """A text to be learned after a prompt."""

    prompt: str
    text: str


def replay(files: Iterable[SourceFile], count: int, rng: random.Random) -> list[Completion]:
    """`count` windows of general code that isn't held out; fewer where there aren't as many."""
    pieces = [piece for file in files if not file.held_out for piece in windows(file.text, REPLAY_WINDOW)]
    return [Completion("", piece) for piece in rng.sample(pieces, min(count, len(pieces)))]


def encoded(rows: Iterable[Completion], tokenizer: Any, max_tokens: int) -> list[Row]:
    """Token ids, and labels of the text alone."""
    found = [encode(tokenizer, closed(row.prompt, [row.text])[0], max_tokens) for row in rows]
    return [{"input_ids": [*e.prefix, *e.text], "labels": [-100] * len(e.prefix) + list(e.text)} for e in found]


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
