"""Metrics on rows of kinds fim, edit and locate."""

from __future__ import annotations

from typing import Any

import pytest

from finetune import tuning
from finetune.bases import BaseModel
from finetune.row_metrics import (
    Measured,
    distance,
    gap_prompts,
    places,
    score_edits,
    score_gaps,
    score_tokens,
    similarity,
)
from finetune.scoring import Scorer
from registry.records import Example, Program
from tests.finetune.lib_drift import OLD
from tests.finetune.test_forms import CONTROL, byte_level
from validators.scope import scope_fault

OF = Measured("run", "base", "context")


def row(kind: str, name: str, **parts: Any) -> Example:
    return Example(
        domain="lib", kind=kind, releases=("new",), parts=parts, file="f.py", root=name, generator="test",
        generator_version="1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2), ("x = 1", "x == 1", 1)],
)
def test_edit_distance(one: str, other: str, edits: int) -> None:
    """Characters added, removed and replaced, whichever text comes first; similarity is what is left of 1."""
    assert distance(one, other) == distance(other, one) == edits
    assert similarity(one, other) == pytest.approx(1 - edits / max(len(one), len(other), 1))


def test_gaps_are_compared_with_what_stood_there() -> None:
    """Blanks at the ends don't count; another text is near or far; rows without an answer are left out."""
    rows = [row("fim", name, prefix=f"{name} = ", middle="nx.f(1)", suffix="\n") for name in "abc"]
    written = {rows[0].id: " nx.f(1)\n", rows[1].id: "nx.g(1)", "other": "z"}
    found = list(score_gaps([*rows, row("doc", "d")], written, OF))
    assert [(s.item, s.metric, round(s.value, 3)) for s in found] == [
        (rows[0].id, "fim_exact", 1.0), (rows[0].id, "fim_similarity", 1.0),
        (rows[1].id, "fim_exact", 0.0), (rows[1].id, "fim_similarity", round(6 / 7, 3)),
    ]  # fmt: skip
    assert {(s.run, s.arm, s.split) for s in found} == {("run", "base", "context")}
    assert found[0].family == "a"


def test_gaps_are_shown_in_the_form_of_the_base() -> None:
    """Prefix, suffix and the files of the row stand between the family's control tokens, in the row's order."""
    tokenizer = byte_level(CONTROL["StarCoder 2"], bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    shown = [{"path": "lib/a.py", "text": "def f(): ..."}]
    rows = [row("fim", "a", prefix="x = ", middle="f()", suffix="\n", order=o, context=shown) for o in ("psm", "spm")]
    said = [tokenizer.decode(gap_prompts(rows, tokenizer)[one.id].ids) for one in rows]
    assert [text.index("x = ") < text.index("<fim_suffix>") for text in said] == [True, False]
    assert said[0].endswith("<fim_suffix>\n<fim_middle>")
    assert all("lib/a.py\ndef f(): ..." in text and "f.py" in text for text in said)
    assert gap_prompts([row("doc", "d")], tokenizer) == {}


@pytest.mark.parametrize(
    ("after", "kept"),
    [("a = 1\nb = 3\nc = 3\n", 1.0), ("a = 0\nb = 3\nc = 3\n", 0.0), ("a = 1\nb = 2\nc = 3\n", 0.0), ("", 0.0)],
)
def test_edits_keep_to_their_scope(after: str, kept: float) -> None:
    """As rows are proven: what is outside the lines stays, and something within them is another."""
    before = Program(code="a = 1\nb = 2\nc = 3\n", test="")
    edit = row("edit", "e", programs={"before": before.id, "after": "…"}, prompt="", scope=[[2, 2]])
    (found,) = score_edits([edit], {before.id: before}, {edit.id: after}, OF, scope_fault)
    assert (found.metric, found.value) == ("edit_scope", kept)


def test_places_are_tokens_that_could_be_wrong() -> None:
    """Names, numbers, texts and operators where they stand, in lines with any ends; no brackets, no keywords."""
    code = "def f(é, y):\r\n    return é + 'a' if not y else g.h(1)\r\n"
    found = [code[start:end] for start, end in places(code)]
    assert found == ["f", "é", "y", "é", "+", "'a'", "not", "y", "g", "h", "1"]


def test_a_replaced_token_surprises_a_model_that_knows_the_code(tiny_base: BaseModel) -> None:
    """In code as the base was trained on, the replaced name is found; asked of an unsurprising one, it is not."""
    code = OLD[7].replace("other", "nothing_like_it")
    program = Program(code=code, test="")
    at = code.index("nothing_like_it")
    rows = [
        row("locate", str(place), programs={"corrupted": program.id}, at=place)
        for place in (at, code.index("old_call"))
    ]
    found = list(score_tokens(rows, {program.id: program}, Scorer(*tuning.load(tiny_base)), OF))
    assert [s.value for s in found] == [1.0, 0.0]
