"""Scores of a span: log-probabilities of exactly its tokens, cut at the same place for all alternatives."""

from __future__ import annotations

import math

import pytest

from finetune import evaluation, quiet, tuning
from finetune.bases import BaseModel
from finetune.corpus import SourceFile
from finetune.scoring import Scorer, Span, closed, encode, encode_all
from tests.finetune.lib_drift import general, site, sites


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
    assert score.logprob == pytest.approx(total, abs=1e-3)
    assert score.tokens == len(encoded.text)
    assert score.size == len(span.text)
    assert score.bits == pytest.approx(-total / math.log(2) / len(span.text), abs=1e-4)
    assert score.mean == pytest.approx(total / len(encoded.text), abs=1e-4)


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("prompt", ["", "import lib\n", "import lib\nx = 1\n" * 40])
def test_shared_prefix_changes_no_score(tiny_base: BaseModel, prompt: str, tuned: bool) -> None:
    """Alternatives after one prefix score within 1e-4 of what each scores alone, in one pass over all its tokens."""
    import torch
    from peft import LoraConfig, get_peft_model

    model, tokenizer = tuning.load(tiny_base)
    if tuned:
        lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        with quiet.logging_off():
            model = get_peft_model(model, lora)
    texts = ["new_call(1, other=2)\n", "f()", "x", "", "lib.old_call(1, 2)\ny = lib.other(x)\n"]
    spans = [Span(prompt, text) for text in texts]
    found = Scorer(model, tokenizer, max_tokens=48, batch=3).scores(spans)
    for encoded, score in zip(encode_all(tokenizer, prompt, texts, 48), found, strict=True):
        ids = torch.tensor([[*encoded.prefix, *encoded.text]])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), dim=-1)
        alone = logprobs[len(encoded.prefix) - 1 :].gather(1, torch.tensor(encoded.text)[:, None]).double().sum()
        assert score.tokens == len(encoded.text)
        assert score.logprob == pytest.approx(float(alone), abs=1e-4)


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
    assert [s.logprob for s in forward] == pytest.approx([s.logprob for s in backward[::-1]], abs=1e-4)


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
    rows = list(
        evaluation.score_pairs(
            sites(3, 2), Scorer(model, tokenizer, max_tokens=64), run="r", arm="base", split="context"
        )
    )
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
    found = evaluation.score_pairs(rows, Scorer(model, tokenizer), run="r", arm="base", split="context")
    assert {s.metric for s in found} == {"choice@1", "bits_new"}


def test_general_code_is_scored_on_held_out_files_only(tiny_base: BaseModel) -> None:
    """Windows come from held-out files, one of each in turn."""
    model, tokenizer = tuning.load(tiny_base)
    files = [*general(), SourceFile("held0.py", "x = 1\n" * 300)]
    held = {file.path for file in files if file.held_out}
    found = list(evaluation.score_general(files, Scorer(model, tokenizer), run="r", arm="base", limit=4))
    assert {s.family for s in found} <= held
    assert len(found) == min(4, len(list(evaluation.general_windows(files, 4))))
    assert all(s.split == "general" and s.metric == "bits" and s.value > 0 for s in found)
