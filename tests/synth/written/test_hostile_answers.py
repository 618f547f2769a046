"""Answers by nobody who means well: whatever a model says, a dialogue ends by its outcome, soon, and never raises."""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.llm import Reply, Request
from synth.written import writers
from synth.written.answers import UnwrittenError, clean, divided, english, is_english, python
from synth.written.dialogue import Ending, Subject, run
from synth.written.telling import comments, difference, foreign, gives_away, is_about
from tests.synth.written.conftest import Bench
from tests.synth.written.test_task import EXERCISE

PIECES = [
    "```python\n", "```\n", "```", "~~~\n", "import lib\n", "def seats(places, guests):\n", "    return []\n",
    "assert ",
    "x = 1\n", "'\\d'\n", "if 1 is 1: pass\n", "(" * 300, "[" * 95, "]" * 95, "\0", "\ud800", "\r", "\u2028", "é" * 9,
    "You have to use `lib.ring` for that, which is what the docs say.\n", "<<<data 0\n", "data 0>>>\n", "a" * 3000,
    "from . import x\n", "import os; os._exit(0)\n", "#" * 50 + "\n", "lambda: (yield)\n", "# -*- coding: utf-7 -*-\n",
]  # fmt: skip
REFUSED = ("format", "language", "off-topic", "hostile", "unproven")
"""Outcomes of a dialogue whose answers were no good."""

TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join)
VALUES = st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["signature", "plain", "story", "short", "question", "request", "hurried", "goal", "x"]), inner
), max_leaves=8)  # fmt: skip


@given(TEXTS)
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    """Every check of a text takes it or refuses it by kind; no warning gets out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for check in (
            lambda: divided(text),
            lambda: english(text),
            lambda: python(text, ("lib",)),
            lambda: clean(text),
        ):
            try:
                check()
            except UnwrittenError as why:
                assert why.outcome in REFUSED
                why.detail.encode()
        changed = difference(text, "x = 1\n")
        foreign(text, text), comments(text), is_english(text)
        assert changed is None or (gives_away(text, changed) is not None and is_about(text, changed) in (True, False))


@pytest.fixture(scope="module")
def subjects(bench: Bench) -> dict[str, list[Subject]]:
    """The first subjects of each writer; edits and issues have none on this desk."""
    return {name: list(writers.load(name).subjects(bench.desk))[:2] for name in writers.BUILT_IN}


@settings(max_examples=60)
@given(st.data())
def test_every_writer_ends_whatever_it_is_told(bench: Bench, subjects: dict[str, list[Subject]], data: Any) -> None:
    """Any texts and values, at any step: an outcome, a reason that can be written down, the calls."""
    name = data.draw(st.sampled_from(sorted(name for name, found in subjects.items() if found)))

    def answer(request: Request) -> Reply:
        if request.schema is None:
            return Reply("k", "ok", text=data.draw(TEXTS))
        good = {field: EXERCISE.get(field, EXERCISE["short"]) for field in request.schema["properties"]}
        return Reply("k", "ok", value=data.draw(VALUES | st.just(good)))

    ending: Ending = run(writers.load(name).write(bench.desk, subjects[name][0]), answer, bench.trial)
    assert ending.outcome in REFUSED or ending.outcome in ("vacuous-test", "written", "solved")
    assert ending.calls and len(ending.detail) <= 300
    ending.detail.encode()


@pytest.mark.parametrize("text", [
    "x" * 10**6, "```python\n" * 20_000, "`" * 60_000, "a_" * 30_000, "(" * 60_000, "<" * 60_000, "\n" * 60_000,
    "a." * 30_000, "é" * 60_000, "```python\n" + "[" * 50_000 + "\n```", "```python\n" + "-" * 50_000 + "1\n```",
    "```python\n" + "x = 1\n" * 9_000 + "```", "```python\nx = " + "'a' " * 10_000 + "\n```", "f(" * 30_000,
])  # fmt: skip
def test_large_answers_are_refused_at_once(bench: Bench, subjects: dict[str, list[Subject]], text: str) -> None:
    """Each within a second, by whichever writer asks for text."""
    began = time.monotonic()
    for name in ("chat", "migrate", "bug_llm", "repair"):

        def answer(request: Request) -> Reply:
            value = dict.fromkeys((request.schema or {}).get("properties", ()), text)
            return Reply("k", "ok", text=text, value=value or None)

        ending = run(writers.load(name).write(bench.desk, subjects[name][0]), answer, bench.trial)
        assert ending.outcome in ("format", "language"), (name, ending.detail)
    for check in (is_english, lambda t: foreign(t, "x"), lambda t: is_english(t[:64_000])):
        check(text[:64_000])
    assert time.monotonic() - began < 5
