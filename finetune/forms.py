"""How a base is asked: the control tokens with which code models fill gaps in, chat templates, and where they stop.

P is what stands before a gap, S what stands after it; the model writes what is between:

    StarCoder 2       <fim_prefix>P<fim_suffix>S<fim_middle>, or <fim_prefix><fim_suffix>S<fim_middle>P
    Code Llama        ▁<PRE>P▁<SUF>S▁<MID>, or ▁<PRE>▁<SUF>S▁<MID>P
    DeepSeek-Coder    <｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>
    Qwen2.5-Coder     <|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>
    Codestral         [SUFFIX]S[PREFIX]P

Sources: Lozhkov et al., "StarCoder 2 and The Stack v2", 2024; Rozière et al., "Code Llama", 2023, and its code; Guo et
al., "DeepSeek-Coder", 2024; Hui et al., "Qwen2.5-Coder Technical Report", 2024; the FIM requests of mistral-common. An
edit is asked for as a commit by a base that was trained on these: <commit_before>B<commit_msg>M<commit_after>, as in Li
et al., "StarCoder: may the source be with you!", 2023, and Muennighoff et al., "OctoPack", 2023. The
family is told by the tokens that a vocabulary has, each as one id, not by a model's name. Control tokens that stand in
code or in a message are read as text in what is made here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from registry.errors import ConfigurationError

Order = Literal["psm", "spm"]
"""Prefix, suffix, middle; or suffix, prefix, middle."""

_P, _S = "\0prefix", "\0suffix"
_ANCHOR = "☺"
"""What no tokenizer joins to what follows, as in Code Llama's own code."""
_CUT = "\U0010fffd"
"""Where a control token that stands in a message is cut: a sign for private use, which nobody's text has."""


@dataclass(frozen=True)
class Form:
    """The control tokens of a family of code models.

    Attributes:
        name: The family.
        orders: Order -> tokens and texts of a prompt, in order; a family may know one order only.
        ends: Tokens that end what it fills in or answers; of those that a vocabulary has, the first ends a gap.
        repo: Token before a repository's name, and what follows the name; empty where it knows no repositories.
        file: Token before each file; empty likewise.
        inner: Whether a file's path stands after the gap's first token, not before it.
    """

    name: str
    orders: Mapping[Order, tuple[str, ...]]
    ends: tuple[str, ...]
    repo: tuple[str, str] = ("", "")
    file: str = ""
    inner: bool = False

    @property
    def tokens(self) -> frozenset[str]:
        """The control tokens that a gap needs."""
        return frozenset(part for parts in self.orders.values() for part in parts if part not in (_P, _S))


FORMS = (
    Form(
        "StarCoder 2",
        {
            "psm": ("<fim_prefix>", _P, "<fim_suffix>", _S, "<fim_middle>"),
            "spm": ("<fim_prefix>", "<fim_suffix>", _S, "<fim_middle>", _P),
        },
        ("<|endoftext|>", "<file_sep>"), ("<repo_name>", ""), "<file_sep>", inner=True,
    ),
    Form(
        "Code Llama",
        {"psm": ("▁<PRE>", _P, "▁<SUF>", _S, "▁<MID>"), "spm": ("▁<PRE>", "▁<SUF>", _S, "▁<MID>", _P)},
        ("▁<EOT>", "</s>"),
    ),
    Form(
        "DeepSeek-Coder",
        {"psm": ("<｜fim▁begin｜>", _P, "<｜fim▁hole｜>", _S, "<｜fim▁end｜>")},
        ("<｜end▁of▁sentence｜>", "<|EOT|>"),
    ),
    Form(
        "Qwen2.5-Coder",
        {"psm": ("<|fim_prefix|>", _P, "<|fim_suffix|>", _S, "<|fim_middle|>")},
        ("<|endoftext|>", "<|im_end|>", "<|file_sep|>", "<|fim_pad|>"), ("<|repo_name|>", "\n"), "<|file_sep|>",
    ),
    Form("Codestral", {"spm": ("[SUFFIX]", _S, "[PREFIX]", _P)}, ("</s>",)),
)  # fmt: skip
"""The known families."""

_COMMIT = ("<commit_before>", "<commit_msg>", "<commit_after>")

_TOKENS = frozenset(token for form in FORMS for token in (*form.tokens, *form.ends, form.file, form.repo[0], *_COMMIT))


@dataclass(frozen=True)
class Place:
    """Where a gap's file stands, for families that were trained on whole repositories.

    Attributes:
        repo: The repository's name.
        path: The file's path in it.
        files: (path, text) of other files that are shown before it.
    """

    repo: str
    path: str
    files: Sequence[tuple[str, str]] = ()


def form_of(tokenizer: Any) -> Form:
    """The family whose control tokens a tokenizer has.

    Raises:
        ConfigurationError: It has those of none.
    """
    for form in FORMS:
        if all(_id(tokenizer, token) is not None for token in form.tokens):
            return form
    known = "; ".join(f"{form.name}: {' '.join(sorted(form.tokens))}" for form in FORMS)
    raise ConfigurationError(
        f"The base's vocabulary has no control tokens to fill gaps in: choose a base of a known family ({known})"
    )


def gap(tokenizer: Any, prefix: str, suffix: str, order: Order = "psm", place: Place | None = None) -> list[int]:
    """The ids of a prompt after which a base writes what is between prefix and suffix.

    Args:
        tokenizer: The base's tokenizer.
        prefix: What stands before the gap.
        suffix: What stands after it.
        order: Which of both comes first, where the family knows both orders.
        place: The file's place; where the family knows no files, the others stand before the prefix.

    Raises:
        ConfigurationError: The tokenizer has the tokens of no known family.
    """
    form = form_of(tokenizer)
    parts = form.orders.get(order) or next(iter(form.orders.values()))
    ids = begin(tokenizer)
    path: list[int] = []
    if place is not None and _known(tokenizer, [form.repo[0], form.file]):
        ids += _files(tokenizer, form, place)
        path = within(tokenizer, f"{place.path}\n")
    elif place is not None:
        prefix = "".join(f"# {name}\n{text}\n\n" for name, text in place.files) + prefix
    ids += [] if form.inner else path
    for number, part in enumerate(parts):
        ids += start(tokenizer, prefix) if part == _P else within(tokenizer, suffix) if part == _S else ()
        ids += _known(tokenizer, [part])
        ids += path if form.inner and number == 0 else []
    return ids


def answer(tokenizer: Any, middle: str) -> list[int]:
    """The ids of what fills a gap in, with the token that ends it: what a base learns after `gap`.

    Raises:
        ConfigurationError: The tokenizer has the tokens of no known family.
    """
    return [*within(tokenizer, middle), *_known(tokenizer, [*form_of(tokenizer).ends, tokenizer.eos_token])[:1]]


def knows_commits(tokenizer: Any) -> bool:
    """Whether a base has the control tokens of commits."""
    return len(_known(tokenizer, _COMMIT)) == len(_COMMIT)


def commit(tokenizer: Any, before: str, message: str) -> list[int]:
    """The ids of a prompt after which a base that knows commits writes what a program becomes.

    Args:
        tokenizer: The base's tokenizer; `knows_commits`.
        before: The program as it is.
        message: What is to be done to it.
    """
    opening, said, after = _known(tokenizer, _COMMIT)
    written = [*within(tokenizer, before), said, *within(tokenizer, message), after]
    return [*begin(tokenizer), opening, *written]


def chat(tokenizer: Any, messages: Iterable[Mapping[str, str]]) -> list[int]:
    """The ids of a conversation in the base's own chat template, up to where it answers.

    The template sees no whole control token in what is said: one that cuts thoughts out of earlier answers, where
    `</think>` ends them, leaves them in.

    Args:
        tokenizer: The base's tokenizer.
        messages: `role` (system, user, assistant) and `content` of each.

    Raises:
        ConfigurationError: The base has no chat template, or that refuses the roles.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ConfigurationError("The base has no chat template: choose one that was tuned to answer (often -Instruct)")
    told = [{**message, "content": _cut(tokenizer, message["content"])} for message in messages]
    try:
        text: str = tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise ConfigurationError(f"The base's chat template refuses the conversation: {error}") from error
    first, *rest = text.split(_CUT)
    return [*_encoded(tokenizer, first), *(n for piece in rest for n in _going_on(tokenizer, piece))]


def _cut(tokenizer: Any, text: str) -> str:
    """A message in which each control token is cut after its first sign.

    transformers can read control tokens of messages as text, but not those of a family that the vocabulary merely has.
    """
    return _CUT.join(_pieces(tokenizer, text.replace(_CUT, "")))


def stops(tokenizer: Any) -> list[int]:
    """Ids after which nothing of what was asked for comes: the end token and all control tokens, sorted."""
    return sorted(set(_known(tokenizer, [*_TOKENS, tokenizer.eos_token])))


def begin(tokenizer: Any) -> list[int]:
    """The id that a text begins with, as where it is scored: the first token's, else the end token's."""
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [] if first is None else [first]


def within(tokenizer: Any, text: str) -> list[int]:
    """The ids of text that goes on: without the blank that some tokenizers put before a text's first word."""
    return [n for piece in _pieces(tokenizer, text) for n in _going_on(tokenizer, piece)]


@functools.lru_cache(maxsize=8)
def _puts_a_blank(tokenizer: Any) -> bool:
    """Whether a text's first word has other ids than the same word behind another text."""
    return _encoded(tokenizer, f"{_ANCHOR}a") != [*_encoded(tokenizer, _ANCHOR), *_encoded(tokenizer, "a")]


def start(tokenizer: Any, text: str) -> list[int]:
    """The ids of text that begins something."""
    first, *rest = _pieces(tokenizer, text) or [""]
    return [*_encoded(tokenizer, first), *(n for piece in rest for n in _going_on(tokenizer, piece))]


def _going_on(tokenizer: Any, piece: str) -> list[int]:
    """The ids of a piece of text that goes on."""
    if not _puts_a_blank(tokenizer):
        return _encoded(tokenizer, piece)
    return _encoded(tokenizer, _ANCHOR + piece)[len(_encoded(tokenizer, _ANCHOR)) :]


def _encoded(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) if text else []


def _pieces(tokenizer: Any, text: str) -> list[str]:
    """Text in pieces, none of which holds a control token: each that stands there is cut after its first sign.

    A tokenizer can be asked to read its special tokens as text, but some families' control tokens aren't among those.
    """
    cuts = [place.start() + 1 for place in _control(tokenizer).finditer(text)]
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]


@functools.lru_cache(maxsize=8)
def _control(tokenizer: Any) -> re.Pattern[str]:
    """Finds control tokens: the known ones that a vocabulary has, and what was added to it that is no word or blank."""
    added = {str(token.content) for token in tokenizer.added_tokens_decoder.values()}
    known = {token for token in _TOKENS if _id(tokenizer, token) is not None}
    found = known | {token for token in added if len(token) > 1 and not re.fullmatch(r"\w+|\s+", token)}
    return re.compile("|".join(map(re.escape, sorted(found, key=len, reverse=True))) or r"(?!)")


def _id(tokenizer: Any, token: str) -> int | None:
    """The id of a control token; None where the vocabulary lacks it."""
    found = tokenizer.convert_tokens_to_ids(token) if token else None
    return None if found is None or (found == tokenizer.unk_token_id and token != tokenizer.unk_token) else int(found)


def _known(tokenizer: Any, tokens: Iterable[str]) -> list[int]:
    """The ids of those control tokens that the vocabulary has, in their order."""
    return [found for token in tokens if (found := _id(tokenizer, token)) is not None]


def _files(tokenizer: Any, form: Form, place: Place) -> list[int]:
    """The ids of the repository and the other files, up to where the gap's own file begins."""
    after = form.repo[1]
    ids = [*_known(tokenizer, [form.repo[0]]), *within(tokenizer, place.repo + after)]
    for path, text in place.files:
        ids += [*_known(tokenizer, [form.file]), *within(tokenizer, f"{path}\n{text}{after}")]
    return [*ids, *_known(tokenizer, [form.file])]
