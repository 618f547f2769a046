"""Scores of a span: log-probabilities of exactly its tokens, cut at the same place for all alternatives."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from finetune import evaluation, quiet, tuning
from finetune.bases import BaseModel
from finetune.corpus import SourceFile
from finetune.portions import scored
from finetune.scoring import Scorer, Span, closed, encode, encode_all
from registry.errors import ConfigurationError, TrainingError
from tests.finetune.lib_drift import general, site, sites
from tests.finetune.test_forms import CONTROL, sentence_piece


@pytest.mark.parametrize(
    ("prefix", "texts", "kept", "spans"),
    [
        ("G = nx.", ["a(G)", "b(G)"], "G = nx.", ["a(G)", "b(G)"]),
        ("G = nx.to_", ["a(G)", "b(G)"], "G = nx.", ["to_a(G)", "to_b(G)"]),
        ("x = ", ["nx.a()", "nx.b()"], "x =", [" nx.a()", " nx.b()"]),
        ("f(\n    ", ["a", "b"], "f(\n", ["    a", "    b"]),
        ("f(a", [", b)", ")"], "f(a", [", b)", ")"]),
        ("f(a", [", b)", "b)"], "f(", ["a, b)", "ab)"]),
        ("", ["a", "b"], "", ["a", "b"]),
    ],
)
def test_alternatives_are_cut_at_one_place(prefix: str, texts: list[str], kept: str, spans: list[str]) -> None:
    """A word begun and blanks move to the span, for all alternatives alike; nothing is lost."""
    found = closed(prefix, texts)
    assert [s.prefix for s in found] == [kept] * len(texts)
    assert [s.text for s in found] == spans


@pytest.mark.parametrize(
    ("prefix", "text", "tokens"),
    [
        ("a = 1\n", "nx.f(a)", "nx.f(a)"),
        ("x =", " nx.f(a)", "▁nx.f(a)"),
        ("nx.", "f(a)", "f(a)"),
        ("", "nx.f(a)", "▁nx.f(a)"),  # as a text of its own begins
    ],
)
def test_no_blank_is_put_where_prefix_and_text_meet(prefix: str, text: str, tokens: str) -> None:
    """A tokenizer like Llama's puts a blank before a text's first word: not before a call that goes on with a line."""
    tokenizer = sentence_piece(CONTROL["Code Llama"], bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    encoded = encode(tokenizer, Span(prefix, text), 64)
    assert "".join(tokenizer.convert_ids_to_tokens(list(encoded.text))) == tokens


def joined(*merges: str) -> Any:
    """A tokenizer that puts a blank before a text's first word alone, joins as it is told, and has no end token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pairs = [(merge[:-1].rstrip(" "), merge[-1]) for merge in merges]
    words = ["<unk>", "<s>", *sorted({*"▁degrnx.()G", *(a + b for a, b in pairs)})]
    known = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.BPE(vocab=known, merges=pairs, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", unk_token="<unk>")


def test_room_is_counted_as_spans_are_encoded() -> None:
    """A word behind a prefix may have more tokens than one that begins a text: what would lose its end doesn't fit."""
    tokenizer = joined("▁d", "▁de", "▁deg", "▁degr", "▁degre", "▁degree")
    spans = [Span("nx.", "degree("), Span("nx.", "degree(G")]
    for window in range(2, 16):
        scorer = object.__new__(Scorer)
        scorer.tokenizer, scorer.max_tokens = tokenizer, window
        encoded = [encode(tokenizer, span, window) for span in spans]
        whole = all(len(one.text) == len(span.text) for one, span in zip(encoded, spans, strict=True))
        assert scorer.fits(spans) == whole
        before, texts = encode(tokenizer, Span("", "nx."), 64).text, max(len(one.text) for one in encoded)
        assert scorer.room(spans) == max(0, window - 1 - len(before) - texts) or not whole


def test_an_empty_span_is_the_token_that_a_text_begins_with() -> None:
    """Also where a tokenizer has no end token."""
    tokenizer = joined("▁d")
    assert encode(tokenizer, Span("nx.", ""), 16).text == (tokenizer.bos_token_id,)


def test_score_is_the_sum_over_the_spans_tokens(tiny_base: BaseModel) -> None:
    """The batched score equals the log-probabilities computed one token at a time."""
    import torch

    model, tokenizer = tuning.load(tiny_base)
    span = Span("import lib\nx3 = lib.", "old_call(3, 4)\n")
    encoded = encode(tokenizer, span, 64)
    total = 0.0
    ids = list(encoded.prefix)
    with torch.inference_mode():
        for token in encoded.text:
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            total += float(torch.log_softmax(logits, dim=-1)[token])
            ids.append(token)
    others = [Span("y = ", "lib.other(x)\n" * 3), Span("", "import lib\n")]
    score = Scorer(model, tokenizer, max_tokens=64, batch=3).scores([others[0], span, others[1]])[1]
    assert score.logprob == pytest.approx(total, abs=1e-4 * score.tokens)
    assert score.tokens == len(encoded.text)
    assert score.size == len(span.text)
    assert score.bits == pytest.approx(-total / math.log(2) / len(span.text), abs=1e-4)
    assert score.mean == pytest.approx(total / len(encoded.text), abs=1e-4)


TEXTS = ["new_call(1, other=2)\n", "f()", "x", "", "lib.old_call(1, 2)\ny = lib.other(x)\n"]


def check_against_each_alone(model: Any, tokenizer: Any, prompt: str) -> None:
    """Texts after a prompt score as each does by itself, in one pass over all its tokens: within 1e-4 a token."""
    import torch

    found = Scorer(model, tokenizer, max_tokens=48, batch=3).scores([Span(prompt, text) for text in TEXTS])
    for encoded, score in zip(encode_all(tokenizer, prompt, TEXTS, 48), found, strict=True):
        ids = torch.tensor([[*encoded.prefix, *encoded.text]])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), dim=-1)
        alone = logprobs[len(encoded.prefix) - 1 :].gather(1, torch.tensor(encoded.text)[:, None]).double().sum()
        assert score.tokens == len(encoded.text)
        assert score.logprob == pytest.approx(float(alone), abs=1e-4 * score.tokens)


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("prompt", ["", "import lib\n", "import lib\nx = 1\n" * 40])
def test_shared_prefix_changes_no_score(tiny_base: BaseModel, prompt: str, tuned: bool) -> None:
    """What alternatives have in common is computed once, for a base and for one with an adapter."""
    from peft import LoraConfig, get_peft_model

    model, tokenizer = tuning.load(tiny_base)
    if tuned:
        lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        with quiet.logging_off():
            model = get_peft_model(model, lora)
    check_against_each_alone(model, tokenizer, prompt)


@pytest.mark.parametrize("prompt", ["", "import lib\n"])
def test_a_base_that_carries_a_state_along_is_scored_as_well(tiny_base: BaseModel, prompt: str) -> None:
    """A Mamba has no keys and values to hand on: each alternative is computed with its whole prompt."""
    import torch
    from transformers import MambaConfig, MambaForCausalLM

    _, tokenizer = tuning.load(tiny_base)
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, state_size=4)
    with quiet.logging_off():
        model = MambaForCausalLM(config).eval()
        check_against_each_alone(model, tokenizer, prompt)


def test_alternatives_lose_the_beginning_of_their_prefix_at_one_place(tiny_base: BaseModel) -> None:
    """Where the longest of them doesn't fit, all see the same prompt, so that none has more to go by."""
    _, tokenizer = tuning.load(tiny_base)
    short, long = encode_all(tokenizer, "x = 1\n" * 500, ["f()", "lib.f(1, 2, 3)\n"], 32)
    assert short.prefix == long.prefix
    assert len(long.prefix) + len(long.text) == 32 > len(short.prefix) + len(short.text)


def test_order_and_repeats_do_not_matter(tiny_base: BaseModel) -> None:
    """Scores come in the order asked, and equal spans have equal scores."""
    model, tokenizer = tuning.load(tiny_base)
    spans = [Span("a = ", f"lib.f({n})") for n in (1, 22, 333, 1)]
    scorer = Scorer(model, tokenizer, max_tokens=64, batch=2)
    forward, backward = scorer.scores(spans), scorer.scores(spans[::-1])
    assert forward[0] == forward[3]
    for one, other in zip(forward, reversed(backward), strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4 * one.tokens)


def test_a_model_that_gives_no_numbers_is_told(tiny_base: BaseModel) -> None:
    """Weights that are no numbers end the evaluation: they aren't an arm that is always wrong."""
    model, tokenizer = tuning.load(tiny_base)
    model.get_output_embeddings().weight.data.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"gives no numbers \(a log-probability of nan\)"):
        Scorer(model, tokenizer, max_tokens=64).scores([Span("x = ", "lib.f()\n")])


def test_long_prefix_loses_its_beginning(tiny_base: BaseModel) -> None:
    """What doesn't fit is cut from the left; the span stays whole."""
    _, tokenizer = tuning.load(tiny_base)
    encoded = encode(tokenizer, Span("x = 1\n" * 500, "lib.f(1)\n"), 32)
    assert len(encoded.prefix) + len(encoded.text) == 32
    assert tokenizer.decode(list(encoded.text)) == "lib.f(1)\n"
    assert encoded.prefix[0] == tokenizer.bos_token_id


def test_stale_base_prefers_what_it_was_trained_on(tiny_base: BaseModel) -> None:
    """The base knows the old call: preference is low, the new call costs more bits than the old one."""
    model, tokenizer = tuning.load(tiny_base)
    scorer = Scorer(model, tokenizer, max_tokens=64)
    rows = list(scored(evaluation.site_portions(sites(3, 2), scorer, run="r", split="context"), scorer, "base"))
    by_metric = {m: [s.value for s in rows if s.metric == m] for m in {s.metric for s in rows}}
    assert set(by_metric) == {"preference", "choice@1", "bits_new", "bits_old", "bits_gap"}
    assert all(len(values) == 6 for values in by_metric.values())
    assert sum(by_metric["preference"]) == 0
    assert sum(by_metric["bits_gap"]) < 0
    assert len({s.id for s in rows}) == len(rows)
    assert {s.family for s in rows} == {"lib.f0", "lib.f1", "lib.f2"}


def test_sites_without_an_old_call_have_choice_but_no_preference(tiny_base: BaseModel) -> None:
    """For an added function the choice is among new, mutants and an invented name."""
    model, tokenizer = tuning.load(tiny_base)
    rows = [row for row in site(1, "lib.added") if row.bug_kind != "stale"]
    scorer = Scorer(model, tokenizer)
    found = scored(evaluation.site_portions(rows, scorer, run="r", split="context"), scorer, "base")
    assert {s.metric for s in found} == {"choice@1", "bits_new"}


def test_a_call_that_the_window_cuts_is_not_compared(tiny_base: BaseModel) -> None:
    """Alternatives that begin alike are the same where their ends are cut: such a site has no score, another has."""
    model, tokenizer = tuning.load(tiny_base)
    long, short = site(1, "lib.f0"), site(2, "lib.f1")
    parts: list[dict[str, Any]] = [{**row.parts, "rejected": "f(" + "a, " * 80 + "a)"} for row in long]
    rows = [*(dataclasses.replace(row, parts=part) for row, part in zip(long, parts, strict=True)), *short]
    scorer = Scorer(model, tokenizer, max_tokens=64)
    found = scored(evaluation.site_portions(rows, scorer, run="r", split="context"), scorer, "base")
    assert {score.family for score in found} == {"lib.f1"}


def test_bits_are_of_the_bytes_that_are_scored() -> None:
    """A tokenizer that decodes without a text's first blank makes no byte less of it."""
    import torch
    from tokenizers import decoders
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = sentence_piece(CONTROL["Code Llama"], bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.backend_tokenizer.decoder = decoders.Sequence([decoders.Metaspace(), decoders.Fuse()])
    assert tokenizer.decode(list(encode(tokenizer, Span("x =", " f(a)"), 64).text)) == "f(a)"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    [score] = Scorer(LlamaForCausalLM(config), tokenizer, max_tokens=64).scores([Span("x =", " f(a)")])
    assert score.size == len(" f(a)")


def test_general_code_is_scored_on_held_out_files_only(tiny_base: BaseModel) -> None:
    """Windows come from held-out files, one of each in turn."""
    model, tokenizer = tuning.load(tiny_base)
    files = [*general(), SourceFile("held0.py", "x = 1\n" * 300)]
    held = {file.path for file in files if file.held_out}
    found = list(scored(evaluation.general_portions(files, run="r", limit=4), Scorer(model, tokenizer), "base"))
    assert {s.family for s in found} <= held
    assert len(found) == min(4, len(list(evaluation.general_windows(files, 4))))
    assert all(s.split == "general" and s.metric == "bits" and s.value > 0 for s in found)


@pytest.mark.parametrize(
    ("config", "context", "asked", "window"),
    [
        ({"max_position_embeddings": 512}, 0, 0, 512),
        ({"max_position_embeddings": 512}, 256, 0, 256),  # the built-in base has positions that it wasn't trained on
        ({"max_position_embeddings": 512}, 0, 300, 300),
        ({"max_position_embeddings": 131072}, 0, 0, 2048),
        ({"max_position_embeddings": 131072}, 0, 4096, 4096),
        ({"n_positions": 1024}, 0, 0, 1024),
        ({}, 0, 0, 2048),
        ({}, 0, 4096, 4096),
    ],
)
def test_the_window_is_what_the_base_takes(
    config: dict[str, int], context: int, asked: int, window: int, tmp_path: Path
) -> None:
    """What is asked for, else all that the base takes, up to 2,048 tokens: docs need room."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert evaluation.tokens_at_once(BaseModel("b", "", tmp_path, "", context=context), asked) == window


def test_a_window_that_the_base_does_not_take_is_refused(tiny_base: BaseModel) -> None:
    """Positions that the base was never trained on would make docs worthless, and the adapter the better for it."""
    assert tiny_base.context == 64
    for base, takes in ((tiny_base, 64), (dataclasses.replace(tiny_base, context=0), 128)):
        assert evaluation.tokens_at_once(base, 0) == takes
        with pytest.raises(ConfigurationError, match=rf"window can't be 129: .* takes {takes} tokens"):
            evaluation.tokens_at_once(base, 129)
