"""Programs as models write them: prompts with what stands in front of them, and texts made whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from finetune.generation import ENDS_OF_A_BODY, Prompt, Sampling, Writer, answered, question
from finetune.repair import whole
from finetune.retrieval import Docs
from flows.backends import TRANSFORMERS, Backend
from flows.bench import Asked, Bench, Write
from flows.models import Model

WITH_DOCS = "+docs"
"""How an arm's name ends that has docs in front of its prompts."""


def writing(
    model: Model,
    sampling: Sampling,
    bench: Bench,
    *,
    chat: bool = False,
    docs: Docs | None = None,
    writes: Backend = TRANSFORMERS,
) -> Write:
    """What writes under a model, which is loaded when something is first to be written.

    Of a program that doesn't end with a function, the statement at its end goes that was cut off in the middle.

    Args:
        model: The model.
        sampling: How texts are drawn.
        bench: Told of progress.
        chat: Whether it is asked in its chat template.
        docs: What stands in front of a prompt in the arms with docs.
        writes: What writes for it.
    """
    limit = model.base.context
    writers = writes.writers(model)
    writer = cache(lambda stop: writers(replace(sampling, stop=stop)))

    def write(asked: Sequence[Asked]) -> list[str]:
        written: dict[str, str] = {}
        for stop in dict.fromkeys(one.stop for one in asked):
            group = [one for one in asked if one.stop == stop]
            fronts = [_front(writer(stop), one, docs, limit, chat=chat) for one in group]
            made = _programs(writer(stop), group, fronts, bench, chat=chat)
            written |= {one.id: code for one, code in zip(group, made, strict=True)}
        return [written[one.id] if one.stop == ENDS_OF_A_BODY else whole(written[one.id]) for one in asked]

    return write


def _front(writer: Writer, asked: Asked, docs: Docs | None, limit: int, *, chat: bool) -> str:
    """What the task's prompt leads to in the docs, as far as it fits: within what its base was trained on, if known."""
    if docs is None or not asked.arm.endswith(WITH_DOCS):
        return ""
    around = question(writer.tokenizer, "", docs="-").ids if chat else ()
    room = writer.room(asked.shown) - len(around)
    room -= max(0, writer.prompt_tokens - limit) if limit else 0
    return docs.front(asked.begun, room, writer.size).text


def _programs(writer: Writer, asked: Sequence[Asked], fronts: Sequence[str], bench: Bench, *, chat: bool) -> list[str]:
    pairs = zip(asked, fronts, strict=True)
    if chat:
        prompts = [question(writer.tokenizer, one.shown, one.own_seed, front) for one, front in pairs]
    else:
        prompts = [Prompt(front + one.shown, one.own_seed) for one, front in pairs]
    before = writer.cut
    texts = writer.write(prompts, lambda _title, done, total, _note="": bench.note(f"{done} of {total} written"))
    bench.cut += writer.cut - before
    end = answered if chat else str.__add__
    return [end(one.begun, text) for one, text in zip(asked, texts, strict=True)]
