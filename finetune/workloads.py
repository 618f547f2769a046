"""What a proven row asks of a model, and what the model should answer, in the form that the base itself knows.

| kind | asked | answer |
|---|---|---|
| `doc`, `test`, `task` | the row's prompt | the whole program |
| `drift`, `edit`, `bug`, `syntax` | the row's prompt, and the program as it was | the program as it should be, behind |
| | | its explanation where the row has one |
| `chat`, `repair` | the conversation up to its last question | the last answer |
| `locate` | the row's prompt, and the program with a token replaced | the token, and what should stand there |
| `fim` | what stands before and after a gap, and what other files say of it | what stands in the gap |

A gap is asked for with the control tokens of the base's family, and so is an edit by a base that was trained on commits
and not to talk. All else is a conversation in the base's own chat template, or plain text where it has none; either way
the end token stands behind the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from finetune import forms
from finetune.completions import size
from finetune.forms import Order, Place
from finetune.recipe import parts_of
from finetune.retrieval import Docs
from finetune.scoring import Encoded
from registry.errors import TrainingError
from registry.records import Example, Program

_ROLES: Mapping[str, tuple[str, str]] = {
    "doc": ("", "answer"),
    "test": ("", "answer"),
    "task": ("", "answer"),
    "drift": ("old", "new"),
    "edit": ("before", "after"),
    "bug": ("buggy", "fixed"),
    "syntax": ("buggy", "fixed"),
    "locate": ("corrupted", ""),
    "fim": ("", ""),
    "chat": ("", ""),
    "repair": ("", ""),
}
"""Kind -> roles of the program that is shown, and of the one that is the answer; none where that is no program."""

KINDS = tuple(_ROLES)

USER, ASSISTANT = "user", "assistant"
"""Who asks in a conversation, and who answers."""

ANSWER = "\n\nAnswer:\n"
"""What stands between question and answer where there is no chat template."""


@dataclass(frozen=True)
class Request:
    """A question and its answer.

    Attributes:
        kind: The row's kind.
        question: The question.
        answer: The answer.
        docs: What is put in front of the question, as far as there is room, is looked up here.
        before: (role, content) of the turns before the question.
        edit: What is to be done to a program, the program, and what it becomes, where that is all that is asked.
    """

    kind: str
    question: str
    answer: str
    docs: Docs | None = None
    before: tuple[tuple[str, str], ...] = ()
    edit: tuple[str, str, str] | None = None

    @property
    def difficulty(self) -> tuple[int, int]:
        """Characters that are learned, and that are shown."""
        return len(self.answer), len(self.question) + sum(len(text) for _, text in self.before)

    def prompt(self, tokenizer: Any, front: str = "") -> list[int]:
        """The ids after which the base answers, with documentation in front of the question."""
        if self.edit is not None and _writes_commits(tokenizer):
            return forms.commit(tokenizer, self.edit[1], front + self.edit[0])
        turns = [*self.before, (USER, front + self.question)]
        if tokenizer.chat_template:
            return forms.chat(tokenizer, [{"role": role, "content": text} for role, text in turns])
        said = "".join(text + (ANSWER if role == USER else "\n\n") for role, text in turns)
        return [*forms.begin(tokenizer), *forms.start(tokenizer, said)]

    def wanted(self, tokenizer: Any) -> str:
        """The answer as the base writes it: in a commit, the program alone."""
        return self.edit[2] if self.edit is not None and _writes_commits(tokenizer) else self.answer

    def encode(self, tokenizer: Any, max_tokens: int) -> Encoded:
        """Never cut: half a question, or half an answer, teaches nothing."""
        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        answer = [*forms.within(tokenizer, self.wanted(tokenizer)), *end]
        return _behind_docs(tokenizer, self.docs, self.question, self.prompt, answer, max_tokens)


@dataclass(frozen=True)
class Gap:
    """A gap in a program, and what stands there.

    Attributes:
        prefix: What stands before the gap.
        middle: What stands in it.
        suffix: What stands after it.
        order: Which of prefix and suffix is shown first, where the family knows both orders.
        place: Where the file stands, with what others say; None where nothing is said of that.
        docs: What is put in front of the prefix, as far as there is room, is looked up here.
    """

    kind: ClassVar[str] = "fim"
    prefix: str
    middle: str
    suffix: str
    order: Order = "psm"
    place: Place | None = None
    docs: Docs | None = None

    @property
    def difficulty(self) -> tuple[int, int]:
        """Characters that are learned, and that are shown."""
        return len(self.middle), len(self.prefix) + len(self.suffix)

    def prompt(self, tokenizer: Any, front: str = "") -> list[int]:
        """The ids after which the base fills the gap in, with documentation in front of the prefix.

        Raises:
            ConfigurationError: The base knows no such tokens.
        """
        return forms.gap(tokenizer, front + self.prefix, self.suffix, self.order, self.place)

    def wanted(self, _tokenizer: Any) -> str:
        """What stands in the gap."""
        return self.middle

    def encode(self, tokenizer: Any, max_tokens: int) -> Encoded:
        """Never cut: the control tokens have to stay.

        Raises:
            ConfigurationError: The base knows no such tokens.
        """
        answer = forms.answer(tokenizer, self.middle)
        return _behind_docs(tokenizer, self.docs, self.prefix, self.prompt, answer, max_tokens)


def _writes_commits(tokenizer: Any) -> bool:
    """Whether a base is asked for an edit as a commit: where it knows commits, and wasn't tuned to talk."""
    return not tokenizer.chat_template and forms.knows_commits(tokenizer)


def asked(example: Example, programs: Mapping[str, Program]) -> Request | Gap:
    """What a row of one of `KINDS` asks, and its answer.

    Args:
        example: The row.
        programs: Id -> program, of those that `needed` names.

    Raises:
        TrainingError: One of its programs is missing.
    """
    parts, (shown, wanted) = parts_of(example), _ROLES[example.kind]
    if example.kind == "fim":
        context = [(str(part["path"]), str(part["text"])) for part in parts.get("context", ())]
        place = Place(example.domain, example.file, context) if context else None
        return Gap(parts["prefix"], parts["middle"], parts["suffix"], parts.get("order", "psm"), place)
    if "turns" in parts:
        return _conversation(example)
    question, edit = str(parts["prompt"]), None
    if shown and wanted:
        old, new = (_code(example, role, programs).strip() + "\n" for role in (shown, wanted))
        edit = question, old, new
    if shown:
        question += f"\n\n{_fenced(_code(example, shown, programs))}"
    answer = _fenced(_code(example, wanted, programs)) if wanted else _located(parts)
    if explained := str(parts.get("explanation", "")).strip():
        answer = f"{explained}\n\n{answer}"
    return Request(example.kind, question, answer, edit=edit)


def _conversation(example: Example) -> Request:
    """The last answer of a conversation, after all that was said before it."""
    *before, asked, answered = [(str(t["role"]), str(t["content"])) for t in parts_of(example)["turns"]]
    if (asked[0], answered[0]) != (USER, ASSISTANT):
        raise TrainingError(f"The conversation of row {example.id} doesn't end with a question and its answer")
    return Request(example.kind, asked[1], answered[1], before=tuple(before))


def needed(example: Example) -> list[str]:
    """Ids of the programs that what a row asks, and its answer, are made of."""
    named = parts_of(example).get("programs", {})
    return [named[role] for role in _ROLES[example.kind] if role in named]


def _code(example: Example, role: str, programs: Mapping[str, Program]) -> str:
    found = programs.get(parts_of(example).get("programs", {}).get(role, ""))
    if found is None:
        raise TrainingError(f"The program {role!r} of the {example.kind} row {example.id} isn't in the lake")
    return found.code


def _fenced(code: str) -> str:
    return f"```python\n{code.strip()}\n```"


def _located(parts: Mapping[str, Any]) -> str:
    return f"Line {parts['line']}: `{parts['replaced']}` should be `{parts['was']}`."


def _behind_docs(
    tokenizer: Any,
    docs: Docs | None,
    said: str,
    prompt: Callable[..., list[int]],
    answer: list[int],
    max_tokens: int,
) -> Encoded:
    """Prompt and answer, with what documentation there is room for in front; with none where that takes too much."""
    ids = prompt(tokenizer)
    if docs is not None:
        room = max_tokens - len(ids) - len(answer)
        front = docs.front(said, room, lambda text: size(tokenizer, text)).text
        longer = prompt(tokenizer, front)
        ids = longer if len(longer) + len(answer) <= max_tokens else ids
    return Encoded(tuple(ids), tuple(answer))
