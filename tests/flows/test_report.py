"""The page of a run: it shows what the gate decided by, whatever the domain's file says by now."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from flows.house import open_house
from flows.report import started, write_report
from flows.summary import read_summary
from registry.records import Adapter, Report, Run, Score

TABLE = '[[library]]\nname = "lib"\nversions = ["1", "2"]\n'


@pytest.mark.parametrize("told", [True, False])
def test_page_shows_the_goal_that_was_decided_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """Another metric in the file since then changes nothing; where the goal wasn't written down it is the file's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    path = tmp_path / "lib.toml"
    path.write_text(TABLE)
    run = Run(snapshot="s", base="b", base_revision="r", recipe={}, seed=0, domain="lib")
    made = [
        Report(
            run=run.id, arm="adapter-base", split=split, metric=metric, domain="lib", value=0.1, decision="rejected",
            reason="Rejected"
        )
        for split, metric in (("context", "choice@1"), ("symbol", "preference"))
    ]  # fmt: skip
    scores = [
        Score(run=run.id, arm=arm, split=row.split, metric=row.metric, item="i", family="f", value=value)
        for row in made
        for arm, value in (("base", 0.0), ("adapter", 1.0))
    ]
    goal = {"run": run.id, "split": "context", "metric": "choice@1"} if told else {}
    with closing(open_house(str(path))) as house:
        house.finish("evaluate", "gate@5", ["k"], [run, *made, *scores], time.monotonic(), goal)
    path.write_text(f'{TABLE}[gate]\nmetric = "preference"\nsplit = "symbol"\n')
    write_report(str(path), "", tmp_path / "page.html", as_json=False)
    page = (tmp_path / "page.html").read_text()
    assert ("Wins and losses by family: choice@1 on context" in page) == told
    assert ("Wins and losses by family: preference on symbol" in page) != told


def test_what_an_earlier_decision_measured_beside_is_no_part_of_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked in a smaller window, fewer rows are measured: report, page and summary show these, and that decision."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    path = tmp_path / "lib.toml"
    path.write_text(TABLE)
    run = Run(snapshot="s", base="b", base_revision="r", recipe={}, seed=0, domain="lib")
    of = {"run": run.id, "split": "context", "metric": "choice@1"}
    with closing(open_house(str(path))) as house:
        house.append([run])
        for decision, arms in (("publish", ("adapter", "adapter+docs")), ("undecided", ("adapter",))):
            made = [Report(arm=arm, domain="lib", value=0.1, decision=decision, reason="r", **of) for arm in arms]
            items = [Score(arm=arm, item=f"{decision} site", family="f", value=1.0, **of) for arm in ("base", *arms)]
            house.finish("evaluate", "gate@6", [decision], [*made, *items], time.monotonic(), of)
        summary = read_summary(house.lake, "lib", ("1", "2"), tmp_path)
    assert [(row["arm"], row["decision"]) for row in summary.report] == [("adapter", "undecided")]
    write_report(str(path), "", None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["decision"], [row["arm"] for row in told["rows"]]) == ("undecided", ["adapter"])


def test_report_says_what_a_run_goes_on_from_and_what_it_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The adapter by its name, what `dev` said of both starts, seconds and money; as a page and as an object."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    path = tmp_path / "lib.toml"
    path.write_text(TABLE)
    first = Adapter(
        domain="lib", version=1, files=[], library_range="", base="b", base_revision="r", fingerprint="f", snapshot="s",
        run="r",
    )  # fmt: skip
    warm = {"start": "warm", "from": first.id, "rehearsal": "0.25", "metric": "choice@1"}
    recipe = {**warm, "dev": {"fresh": None, "warm": "0.7000"}}
    run = Run(snapshot="s", base="b", base_revision="r", recipe=recipe, seed=0, domain="lib", seconds=7200.0, cost=5.5)
    of = {"run": run.id, "split": "context", "metric": "choice@1"}
    row = Report(arm="adapter-base", domain="lib", value=0.1, decision="publish", reason="r", **of)
    with closing(open_house(str(path))) as house:
        house.append([run, first])
        house.finish("evaluate", "gate@8", ["k"], [row], time.monotonic() - 90, of)
    write_report(str(path), "", tmp_path / "page.html", as_json=False)
    page = (tmp_path / "page.html").read_text()
    begun = "on from lib@v1, rehearsing 25% of earlier rows; both starts were tried"
    for said in (f"{begun}, and dev has choice@1 fresh not measured, warm 0.7000", "0 in 7,200 s", "5.50", "90 s"):
        assert f"{said}</code>" in page
    capsys.readouterr()
    write_report(str(path), "", None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["start"], told["started_from"], told["cost"]) == ("warm", "lib@v1", 5.5)
    assert started({"merged": None, "started_from": None, "dev": None}) == "afresh"
    assert started({"merged": ["lib@v1", "x@v2"], "started_from": None}) == "merged of lib@v1, x@v2"
