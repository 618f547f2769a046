"""What a model is asked at once, and what its answer comes to: who asks need not hold the model.

To ask takes a tokenizer, docs and rows; to answer takes the model. So one process asks, and any number of others
answer. Portions are cut at places that hang on nothing but what is asked: whoever answers, sums are the same to the
last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.scoring import Encoded, Scorer, Span, SpanScore
from finetune.watching import Progress
from registry.records import Score


@dataclass(frozen=True)
class Portion:
    """What a model is asked at once; any model, with and without an adapter, may be asked the same.

    Attributes:
        what: What is done with it, in a word.
        split: What it is of.
        done: How much of that is done with this portion.
        total: How much there is of it.
        answer: Takes a model and what it is given, which are picklable, as the answer is; a function of a module.
        given: What the model is given.
        scores: Takes the name of an arm and the answer; what it comes to. Called for all portions in their order.
    """

    what: str
    split: str
    done: int
    total: int
    answer: Callable[[Scorer, Any], Any]
    given: Any
    scores: Callable[[str, Any], Iterator[Score]]

    def title(self, arm: str) -> str:
        """What a person is told of it."""
        return f"{self.what} {arm} {self.split}"


def spans_apart(scorer: Scorer, groups: Sequence[Sequence[Span]]) -> list[list[SpanScore]]:
    """The scores of spans, each group of them computed by itself."""
    return [scorer.scores(spans) for spans in groups]


def spans_together(scorer: Scorer, spans: Sequence[Span]) -> list[SpanScore]:
    """The scores of spans."""
    return scorer.scores(spans)


def rows_together(scorer: Scorer, rows: Sequence[Encoded]) -> list[list[float]]:
    """The log-probabilities of each row's tokens."""
    return scorer.each(rows)


def scored(portions: Iterable[Portion], scorer: Scorer, arm: str, progress: Progress | None = None) -> Iterator[Score]:
    """What a model that is in memory here is asked, and what it answers.

    Args:
        portions: What is asked.
        scorer: The arm's model.
        arm: Name of the arm.
        progress: Told of each portion.
    """
    for portion in portions:
        answer = portion.answer(scorer, portion.given)
        if progress is not None:
            progress(portion.title(arm), portion.done, portion.total)
        yield from portion.scores(arm, answer)
