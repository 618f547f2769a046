"""Going on from an adapter: what is new is learned, what was learned stays, and nothing else is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune import evaluation, intervals, tuning
from finetune.bases import BaseModel, TinyBase
from finetune.chain import Chain
from finetune.portions import scored
from finetune.scoring import Scorer
from finetune.warm import Start, mixed, new_rows, share_of
from registry.records import Example
from tests.finetune.lib_drift import TINY, general, sites
from tests.finetune.versions import FIRST, NEVER, SECOND, changed, modules, source

RECIPE = Chain.of(
    {
        "recipe": ["sft", "preference", "text"],  # the text last: it shows the calls that didn't change, too
        "lora": {"rank": 8, "alpha": 16},
        "sft": {"learning_rate": 5e-3, "batch": 16, "steps": 20, "max_tokens": 64},
        "preference": {"learning_rate": 5e-3, "batch": 16, "steps": 100, "max_tokens": 64},
        "text": {"learning_rate": 2e-2, "batch": 8, "steps": 120, "max_tokens": 64},
    }
)


def test_what_is_new_is_what_no_known_row_says() -> None:
    """A row of another release that says the same isn't new; one that says another thing is, in the given order."""
    known = [dataclasses.replace(row, releases=("older", "old")) for row in sites(2, 1)]
    assert new_rows(sites(2, 1), known) == []
    assert new_rows([*sites(1, 1), *sites(4, 1)[6:]], known) == sites(4, 1)[6:]


def test_a_step_is_as_long_as_the_change_is_large() -> None:
    """A quarter of the rows are new: a quarter of the steps; a step that sees nothing new is left out."""
    (sft, settings), *_, (text, for_text) = RECIPE.steps
    share = share_of(sft, settings, sites(1, 1), Start(Path("a"), sites(4, 1)[3:], 0.25))
    assert share is not None
    assert share.settings == dataclasses.replace(settings, steps=5)
    assert (len(share.new), len(share.known)) == (3, 9)
    assert share_of(text, for_text, sites(1, 1), Start(Path("a"), modules(0), 0.25)) is None
    unrehearsed = share_of(sft, settings, sites(1, 1), Start(Path("a"), sites(4, 1)[3:], 0.0))
    assert unrehearsed is not None
    assert unrehearsed.known == ()


def test_a_step_that_mixes_kinds_gets_each_of_them() -> None:
    """What the new rows lack of a kind is of those that are known, and the other way round; others aren't mixed."""
    (sft, settings), *_ = RECIPE.steps
    calls, docs = sites(1, 1), [dataclasses.replace(row, kind="doc") for row in sites(4, 1)[3:]]
    for new, known in ((calls, docs), (docs, calls)):
        share = share_of(sft, settings, new, Start(Path("a"), known, 0.25))
        assert share is not None
        assert ([*share.new], [*share.known]) == ([*new, *known], [*known, *new])
    text, for_text = RECIPE.steps[-1]
    assert share_of(text, for_text, calls, Start(Path("a"), docs, 0.25)) is None


def test_a_share_of_places_is_rehearsed() -> None:
    """As many places as the share says, each with the known row of that very place; the same from a seed."""
    new, known = [f"new {n}" for n in range(80)], [f"known {n}" for n in range(80)]
    found = mixed(new, known, 0.25, 3)
    assert [row.split()[1] for row in found] == [str(n) for n in range(80)]
    assert sum(row.startswith("known") for row in found) == 20
    assert found == mixed(new, known, 0.25, 3) != mixed(new, known, 0.25, 4)


HELD_OUT = range(20, 24)
Measured = dict[str, dict[str, float]]


def _measured(base: BaseModel, adapter: Path | None, version: int) -> Measured:
    """Metric by group of families, on call sites that nothing was trained on."""
    scorer = Scorer(*(tuning.load(base) if adapter is None else tuning.load_with(base, adapter)))
    found: Measured = {}
    for name, families in (("first", FIRST), ("second", SECOND), ("never", NEVER)):
        rows = changed(families, version, HELD_OUT)
        scores = list(scored(evaluation.site_portions(rows, scorer, run="r", split="context"), scorer, "base"))
        for metric in ("preference", "choice@1", "bits_new"):
            value = intervals.arm(scores, arm="base", split="context", metric=metric)
            if value is not None:
                found.setdefault(name, {})[metric] = value.value
    return found


@pytest.mark.slow
def test_two_releases_one_after_the_other(tmp_path: Path) -> None:
    """N+1 is trained on a base that is stale at N, then N+2 from that adapter on what is new alone."""
    base = TinyBase([f.text for f in general() if not f.held_out]).prepare(
        source(0), {**TINY, "steps": 200}, tmp_path / "bases"
    )
    first: list[Example] = [*changed(FIRST, 1, range(6)), *modules(1)]
    one = RECIPE.train(base, first, general(), tmp_path / "one", threads=1)["text"].folder
    before, after = _measured(base, None, 1), _measured(base, one, 1)
    assert after["first"]["preference"] > before["first"]["preference"] + 0.1
    assert _fall(before, after, "second", "never") < 0.02
    second: Sequence[Example] = new_rows([*changed(SECOND, 2, range(6)), *modules(2)], first)
    assert {row.family for row in second if row.kind == "preference"} == {row.family for row in changed(SECOND, 2, [0])}
    assert len([row for row in second if row.kind == "text"]) == len(SECOND), "unchanged modules aren't new"
    start = Start(one, first, 0.6)
    two = RECIPE.train(base, second, general(), tmp_path / "two", start=start, threads=1)["text"].folder
    earlier, later = _measured(base, one, 2), _measured(base, two, 2)
    assert later["second"]["preference"] > earlier["second"]["preference"] + 0.1
    assert _fall(earlier, later, "first", "never") < 0.02


def _fall(before: Measured, after: Measured, *groups: str) -> float:
    """By how much preference fell over groups of families, on average over the groups."""
    return sum(before[name]["preference"] - after[name]["preference"] for name in groups) / len(groups)
