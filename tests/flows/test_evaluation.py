"""Decisions on one held-out set are counted, so that trying until it passes doesn't work."""

from __future__ import annotations

from pathlib import Path

from flows.evaluation import decisions_before
from registry.lake import Lake
from registry.records import Record, Report, Run, Score


def decided(run: str, items: set[str], domain: str = "lib") -> list[Record]:
    """A run's report row and its base arm's scores."""
    report = Report(
        run=run, arm="base", split="context", metric="choice@1", domain=domain, decision="rejected", reason="no"
    )
    scores = [
        Score(run=run, arm="base", split="context", metric="choice@1", item=i, family="f", value=0.0)
        for i in sorted(items)
    ]
    return [report, *scores]


def test_only_other_runs_on_the_same_items_count(tmp_path: Path) -> None:
    """The run itself, another domain's, and one on other items don't count; two on the same items do."""
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    same = {"a", "b"}
    for rows in (
        decided("1", same), decided("2", same), decided("3", {"a"}), decided("4", same, "other"), decided("5", same)
    ):  # fmt: skip
        lake.append(rows)
    assert decisions_before(lake, "lib", "5", same, "context", "choice@1") == 2
    assert decisions_before(lake, "lib", "5", {"c"}, "context", "choice@1") == 0


def test_trainings_on_shuffled_rows_do_not_count(tmp_path: Path) -> None:
    """Other settings that were tried count; a null experiment, which can't be run as the domain's own, doesn't."""
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    for recipe in ({"experiment": True}, {"experiment": True, "shuffle": True}):
        run = Run(snapshot="s", base="b", base_revision="r", recipe=recipe, seed=1, domain="lib", experiment=True)
        lake.append([run, *decided(run.id, {"a"})])
    assert decisions_before(lake, "lib", "5", {"a"}, "context", "choice@1") == 1
