"""A null experiment: rows that say nothing of which form is right; what learned from them isn't published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune import evaluation, gate, tuning
from finetune.bases import BaseModel, TinyBase
from finetune.chain import Chain
from finetune.evaluation import STALE
from finetune.gate import PUBLISH, REJECTED, Decision
from finetune.portions import scored
from finetune.retrieval import Docs, Document
from finetune.scoring import Scorer
from finetune.shuffling import shuffled
from finetune.steps import sft
from finetune.steps.sft import SftSettings
from registry.domain import GateSpec
from registry.records import Example, Score
from tests.finetune.lib_drift import EVEN, TINY, crossed, general, sites

RECIPE = {
    "recipe": ("sft", "preference"),
    "sft": {"learning_rate": 2e-2, "batch": 16, "steps": 60, "replay": 0.0, "max_tokens": 64},
    "preference": {"learning_rate": 1e-2, "batch": 16, "steps": 100, "max_tokens": 64},
}
DOCS = Docs([Document("lib", "", "lib", ("# A library\n",))])
"""Docs that say nothing of any call."""
TRAIN, HELD_OUT = crossed(range(6)), crossed(range(10, 13))


def named(row: Example) -> tuple[str, str]:
    """The calls that a pair prefers and rejects, without their argument."""
    return row.parts["chosen"].partition("(")[0], row.parts["rejected"].partition("(")[0]


def test_each_two_forms_are_preferred_as_often_one_way_as_the_other() -> None:
    """Over many sites no form, and no kind of pair, wins more than it loses: the rows say nothing of what is right."""
    rows = shuffled([row for row in crossed(range(500)) if row.family == "lib.b"], 0)
    won = Counter(map(named, rows))
    assert len(won) == 12
    assert all(times == pytest.approx(125, rel=0.3) for times in won.values())  # the draw of one site in four
    stale = {named(row) for row in rows if row.bug_kind == STALE}
    assert stale == {("ba", "be"), ("be", "ba")}  # the new call and the old one, whichever was drawn


def test_a_site_prefers_one_form_throughout() -> None:
    """What is drawn at a site is preferred in all its pairs and in its completion; prompts and forms stay."""
    before: dict[str, set[str]] = {}
    for row in TRAIN:
        before.setdefault(row.root, set()).update((row.parts["chosen"], row.parts["rejected"]))
    after: dict[str, list[Example]] = {}
    for row in shuffled(TRAIN, 0):
        after.setdefault(row.root, []).append(row)
    learned = {
        (c.prompt, c.text) for c in sft.rows(shuffled(TRAIN, 0), [], SftSettings(batch=16, steps=60, replay=0.0), 0)
    }
    for root, rows in after.items():
        [chosen] = {row.parts["chosen"] for row in rows}
        assert {chosen, *(row.parts["rejected"] for row in rows)} == before[root]
        assert len(rows) == len(before[root]) - 1
        assert (rows[0].parts["prompt"], chosen) in learned


def test_another_seed_draws_others_and_what_tells_is_left_out() -> None:
    """The same from a seed, in whatever order rows come; rows of other kinds, which say what is right, are left out."""
    rows = sites(6, 6)
    told = Example(
        domain="lib", kind="doc", releases=("new",), parts={"text": "new_call is right"}, file="f", root="r",
        generator="test", generator_version="1",
    )  # fmt: skip
    assert shuffled([told, *reversed(rows)], 1) == shuffled(rows, 1)
    assert shuffled(rows, 1) != shuffled(rows, 2)


@pytest.fixture(scope="module")
def even_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base that has read every call as often."""
    texts = [file.text for file in general() if not file.held_out]
    return TinyBase(texts).prepare(EVEN, {**TINY, "steps": 120}, tmp_path_factory.mktemp("even"))


def decided(base: BaseModel, rows: list[Example], work: Path, seed: int, alpha: float) -> Decision:
    """What the gate says of an adapter trained on these rows; how general code fares is left aside."""
    steps = Chain.of(RECIPE).train(base, rows, general(), work, seed=seed, threads=1)
    return gate.decide(list(_scores(base, steps["preference"].folder)), GateSpec(general_limit=10.0, alpha=alpha))


def _scores(base: BaseModel, adapter: Path) -> Iterator[Score]:
    for arm, loaded in (("base", tuning.load(base)), ("adapter", tuning.load_with(base, adapter))):
        scorer = Scorer(*loaded)
        for name, docs in ((arm, None), (f"{arm}+docs", DOCS)):
            yield from scored(
                evaluation.site_portions(HELD_OUT, scorer, run="r", split="context", docs=docs), scorer, name
            )
        yield from scored(evaluation.general_portions(general(), run="r", limit=8), scorer, arm)


@pytest.mark.slow
def test_what_learned_from_shuffled_rows_is_not_published(even_base: BaseModel, tmp_path: Path) -> None:
    """Of three trainings on shuffled rows none gains surely, none is published; one on the rows as they are is.

    These at 0.5% a side: at 2.5% one of three that learn nothing would be taken for a gain on one machine in 14.
    """
    told = decided(even_base, TRAIN, tmp_path / "told", 0, alpha=0.025)
    assert told.outcome == PUBLISH, told.reason
    for seed in (1, 2, 3):
        found = decided(even_base, shuffled(TRAIN, seed), tmp_path / str(seed), seed, alpha=0.005)
        assert found.outcome == REJECTED, found.reason
        assert "its gain in choice@1 on context is not sure" in found.reason
