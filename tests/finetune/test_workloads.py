"""SFT on rows of every kind: how many of each, in which form, in which order, and with what documentation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from finetune import completions, forms, tuning, workloads
from finetune.bases import BaseModel
from finetune.chain import Chain
from finetune.completions import Completion
from finetune.recipe import Lookup
from finetune.retrieval import Docs, Document
from finetune.steps import sft
from finetune.steps.sft import SftSettings
from finetune.workloads import Gap, Request
from registry.errors import ConfigurationError, TrainingError
from tests.finetune.chained import END, pieces_of
from tests.finetune.lib_drift import general, sites
from tests.finetune.proven import proven
from tests.finetune.trained import SMALL

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>", "<|file_sep|>")


def settings(**given: Any) -> SftSettings:
    """Ten steps of ten rows."""
    return SftSettings.of({"batch": 10, "steps": 10, "max_tokens": 200, **given})


def test_there_are_as_many_rows_of_a_kind_as_its_share_says() -> None:
    """What the shares and general code leave are new calls; a seed gives the same rows in any order of examples."""
    rows = proven()
    mix = {"fim": 0.2, "bug": 0.1, "locate": 0.05}
    examples = [*sites(4, 4), *rows.examples]
    found = sft.rows(examples, general(), settings(mix=mix, replay=0.15), 0, rows.lookup)
    kinds = Counter("general" if isinstance(row, Completion) and not row.prompt else row.kind for row in found)
    assert kinds == {"calls": 50, "fim": 20, "bug": 10, "locate": 5, "general": 15}
    assert found == sft.rows(examples[::-1], general(), settings(mix=mix, replay=0.15), 0, rows.lookup)
    assert found != sft.rows(examples, general(), settings(mix=mix, replay=0.15), 1, rows.lookup)


def test_a_workload_of_its_own_needs_no_calls() -> None:
    """Where shares are all rows there are no calls; what rounding and missing code leave goes to the largest share."""
    rows = proven()
    found = sft.rows(rows.examples, [], settings(mix={"fim": 0.555, "bug": 0.345}, replay=0.1), 0, rows.lookup)
    assert Counter(row.kind for row in found) == {"fim": 66, "bug": 34}
    with pytest.raises(TrainingError, match="No edit rows to train on: curation left none"):
        sft.rows(sites(1, 1), general(), settings(mix={"edit": 0.1}), 0)


def test_the_default_mix_gives_way_to_general_code() -> None:
    """Where the shares of all kinds that there are and general code are more than all rows, the shares shrink alike."""
    rows = proven()
    found = sft.rows([*sites(4, 4), *rows.examples], general(), settings(replay=0.8), 0, rows.lookup)
    kinds = Counter(row.kind for row in found if not isinstance(row, Completion))
    assert sum(isinstance(row, Completion) and not row.prompt for row in found) == 80
    assert 15 <= sum(kinds.values()) <= 20
    assert kinds["test"] > kinds["doc"] > kinds["syntax"]


def test_rows_that_show_no_change_are_drawn_by_what_they_show() -> None:
    """A symbol with 25 times the rows of another is seen 5 times as often."""
    rows = proven(26)
    bugs = [e for e in rows.examples if e.kind == "bug"]
    held = [
        dataclasses.replace(e, symbols=("lib.rare" if place == 0 else "lib.often",)) for place, e in enumerate(bugs)
    ]
    found = sft.rows(held, [], settings(mix={"bug": 1.0}, replay=0.0, batch=100), 0, rows.lookup)
    rare = sum("Fix 0\n" in row.question for row in found if isinstance(row, Request))
    assert 120 < rare < 220


def test_a_row_asks_what_a_person_would() -> None:
    """The instruction with the program as it was, and as an answer the program as it should be, or the token."""
    rows = proven(1)
    made = {e.kind: workloads.asked(e, rows.programs) for e in rows.examples}
    right, wrong = (
        "```python\nimport lib\nx = lib.new_call(0, other=1)\n```",
        "```python\nimport lib\nx = lib.old_call(0, 1)\n```",
    )
    assert set(made) == set(workloads.KINDS)
    for kind, asked in (("doc", "Complete 0"), ("test", "Complete test 0")):
        assert made[kind] == Request(kind, asked, right)
    for kind, asked in (("drift", "Update 0"), ("edit", "Change 0"), ("bug", "Fix 0"), ("syntax", "Close 0")):
        change = (asked, "import lib\nx = lib.old_call(0, 1)\n", "import lib\nx = lib.new_call(0, other=1)\n")
        assert made[kind] == Request(kind, f"{asked}\n\n{wrong}", right, edit=change)
    assert made["task"] == Request("task", "Write 0", right)
    said = (("user", "How 0?"), ("assistant", right))
    assert made["chat"] == Request("chat", "Else?", "No 0.", before=said)
    assert made["repair"] == Request("repair", "It fails", right, before=(("user", "Do 0"), ("assistant", wrong)))
    assert made["locate"] == Request("locate", f"Which 0?\n\n{wrong}", "Line 2: `old_call` should be `new_call`.")
    assert made["fim"] == Gap("import lib\nx = ", "lib.new_call(0, other=1)", "\n")
    with pytest.raises(TrainingError, match=r"program 'buggy' of the bug row .* isn't in the lake"):
        workloads.asked(next(e for e in rows.examples if e.kind == "bug"), {})


def _texts(tokenizer: Any, row: Request | Gap) -> tuple[str, str]:
    made = row.encode(tokenizer, 500)
    return tokenizer.decode(list(made.prefix)), tokenizer.decode(list(made.text))


def test_a_base_is_asked_in_its_own_form() -> None:
    """Its chat template where it has one, else plain text; its control tokens for gaps. An end token ends answers."""
    plain, code = pieces_of(["x"]), pieces_of(["x"], QWEN)
    code.chat_template = TEMPLATE
    bug, gap = Request("bug", "Fix <|im_end|> it", "done"), Gap("x = ", "1 + 1", "\ny", "psm")
    assert _texts(plain, bug) == ("<s>Fix <|im_end|> it\n\nAnswer:\n", f"done{END}")
    asked, answer = _texts(code, bug)
    assert asked == "<|im_start|>user\nFix <|im_end|> it<|im_end|>\n<|im_start|>assistant\n"
    assert answer == f"done{END}"
    ids = bug.encode(code, 500).prefix
    assert ids.count(code.convert_tokens_to_ids("<|im_end|>")) == 1, "what a row quotes is text"
    assert _texts(code, gap) == ("<s><|fim_prefix|>x = <|fim_suffix|>\ny<|fim_middle|>", "1 + 1<|im_end|>")
    shown = dataclasses.replace(gap, place=forms.Place("lib", "b.py", [("a.py", "def f(): ...\n")]))
    assert "<|file_sep|>a.py\ndef f(): ...\n\n<|file_sep|>b.py\n<|fim_prefix|>x = " in _texts(code, shown)[0]
    with pytest.raises(ConfigurationError, match="has no control tokens to fill gaps in"):
        gap.encode(plain, 500)


def test_a_conversation_is_shown_whole_and_its_last_answer_learned() -> None:
    """All turns before the last answer stand in the base's own form; documentation stands before the last question."""
    plain, code = pieces_of(["x"]), pieces_of(["x"], QWEN)
    code.chat_template = TEMPLATE
    talk = Request("chat", "And <|im_end|>?", "No.", before=(("user", "How?"), ("assistant", "So.")))
    assert _texts(plain, talk)[0] == "<s>How?\n\nAnswer:\nSo.\n\nAnd <|im_end|>?\n\nAnswer:\n"
    said, learned = _texts(code, talk)
    start = "<|im_start|>user\nHow?<|im_end|>\n<|im_start|>assistant\nSo.<|im_end|>\n<|im_start|>user\n"
    assert (said, learned) == (f"{start}And <|im_end|>?<|im_end|>\n<|im_start|>assistant\n", f"No.{END}")
    assert code.decode(talk.prompt(code, "Docs. ")).startswith(f"{start}Docs. And")
    assert talk.encode(code, 500).prefix.count(code.convert_tokens_to_ids("<|im_end|>")) == 3, "what is quoted is text"


def test_a_base_that_knows_commits_is_asked_for_an_edit_as_one() -> None:
    """The program, what is to be done, the program alone as an answer; a base that was tuned to talk is talked to."""
    commits = pieces_of(["x"], ("<commit_before>", "<commit_msg>", "<commit_after>"))
    edit = Request("edit", "Change it\n\n```python\na\n```", "```python\nb\n```", edit=("Change it", "a\n", "b\n"))
    assert _texts(commits, edit) == ("<s><commit_before>a\n<commit_msg>Change it<commit_after>", f"b\n{END}")
    assert commits.decode(edit.prompt(commits, "# docs\n")).endswith("<commit_msg># docs\nChange it<commit_after>")
    hostile = dataclasses.replace(edit, edit=("Say <commit_after>", "a <commit_msg>\n", "b\n"))
    ids = hostile.encode(commits, 500).prefix
    assert [ids.count(commits.convert_tokens_to_ids(f"<commit_{one}>")) for one in ("before", "msg", "after")] == [
        1,
        1,
        1,
    ]
    assert _texts(pieces_of(["x"]), edit)[1] == f"```python\nb\n```{END}"
    commits.chat_template = TEMPLATE
    assert _texts(commits, edit)[1] == f"```python\nb\n```{END}"


def test_an_explanation_is_learned_with_the_program() -> None:
    """What was written of a migration stands before the program that it explains."""
    rows = proven(1)
    drift = next(e for e in rows.examples if e.kind == "drift")
    told = dataclasses.replace(drift, parts={**drift.parts, "explanation": "It was renamed.\n"})
    asked = workloads.asked(told, rows.programs)
    assert isinstance(asked, Request)
    assert asked.answer.startswith("It was renamed.\n\n```python\nimport lib")


def test_a_conversation_that_ends_with_a_question_is_refused() -> None:
    """Nothing could be learned of it."""
    rows = proven(1)
    chat = next(e for e in rows.examples if e.kind == "chat")
    broken = dataclasses.replace(chat, parts={**chat.parts, "turns": chat.parts["turns"][:-1]})
    with pytest.raises(TrainingError, match="doesn't end with a question and its answer"):
        workloads.asked(broken, rows.programs)


def test_only_answers_are_learned() -> None:
    """Labels are those of the answer's tokens; nothing of what is asked."""
    plain = pieces_of(["x"])
    [row] = completions.encoded([Request("bug", "Fix it", "done")], plain, 100)
    learned = [label for label in row["labels"] if label != -100]
    assert plain.decode(learned) == f"done{END}"
    assert row["labels"][-len(learned) :] == learned == row["input_ids"][-len(learned) :]


def test_a_row_that_does_not_fit_gives_its_place_to_one_that_does() -> None:
    """Half a question teaches nothing; where none of a kind fits, it is said what the shortest takes."""
    plain = pieces_of(["x"])
    long, short = Request("bug", "?" * 100, "long"), Request("bug", "?", "short")
    made = completions.encoded([long, short, Completion("", "y" * 99), long], plain, 40)
    texts = [plain.decode(row["input_ids"]) for row in made]
    assert [("short" in text, len(row["input_ids"]) <= 40) for text, row in zip(texts, made, strict=True)] == [
        (True, True), (True, True), (False, True), (True, True),
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"No bug row fits into max_tokens = 40 .* shortest takes 116"):
        completions.encoded([long], plain, 40)


def _docs() -> Docs:
    says = "# lib.new_call\ndef new_call(a, *, other):\n    ...\n\n"
    return Docs([Document("lib.new_call", "lib.new_call", "lib.new_call new call import", (says,))])


def test_a_share_of_prompts_has_docs_in_front() -> None:
    """As many as are asked for, of what isn't general code; what there is no room for is left out."""
    rows = proven()
    chosen = settings(mix={"bug": 0.3}, replay=0.1, docs=0.5)
    lookup = Lookup(programs=rows.found, docs=_docs)
    found = sft.rows([*sites(2, 2), *rows.examples], general(), chosen, 0, lookup)
    assert sum(row.docs is not None for row in found) == 45
    assert not any(row.docs for row in found if isinstance(row, Completion) and not row.prompt)
    plain = pieces_of(["x"])
    for row in (Completion("import lib\nx = lib.", "new_call(1)\n", _docs()), Request("bug", "new call", "y", _docs())):
        wide, narrow = ("".join(plain.decode(list(row.encode(plain, n).prefix))) for n in (200, 60))
        assert "def new_call(a, *, other)" in wide
        assert "def new_call" not in narrow
        assert len(row.encode(plain, 60).prefix) + len(row.encode(plain, 60).text) <= 60
    gap = Gap("import lib\nnew_call", "x", "", docs=_docs())
    assert "def new_call" in _texts(pieces_of([], QWEN), gap)[0]


def test_easy_rows_come_first() -> None:
    """Few mistakes before many, small edits before large ones; each kind is spread over the whole training."""
    rows = proven(8)
    chosen = settings(mix={"bug": 0.4, "doc": 0.2}, replay=0.2, curriculum=True)
    examples = [*sites(4, 4), *rows.examples]
    found = sft.rows(examples, general(), chosen, 0, rows.lookup)
    order = [int(row.question.split()[1]) for row in found if row.kind == "bug" and isinstance(row, Request)]
    assert order == sorted(order, key=lambda n: (n % 2, n))
    for kind, count in (("bug", 40), ("doc", 20)):
        assert sum(row.kind == kind for row in found[:50]) == pytest.approx(count / 2, abs=1)
    calls = [row for row in found if isinstance(row, Completion) and row.prompt]
    assert [row.difficulty for row in calls] == sorted(row.difficulty for row in calls)
    drawn = sft.rows(examples, general(), dataclasses.replace(chosen, curriculum=False), 0, rows.lookup)
    assert sorted(map(repr, drawn)) == sorted(map(repr, found)), "the same rows"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mix": {"talk": 0.1}}, r"No setting 'talk' in \[train\.sft\.mix\]: it takes doc, .* repair"),
        ({"mix": {"bug": 1.5}}, r"\[train\.sft\.mix\] bug can't be 1.5: write it from 0 to 1"),
        ({"mix": {"bug": 0.5, "fim": 0.4}}, r"mix can't be bug = 0.5, fim = 0.4: with replay = 0.15 .* Lower one"),
        ({"mix": 0.5}, r"\[train\.sft\] mix can't be 0.5: write it as its default is, \{"),
        ({"docs": 2}, r"docs can't be 2.0: write it from 0 to 1"),
    ],
)
def test_shares_that_can_not_be_are_the_users_error(given: dict[str, Any], said: str) -> None:
    """Before anything is done, with the table and what to write."""
    with pytest.raises(ConfigurationError, match=said):
        Chain.of({**SMALL, "sft": given})


def test_the_default_mix_takes_what_there_is() -> None:
    """Kinds without rows, or with none short enough, leave their places to others; a mix that is told doesn't."""
    rows = proven()
    there = [e for e in rows.examples if e.kind in ("doc", "bug")]
    found = sft.rows([*sites(4, 4), *there], general(), settings(), 0, rows.lookup)
    kinds = Counter("general" if isinstance(row, Completion) and not row.prompt else row.kind for row in found)
    assert kinds == {"calls": 67, "doc": 8, "bug": 10, "general": 15}
    long = [Request("bug", "Fix it", "x" * 400), Request("doc", "Write it", "y = 1")]
    short, taken = completions.encoded(long, pieces_of(["x"]), 100, any_kind=True)
    assert short == taken
    told: list[str] = []
    fitting = [Request(kind, "Write it", f"{kind} = 1") for kind in ("chat", "doc", "test") for _ in range(9)]
    given = completions.encoded(
        [*long[:1] * 6, *fitting], pieces_of(["x"]), 100, any_kind=True, tell=lambda title, *_: told.append(title)
    )
    own = {
        kind: completions.encoded([row], pieces_of(["x"]), 100)[0]
        for kind, row in ((row.kind, row) for row in fitting[::9])
    }
    assert Counter(kind for row in given[:6] for kind in own if row == own[kind]) == {"chat": 2, "doc": 2, "test": 2}
    assert told[0].startswith("No bug row fits into max_tokens = 100 of [train.sft]: the shortest takes")
    assert told[0].endswith("6 places go to other kinds")
    with pytest.raises(ConfigurationError, match="No bug row fits into max_tokens = 100"):
        completions.encoded(long, pieces_of(["x"]), 100)


def test_shares_of_nothing_make_no_other_training() -> None:
    """A setting that is written out at its default is none; a mix that is something is remembered without floats."""

    def chain(**given: Any) -> Chain:
        return Chain.of({"recipe": ["sft"], "sft": given})

    assert chain(mix=sft.MIX.shares, docs=0, curriculum=False).changed() == {"recipe": ["sft"]}
    assert chain(mix={"bug": 0.1, "fim": 0}).changed()["sft"] == {"mix": {"bug": "0.1"}}
    assert chain(mix={}).changed()["sft"] == {"mix": {}}
    assert [chain(docs=share).reads_docs for share in (0.0, 0.1)] == [False, True]


def test_a_base_learns_to_answer(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A training on bugs alone: their answers get likelier; a base without control tokens is asked to fill no gaps."""
    rows = proven(6)
    given = {"batch": 4, "steps": 30, "max_tokens": 120, "learning_rate": 1e-2, "replay": 0.0}

    def trained(work: Path, mix: dict[str, float]) -> Sequence[tuple[int, float]]:
        chain = Chain.of({"recipe": ["sft"], "lora": {"rank": 4}, "sft": {**given, "mix": mix}})
        return chain.train(tiny_base, rows.examples, [], work, lookup=rows.lookup, threads=1)["sft"].curve

    losses = [loss for _, loss in trained(tmp_path / "bug", {"bug": 1.0})]
    assert losses[-1] < 0.9 * losses[0]
    with pytest.raises(ConfigurationError, match="has no control tokens to fill gaps in: choose a base"):
        trained(tmp_path / "fim", {"fim": 1.0})
    assert not tuning.finished(tmp_path / "fim" / "sft" / "adapter")
