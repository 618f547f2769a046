"""What decides where a text begins and ends, and what of a model's own settings counts, on models made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from finetune import quiet
from finetune.generation import (
    ENDS_OF_A_BODY,
    ENDS_OF_A_PROGRAM,
    Prompt,
    Sampling,
    Writer,
    end_of,
    nothing,
    text_after,
)
from registry.errors import TrainingError
from tests.finetune.chained import chained

BODY = "\n    return 1"
STEPS = {"def f():": BODY, BODY: "\ndef g():", "\ndef g():": "\n    return 2"}


def test_a_models_own_generation_config_decides_nothing() -> None:
    """Penalties and bans that stand in a base's folder are not taken over, for base and PEFT model; they stay there."""
    from peft import LoraConfig, get_peft_model

    model, tokenizer = chained({"a": "b", "b": "a"})
    expected = "babababa"
    sampling = Sampling(8)
    assert Writer(model, tokenizer, sampling).write([Prompt("a")]) == [expected]
    own = model.generation_config
    own.no_repeat_ngram_size, own.num_return_sequences = 2, 2
    own.suppress_tokens = tokenizer.convert_tokens_to_ids(["b"])
    with quiet.logging_off():
        adapted = get_peft_model(model, LoraConfig(r=1, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    for one in (adapted, model):
        assert Writer(one, tokenizer, sampling).write([Prompt("a")]) == [expected]
        assert one.generation_config is own


def test_a_special_token_ends_a_text() -> None:
    """What is written after one is not joined to what was written before; a model's own end of a turn ends it too."""
    model, tokenizer = chained({"a": "b", "b": "<next>", "<next>": "c", "c": "d"}, special=["<next>"])
    assert Writer(model, tokenizer, Sampling(8)).write([Prompt("a"), Prompt("c")]) == ["b", "d"]
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(["b"])]
    assert Writer(model, tokenizer, Sampling(8)).write([Prompt("a"), Prompt("c")]) == ["", "d"]


def test_what_a_prompt_ends_with_is_no_part_of_a_stop() -> None:
    """A prompt that ends in a bare `def` goes on with a name; the next `def` is the end, for each of a batch."""
    steps = {"\ndef": " f():", " f():": BODY, BODY: "\ndef g():", "\ndef g():": "\n    return 2", "\n    return 2": "!"}
    writer = Writer(*chained(steps), Sampling(8, stop=ENDS_OF_A_BODY))
    asked = [Prompt("x = 1\ndef"), Prompt("x = 10\n\ndef g():")]
    assert writer.write(asked) == [f" f():{BODY}", "\n    return 2!"]


def test_a_batch_that_memory_does_not_hold_is_halved() -> None:
    """It goes on with fewer at a time and writes the same; where one text is too much, that is said."""
    import torch

    model, tokenizer = chained(STEPS)
    room = 2

    def full(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if len(kwargs["input_ids"]) > room:
            raise torch.OutOfMemoryError("out of memory")

    asked = [Prompt("def f():")] * 5
    expected = Writer(model, tokenizer, Sampling(4)).write(asked)
    model.model.register_forward_pre_hook(full, with_kwargs=True)
    writer = Writer(model, tokenizer, Sampling(4), batch=8)
    told: list[int] = []
    assert writer.write(asked, lambda _title, done, _total: told.append(done)) == expected
    assert (writer.batch, told) == (2, [2, 4, 5])
    room = 0
    with pytest.raises(TrainingError, match="memory doesn't hold one text"):
        writer.write(asked)


def test_prompts_that_lose_their_beginning_are_counted() -> None:
    """Of texts and of ids alike; those that fit are not."""
    writer = Writer(*chained(STEPS), Sampling(8))
    long = "x" * writer.prompt_tokens
    writer.write([Prompt(long), Prompt(long[1:]), Prompt(ids=(5,) * 57), Prompt(ids=(5,) * 56), Prompt("def f():")])
    assert (writer.prompt_tokens, writer.cut) == (56, 2)


def test_the_first_blank_of_a_word_is_kept() -> None:
    """A tokenizer in the form of SentencePiece drops the blank of the first word that it decodes: no word of a text."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = ["▁return", "▁x", "▁+", "▁1"]
    inner = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="▁1"))
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    inner.decoder = decoders.Sequence(parts)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner)
    assert tokenizer.decode([1, 2, 3]) == "x + 1"
    assert text_after(tokenizer, [0], [1, 2, 3]) == " x + 1"
    assert text_after(tokenizer, [], [1, 2]) == "x +"


@pytest.mark.parametrize(
    ("prompt", "body"),
    [
        ("def f(x):\n", "\n    pass\n"),
        ('def f(x):\n  """Say."""\n', "\n  pass\n"),
        ("class A:\n    def f(self):\n", "\n        pass\n"),
        ("class A:\n\tdef f(self):\n\t\tx = 1\n", "\n\t\tpass\n"),
        ("import math\n\ndef f(x):\n    ", "\n    pass\n"),
        ("# Sort a list\n", None),
        ("import math\nx = 1\n", None),
        ("def f(x):\n    return x\n\nf(", None),
        ("x = 1\ndef", None),
        ("", None),
    ],
)
def test_where_what_is_written_ends(prompt: str, body: str | None) -> None:
    """With the function that a prompt ends in, which may do nothing; else with the program."""
    assert nothing(prompt) == body
    assert end_of(prompt) == (ENDS_OF_A_PROGRAM if body is None else ENDS_OF_A_BODY)
