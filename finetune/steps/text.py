"""Continued pretraining: the library's guides and source as they stand, what is imported before what imports it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from finetune import completions
from finetune.completions import Completion, replay
from finetune.corpus import SourceFile, windows
from finetune.recipe import Lookup, Row, Step, StepSettings, no_rows, parts_of
from registry.records import Example

CHARACTERS = 2
"""Characters of a piece for each token that it may have: code and prose have three to four, so that few are cut."""


@dataclass(frozen=True)
class TextSettings(StepSettings):
    """Continued pretraining on `text` rows.

    Attributes:
        replay: Share of rows that are general code, anywhere among the others.
        packed: Put short rows into one sequence: faster, and the same up to rounding.
    """

    TABLE: ClassVar[str] = "text"
    SHARES: ClassVar[frozenset[str]] = frozenset({"replay"})
    learning_rate: float = 2e-3
    batch: int = 8
    max_tokens: int = 256
    replay: float = 0.15
    packed: bool = True


def rows(
    examples: Iterable[Example],
    files: Iterable[SourceFile],
    settings: TextSettings,
    seed: int,
    _lookup: Lookup | None = None,
) -> list[Completion]:
    """What the step sees, in order: pieces of the texts, dependencies first, with general code among them.

    Where there are more pieces than places some are drawn, where there are fewer all come several times; in each pass
    what is imported comes before what imports it.

    Args:
        examples: Rows of the split `train`.
        files: General code; what is held out of it is left out.
        settings: Settings of the step.
        seed: Seed of what is drawn.

    Raises:
        NoRowsError: There is no text to train on.
    """
    rng = random.Random(seed)
    total = settings.batch * settings.steps
    general = replay(files, round(total * settings.replay), rng)
    pieces = [Completion("", piece) for text in _ordered(examples) for piece in _pieces(text, settings)]
    if not pieces:
        raise no_rows("text")
    passes, rest = divmod(total - len(general), len(pieces))
    found = iter(pieces * passes + [pieces[place] for place in sorted(rng.sample(range(len(pieces)), rest))])
    places = dict(zip(rng.sample(range(total), len(general)), general, strict=True))
    return [places.get(place) or next(found) for place in range(total)]


def _ordered(examples: Iterable[Example]) -> list[str]:
    """The texts of `text` rows: guides, then modules with few imports below them, then those that build on them."""
    texts = [(parts_of(e), e) for e in examples if e.kind == "text"]
    texts.sort(key=lambda found: (int(found[0].get("depth", 0)), found[1].file, found[1].id))
    return [str(parts["text"]) for parts, _ in texts]


def _pieces(text: str, settings: TextSettings) -> Iterable[str]:
    return windows(text, CHARACTERS * settings.max_tokens)


def _encode(
    found: Sequence[Completion], tokenizer: Any, settings: TextSettings, _seed: int, _tell: Any = None
) -> list[Row]:
    return completions.encoded(found, tokenizer, settings.max_tokens)


def _trainer(model: Any, tokenizer: Any, made: Sequence[Row], arguments: dict[str, Any], settings: TextSettings) -> Any:
    return completions.trainer(model, tokenizer, made, arguments, settings.max_tokens, packed=settings.packed)


def _kinds(_: TextSettings) -> frozenset[str]:
    return frozenset({"text"})


STEP = Step("text", TextSettings, rows, _encode, completions.tokens, _trainer, _kinds, _kinds)
