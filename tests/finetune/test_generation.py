"""Batched generation writes what the model would write one by one; pass@k is estimated without bias."""

from __future__ import annotations

import itertools
import re
import statistics
from typing import Any

import pytest

from finetune import tuning
from finetune.bases import BaseModel
from finetune.generation import ENDS_OF_A_BODY, Prompt, Sampling, Writer, answered, opened, pass_at_k
from tests.finetune.chained import pieces_of
from tests.finetune.writing import BODIES, prompt


@pytest.fixture(scope="module")
def loaded(writing: BaseModel) -> tuple[Any, Any]:
    """Model and tokenizer of a base that knows some functions by heart."""
    return tuning.load(writing)


PROMPTS = [Prompt(opened(prompt(name))) for name in BODIES]


@pytest.fixture(scope="module")
def untrained() -> tuple[Any, Any]:
    """Model and tokenizer of a base whose numbers were drawn widely: every token before counts, no two are alike."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = pieces_of([])
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=128, initializer_range=0.2, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(1)
    return LlamaForCausalLM(config).eval(), tokenizer


def test_a_model_writes_what_it_has_learned(loaded: tuple[Any, Any]) -> None:
    """Without sampling each function's own body is written, and it ends where the next function begins."""
    written = Writer(*loaded, Sampling(24, stop=ENDS_OF_A_BODY)).write(PROMPTS)
    assert [text.strip() for text in written] == list(BODIES.values())


def test_a_batch_writes_what_plain_forward_passes_write(untrained: tuple[Any, Any]) -> None:
    """Padding and the KV cache change nothing: the likeliest token after the whole text, again and again."""
    import torch

    model, tokenizer = untrained
    prompts = [*PROMPTS, Prompt("def other(x):\n    y = x\n"), Prompt("")]
    expected = []
    for one in prompts:
        ids = [tokenizer.bos_token_id, *tokenizer(one.text, add_special_tokens=False)["input_ids"]]
        size = len(ids)
        with torch.inference_mode():
            for _ in range(12):
                ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
                if ids[-1] == tokenizer.eos_token_id:
                    ids.pop()
                    break
        expected.append(tokenizer.decode(ids[size:]))
    assert Writer(model, tokenizer, Sampling(12), batch=3).write(prompts) == expected


def test_samples_hang_on_their_own_seed_alone(loaded: tuple[Any, Any]) -> None:
    """The same seed gives the same text in another batch and order; other seeds give others."""
    sampling = Sampling(16, temperature=2.0, top_p=1.0)
    asked = [Prompt(opened(prompt("double")), seed) for seed in range(8)]
    written = Writer(*loaded, sampling, batch=8).write(asked)
    assert Writer(*loaded, sampling, batch=3).write([*asked[::-1], *PROMPTS])[:8] == written[::-1]
    assert len(set(written)) > 4


def test_tokens_are_drawn_as_often_as_they_are_likely(untrained: tuple[Any, Any]) -> None:
    """Of 600 first tokens, the shares are those of the softmax at that temperature."""
    import torch

    model, tokenizer = untrained
    text, temperature = "def ", 1.5
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    with torch.inference_mode():
        shares = torch.softmax(model(input_ids=torch.tensor([ids])).logits[0, -1].float() / temperature, -1)
    writer = Writer(model, tokenizer, Sampling(1, temperature, top_p=1.0), batch=200)
    drawn = writer.write([Prompt(text, seed) for seed in range(600)])
    likely = torch.topk(shares, 40).indices.tolist()
    for token in [n for n in likely if re.fullmatch(r"[!-~]", tokenizer.decode([n]))][:3]:
        share = float(shares[token])
        assert abs(drawn.count(tokenizer.decode([token])) / 600 - share) < 4 * (share * (1 - share) / 600) ** 0.5 + 1e-3


def test_only_the_nucleus_is_drawn_from(loaded: tuple[Any, Any]) -> None:
    """With a small top_p the likeliest token is all that is left, however warm."""
    prompts = [Prompt(one.text, seed) for one in PROMPTS for seed in range(3)]
    cold = Writer(*loaded, Sampling(8)).write(prompts)
    assert Writer(*loaded, Sampling(8, temperature=1.0, top_p=0.01)).write(prompts) == cold


def test_a_text_ends_before_what_stops_it(loaded: tuple[Any, Any]) -> None:
    """The first of the stop strings ends it, and does not stand in it."""
    asked = [Prompt(opened(prompt("double")))]
    whole = Writer(*loaded, Sampling(24)).write(asked)[0]
    assert "return" in whole
    assert Writer(*loaded, Sampling(24, stop=("def", "return"))).write(asked)[0] == whole.split("return")[0]
    assert Writer(*loaded, Sampling(24, stop=("def", "never"))).write(asked)[0] == whole.split("def")[0]


def test_a_long_prompt_loses_its_beginning(loaded: tuple[Any, Any]) -> None:
    """What is beyond the model's context is cut on the left, and decides nothing; room for the text is left."""
    model, _ = loaded
    writer = Writer(*loaded, Sampling(10_000, stop=ENDS_OF_A_BODY))
    assert writer.new_tokens == model.config.max_position_embeddings // 2
    tail = "x = 1\n" * 2000 + "\n\n" + opened(prompt("square"))
    first, second = writer.write([Prompt("y = 2\n" + tail), Prompt("def other():\n    pass\n" * 50 + tail)])
    assert first == second


def test_ids_are_shown_as_they_are(loaded: tuple[Any, Any]) -> None:
    """Ids that say what a text says give the same text; a long row of them loses its beginning."""
    tokenizer = loaded[1]
    writer = Writer(*loaded, Sampling(24, stop=ENDS_OF_A_BODY))
    shown = [(tokenizer.bos_token_id, *tokenizer(p.text, add_special_tokens=False)["input_ids"]) for p in PROMPTS]
    assert writer.write([Prompt(ids=ids) for ids in shown]) == writer.write(PROMPTS)
    long = Prompt(ids=(5,) * 500 + shown[0])
    assert writer.write([long]) == writer.write([Prompt(ids=long.ids[7:])])


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("Sure:\n```python\ndef f():\n    return 1\n```\nAnd ```x```", "def f():\n    return 1\n"),
        ("```\nx = 1\n```\n```python\ny = 2\n```", "x = 1\n"),
        ("```py\nx = 1\ny = ", "x = 1\ny = "),
        ("\n    return 1", "def f():\n    return 1"),
        ("It is `f()`", "def f():It is `f()`"),
    ],
)
def test_the_program_of_an_answer(answer: str, program: str) -> None:
    """The first code block, whole or cut off; what goes on after the prompt where there is none."""
    assert answered("def f():", answer) == program


def test_blanks_at_the_end_are_left_to_the_model() -> None:
    """Blanks and ends of lines go, nothing else does."""
    assert [opened(text) for text in ("def f(x):\n    ", "x = ", "y\n\n", "  z")] == ["def f(x):", "x =", "y", "  z"]


@pytest.mark.parametrize(("samples", "passed"), [(5, 0), (5, 1), (5, 3), (5, 5), (1, 1), (7, 2)])
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_pass(samples: int, passed: int) -> None:
    """For every k it equals what counting all subsets of k samples gives."""
    marks = [True] * passed + [False] * (samples - passed)
    for k in range(1, samples + 1):
        subsets = [any(chosen) for chosen in itertools.combinations(marks, k)]
        assert pass_at_k(samples, passed, k) == pytest.approx(statistics.mean(subsets))


def test_pass_at_k_of_many_samples() -> None:
    """It is exact where naive products would overflow, and refuses what is not defined."""
    assert pass_at_k(1000, 1, 100) == pytest.approx(0.1)
    for samples, passed, k in ((5, 6, 1), (5, 1, 6), (5, 1, 0), (0, 0, 1)):
        with pytest.raises(ValueError, match="is not defined"):
            pass_at_k(samples, passed, k)
