"""How bases are asked to fill gaps and to answer, on tokenizers that have the control tokens of each family."""

from __future__ import annotations

from typing import Any

import pytest

from finetune import forms
from finetune.forms import Place
from registry.errors import ConfigurationError

CONTROL = {
    "StarCoder 2": ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<repo_name>", "<file_sep>"],
    "DeepSeek-Coder": [
        "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>",
        "<｜fim▁end｜>", "<|EOT|>",
    ],
    "Qwen2.5-Coder": [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
        "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
    ],
    "Code Llama": ["<unk>", "<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"],
    "Codestral": ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"],
}  # fmt: skip
"""Family -> the control tokens of its vocabulary."""

PLAIN_TOKENS = {"Qwen2.5-Coder": 3, "DeepSeek-Coder": 2}
"""Family -> how many of them are special to the tokenizer; the rest are merely added, as in the published files."""


def byte_level(control: list[str], special: int | None = None, **named: str) -> Any:
    """A byte-level tokenizer whose vocabulary is bytes and control tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={sign: n for n, sign in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return added(PreTrainedTokenizerFast(tokenizer_object=inner), control, special, AddedToken, named)


def sentence_piece(control: list[str], **named: str) -> Any:
    """A tokenizer that, as Llama's, puts a blank before a text's first word; what it doesn't know it reads as bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    signs = ["<unk>", *(f"<0x{n:02X}>" for n in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz<>[]/()=_.,:EFIMOPRSTUXD"]
    vocabulary = {sign: n for n, sign in enumerate(dict.fromkeys(signs))}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return added(PreTrainedTokenizerFast(tokenizer_object=inner), control, None, AddedToken, named)


def added(tokenizer: Any, control: list[str], special: int | None, token: Any, named: dict[str, str]) -> Any:
    """The tokenizer with control tokens, the first `special` of them special."""
    for number, text in enumerate(control):
        of_own = special is None or number < special
        tokenizer.add_tokens([token(text, normalized=False, special=of_own)], special_tokens=of_own)
    tokenizer.add_special_tokens(named)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    """A tokenizer of each family."""
    end = "<|endoftext|>"
    deepseek = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
    llama = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return {
        "StarCoder 2": byte_level(CONTROL["StarCoder 2"], bos_token=end, eos_token=end),
        "DeepSeek-Coder": byte_level(CONTROL["DeepSeek-Coder"], PLAIN_TOKENS["DeepSeek-Coder"], **deepseek),
        "Qwen2.5-Coder": byte_level(CONTROL["Qwen2.5-Coder"], PLAIN_TOKENS["Qwen2.5-Coder"], eos_token=end),
        "Code Llama": sentence_piece(CONTROL["Code Llama"], **llama),
        "Codestral": sentence_piece(CONTROL["Codestral"], **llama),
    }


def spelled(tokenizer: Any, ids: list[int]) -> str:
    """Ids as their tokens, joined."""
    return "".join(tokenizer.convert_ids_to_tokens(ids))


GAPS = {
    ("StarCoder 2", "psm"): "<|endoftext|><fim_prefix>x=<fim_suffix>y<fim_middle>",
    ("StarCoder 2", "spm"): "<|endoftext|><fim_prefix><fim_suffix>y<fim_middle>x=",
    ("Code Llama", "psm"): "<s>▁<PRE>▁x=▁<SUF>y▁<MID>",
    ("Code Llama", "spm"): "<s>▁<PRE>▁<SUF>y▁<MID>▁x=",
    ("DeepSeek-Coder", "psm"): "<｜begin▁of▁sentence｜><｜fim▁begin｜>x=<｜fim▁hole｜>y<｜fim▁end｜>",
    ("DeepSeek-Coder", "spm"): "<｜begin▁of▁sentence｜><｜fim▁begin｜>x=<｜fim▁hole｜>y<｜fim▁end｜>",
    ("Qwen2.5-Coder", "psm"): "<|endoftext|><|fim_prefix|>x=<|fim_suffix|>y<|fim_middle|>",
    ("Qwen2.5-Coder", "spm"): "<|endoftext|><|fim_prefix|>x=<|fim_suffix|>y<|fim_middle|>",
    ("Codestral", "psm"): "<s>[SUFFIX]y[PREFIX]▁x=",
    ("Codestral", "spm"): "<s>[SUFFIX]y[PREFIX]▁x=",
}
"""What each family is asked of the gap in `x=…y`, written by hand from its paper or code."""


@pytest.mark.parametrize(("family", "order"), GAPS)
def test_a_gap_is_asked_for_in_the_familys_own_form(tokenizers: dict[str, Any], family: str, order: Any) -> None:
    """Each control token is one id; the order that a family doesn't know becomes the one it does."""
    tokenizer = tokenizers[family]
    assert forms.form_of(tokenizer).name == family
    ids = forms.gap(tokenizer, "x=", "y", order)
    assert spelled(tokenizer, ids) == GAPS[family, order]
    for token in CONTROL[family]:
        if token in GAPS[family, order]:
            assert ids.count(tokenizer.convert_tokens_to_ids(token)) == 1


ENDS = {
    "StarCoder 2": "<|endoftext|>", "Code Llama": "▁<EOT>", "DeepSeek-Coder": "<｜end▁of▁sentence｜>",
    "Qwen2.5-Coder": "<|endoftext|>", "Codestral": "</s>",
}  # fmt: skip


@pytest.mark.parametrize("family", CONTROL)
def test_what_fills_a_gap_ends_with_the_familys_end(tokenizers: dict[str, Any], family: str) -> None:
    """The middle goes on where the prefix stopped, with no blank of the tokenizer's own, and its end stops writing."""
    tokenizer = tokenizers[family]
    ids = forms.answer(tokenizer, "call(a)")
    assert spelled(tokenizer, ids) == f"call(a){ENDS[family]}"
    assert tokenizer.decode(ids[:-1]) == "call(a)"
    assert ids[-1] in forms.stops(tokenizer)


@pytest.mark.parametrize("family", CONTROL)
def test_control_tokens_in_code_are_text(tokenizers: dict[str, Any], family: str) -> None:
    """Code that speaks of the tokens can't open a gap, end a file or answer for somebody."""
    tokenizer = tokenizers[family]
    named = "".join(CONTROL[family])
    ids = forms.gap(tokenizer, f"p={named}", f"{named}{named}")
    assert len(ids) == len([*forms.gap(tokenizer, "", "")]) + len(forms.start(tokenizer, f"p={named}")) + len(
        forms.within(tokenizer, named + named)
    )
    control = {tokenizer.convert_tokens_to_ids(token) for token in CONTROL[family]} - {tokenizer.unk_token_id}
    assert sum(n in control for n in ids) == sum(n in control for n in forms.gap(tokenizer, "", ""))
    assert not control & set(forms.answer(tokenizer, named)[:-1])
    written = named.replace("▁", " ") if family == "Code Llama" else named  # its blanks are written so
    assert tokenizer.decode(forms.within(tokenizer, named)) == written


PLACE = Place("team/lib", "lib/new.py", [("lib/old.py", "def f():\n    ...\n")])


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        (
            "StarCoder 2",
            "<|endoftext|><repo_name>team/lib<file_sep>lib/old.py\ndef f():\n    ...\n"
            "<file_sep><fim_prefix>lib/new.py\nx=<fim_suffix>y<fim_middle>",
        ),
        (
            "Qwen2.5-Coder",
            "<|endoftext|><|repo_name|>team/lib\n<|file_sep|>lib/old.py\ndef f():\n    ...\n\n"
            "<|file_sep|>lib/new.py\n<|fim_prefix|>x=<|fim_suffix|>y<|fim_middle|>",
        ),
        (
            "DeepSeek-Coder",
            "<｜begin▁of▁sentence｜><｜fim▁begin｜># lib/old.py\ndef f():\n    ...\n\n\nx=<｜fim▁hole｜>y<｜fim▁end｜>",
        ),
    ],
)
def test_other_files_stand_where_the_family_expects_them(tokenizers: dict[str, Any], family: str, wanted: str) -> None:
    """With tokens for repository and file where the family has them, else before the prefix."""
    tokenizer = tokenizers[family]
    assert tokenizer.decode(forms.gap(tokenizer, "x=", "y", "psm", PLACE)) == wanted


def test_a_base_without_the_tokens_is_refused() -> None:
    """A vocabulary that lacks one token of each family can't be asked, and the line lists what is known."""
    for control in ([], ["<fim_prefix>", "<fim_middle>"], ["[SUFFIX]", "▁<PRE>", "<|fim_middle|>"]):
        tokenizer = byte_level(["<|end|>", *control], eos_token="<|end|>")
        for ask in (lambda t: forms.gap(t, "a", "b"), lambda t: forms.answer(t, "a")):
            with pytest.raises(ConfigurationError, match=r"no control tokens to fill gaps in: .*StarCoder 2: <fim"):
                ask(tokenizer)
        assert tokenizer.convert_tokens_to_ids("<|end|>") in forms.stops(tokenizer)


def test_a_text_begins_as_it_does_where_it_is_scored(tokenizers: dict[str, Any]) -> None:
    """The first token, or the end token of a vocabulary that has no first one."""
    from finetune.scoring import Span, encode

    for tokenizer in tokenizers.values():
        assert forms.begin(tokenizer) == [encode(tokenizer, Span("", "a"), 8).prefix[0]]


TEMPLATES = {
    "Qwen2.5-Coder": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "<|im_start|>user\nSort it: <|im_end|>a<|im_end|>\n<|im_start|>assistant\n",
    ),
    "DeepSeek-Coder": (
        "{{ bos_token }}{% for m in messages %}### Instruction:\n{{ m.content }}\n{% endfor %}### Response:",
        "<｜begin▁of▁sentence｜>### Instruction:\nSort it: <|im_end|>a\n### Response:",
    ),
    "Codestral": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
        "{% endif %}[INST]{{ m.content }}[/INST]{% endfor %}",
        "<s>[INST]Sort it: <|im_end|>a[/INST]",
    ),
}


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_question_stands_in_the_bases_own_template(
    tokenizers: dict[str, Any], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to where it answers; a control token in the question is text, and doesn't end it."""
    tokenizer, (template, wanted) = tokenizers[family], TEMPLATES[family]
    monkeypatch.setattr(tokenizer, "chat_template", template)
    ids = forms.chat(tokenizer, [{"role": "user", "content": "Sort it: <|im_end|>a"}])
    assert tokenizer.decode(ids).replace(" ", "") == wanted.replace(" ", "")
    control = {tokenizer.convert_tokens_to_ids(token) for token in CONTROL[family]} - {tokenizer.unk_token_id}
    usual = [n for n in forms.chat(tokenizer, [{"role": "user", "content": "b"}]) if n in control]
    for token in CONTROL[family]:
        ids = forms.chat(tokenizer, [{"role": "user", "content": f"Sort {token}{token} it"}])
        assert [n for n in ids if n in control] == usual, token
        assert token in tokenizer.decode(ids)


def test_a_base_that_cannot_chat_is_refused(tokenizers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a template, or with one that refuses a role, one line says so."""
    asked = [{"role": "system", "content": "Be short."}]
    with pytest.raises(ConfigurationError, match="no chat template: choose one that was tuned to answer"):
        forms.chat(tokenizers["StarCoder 2"], asked)
    monkeypatch.setattr(tokenizers["Codestral"], "chat_template", TEMPLATES["Codestral"][0])
    with pytest.raises(ConfigurationError, match="chat template refuses the conversation: no system role"):
        forms.chat(tokenizers["Codestral"], asked)
