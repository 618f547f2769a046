"""Metrics of rows of other kinds than call sites: likelihoods are a model's own, and what can't be asked isn't."""

from __future__ import annotations

import math
from typing import Any

import pytest

from finetune import evaluation, forms, gate, report, row_metrics, tables, tuning, workloads
from finetune.bases import BaseModel
from finetune.portions import scored
from finetune.row_metrics import LOCATE, METRICS, Measured, portions
from finetune.scoring import Encoded, Scorer, Span, encode
from registry.domain import GateSpec
from registry.records import Example, Program, Score
from tests.finetune.lib_drift import OLD, sites

PROGRAMS: dict[str, Program] = {}


def row(kind: str, programs: dict[str, str] | None = None, **parts: Any) -> Example:
    named = {role: Program(code=code, test="") for role, code in (programs or {}).items()}
    PROGRAMS.update({p.id: p for p in named.values()})
    parts |= {"programs": {role: p.id for role, p in named.items()}}
    return Example(
        domain="lib", kind=kind, releases=("new",), parts=parts, symbols=("lib.other",), file="f.py", root=str(parts),
        generator="test", generator_version="1",
    )  # fmt: skip


TEST = row("test", {"answer": OLD[3]}, prompt="Call the old one.")
FIM = row("fim", {"whole": OLD[3]}, prefix="import lib\n", middle="x = 1\n", suffix="y = 2\n")
LONG = row("test", {"answer": OLD[4]}, prompt="Call it. " * 99)
WRONG = [OLD[n].replace("lib.other(", "lib.zqzqzqzq(") for n in range(4)]
LOCATES = [
    row("locate", {"corrupted": code}, at=code.index("zqzq"), line=3, prompt="?", replaced="zqzqzqzq", was="other")
    for code in WRONG
]
OF = Measured("r", "symbol", {TEST.id: "lib.family"})


@pytest.fixture(scope="module")
def scorer(tiny_base: BaseModel) -> Scorer:
    return Scorer(*tuning.load(tiny_base), max_tokens=160)


def test_rows_scored_together_have_the_scores_that_each_has_alone(scorer: Scorer) -> None:
    """Prefixes and lengths differ, and neither what a row stands beside nor the padding changes its likelihoods."""
    spans = [Span(OLD[n][: 9 * n + 4], OLD[n][9 * n + 4 :]) for n in range(5)]
    rows = [encode(scorer.tokenizer, span, 160) for span in spans]
    assert len({len(one.prefix) for one in rows}) > 3
    together = scorer.each(rows)
    assert [len(found) for found in together] == [len(one.text) for one in rows]
    for found, one, span in zip(together, rows, spans, strict=True):
        assert sum(found) == pytest.approx(scorer.scores([span])[0].logprob, abs=1e-3)
        assert found == pytest.approx(scorer.each([one])[0], abs=1e-3)
    assert scorer.each([]) == []


def test_bits_are_those_of_the_answer_without_its_end(scorer: Scorer) -> None:
    """A row's bits are those of its answer's tokens over its bytes, after the very ids that training shows."""
    [found] = scored(portions([TEST], PROGRAMS, scorer, OF), scorer, "base")
    task = workloads.asked(TEST, PROGRAMS)
    assert isinstance(task, workloads.Request)
    encoded = task.encode(scorer.tokenizer, 160)
    assert encoded.text[-1] in forms.stops(scorer.tokenizer)
    [likely] = scorer.each([Encoded(encoded.prefix, encoded.text[:-1])])
    assert found.value == pytest.approx(-sum(likely) / math.log(2) / len(task.answer.encode()), rel=1e-4)
    assert (found.metric, found.item, found.family) == ("bits_test", TEST.id, "lib.family")


def test_what_cant_be_asked_whole_has_no_score(scorer: Scorer) -> None:
    """A row that is longer than the window, and a gap where the base knows no gaps, are left out, not cut or faked."""
    assert not row_metrics.fills_gaps(scorer.tokenizer)
    assert not list(scored(portions([LONG, FIM], PROGRAMS, scorer, OF), scorer, "base"))


def test_the_replaced_token_is_located_by_its_likelihood(scorer: Scorer) -> None:
    """A name that there isn't is the least likely token of a known program; a token of the program itself is not."""
    found = [s for s in scored(portions(LOCATES, PROGRAMS, scorer, OF), scorer, "base") if s.metric == LOCATE]
    assert [s.value for s in found] == [1.0] * len(LOCATES)
    others = [
        row("locate", {"corrupted": code}, prompt="?", at=code.index("import"), line=1, replaced="import", was="from")
        for code in WRONG
    ]
    others += [
        row("locate", {"corrupted": code}, prompt="?", at=code.index("lib."), line=2, replaced="lib", was="bil")
        for code in WRONG
    ]
    assert not any(
        s.value for s in scored(portions(others, PROGRAMS, scorer, OF), scorer, "base") if s.metric == LOCATE
    )


def test_so_many_rows_of_a_kind_are_scored_the_same_ones_every_time() -> None:
    """The first by id of each kind: whatever order they come in, and no call sites."""
    rows = [row("bug", prompt=str(n)) for n in range(9)] + [TEST, *sites(1, 2)]
    found = row_metrics.drawn(rows, 4)
    assert found == row_metrics.drawn(rows[::-1], 4)
    assert [e.kind for e in found] == ["test", *["bug"] * 4]
    assert [e.id for e in found[1:]] == sorted(e.id for e in rows if e.kind == "bug")[:4]
    assert row_metrics.drawn(rows, 0) == []


def told(metric: str, gains: float) -> list[Score]:
    """Scores of two arms on eight families."""
    return [
        Score(
            run="r", arm=arm, split="symbol", metric=metric, item=f"i{n}", family=f"f{n}",
            value=1.0 + n / 10 + (gains if arm == "adapter" else 0.0),
        )
        for arm in ("base", "adapter")
        for n in range(8)
    ]  # fmt: skip


def test_metrics_of_rows_are_told_and_decide_nothing() -> None:
    """Each has arms and one difference with its interval, in a table of its own; no test, so no p becomes larger."""
    plain, rows = told("choice@1", 0.2), [*told("bits_test", -0.5), *told(LOCATE, 0.25)]
    before, after = (gate.decide(found, GateSpec()) for found in (plain, [*plain, *rows]))
    assert before == after
    found = list(report.rows([*plain, *rows], after, run="r", domain="lib"))
    assert [r for r in found if r.metric not in METRICS] == list(report.rows(plain, before, run="r", domain="lib"))
    others = {(r.metric, r.arm): r for r in found if r.metric in METRICS}
    assert {arm for _, arm in others} == {"base", "adapter", "adapter-base"}
    assert others["bits_test", "adapter-base"].value == pytest.approx(-0.5)
    assert others["bits_test", "adapter-base"].p is None
    assert set(report.adjusted(found)) == set(report.adjusted([r for r in found if r.metric not in METRICS]))
    table = tables.by_kind(found)
    assert table.count("<tr>") == 1 + 2
    assert "bits_test" in table and "-0.500" in table and "no control tokens" in table
    assert "bits_test" not in tables.gains(found, ("symbol", "choice@1")) + tables.arms(found)
    assert evaluation.sign("bits_fim") == -1 and evaluation.sign(LOCATE) == 1
